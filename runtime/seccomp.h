/*
 * Seccomp profiles to classic BPF, with libseccomp. For doryd and dory-runtime only: the shim is handed the finished
 * program. Pure functions of their input: the caller keeps the result for as long as it likes.
 */
#ifndef DORY_RUNTIME_SECCOMP_H
#define DORY_RUNTIME_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/spec.h"

/*
 * Docker's default profile for a process whose bounding set is `capabilities` (bit N: capability N). *ret_bpf is an
 * array of struct sock_filter of *ret_size bytes; the caller frees it.
 */
int runtime_seccomp_default(uint64_t capabilities, void **ret_bpf, size_t *ret_size, struct error *err);

/*
 * linux.seccomp of a spec. ERROR_INVALID for unknown actions, operators, flags and architectures, with the JSON path
 * below "seccomp"; names of system calls that nobody knows are skipped, as runc does. Conditions, and what they mean
 * together, are as libseccomp has them. *ret_flags: SECCOMP_FILTER_FLAG_* for seccomp(2), with NEW_LISTENER when a rule
 * notifies.
 */
int runtime_seccomp_compile(const struct oci_seccomp *seccomp, void **ret_bpf, size_t *ret_size, unsigned *ret_flags,
                            struct error *err);

/*
 * A profile file as docker's --security-opt seccomp=FILE takes it: the OCI form plus archMap, and per rule includes and
 * excludes by capability, architecture and kernel version. *ret is zeroed or a former value.
 */
int runtime_seccomp_parse_docker(const char *text, size_t size, uint64_t capabilities, struct oci_seccomp *ret,
                                 struct error *err);
/* The default profile in the OCI form, for other runtimes: released with json_table_release(&oci_seccomp_table, ret).
 */
void runtime_seccomp_default_spec(uint64_t capabilities, struct oci_seccomp *ret);

/* What `features` tells: names that are known. Both end with an empty entry. */
#define RUNTIME_SECCOMP_ACTIONS 9
extern const char *const runtime_seccomp_actions[RUNTIME_SECCOMP_ACTIONS + 1];
struct runtime_seccomp_flag {
    const char *name;
    unsigned flag;
};
#define RUNTIME_SECCOMP_FLAGS 4
extern const struct runtime_seccomp_flag runtime_seccomp_flags[RUNTIME_SECCOMP_FLAGS + 1];

#endif
