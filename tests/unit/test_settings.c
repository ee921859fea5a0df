/* The spec's words for scheduling and memory, as the kernel's numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <string.h>

#include "runtime/settings.h"

static void lists_are_read_as_cpuset_files_have_them(void **state)
{
    (void)state;
    struct settings_mask mask;
    struct error err = {0};
    assert_int_equal(settings_list("f", "0-3,7,64,2", &mask, &err), 0);
    assert_int_equal(mask.count, 6);
    assert_int_equal(mask.words[0], 0x8f);
    assert_int_equal(mask.words[1], 1);
    assert_int_equal(settings_list("f", "", &mask, &err), 0);
    assert_int_equal(mask.count, 0);
    static const char *const bad[] = {
        ",", "1,", "-1", "1-", "3-1", "1 ", " 1", "8192", "0-8192", "99999999999999999999", "a", "1,,2", "0x1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        error_clear(&err);
        if (settings_list("some.field", bad[i], &mask, &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_non_null(strstr(err.message, "some.field"));
    }
}

static void a_scheduler_says_which_member_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int64_t nice, priority;
        uint64_t runtime;
        const char *wrong; /* NULL: good */
    } cases[] = {
        {"SCHED_OTHER", 19, 0, 0, NULL},
        {"SCHED_OTHER", 20, 0, 0, "process.scheduler.nice"},
        {"SCHED_OTHER", 0, 1, 0, "process.scheduler.priority"},
        {"SCHED_FIFO", 0, 99, 0, NULL},
        {"SCHED_FIFO", 0, 0, 0, "process.scheduler.priority"},
        {"SCHED_FIFO", 19, 1, 0, NULL},
        {"SCHED_FIFO", -21, 1, 0, "process.scheduler.nice"},
        {"SCHED_DEADLINE", 19, 0, 5, NULL},
        {"SCHED_IDLE", 0, 0, 5, "process.scheduler.runtime"},
        {"SCHED_DEADLINE", 0, 0, 5, NULL},
        {"SCHED_ISO", 0, 0, 0, "process.scheduler.policy"},
        {"sched_other", 0, 0, 0, "process.scheduler.policy"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct oci_scheduler s = {.policy = (char *)cases[i].policy,
                                  .nice = cases[i].nice,
                                  .priority = cases[i].priority,
                                  .runtime = cases[i].runtime};
        struct sched_attr attr;
        struct error err = {0};
        int r = settings_scheduler(&s, &attr, &err);
        if (cases[i].wrong == NULL ? r != 0 : r == 0 || strstr(err.message, cases[i].wrong) == NULL)
            fail_msg("case %zu: %d %s", i, r, err.message);
    }
}

static void a_memory_policy_knows_which_modes_take_nodes(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *nodes;
        int wanted; /* -1: refused */
    } cases[] = {
        {"MPOL_DEFAULT", NULL, 0},
        {"MPOL_DEFAULT", "0", -1},
        {"MPOL_BIND", "0", 2},
        {"MPOL_BIND", NULL, -1},
        {"MPOL_PREFERRED", "", 1},
        {"MPOL_LOCAL", "1", -1},
        {"MPOL_LOCAL", NULL, 4},
        {"MPOL_NOPE", "0", -1},
        {"MPOL_INTERLEAVE", "", -1},
        {"MPOL_BIND", "x", -1},
        {"MPOL_PREFERRED_MANY", "0-1", 5},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct oci_memory_policy policy = {.mode = (char *)cases[i].mode, .nodes = (char *)cases[i].nodes};
        struct settings_memory_policy value = {0};
        struct error err = {0};
        int r = settings_memory_policy(&policy, &value, &err);
        if (cases[i].wanted < 0 ? r == 0 || strstr(err.message, "linux.memoryPolicy.") == NULL
                                : r != 0 || value.mode != cases[i].wanted)
            fail_msg("case %zu: %d, mode %d, %s", i, r, value.mode, err.message);
    }
}

static void priorities_and_domains(void **state)
{
    (void)state;
    struct error err = {0};
    int value;
    unsigned long persona;
    struct oci_io_priority io = {.class = (char *)"IOPRIO_CLASS_BE", .priority = 3};
    assert_int_equal(settings_io_priority(&io, &value, &err), 0);
    assert_int_equal(value, 2 << 13 | 3);
    io.priority = 8;
    assert_true(settings_io_priority(&io, &value, &err) < 0);
    assert_non_null(strstr(err.message, "process.ioPriority.priority"));
    io.class = (char *)"IOPRIO_CLASS_NONE";
    assert_true(settings_io_priority(&io, &value, &err) < 0);
    struct oci_personality p = {.domain = (char *)"LINUX32"};
    assert_int_equal(settings_personality(&p, &persona, &err), 0);
    assert_int_equal(persona, 8);
    p.domain = (char *)"LINUX64";
    assert_true(settings_personality(&p, &persona, &err) < 0);
    assert_non_null(strstr(err.message, "linux.personality.domain"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_as_cpuset_files_have_them),
        cmocka_unit_test(a_scheduler_says_which_member_does_not_fit),
        cmocka_unit_test(a_memory_policy_knows_which_modes_take_nodes),
        cmocka_unit_test(priorities_and_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
