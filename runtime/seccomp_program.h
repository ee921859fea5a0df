/*
 * Internal to runtime/: seccomp rules that are resolved to numbers, turned into classic BPF (seccomp(2), and the
 * kernel's networking/filter.rst). Pure: no file, no library, no system call.
 *
 * The program loads the architecture, then the number of the system call, and finds what to do with it by a binary
 * search over ranges of numbers that are treated alike: some ten comparisons, where a list has hundreds. The kernel
 * converts, compiles and, for each number, interprets a filter when it is loaded, so its length is part of every
 * container's start.
 */
#ifndef DORY_RUNTIME_SECCOMP_PROGRAM_H
#define DORY_RUNTIME_SECCOMP_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SECCOMP_ARGUMENTS 6

enum seccomp_op {
    SECCOMP_OP_EQ,
    SECCOMP_OP_NE,
    SECCOMP_OP_LT,
    SECCOMP_OP_LE,
    SECCOMP_OP_GE,
    SECCOMP_OP_GT,
    SECCOMP_OP_MASKED_EQ, /* argument & mask == value */
};

struct seccomp_condition {
    unsigned argument; /* below SECCOMP_ARGUMENTS */
    enum seccomp_op op;
    uint64_t value, mask;
};

/* All conditions hold: the action is taken. */
struct seccomp_rule {
    uint32_t number; /* of the system call, as the kernel shows it to the filter */
    uint32_t action; /* SECCOMP_RET_* with its data */
    size_t order;    /* earlier ones win, but one without conditions wins over all others of its number */
    bool is_64;      /* arguments have 64 bits; else their lower 32 are looked at */
    const struct seccomp_condition *conditions;
    size_t condition_count;
};

/* Numbers from `start` on, until the next span, that no rule names. */
struct seccomp_span {
    uint32_t start, action;
};

struct seccomp_architecture {
    uint32_t audit_arch; /* AUDIT_ARCH_* of linux/audit.h */
    struct seccomp_rule *rules;
    size_t rule_count, rule_capacity;
    struct seccomp_span spans[6]; /* ascending; the first starts at 0 */
    size_t span_count;
};

/*
 * *ret: struct sock_filter[] of *ret_size bytes, the caller frees it. Architectures that come first are reached first;
 * those that are not in the list get `other`. Sorts the rules. ERROR_INVALID (E2BIG) above the kernel's 4096
 * instructions.
 */
int seccomp_program_build(struct seccomp_architecture *architectures, size_t count, uint32_t other, void **ret,
                          size_t *ret_size, struct error *err);

#endif
