/*
 * Our programs, system call by system call: for docker's profile against those of libseccomp, which wrote them before;
 * for profiles made at random against the rules themselves (libseccomp 2.5.4 loses some of those).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_names.h"
#include "tests/unit/filter_machine.h"

#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)
#define X32_BIT 0x40000000U
#define NUMBERS 600 /* of system calls that are tried: more than there are */

/* ---- the same profile through libseccomp ---- */

static uint32_t action_of(const char *name, const int64_t *errno_ret)
{
    uint32_t number = errno_ret != NULL ? (uint32_t)*errno_ret : EPERM;
    if (strcmp(name, "SCMP_ACT_ALLOW") == 0)
        return SCMP_ACT_ALLOW;
    if (strcmp(name, "SCMP_ACT_LOG") == 0)
        return SCMP_ACT_LOG;
    if (strcmp(name, "SCMP_ACT_TRAP") == 0)
        return SCMP_ACT_TRAP;
    if (strcmp(name, "SCMP_ACT_KILL_PROCESS") == 0)
        return SCMP_ACT_KILL_PROCESS;
    if (strcmp(name, "SCMP_ACT_TRACE") == 0)
        return SCMP_ACT_TRACE(number);
    assert_string_equal(name, "SCMP_ACT_ERRNO");
    return SCMP_ACT_ERRNO(number);
}

static enum scmp_compare op_of(const char *name)
{
    static const char *const names[] = {"",
                                        "SCMP_CMP_NE",
                                        "SCMP_CMP_LT",
                                        "SCMP_CMP_LE",
                                        "SCMP_CMP_EQ",
                                        "SCMP_CMP_GE",
                                        "SCMP_CMP_GT",
                                        "SCMP_CMP_MASKED_EQ"};
    for (int i = 1; i < (int)ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum scmp_compare)i;
    fail_msg("operator %s", name);
    return SCMP_CMP_EQ;
}

static void add_reference_rule(scmp_filter_ctx context, uint32_t action, int number, struct scmp_arg_cmp *args,
                               unsigned count)
{
    int r = seccomp_rule_add_array(context, action, number, count, args);
    if (r < 0 && r != -EACCES && r != -EEXIST && r != -EDOM)
        fail_msg("libseccomp: %s", strerror(-r));
}

static void add_reference(scmp_filter_ctx context, const struct oci_seccomp_rule *rule)
{
    const struct oci_seccomp_arg *items = rule->args.items;
    struct scmp_arg_cmp args[16];
    bool repeated = false;
    for (size_t i = 0; i < rule->args.count; i++) {
        args[i] = (struct scmp_arg_cmp){
            .arg = items[i].index, .op = op_of(items[i].op), .datum_a = items[i].value, .datum_b = items[i].value_two};
        for (size_t k = 0; k < i; k++)
            repeated = repeated || items[k].index == items[i].index;
    }
    uint32_t action = action_of(rule->action, rule->errno_ret);
    for (size_t i = 0; i < rule->names.count; i++) {
        int number = seccomp_syscall_resolve_name(rule->names.items[i]);
        if (number == __NR_SCMP_ERROR)
            continue;
        if (!repeated)
            add_reference_rule(context, action, number, args, (unsigned)rule->args.count);
        for (size_t k = 0; repeated && k < rule->args.count; k++)
            add_reference_rule(context, action, number, &args[k], 1);
    }
}

static void reference(const struct oci_seccomp *profile, void **ret, size_t *ret_size)
{
    scmp_filter_ctx context = seccomp_init(action_of(profile->default_action, profile->default_errno_ret));
    assert_non_null(context);
    for (size_t i = 0; i < profile->architectures.count; i++) {
        char lower[32];
        snprintf(lower, sizeof(lower), "%s", profile->architectures.items[i] + strlen("SCMP_ARCH_"));
        for (char *p = lower; *p != '\0'; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        int r = seccomp_arch_add(context, seccomp_arch_resolve_name(lower));
        assert_true(r == 0 || r == -EEXIST);
    }
    const struct oci_seccomp_rule *rules = profile->syscalls.items;
    for (size_t i = 0; i < profile->syscalls.count; i++)
        add_reference(context, &rules[i]);
    CLEANUP_CLOSE int fd = memfd_create("reference", MFD_CLOEXEC);
    assert_int_equal(seccomp_export_bpf(context, fd), 0);
    seccomp_release(context);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    char *data;
    assert_int_equal(fd_read_all(fd, 1 << 20, &data, ret_size), 0);
    *ret = data;
}

/* ---- the rules themselves ---- */

static bool holds(const struct oci_seccomp_arg *arg, const struct seccomp_data *data, bool is_64)
{
    uint64_t mask = is_64 ? UINT64_MAX : UINT32_MAX;
    uint64_t have = data->args[arg->index] & mask, value = arg->value & mask;
    switch (op_of(arg->op)) {
    case SCMP_CMP_NE:
        return have != value;
    case SCMP_CMP_LT:
        return have < value;
    case SCMP_CMP_LE:
        return have <= value;
    case SCMP_CMP_EQ:
        return have == value;
    case SCMP_CMP_GE:
        return have >= value;
    case SCMP_CMP_GT:
        return have > value;
    default:
        return (have & value) == (arg->value_two & value);
    }
}

/* One rule for one number; comparisons of the same argument are alternatives. */
static bool rule_holds(const struct oci_seccomp_rule *rule, const struct seccomp_data *data, bool is_64,
                       const struct seccomp_number *number)
{
    const struct oci_seccomp_arg *args = rule->args.items;
    bool repeated = false, all = true, any = false;
    for (size_t i = 0; i < rule->args.count; i++) {
        for (size_t k = 0; k < i; k++)
            repeated = repeated || args[i].index == args[k].index;
        bool one = holds(&args[i], data, is_64) || (number->muxed && args[i].index == 0);
        all = all && one;
        any = any || one;
    }
    return (repeated ? any : all) && (!number->muxed || (uint32_t)data->args[0] == number->selector);
}

/* Which rule speaks of which number on one ABI, in the rules' order. */
struct mention {
    const struct oci_seccomp_rule *rule;
    struct seccomp_number number;
};

static size_t find_mentions(const struct oci_seccomp *profile, const struct seccomp_abi *abi, struct mention **ret)
{
    struct mention *out = NULL;
    size_t count = 0, capacity = 0;
    const struct oci_seccomp_rule *rules = profile->syscalls.items;
    for (size_t i = 0; i < profile->syscalls.count; i++)
        for (size_t k = 0; k < rules[i].names.count; k++) {
            struct seccomp_number numbers[SECCOMP_NUMBERS];
            size_t n = seccomp_numbers_of(abi, rules[i].names.items[k], numbers);
            for (size_t m = 0; m < n; m++) {
                xgrow((void **)&out, count, &capacity, sizeof(*out));
                out[count++] = (struct mention){&rules[i], numbers[m]};
            }
        }
    *ret = out;
    return count;
}

static uint32_t expected(const struct mention *mentions, size_t count, const struct seccomp_abi *abi,
                         const struct seccomp_data *data, uint32_t otherwise)
{
    for (size_t i = 0; i < count; i++)
        if (mentions[i].number.number == (uint32_t)data->nr &&
            rule_holds(mentions[i].rule, data, abi->is_64, &mentions[i].number))
            return action_of(mentions[i].rule->action, mentions[i].rule->errno_ret);
    return otherwise;
}

/* ---- comparison ---- */

static uint64_t random_state;
static uint32_t next_random(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/* Values around everything that the profile compares with. */
static uint64_t some_value(const struct oci_seccomp *profile)
{
    const struct oci_seccomp_rule *rules = profile->syscalls.items;
    uint64_t value = next_random(4) == 0 ? (uint64_t)next_random(1u << 31) << next_random(33) : next_random(50);
    for (size_t tries = 0; tries < 8 && profile->syscalls.count > 0; tries++) {
        const struct oci_seccomp_rule *rule = &rules[next_random((uint32_t)profile->syscalls.count)];
        if (rule->args.count == 0)
            continue;
        const struct oci_seccomp_arg *arg =
            (const struct oci_seccomp_arg *)rule->args.items + next_random((uint32_t)rule->args.count);
        value = (next_random(4) == 0 ? arg->value_two : arg->value) + next_random(3) - 1;
        value ^= next_random(8) == 0 ? (uint64_t)1 << next_random(64) : 0;
        break;
    }
    return value;
}

static const char *name_of(uint32_t token)
{
    return token == SCMP_ARCH_X86 ? "SCMP_ARCH_X86" : token == SCMP_ARCH_X32 ? "SCMP_ARCH_X32" : "SCMP_ARCH_NATIVE";
}

static void compare(const struct oci_seccomp *profile, uint32_t token, uint32_t audit_arch, uint32_t base,
                    unsigned samples, bool with_library)
{
    struct seccomp_abi abi;
    assert_true(seccomp_abi_find(name_of(token), &abi));
    struct error err = {0};
    void *ours = NULL, *theirs = NULL;
    size_t our_size = 0, their_size = 0;
    unsigned flags;
    if (runtime_seccomp_compile(profile, &ours, &our_size, &flags, &err) < 0)
        fail_msg("%s", err.message);
    if (with_library)
        reference(profile, &theirs, &their_size);
    uint32_t otherwise = action_of(profile->default_action, profile->default_errno_ret);
    bool missing = (otherwise & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ||
                   (otherwise & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRAP ||
                   (otherwise & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_PROCESS;
    CLEANUP_FREE struct mention *mentions = NULL;
    size_t mention_count = find_mentions(profile, &abi, &mentions);
    uint32_t last = 0;
    for (size_t i = 0; i < mention_count; i++)
        last = mentions[i].number.number > last ? mentions[i].number.number : last;
    for (uint32_t number = base; number < base + NUMBERS; number++)
        for (unsigned k = 0; k < samples; k++) {
            struct seccomp_data data = {.nr = (int)number, .arch = audit_arch};
            for (size_t i = 0; i < 6; i++)
                data.args[i] = some_value(profile);
            uint32_t want = with_library ? filter_run(theirs, their_size, &data)
                                         : expected(mentions, mention_count, &abi, &data, otherwise);
            uint32_t have = filter_run(ours, our_size, &data);
            if (missing && last > 0 && number > last)
                want = MISSING;
            if (want == have)
                continue;
            /* Younger than this libseccomp: it cannot know. */
            CLEANUP_FREE char *name = seccomp_syscall_resolve_num_arch(token, (int)number);
            if (with_library && name == NULL && number - base >= 424)
                continue;
            fail_msg("system call %u (%s) of %x with %llx %llx %llx: 0x%x and not 0x%x", number, name, audit_arch,
                     (unsigned long long)data.args[0], (unsigned long long)data.args[1],
                     (unsigned long long)data.args[2], have, want);
        }
    free(ours);
    free(theirs);
}

static void compare_everywhere(const struct oci_seccomp *profile, unsigned samples, bool with_library)
{
    compare(profile, seccomp_arch_native(), seccomp_arch_native(), 0, samples, with_library);
#if defined(__x86_64__)
    compare(profile, SCMP_ARCH_X86, SCMP_ARCH_X86, 0, samples, with_library);
    compare(profile, SCMP_ARCH_X32, SCMP_ARCH_X86_64, X32_BIT, samples, with_library);
#endif
}

static void the_default_profile_means_what_libseccomp_makes_of_it(void **state)
{
    (void)state;
    struct oci_seccomp profile = {0};
    random_state = 1;
    runtime_seccomp_default_spec(UINT64_C(0xa80425fb), &profile);
    compare_everywhere(&profile, 8, true);
    runtime_seccomp_default_spec(UINT64_C(1) << CAP_SYS_ADMIN, &profile);
    compare_everywhere(&profile, 8, true);
    json_table_release(&oci_seccomp_table, &profile);
}

static void the_default_program_is_short(void **state)
{
    (void)state;
    void *p = NULL;
    size_t size = 0;
    struct error err = {0};
    assert_int_equal(runtime_seccomp_default(UINT64_C(0xa80425fb), &p, &size, &err), 0);
    print_message("the default profile: %zu instructions\n", size / sizeof(struct sock_filter));
    assert_true(size / sizeof(struct sock_filter) < 500);
    free(p);
}

/* ---- random profiles ---- */

static const char *const names[] = {
    "socket",  "read",       "ioctl", "semop", "clone",      "personality", "openat",  "prctl",   "stat64",   "shmat",
    "connect", "socketcall", "mseal", "write", "nosuchcall", "close_range", "waitpid", "chown32", "recvmmsg", "msgctl"};
static const char *const ops[] = {"EQ", "MASKED_EQ", "NE", "LT", "LE", "GE", "GT"};

/* `single`: names that no other rule has, one comparison for equality per argument, small values. */
static void add_random_rule(struct strbuf *out, const char *action, uint32_t order, bool single)
{
    strbuf_addf(out, "%s{\"names\":[", order > 0 ? "," : "");
    for (uint32_t i = 0, n = single ? 1 : 1 + next_random(3); i < n; i++)
        strbuf_addf(out, "%s\"%s\"", i > 0 ? "," : "",
                    names[single ? order % ARRAY_SIZE(names) : next_random(ARRAY_SIZE(names))]);
    strbuf_addf(out, "],\"action\":\"%s\",\"args\":[", action);
    for (uint32_t i = 0, n = next_random(4); i < n; i++) {
        uint64_t value = next_random(5) == 0 ? (uint64_t)next_random(1u << 30) << next_random(34) : next_random(12);
        value = single ? (uint32_t)value : value;
        uint64_t two = value & next_random(255);
        strbuf_addf(out, "%s{\"index\":%u,\"value\":%llu,\"valueTwo\":%llu,\"op\":\"SCMP_CMP_%s\"}", i > 0 ? "," : "",
                    single ? i : next_random(3), (unsigned long long)value, (unsigned long long)two,
                    ops[next_random(single ? 2 : ARRAY_SIZE(ops))]);
    }
    strbuf_addf(out, "]}");
}

static void random_profile(unsigned round, bool single, struct oci_seccomp *profile)
{
    static const char *const defaults[] = {"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_KILL_PROCESS",
                                           "SCMP_ACT_TRACE", "SCMP_ACT_LOG"};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct error err = {0};
    const char *otherwise = defaults[round % ARRAY_SIZE(defaults)];
    random_state = 1000 + round;
    strbuf_addf(&text, "{\"defaultAction\":\"%s\",", otherwise);
#if defined(__x86_64__)
    strbuf_addf(&text, "\"architectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_X86_64\"],");
#endif
    strbuf_addf(&text, "\"syscalls\":[");
    for (uint32_t i = 0, n = 1 + next_random(18); i < n; i++)
        add_random_rule(&text, round % 2 == 0 ? "SCMP_ACT_TRAP" : "SCMP_ACT_ERRNO", i, single);
    strbuf_addf(&text, "]}");
    if (json_table_decode_text(&oci_seccomp_table, text.data, text.size, profile, &err) < 0)
        fail_msg("%s: %s", err.message, text.data);
}

static void rules_with_conditions_mean_what_they_say(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        struct oci_seccomp profile = {0};
        random_profile(round, round % 5 == 0, &profile);
        compare_everywhere(&profile, 6, false);
        json_table_release(&oci_seccomp_table, &profile);
    }
}

static void a_program_that_is_too_long_is_refused(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[");
    for (unsigned i = 0; i < 2000; i++)
        strbuf_addf(&text,
                    "%s{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,\"value\":%u,\"op\":"
                    "\"SCMP_CMP_EQ\"},{\"index\":2,\"value\":%u,\"op\":\"SCMP_CMP_NE\"}]}",
                    i > 0 ? "," : "", i, i * 7);
    strbuf_addf(&text, "]}");
    struct oci_seccomp profile = {0};
    struct error err = {0};
    void *p = NULL;
    size_t size;
    unsigned flags;
    assert_int_equal(json_table_decode_text(&oci_seccomp_table, text.data, text.size, &profile, &err), 0);
    assert_true(runtime_seccomp_compile(&profile, &p, &size, &flags, &err) < 0);
    assert_int_equal(err.kind, ERROR_INVALID);
    json_table_release(&oci_seccomp_table, &profile);
}

/* Thousands of numbers of one argument are a search, not a list. */
static void many_values_of_an_argument_fit(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[");
    for (unsigned i = 0; i < 1500; i++)
        strbuf_addf(&text,
                    "%s{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,\"value\":%u,\"op\":"
                    "\"SCMP_CMP_EQ\"}]}",
                    i > 0 ? "," : "", 3 * i);
    strbuf_addf(&text, "]}");
    struct oci_seccomp profile = {0};
    struct error err = {0};
    void *p = NULL;
    size_t size;
    unsigned flags;
    assert_int_equal(json_table_decode_text(&oci_seccomp_table, text.data, text.size, &profile, &err), 0);
    if (runtime_seccomp_compile(&profile, &p, &size, &flags, &err) < 0)
        fail_msg("%s", err.message);
    for (unsigned i = 0; i < 4600; i++) {
        struct seccomp_data data = {
            .nr = seccomp_syscall_resolve_name("ioctl"), .arch = seccomp_arch_native(), .args = {0, i}};
        uint32_t want = i % 3 == 0 && i < 4500 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM;
        if (filter_run(p, size, &data) != want)
            fail_msg("ioctl %u: 0x%x", i, filter_run(p, size, &data));
    }
    free(p);
    json_table_release(&oci_seccomp_table, &profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_profile_means_what_libseccomp_makes_of_it),
        cmocka_unit_test(the_default_program_is_short),
        cmocka_unit_test(rules_with_conditions_mean_what_they_say),
        cmocka_unit_test(a_program_that_is_too_long_is_refused),
        cmocka_unit_test(many_values_of_an_argument_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
