/* Seccomp programs, run here by a small machine for classic BPF instead of the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/memory.h"
#include "runtime/seccomp.h"
#include "tests/unit/filter_machine.h"

#define DEFAULT_CAPABILITIES UINT64_C(0xa80425fb)
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

static uint32_t call(const void *program, size_t size, int number, uint64_t arg0)
{
    struct seccomp_data data = {.nr = number, .arch = NATIVE, .args = {arg0}};
    return filter_run(program, size, &data);
}

static void the_default_profile_allows_work_and_refuses_the_kernels_dark_corners(void **state)
{
    (void)state;
    struct error err = {0};
    void *p = NULL;
    size_t n = 0;
    if (runtime_seccomp_default(DEFAULT_CAPABILITIES, &p, &n, &err) < 0)
        fail_msg("%s", err.message);
    static const int allowed[] = {SYS_read,  SYS_write,  SYS_execve,      SYS_exit_group, SYS_openat,
                                  SYS_mmap,  SYS_ptrace, SYS_capset,      SYS_setuid,     SYS_chroot,
                                  SYS_futex, SYS_statx,  SYS_close_range, SYS_openat2};
    static const int refused[] = {SYS_mount,
                                  SYS_umount2,
                                  SYS_unshare,
                                  SYS_setns,
                                  SYS_bpf,
                                  SYS_reboot,
                                  SYS_kexec_load,
                                  SYS_init_module,
                                  SYS_keyctl,
                                  SYS_add_key,
                                  SYS_swapon,
                                  SYS_acct,
                                  SYS_open_by_handle_at,
                                  SYS_perf_event_open,
                                  SYS_io_uring_setup,
                                  SYS_userfaultfd,
                                  SYS_settimeofday,
                                  SYS_syslog,
                                  SYS_pivot_root,
                                  SYS_fsopen,
                                  SYS_sethostname,
                                  SYS_mbind};
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (call(p, n, allowed[i], 0) != SECCOMP_RET_ALLOW)
            fail_msg("system call %d is not allowed: 0x%x", allowed[i], call(p, n, allowed[i], 0));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (call(p, n, refused[i], 0) != REFUSED)
            fail_msg("system call %d: 0x%x", refused[i], call(p, n, refused[i], 0));
    free(p);
}

static void arguments_decide_on_clone_personality_and_socket(void **state)
{
    (void)state;
    struct error err = {0};
    void *p = NULL;
    size_t n = 0;
    assert_int_equal(runtime_seccomp_default(DEFAULT_CAPABILITIES, &p, &n, &err), 0);
    assert_int_equal(call(p, n, SYS_clone, 0x11), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_clone, CLONE_NEWUSER | 0x11), REFUSED);
    assert_int_equal(call(p, n, SYS_clone, CLONE_NEWNET), REFUSED);
    assert_int_equal(call(p, n, SYS_clone3, 0), MISSING);
    assert_int_equal(call(p, n, SYS_personality, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_personality, 0x0400000), REFUSED);
    assert_int_equal(call(p, n, SYS_socket, 1), SECCOMP_RET_ALLOW);  /* UNIX */
    assert_int_equal(call(p, n, SYS_socket, 16), SECCOMP_RET_ALLOW); /* NETLINK */
    assert_int_equal(call(p, n, SYS_socket, 40), REFUSED);           /* VSOCK */
    assert_int_equal(call(p, n, SYS_socket, 38), REFUSED);           /* ALG */
    /* The kernel looks at 32 bits of it, so more must not slip past. */
    assert_int_equal(call(p, n, SYS_socket, 0x100000000ULL | 38), REFUSED);
    free(p);
}

static void capabilities_open_what_they_are_for(void **state)
{
    (void)state;
    struct error err = {0};
    void *p = NULL;
    size_t n = 0;
    assert_int_equal(runtime_seccomp_default(DEFAULT_CAPABILITIES | 1ULL << CAP_SYS_ADMIN, &p, &n, &err), 0);
    assert_int_equal(call(p, n, SYS_mount, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_clone, CLONE_NEWUSER), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_clone3, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_reboot, 0), REFUSED);
    free(p);
    assert_int_equal(runtime_seccomp_default(0, &p, &n, &err), 0);
    assert_int_equal(call(p, n, SYS_chroot, 0), REFUSED);
    free(p);
}

static void system_calls_of_the_future_are_missing_and_known_young_ones_allowed(void **state)
{
    (void)state;
    struct error err = {0};
    void *p = NULL;
    size_t n = 0;
    assert_int_equal(runtime_seccomp_default(DEFAULT_CAPABILITIES, &p, &n, &err), 0);
    assert_int_equal(call(p, n, 452, 0), SECCOMP_RET_ALLOW); /* fchmodat2 */
    assert_int_equal(call(p, n, 462, 0), SECCOMP_RET_ALLOW); /* mseal */
    assert_int_equal(call(p, n, 600, 0), MISSING);
    free(p);
}

#if defined(__x86_64__)
static void other_architectures_of_the_machine_are_filtered_too(void **state)
{
    (void)state;
    struct error err = {0};
    void *p = NULL;
    size_t n = 0;
    assert_int_equal(runtime_seccomp_default(DEFAULT_CAPABILITIES, &p, &n, &err), 0);
    struct seccomp_data i386 = {.nr = 21 /* mount */, .arch = AUDIT_ARCH_I386};
    assert_int_equal(filter_run(p, n, &i386), REFUSED);
    i386.nr = 3; /* read */
    assert_int_equal(filter_run(p, n, &i386), SECCOMP_RET_ALLOW);
    struct seccomp_data x32 = {.nr = 0x40000000 | SYS_mount, .arch = AUDIT_ARCH_X86_64};
    assert_int_equal(filter_run(p, n, &x32), REFUSED);
    free(p);
}
#endif

static void profiles_in_dockers_form_are_decided_by_capability_architecture_and_kernel(void **state)
{
    (void)state;
    static const char text[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\","
        "\"subArchitectures\":["
        "\"SCMP_ARCH_X86\"]},{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":null}],\"syscalls\":["
        "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
        "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
        "{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"s390\"]}},"
        "{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"99.0\"}},"
        "{\"names\":[\"ptrace\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"4.8\"}}]}";
    struct oci_seccomp profile = {0};
    struct error err = {0};
    void *p = NULL;
    size_t n = 0;
    unsigned flags;
    if (runtime_seccomp_parse_docker(text, strlen(text), DEFAULT_CAPABILITIES, &profile, &err) < 0 ||
        runtime_seccomp_compile(&profile, &p, &n, &flags, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(call(p, n, SYS_read, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_mount, 0), REFUSED);
    assert_int_equal(call(p, n, SYS_clone, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(p, n, SYS_write, 0), REFUSED);
    assert_int_equal(call(p, n, SYS_bpf, 0), REFUSED);
    assert_int_equal(call(p, n, SYS_ptrace, 0), SECCOMP_RET_ALLOW);
    free(p);
    json_table_release(&oci_seccomp_table, &profile);
}

static void malformed_profiles_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"defaultAction\":\"SCMP_ACT_NOPE\"}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_NOPE\"]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_NOPE\"]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\","
        "\"args\":["
        "{\"index\":0,\"value\":0,\"op\":\"NOPE\"}]}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\","
        "\"args\":["
        "{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\","
        "\"errnoRet\":70000}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"read\",\"names\":[\"write\"],"
        "\"action\":\"SCMP_ACT_ERRNO\"}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":7,\"action\":\"SCMP_ACT_ERRNO\"}]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct oci_seccomp profile = {0};
        struct error err = {0};
        void *p = NULL;
        size_t n = 0;
        unsigned flags;
        int r = runtime_seccomp_parse_docker(bad[i], strlen(bad[i]), 0, &profile, &err);
        r = r < 0 ? r : runtime_seccomp_compile(&profile, &p, &n, &flags, &err);
        if (r == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.kind, ERROR_INVALID);
        json_table_release(&oci_seccomp_table, &profile);
    }
    struct oci_seccomp profile = {0};
    struct error err = {0};
    assert_true(runtime_seccomp_parse_docker("{}", 2, 0, &profile, &err) < 0);
}

static void one_name_is_the_old_form_of_names(void **state)
{
    (void)state;
    static const char text[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
                               "{\"name\":\"chmod\",\"action\":\"SCMP_ACT_ERRNO\"},"
                               "{\"name\":\"chown\",\"names\":[],\"action\":\"SCMP_ACT_ERRNO\"},"
                               "{\"names\":null,\"name\":\"read\",\"action\":\"SCMP_ACT_ERRNO\"}]}";
    struct oci_seccomp profile = {0};
    struct error err = {0};
    assert_int_equal(runtime_seccomp_parse_docker(text, strlen(text), 0, &profile, &err), 0);
    const struct oci_seccomp_rule *rules = profile.syscalls.items;
    assert_int_equal(profile.syscalls.count, 3);
    assert_string_equal(rules[0].names.items[0], "chmod");
    assert_string_equal(rules[1].names.items[0], "chown");
    assert_string_equal(rules[2].names.items[0], "read");
    json_table_release(&oci_seccomp_table, &profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_is_the_old_form_of_names),
        cmocka_unit_test(the_default_profile_allows_work_and_refuses_the_kernels_dark_corners),
        cmocka_unit_test(arguments_decide_on_clone_personality_and_socket),
        cmocka_unit_test(capabilities_open_what_they_are_for),
        cmocka_unit_test(system_calls_of_the_future_are_missing_and_known_young_ones_allowed),
#if defined(__x86_64__)
        cmocka_unit_test(other_architectures_of_the_machine_are_filtered_too),
#endif
        cmocka_unit_test(profiles_in_dockers_form_are_decided_by_capability_architecture_and_kernel),
        cmocka_unit_test(malformed_profiles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
