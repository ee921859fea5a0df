/* linux.intelRdt over a directory that looks like a resctrl file system. */
#include "tests/unit/base_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "runtime/resctrl.h"

#define TEXT(text) ((char *)(text)) /* of a spec, which owns its texts */

static void put(int dir, const char *path, const char *text)
{
    struct error err = {0};
    if (file_write_atomic(dir, path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.message);
}

static void assert_file(int dir, const char *path, const char *want)
{
    CLEANUP_FREE char *text = NULL;
    struct error err = {0};
    if (file_read(dir, path, 4096, &text, NULL, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(text, want);
}

/* A class of service as the kernel makes it. */
static void make_class(int root, const char *name, const char *schemata)
{
    char path[256];
    assert_int_equal(mkdirat(root, name, 0755), 0);
    snprintf(path, sizeof(path), "%s/mon_groups", name);
    assert_int_equal(mkdirat(root, path, 0755), 0);
    snprintf(path, sizeof(path), "%s/tasks", name);
    put(root, path, "");
    snprintf(path, sizeof(path), "%s/schemata", name);
    put(root, path, schemata);
}

static void the_two_schemas_and_the_lines_are_put_together_as_the_spec_says(void **state)
{
    (void)state;
    char *lines[] = {TEXT("L3:0=f"), TEXT("MB:0=20")};
    const struct {
        struct oci_intel_rdt rdt;
        const char *want;
    } cases[] = {
        {{0}, ""},
        {{.l3_cache_schema = TEXT("L3:0=f;1=f0")}, "L3:0=f;1=f0\n"},
        {{.l3_cache_schema = TEXT("L3:0=f\nMB:0=10"), .mem_bw_schema = TEXT("MB:0=50")}, "L3:0=f\nMB:0=50\n"},
        {{.l3_cache_schema = TEXT("L3:0=f\nMB:0=10")}, "L3:0=f\nMB:0=10\n"},
        {{.mem_bw_schema = TEXT("MB:0=50")}, "MB:0=50\n"},
        {{.l3_cache_schema = TEXT("L3:0=1"), .schemata = {.items = lines, .count = 2}}, "L3:0=f\nMB:0=20\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *text = resctrl_schemata(&cases[i].rdt);
        assert_string_equal(text, cases[i].want);
    }
}

static void schemata_are_compared_by_their_values(void **state)
{
    (void)state;
    const char *existing = "    MB:0= 20;1=100\n    L3:0=00fff;1=0f0\n";
    static const char *const same[] = {"", "L3:0=fff", "L3:1=F0;0=0FFF\n", "MB:0=20\nL3:0=fff;1=f0\n"};
    static const char *const others[] = {"L3:0=ff",   "L3:2=fff", "L2:0=fff", "MB:0=2",
                                         "MB:1=1000", "nonsense", "L3:0",     "L3:"};
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        if (!resctrl_matches(existing, same[i]))
            fail_msg("\"%s\" is there", same[i]);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (resctrl_matches(existing, others[i]))
            fail_msg("\"%s\" is not there", others[i]);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "info", "mon_groups", "mon_data", "a\nb"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {0};
        struct oci_intel_rdt rdt = {.clos_id = TEXT(bad[i])};
        assert_int_equal(resctrl_check(&rdt, &err), -EINVAL);
        assert_non_null(strstr(err.message, "linux.intelRdt.closID"));
    }
    struct oci_intel_rdt rdt = {.clos_id = TEXT("guaranteed")};
    assert_int_equal(resctrl_check(&rdt, NULL), 0);
}

static void a_container_enters_a_class_that_is_there(void **state)
{
    const struct scratch *s = *state;
    struct error err = {0};
    struct resctrl_group group = {0};
    make_class(s->fd, "gold", "L3:0=ff;1=ff\n");
    struct oci_intel_rdt rdt = {.clos_id = TEXT("gold")};
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 4242, &group, &err), 0);
    assert_file(s->fd, "gold/tasks", "4242");
    assert_file(s->fd, "gold/schemata", "L3:0=ff;1=ff\n");
    assert_string_equal(group.clos, "gold");
    assert_null(group.made); /* it is not ours to remove */
    resctrl_group_release(&group);

    rdt.l3_cache_schema = TEXT("L3:0=0ff");
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 43, &group, &err), 0);
    resctrl_group_release(&group);
    rdt.l3_cache_schema = TEXT("L3:0=f");
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 44, &group, &err), -EEXIST);
    assert_non_null(strstr(err.message, "other schemata"));
    assert_int_equal(resctrl_update(s->fd, "gold", &rdt, &err), 0);
    assert_file(s->fd, "gold/schemata", "L3:0=f\n;1=ff\n"); /* in the place of what was there: no kernel reads this */
}

static void a_class_with_the_name_of_the_container_is_taken_as_it_is_or_not_at_all(void **state)
{
    const struct scratch *s = *state;
    struct error err = {0};
    struct resctrl_group group = {0};
    make_class(s->fd, "c1", "L3:0=ff\n");
    struct oci_intel_rdt rdt = {.l3_cache_schema = TEXT("L3:0=f")};
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 44, &group, &err), -EEXIST);
    assert_file(s->fd, "c1/schemata", "L3:0=ff\n");
    assert_file(s->fd, "c1/tasks", "");
    rdt.l3_cache_schema = TEXT("L3:0=ff");
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 44, &group, &err), 0);
    assert_file(s->fd, "c1/tasks", "44");
    assert_null(group.made);
    resctrl_group_release(&group);
    static const char *const kernels[] = {"info", "mon_groups", "mon_data"};
    for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
        error_clear(&err);
        assert_int_equal(resctrl_enter(s->fd, &rdt, kernels[i], 44, &group, &err), -EINVAL);
        assert_non_null(strstr(err.message, kernels[i]));
        assert_int_equal(faccessat(s->fd, kernels[i], F_OK, 0), -1);
    }
}

static void what_will_be_made_is_known_before(void **state)
{
    const struct scratch *s = *state;
    make_class(s->fd, "gold", "");
    make_class(s->fd, "old", "");
    assert_int_equal(mkdirat(s->fd, "gold/mon_groups/old", 0755), 0);
    const struct {
        const char *clos, *id;
        bool monitoring;
        const char *want;
    } cases[] = {
        {NULL, "c1", false, "c1"},   {NULL, "c1", true, "c1"},
        {NULL, "old", false, NULL},  {NULL, "old", true, "old/mon_groups/old"},
        {"gold", "c1", false, NULL}, {"gold", "c1", true, "gold/mon_groups/c1"},
        {"gold", "old", true, NULL}, {"new", "c1", false, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct oci_intel_rdt rdt = {.clos_id = TEXT(cases[i].clos), .enable_monitoring = cases[i].monitoring};
        CLEANUP_FREE char *plan = resctrl_plan(s->fd, &rdt, cases[i].id);
        if (cases[i].want == NULL ? plan != NULL : plan == NULL || strcmp(plan, cases[i].want) != 0)
            fail_msg("case %zu: %s instead of %s", i, plan, cases[i].want);
    }
}

static void what_is_missing_or_fails_is_told_and_leaves_nothing(void **state)
{
    const struct scratch *s = *state;
    struct error err = {0};
    struct resctrl_group group = {0};
    struct oci_intel_rdt rdt = {.clos_id = TEXT("nosuch")};
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 1, &group, &err), -ENOENT);
    assert_non_null(strstr(err.message, "class of service nosuch, which must exist"));
    assert_int_equal(faccessat(s->fd, "nosuch", F_OK, 0), -1);

    /* A directory without its files is no class: what the kernel said goes along. */
    error_clear(&err);
    assert_int_equal(mkdirat(s->fd, "info", 0755), 0);
    put(s->fd, "info/last_cmd_status", "Mask out of range\n");
    rdt = (struct oci_intel_rdt){.l3_cache_schema = TEXT("L3:0=f")};
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 1, &group, &err), -ENOENT);
    assert_non_null(strstr(err.message, "cannot write the schemata of class of service c1"));
    assert_non_null(strstr(err.message, "Mask out of range"));
    assert_int_equal(faccessat(s->fd, "c1", F_OK, 0), -1);
    assert_null(group.clos);
}

static void a_monitoring_group_is_the_containers_own(void **state)
{
    const struct scratch *s = *state;
    struct error err = {0};
    struct resctrl_group group = {0};
    make_class(s->fd, "gold", "");
    assert_int_equal(mkdirat(s->fd, "gold/mon_groups/c1", 0755), 0);
    put(s->fd, "gold/mon_groups/c1/tasks", "");
    struct oci_intel_rdt rdt = {.clos_id = TEXT("gold"), .enable_monitoring = true};
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c1", 77, &group, &err), 0);
    assert_file(s->fd, "gold/mon_groups/c1/tasks", "77");
    assert_null(group.made); /* was there before */
    resctrl_group_release(&group);
    /* One that is made here has no tasks, and goes again. */
    assert_int_equal(resctrl_enter(s->fd, &rdt, "c2", 78, &group, &err), -ENOENT);
    assert_int_equal(faccessat(s->fd, "gold/mon_groups/c2", F_OK, 0), -1);
    assert_int_equal(mkdirat(s->fd, "gold/mon_groups/c3", 0755), 0);
    assert_int_equal(resctrl_remove(s->fd, "gold/mon_groups/c3", &err), 0);
    assert_int_equal(resctrl_remove(s->fd, "gold/mon_groups/c3", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_schemas_and_the_lines_are_put_together_as_the_spec_says),
        cmocka_unit_test(schemata_are_compared_by_their_values),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        IN_SCRATCH(a_container_enters_a_class_that_is_there),
        IN_SCRATCH(a_class_with_the_name_of_the_container_is_taken_as_it_is_or_not_at_all),
        IN_SCRATCH(what_will_be_made_is_known_before),
        IN_SCRATCH(what_is_missing_or_fails_is_told_and_leaves_nothing),
        IN_SCRATCH(a_monitoring_group_is_the_containers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
