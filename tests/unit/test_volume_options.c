/* Options of the local volume driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mount.h>

#include "daemon/volume_options.h"

static void words_become_flags_and_the_rest_is_for_the_file_system(void **state)
{
    (void)state;
    static const struct {
        const char *text, *data;
        unsigned long flags;
    } rows[] = {
        {"", "", 0},
        {"bind", "", MS_BIND},
        {"rbind,ro", "", MS_BIND | MS_REC | MS_RDONLY},
        {"ro,rw", "", 0},
        {"addr=10.0.0.1,nolock,soft,rw", "addr=10.0.0.1,nolock,soft", 0},
        {"size=1m,nosuid,uid=3", "size=1m,uid=3", MS_NOSUID},
        {",,noexec,", "", MS_NOEXEC},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *data = NULL;
        unsigned long flags = volume_options_flags(rows[i].text, &data);
        if (flags != rows[i].flags || strcmp(data, rows[i].data) != 0)
            fail_msg("%s: expected 0x%lx \"%s\", got 0x%lx \"%s\"", rows[i].text, rows[i].flags, rows[i].data, flags,
                     data);
    }
}

static void what_is_missing_or_unknown_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *keys[3], *message;
    } rows[] = {
        {{NULL}, NULL},
        {{"type", "device", NULL}, NULL},
        {{"type", "device", "o"}, NULL},
        {{"type", NULL}, "missing required option: \"device\""},
        {{"device", NULL}, "missing required option: \"type\""},
        {{"foo", NULL}, "invalid option: \"foo\""},
        {{"size", NULL}, "invalid size: 'x'"},
        {{"type", "device", "size"}, "option \"size\" is for volumes that nothing is mounted on"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_STRMAP struct strmap options = STRMAP_INIT;
        struct error err = {0};
        for (size_t j = 0; j < 3 && rows[i].keys[j] != NULL; j++)
            strmap_set(&options, rows[i].keys[j], "x");
        uint64_t size;
        int r = volume_options_check(&options, &size, &err);
        if (rows[i].message == NULL && r != 0)
            fail_msg("row %zu: %s", i, err.message);
        if (rows[i].message != NULL)
            assert_string_equal(err.message, rows[i].message);
    }
}

static void a_size_is_a_limit_and_nothing_to_mount(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap options = STRMAP_INIT;
    struct error err = {0};
    uint64_t size = 7;
    assert_int_equal(volume_options_check(&options, &size, &err), 0);
    assert_int_equal(size, 0);
    strmap_set(&options, "size", "3m");
    assert_int_equal(volume_options_check(&options, &size, &err), 0);
    assert_int_equal(size, 3 << 20);
    assert_false(volume_options_mounts(&options));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_flags_and_the_rest_is_for_the_file_system),
        cmocka_unit_test(a_size_is_a_limit_and_nothing_to_mount),
        cmocka_unit_test(what_is_missing_or_unknown_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
