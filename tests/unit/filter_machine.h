/* A machine for classic BPF as seccomp uses it: what the kernel would answer. Include it after cmocka.h. */
#ifndef DORY_TESTS_FILTER_MACHINE_H
#define DORY_TESTS_FILTER_MACHINE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t filter_run(const void *program, size_t size, const struct seccomp_data *data)
{
    const struct sock_filter *p = program;
    uint32_t a = 0;
    for (size_t pc = 0; pc < size / sizeof(*p); pc++) {
        const struct sock_filter *i = &p[pc];
        bool jump = BPF_CLASS(i->code) == BPF_JMP;
        bool yes = false;
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)data + i->k, 4);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i->k;
            break;
        case BPF_JMP | BPF_JA:
            pc += i->k;
            jump = false;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            yes = a == i->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            yes = a >= i->k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            yes = a > i->k;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            fail_msg("instruction 0x%x", i->code);
        }
        if (jump)
            pc += yes ? i->jt : i->jf;
    }
    fail_msg("ran off the end");
    return 0;
}

#endif
