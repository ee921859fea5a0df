/*
 * Docker's default seccomp profile as a table: what is allowed to everybody, what a capability or an architecture adds.
 * Everything else fails with EPERM, so programs see a missing permission and not a crash. Names that an architecture
 * does not have are skipped when the program is compiled.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/seccomp.h"

/* Flags of clone(2) that make namespaces: CLONE_NEWNS CGROUP UTS IPC USER PID NET. */
#define CLONE_NAMESPACES                                                                                               \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Blank-separated, by what they are about. */
static const char *const everybody[] = {
    /* files and directories */
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 "
    "fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 "
    "fdatasync "
    "flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 "
    "ioctl lchown lchown32 link linkat _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at "
    "newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead "
    "readlink "
    "readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx "
    "symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat "
    "utimensat_time64 utimes vmsplice write writev statmount listmount cachestat",
    /* extended attributes */
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr "
    "lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat",
    /* watching and waiting */
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd "
    "eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy "
    "io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6 "
    "pselect6_time64 select signalfd signalfd4",
    /* memory */
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 "
    "mprotect "
    "mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages",
    /* processes, threads, signals */
    "capget capset execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv "
    "futex_wake getcpu getpgid getpgrp getpid getppid getpriority get_robust_list getrusage getsid get_thread_area "
    "gettid "
    "ioprio_get ioprio_set kill pause pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq rt_sigaction "
    "rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
    "rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
    "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
    "sched_setparam sched_setscheduler sched_yield seccomp setpgid setpriority set_robust_list setsid set_thread_area "
    "set_tid_address sigaltstack sigprocmask sigreturn tgkill tkill uretprobe vfork wait4 waitid waitpid getrlimit "
    "setrlimit ugetrlimit",
    /* identity */
    "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid "
    "getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 "
    "setregid "
    "setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
    /* sockets and System V and POSIX ipc */
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 "
    "recvmsg "
    "send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair ipc mq_getsetattr mq_notify mq_open "
    "mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd "
    "semctl "
    "semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget",
    /* time; setting the clock still needs its capability */
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
    "clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete "
    "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 timer_getoverrun timer_gettime "
    "timer_gettime64 timer_settime timer_settime64 times",
    /* the rest */
    "getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self riscv_hwprobe sysinfo uname "
    /* safe since Linux 4.8, where a tracer can no longer talk a filtered process past its filter */
    "process_vm_readv process_vm_writev ptrace",
#if defined(__x86_64__) || defined(__i386__)
    "arch_prctl modify_ldt",
#elif defined(__aarch64__) || defined(__arm__)
    "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
#elif defined(__powerpc64__)
    "sync_file_range2 swapcontext",
#elif defined(__riscv)
    "riscv_flush_icache",
#endif
};

static const struct {
    int capability;
    const char *names;
} with_capability[] = {
    {CAP_DAC_READ_SEARCH, "open_by_handle_at"},
    {CAP_SYS_ADMIN,
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules "
     "lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname "
     "sethostname setns syslog umount umount2 unshare"},
    {CAP_SYS_BOOT, "reboot"},
    {CAP_SYS_CHROOT, "chroot"},
    {CAP_SYS_MODULE, "delete_module init_module finit_module"},
    {CAP_SYS_PACCT, "acct"},
    {CAP_SYS_PTRACE, "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {CAP_SYS_RAWIO, "iopl ioperm"},
    {CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64"},
    {CAP_SYS_TTY_CONFIG, "vhangup"},
    {CAP_SYS_NICE, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {CAP_SYSLOG, "syslog"},
    {CAP_BPF, "bpf"},
    {CAP_PERFMON, "perf_event_open"},
};

/* Socket families beyond the first dozen that are allowed: not VSOCK, which leads to the host of a virtual machine, not
 * ALG, whose code had too many holes, nor the extinct ones. */
static const unsigned char socket_families[] = {13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29,
                                                30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45};
/* personality(2): Linux, Linux32, both with ADDR_NO_RANDOMIZE... as debuggers and 32-bit containers need, and "ask". */
static const uint64_t personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

static struct oci_seccomp_rule *add_rule(struct oci_seccomp *out, const char *names, const char *action)
{
    /* The tables of the rule and its arguments are reached through the profile's own. */
    const struct json_table *table = NULL;
    for (size_t i = 0; i < oci_seccomp_table.count; i++)
        if (strcmp(oci_seccomp_table.fields[i].name, "syscalls") == 0)
            table = oci_seccomp_table.fields[i].table;
    struct oci_seccomp_rule *rule = oci_array_add(&out->syscalls, table);
    strv_split(&rule->names, names, ' ');
    rule->action = xstrdup(action);
    return rule;
}

static void add_argument(struct oci_seccomp_rule *rule, uint32_t index, const char *op, uint64_t value,
                         uint64_t value_two)
{
    rule->args.items = xreallocarray(rule->args.items, rule->args.count + 1, sizeof(struct oci_seccomp_arg));
    struct oci_seccomp_arg *args = rule->args.items;
    args[rule->args.count++] =
        (struct oci_seccomp_arg){.index = index, .value = value, .value_two = value_two, .op = xstrdup(op)};
}

static void allow_if(struct oci_seccomp *out, const char *name, const char *op, uint64_t value, uint64_t value_two)
{
    add_argument(add_rule(out, name, "SCMP_ACT_ALLOW"), 0, op, value, value_two);
}

static void add_clone(struct oci_seccomp *out)
{
    /* Threads and processes, but no namespaces. The flags of clone3 are in memory where a filter cannot see them: it is
     * reported as missing, and programs fall back to clone. */
    allow_if(out, "clone", "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0);
    struct oci_seccomp_rule *clone3 = add_rule(out, "clone3", "SCMP_ACT_ERRNO");
    int64_t missing = ENOSYS;
    clone3->errno_ret = xmemdup(&missing, sizeof(missing));
}

void runtime_seccomp_default_spec(uint64_t capabilities, struct oci_seccomp *ret)
{
    json_table_release(&oci_seccomp_table, ret);
    int64_t refused = EPERM;
    ret->default_action = xstrdup("SCMP_ACT_ERRNO");
    ret->default_errno_ret = xmemdup(&refused, sizeof(refused));
#if defined(__x86_64__)
    strv_split(&ret->architectures, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32", ' ');
#elif defined(__aarch64__)
    strv_split(&ret->architectures, "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM", ' ');
#endif
    for (size_t i = 0; i < ARRAY_SIZE(everybody); i++)
        add_rule(ret, everybody[i], "SCMP_ACT_ALLOW");
    for (size_t i = 0; i < ARRAY_SIZE(with_capability); i++)
        if (capabilities >> with_capability[i].capability & 1)
            add_rule(ret, with_capability[i].names, "SCMP_ACT_ALLOW");
    if (!(capabilities >> CAP_SYS_ADMIN & 1))
        add_clone(ret);
    allow_if(ret, "socket", "SCMP_CMP_LT", 12, 0);
    for (size_t i = 0; i < ARRAY_SIZE(socket_families); i++)
        allow_if(ret, "socket", "SCMP_CMP_EQ", socket_families[i], 0);
    for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
        allow_if(ret, "personality", "SCMP_CMP_EQ", personalities[i], 0);
}

int runtime_seccomp_default(uint64_t capabilities, void **ret_bpf, size_t *ret_size, struct error *err)
{
    struct oci_seccomp profile = {0};
    unsigned flags;
    runtime_seccomp_default_spec(capabilities, &profile);
    int r = runtime_seccomp_compile(&profile, ret_bpf, ret_size, &flags, err);
    json_table_release(&oci_seccomp_table, &profile);
    return r;
}
