/* Internal to runtime/: names of architectures and system calls to numbers, by libseccomp's tables and a few younger
 * entries of our own. */
#ifndef DORY_RUNTIME_SECCOMP_NAMES_H
#define DORY_RUNTIME_SECCOMP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECCOMP_MUXED 32
struct seccomp_abi {
    uint32_t token;      /* libseccomp's SCMP_ARCH_* */
    uint32_t audit_arch; /* what the kernel tells the filter; x32 shares it with x86_64 */
    bool is_64;          /* arguments */
    uint32_t base;       /* added to the numbers that all architectures have in common (424 and up) */
    long socketcall;     /* number of the call that stands for all socket calls, -1: there is none */
    long ipc;
    short direct[SECCOMP_MUXED]; /* numbers of the calls that can be made through those two as well, -1: only so */
};

/* "SCMP_ARCH_X86_64", or NULL for the machine's own. False: unknown. */
bool seccomp_abi_find(const char *name, struct seccomp_abi *ret);

/* Most numbers that one name has on one architecture. */
#define SECCOMP_NUMBERS 2
struct seccomp_number {
    uint32_t number;
    bool muxed; /* through socketcall or ipc: argument 0 must be `selector` */
    uint32_t selector;
};
/* Count of numbers that the name has there: none when it is unknown or of other architectures only. */
size_t seccomp_numbers_of(const struct seccomp_abi *abi, const char *name, struct seccomp_number ret[SECCOMP_NUMBERS]);

#endif
