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
        {{"size", NULL}, "quota size requested but no quota support"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_STRMAP struct strmap options = STRMAP_INIT;
        struct error err = {0};
        for (size_t j = 0; j < 3 && rows[i].keys[j] != NULL; j++)
            strmap_set(&options, rows[i].keys[j], "x");
        int r = volume_options_check(&options, &err);
        if (rows[i].message == NULL && r != 0)
            fail_msg("row %zu: %s", i, err.message);
        if (rows[i].message != NULL)
            assert_string_equal(err.message, rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_flags_and_the_rest_is_for_the_file_system),
        cmocka_unit_test(what_is_missing_or_unknown_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
