#include "runtime/seccomp_names.h"

#include <ctype.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define X32_BIT 0x40000000U
/* Where the direct numbers of calls that were once reached through socketcall and ipc are found. */
#define DIRECT_FIRST 320
#define DIRECT_LAST 405

/* Younger than the libseccomp of some distribution. They have the same number everywhere, but for a base. */
static const struct {
    const char *name;
    uint32_t number;
} young[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},     {"listns", 470},
};

/* What socketcall(2) and ipc(2) take as their first argument. */
static const struct {
    const char *name;
    bool is_ipc;
    uint32_t selector;
} muxed[SECCOMP_MUXED] = {
    {"socket", false, 1},    {"bind", false, 2},        {"connect", false, 3},     {"listen", false, 4},
    {"accept", false, 5},    {"getsockname", false, 6}, {"getpeername", false, 7}, {"socketpair", false, 8},
    {"send", false, 9},      {"recv", false, 10},       {"sendto", false, 11},     {"recvfrom", false, 12},
    {"shutdown", false, 13}, {"setsockopt", false, 14}, {"getsockopt", false, 15}, {"sendmsg", false, 16},
    {"recvmsg", false, 17},  {"accept4", false, 18},    {"recvmmsg", false, 19},   {"sendmmsg", false, 20},
    {"semop", true, 1},      {"semget", true, 2},       {"semctl", true, 3},       {"semtimedop", true, 4},
    {"msgsnd", true, 11},    {"msgrcv", true, 12},      {"msgget", true, 13},      {"msgctl", true, 14},
    {"shmat", true, 21},     {"shmdt", true, 22},       {"shmget", true, 23},      {"shmctl", true, 24},
};

static const struct {
    uint32_t token;
    bool is_64;
    uint32_t base;
} abis[] = {
    {SCMP_ARCH_X86, false, 0},
    {SCMP_ARCH_X86_64, true, 0},
    {SCMP_ARCH_X32, false, X32_BIT},
    {SCMP_ARCH_ARM, false, 0},
    {SCMP_ARCH_AARCH64, true, 0},
    {SCMP_ARCH_MIPS, false, 4000},
    {SCMP_ARCH_MIPSEL, false, 4000},
    {SCMP_ARCH_MIPS64, true, 5000},
    {SCMP_ARCH_MIPSEL64, true, 5000},
    {SCMP_ARCH_MIPS64N32, false, 6000},
    {SCMP_ARCH_MIPSEL64N32, false, 6000},
    {SCMP_ARCH_PARISC, false, 0},
    {SCMP_ARCH_PARISC64, true, 0},
    {SCMP_ARCH_PPC, false, 0},
    {SCMP_ARCH_PPC64, true, 0},
    {SCMP_ARCH_PPC64LE, true, 0},
    {SCMP_ARCH_S390, false, 0},
    {SCMP_ARCH_S390X, true, 0},
    {SCMP_ARCH_RISCV64, true, 0},
};

/* libseccomp answers such names with a number of its own where they are muxed; the reverse way tells the kernel's. */
static void find_direct_numbers(struct seccomp_abi *abi)
{
    for (size_t i = 0; i < SECCOMP_MUXED; i++)
        abi->direct[i] = -1;
    if (abi->socketcall < 0 && abi->ipc < 0)
        return;
    for (int number = DIRECT_FIRST; number <= DIRECT_LAST; number++) {
        CLEANUP_FREE char *name = seccomp_syscall_resolve_num_arch(abi->token, number);
        for (size_t i = 0; name != NULL && i < SECCOMP_MUXED; i++)
            if (strcmp(muxed[i].name, name) == 0)
                abi->direct[i] = (short)number;
    }
}

bool seccomp_abi_find(const char *name, struct seccomp_abi *ret)
{
    static const char prefix[] = "SCMP_ARCH_";
    uint32_t token = 0;
    char lower[32] = "";
    if (name == NULL || strcmp(name, "SCMP_ARCH_NATIVE") == 0) {
        token = seccomp_arch_native();
    } else if (strncmp(name, prefix, sizeof(prefix) - 1) == 0) {
        for (size_t k = 0; k < sizeof(lower) - 1 && name[sizeof(prefix) - 1 + k] != '\0'; k++)
            lower[k] = (char)tolower((unsigned char)name[sizeof(prefix) - 1 + k]);
        token = seccomp_arch_resolve_name(lower);
    }
    for (size_t i = 0; token != 0 && i < ARRAY_SIZE(abis); i++) {
        if (abis[i].token != token)
            continue;
        *ret = (struct seccomp_abi){
            .token = token,
            .audit_arch = token == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : token,
            .is_64 = abis[i].is_64,
            .base = abis[i].base,
            .socketcall = seccomp_syscall_resolve_name_arch(token, "socketcall"),
            .ipc = seccomp_syscall_resolve_name_arch(token, "ipc"),
        };
        find_direct_numbers(ret);
        return true;
    }
    return false;
}

size_t seccomp_numbers_of(const struct seccomp_abi *abi, const char *name, struct seccomp_number ret[SECCOMP_NUMBERS])
{
    size_t count = 0;
    long number = seccomp_syscall_resolve_name_arch(abi->token, name);
    bool may_be_muxed = number < 0 || (number >= DIRECT_FIRST && number <= DIRECT_LAST);
    if (may_be_muxed && (abi->socketcall >= 0 || abi->ipc >= 0)) {
        for (size_t i = 0; i < SECCOMP_MUXED; i++) {
            long mux = muxed[i].is_ipc ? abi->ipc : abi->socketcall;
            if (mux < 0 || strcmp(muxed[i].name, name) != 0)
                continue;
            ret[count++] =
                (struct seccomp_number){.number = (uint32_t)mux, .muxed = true, .selector = muxed[i].selector};
            if (number < 0)
                number = abi->direct[i];
            break;
        }
    }
    if (number == __NR_SCMP_ERROR)
        for (size_t i = 0; i < ARRAY_SIZE(young); i++)
            if (strcmp(young[i].name, name) == 0)
                number = (long)(young[i].number + abi->base);
    if (number >= 0)
        ret[count++] = (struct seccomp_number){.number = (uint32_t)number};
    return count;
}
