/* The parts of runtime/cgroup*.c that touch no cgroup: paths, conversions, statistics' text, the device program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/cgroup.h"
#include "runtime/defaults.h"

static void paths_are_cleaned_and_those_that_climb_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char *path = NULL;
    assert_int_equal(cgroup_clean_path("//dory/./x/", &path, &err), 0);
    assert_string_equal(path, "dory/x");
    free(path);
    static const char *const bad[] = {"/a/../b", "..", "", "/", "system.slice:dory:x"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(cgroup_clean_path(bad[i], &path, &err) < 0);
}

static void shares_and_weights_convert_at_their_ends_and_default(void **state)
{
    (void)state;
    assert_int_equal(cgroup_weight_from_shares(0), 0);
    assert_int_equal(cgroup_weight_from_shares(1), 1);
    assert_int_equal(cgroup_weight_from_shares(2), 1);
    assert_int_equal(cgroup_weight_from_shares(1024), 39);
    assert_int_equal(cgroup_weight_from_shares(262144), 10000);
    assert_int_equal(cgroup_weight_from_shares(UINT64_MAX), 10000);
    assert_int_equal(cgroup_io_weight_from_blkio(10), 1);
    assert_int_equal(cgroup_io_weight_from_blkio(500), 4950);
    assert_int_equal(cgroup_io_weight_from_blkio(1000), 10000);
}

static void fields_are_found_by_their_whole_name(void **state)
{
    (void)state;
    static const char text[] = "oom_kill_disable 1\nunder_oom 0\noom_kill 7\n";
    assert_int_equal(cgroup_field(text, "oom_kill"), 7);
    assert_int_equal(cgroup_field(text, "under_oom"), 0);
    assert_int_equal(cgroup_field(text, "absent"), 0);
    assert_int_equal(cgroup_field("", "x"), 0);
}

static void io_is_read_per_device_and_operation_from_both_formats(void **state)
{
    (void)state;
    struct runtime_stats_detail d = {0};
    cgroup_stats_parse_blkio("8:0 Read 4096\n8:0 Write 10\n8:0 Total 4106\n259:3 Discard 7\nnonsense\nTotal 4106\n",
                             &d.io_bytes);
    assert_int_equal(d.io_bytes.count, 4);
    assert_int_equal(d.io_bytes.items[0].major, 8);
    assert_string_equal(d.io_bytes.items[0].operation, "Read");
    assert_int_equal(d.io_bytes.items[0].value, 4096);
    assert_int_equal(d.io_bytes.items[3].major, 259);
    assert_int_equal(d.io_bytes.items[3].minor, 3);
    assert_string_equal(d.io_bytes.items[3].operation, "Discard");
    runtime_stats_detail_release(&d);
    cgroup_stats_parse_io("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0 \n8:1 rbytes=9", &d.io_bytes,
                          &d.io_operations);
    assert_int_equal(d.io_bytes.count, 4);
    assert_int_equal(d.io_operations.count, 3);
    assert_int_equal(d.io_bytes.items[3].minor, 1);
    assert_int_equal(d.io_bytes.items[3].value, 9);
    assert_int_equal(d.io_operations.items[1].value, 4);
    runtime_stats_detail_release(&d);
}

static void pressure_is_read_where_the_kernel_tells_it(void **state)
{
    (void)state;
    struct runtime_stats_pressure p;
    cgroup_stats_parse_pressure("some avg10=1.50 avg60=0.25 avg300=0.00 total=1234\n"
                                "full avg10=0.75 avg60=0.00 avg300=0.00 total=99\n",
                                &p);
    assert_true(p.available);
    assert_true(p.some.avg10 == 1.5 && p.some.avg60 == 0.25);
    assert_int_equal(p.some.total, 1234);
    assert_int_equal(p.full.total, 99);
    cgroup_stats_parse_pressure("", &p);
    assert_false(p.available);
}

/* A machine that knows the instructions that the emitter uses. */
static unsigned run(const struct bpf_insn *p, size_t count, char type, unsigned access, unsigned major, unsigned minor)
{
    uint64_t r[11] = {0};
    uint32_t context[3] = {access << 16 | (type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK), major, minor};
    for (size_t pc = 0; pc < count; pc++) {
        const struct bpf_insn *i = &p[pc];
        uint64_t imm = (uint64_t)(int64_t)i->imm;
        switch (i->code) {
        case BPF_LDX | BPF_MEM | BPF_W:
            r[i->dst_reg] = context[i->off / 4];
            break;
        case BPF_ALU64 | BPF_MOV | BPF_X:
            r[i->dst_reg] = r[i->src_reg];
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            r[i->dst_reg] = imm;
            break;
        case BPF_ALU64 | BPF_AND | BPF_K:
            r[i->dst_reg] &= imm;
            break;
        case BPF_ALU64 | BPF_RSH | BPF_K:
            r[i->dst_reg] >>= imm;
            break;
        case BPF_JMP | BPF_JNE | BPF_K:
            pc += r[i->dst_reg] != imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += r[i->dst_reg] == imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_EXIT:
            return (unsigned)r[0];
        default:
            fail_msg("instruction 0x%x", i->code);
        }
    }
    fail_msg("ran off the end");
    return 0;
}

static struct oci_device_rule *add(struct json_array *rules, bool allow, const char *type, const char *access)
{
    struct oci_device_rule *rule = oci_array_add(rules, &oci_device_rule_table);
    rule->allow = allow;
    rule->type = xstrdup(type);
    rule->access = xstrdup(access);
    return rule;
}

static void release(struct json_array *rules)
{
    struct oci_resources holder = {.devices = *rules};
    oci_resources_release(&holder);
}

#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE
#define M BPF_DEVCG_ACC_MKNOD

static void the_default_rules_allow_the_harmless_devices_only(void **state)
{
    (void)state;
    struct json_array rules = {0};
    struct error err = {0};
    struct bpf_insn *p = NULL;
    size_t n = 0;
    runtime_default_device_rules(&rules);
    assert_int_equal(cgroup_devices_program(&rules, &p, &n, &err), 0);
    assert_int_equal(run(p, n, 'c', R | W, 1, 3), 1);   /* null */
    assert_int_equal(run(p, n, 'c', R | W, 136, 5), 1); /* a pty */
    assert_int_equal(run(p, n, 'c', M, 1, 1), 1);       /* mknod of anything */
    assert_int_equal(run(p, n, 'c', R, 1, 1), 0);       /* mem */
    assert_int_equal(run(p, n, 'c', R | M, 1, 1), 0);
    assert_int_equal(run(p, n, 'b', R, 8, 0), 0); /* a disk */
    assert_int_equal(run(p, n, 'b', W, 1, 3), 0);
    free(p);
    release(&rules);
}

static void the_last_matching_rule_wins_per_access(void **state)
{
    (void)state;
    struct json_array rules = {0};
    struct error err = {0};
    struct bpf_insn *p = NULL;
    size_t n = 0;
    int64_t eight = 8;
    add(&rules, false, "a", "rwm");
    add(&rules, true, "b", "r")->major = xmemdup(&eight, sizeof(eight));
    assert_int_equal(cgroup_devices_program(&rules, &p, &n, &err), 0);
    assert_int_equal(run(p, n, 'b', R, 8, 1), 1);
    assert_int_equal(run(p, n, 'b', R | W, 8, 1), 0);
    assert_int_equal(run(p, n, 'b', R, 9, 1), 0);
    free(p);
    add(&rules, true, "b", "w");
    assert_int_equal(cgroup_devices_program(&rules, &p, &n, &err), 0);
    assert_int_equal(run(p, n, 'b', R | W, 8, 1), 1); /* each bit from a rule of its own */
    assert_int_equal(run(p, n, 'b', R | W, 9, 1), 0);
    free(p);
    add(&rules, true, "a", "rwm"); /* everything: a privileged container */
    assert_int_equal(cgroup_devices_program(&rules, &p, &n, &err), 0);
    assert_int_equal(run(p, n, 'c', R | W | M, 1, 1), 1);
    free(p);
    add(&rules, false, "x", "rwm");
    assert_true(cgroup_devices_program(&rules, &p, &n, &err) < 0);
    release(&rules);
}

static void v1_takes_only_what_it_can_express(void **state)
{
    (void)state;
    struct json_array rules = {0};
    struct error err = {0};
    int64_t one = 1, eleven = 11;
    bool fits = false;
    add(&rules, false, "a", "rwm");
    struct oci_device_rule *wild = add(&rules, true, "c", "rw");
    wild->major = xmemdup(&one, sizeof(one));
    assert_int_equal(cgroup_devices_fit_v1(&rules, &fits, &err), 0);
    assert_true(fits);
    struct oci_device_rule *narrow = add(&rules, false, "c", "w");
    narrow->major = xmemdup(&one, sizeof(one));
    narrow->minor = xmemdup(&eleven, sizeof(eleven));
    assert_int_equal(cgroup_devices_fit_v1(&rules, &fits, &err), 0);
    assert_false(fits); /* 1:11 was allowed by 1:* */
    struct bpf_insn *p = NULL;
    size_t n = 0;
    assert_int_equal(cgroup_devices_program(&rules, &p, &n, &err), 0);
    assert_int_equal(run(p, n, 'c', R, 1, 11), 1);
    assert_int_equal(run(p, n, 'c', W, 1, 11), 0);
    assert_int_equal(run(p, n, 'c', R | W, 1, 12), 1);
    free(p);
    add(&rules, false, "a", "rwm"); /* what stood before does not matter */
    assert_int_equal(cgroup_devices_fit_v1(&rules, &fits, &err), 0);
    assert_true(fits);
    add(&rules, false, "b", "r");
    add(&rules, true, "x", "r");
    assert_true(cgroup_devices_fit_v1(&rules, &fits, &err) < 0);
    release(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_cleaned_and_those_that_climb_are_refused),
        cmocka_unit_test(shares_and_weights_convert_at_their_ends_and_default),
        cmocka_unit_test(fields_are_found_by_their_whole_name),
        cmocka_unit_test(io_is_read_per_device_and_operation_from_both_formats),
        cmocka_unit_test(pressure_is_read_where_the_kernel_tells_it),
        cmocka_unit_test(the_default_rules_allow_the_harmless_devices_only),
        cmocka_unit_test(the_last_matching_rule_wins_per_access),
        cmocka_unit_test(v1_takes_only_what_it_can_express),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
