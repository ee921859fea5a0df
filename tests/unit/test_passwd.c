#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "daemon/passwd.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "\n"
                             "app:x:1000:1001:App:/srv/app:/bin/sh\n"
                             "short:x:7\n"
                             "huge:x:4294967296:0::/:/bin/sh\n"
                             "minus:x:-1:0::/:/bin/sh\n"
                             "hex:x:0x0:0::/:/bin/sh\n"
                             "nohome:x:1002:1002\n";
static const char group[] = "root:x:0:\n"
                            "wheel:x:10:root,app\n"
                            "app:x:1001:\n"
                            "audio:x:29:ap,app2,app\n"
                            "bad:x:99999999999:app\n"
                            "video:x:44:\n";

static struct identity resolve(const char *spec)
{
    struct identity id = {0};
    struct error err = {0};
    if (identity_resolve(spec, passwd, group, NULL, &id, &err) < 0)
        fail_msg("%s: %s", spec, err.message);
    return id;
}

static void refuse(const char *spec, const char *message)
{
    struct identity id = {0};
    struct error err = {0};
    if (identity_resolve(spec, passwd, group, NULL, &id, &err) == 0)
        fail_msg("%s was accepted as uid %u", spec, id.uid);
    assert_string_equal(err.message, message);
    assert_null(id.home);
}

static void expect(const char *spec, uint32_t uid, uint32_t gid, const char *home, size_t group_count)
{
    struct identity id = resolve(spec);
    assert_int_equal(id.uid, uid);
    assert_int_equal(id.gid, gid);
    assert_string_equal(id.home, home);
    assert_int_equal(id.group_count, group_count);
    assert_int_equal(id.groups[0], gid);
    identity_release(&id);
}

static void names_and_numbers_are_resolved(void **state)
{
    (void)state;
    expect("", 0, 0, "/root", 2); /* root is in wheel */
    expect("root", 0, 0, "/root", 2);
    expect("0", 0, 0, "/root", 2);
    expect("app", 1000, 1001, "/srv/app", 3); /* app, wheel, audio */
    expect("1000", 1000, 1001, "/srv/app", 3);
    expect("app:video", 1000, 44, "/srv/app", 1); /* an explicit group is the only one */
    expect("app:", 1000, 1001, "/srv/app", 3);
    expect("4242", 4242, 0, "/", 1); /* a number needs no entry */
    expect("4242:4343", 4242, 4343, "/", 1);
    expect(":44", 0, 44, "/root", 1);
    expect("nohome", 1002, 1002, "/", 1);
    expect("2147483647", 2147483647, 0, "/", 1);
}

static void supplementary_groups_match_whole_names(void **state)
{
    (void)state;
    struct identity id = resolve("app");
    assert_int_equal(id.groups[1], 10);
    assert_int_equal(id.groups[2], 29);
    identity_release(&id);
}

static void hostile_numbers_are_refused(void **state)
{
    (void)state;
    refuse("4294967296", "uids and gids must be in range 0-2147483647");
    refuse("2147483648", "uids and gids must be in range 0-2147483647");
    refuse("-1", "uids and gids must be in range 0-2147483647");
    refuse("0:4294967296", "uids and gids must be in range 0-2147483647");
    refuse("0:-1", "uids and gids must be in range 0-2147483647");
    refuse("99999999999999999999999", "uids and gids must be in range 0-2147483647");
    refuse("0x0", "unable to find user 0x0: no matching entries in passwd file");
    refuse(" 0", "unable to find user  0: no matching entries in passwd file");
    refuse("0 ", "unable to find user 0 : no matching entries in passwd file");
    refuse("nosuch", "unable to find user nosuch: no matching entries in passwd file");
    refuse("app:nosuch", "unable to find group nosuch: no matching entries in group file");
}

static void entries_with_ids_out_of_range_do_not_exist(void **state)
{
    (void)state;
    refuse("huge", "unable to find user huge: no matching entries in passwd file");
    refuse("minus", "unable to find user minus: no matching entries in passwd file");
    refuse("hex", "unable to find user hex: no matching entries in passwd file");
    refuse("short", "unable to find user short: no matching entries in passwd file");
    refuse("0:bad", "unable to find group bad: no matching entries in group file");
}

static void group_add_takes_names_and_numbers(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv add = STRV_INIT;
    strv_add(&add, "video");
    strv_add(&add, "777");
    strv_add(&add, "44"); /* again */
    struct identity id = {0};
    assert_int_equal(identity_resolve("4242", passwd, group, &add, &id, NULL), 0);
    assert_int_equal(id.group_count, 3);
    assert_int_equal(id.groups[1], 44);
    assert_int_equal(id.groups[2], 777);
    identity_release(&id);
    strv_add(&add, "nosuch");
    struct error err = {0};
    assert_true(identity_resolve("4242", passwd, group, &add, &id, &err) < 0);
    assert_string_equal(err.message, "unable to find group nosuch: no matching entries in group file");
}

static void no_files_mean_numbers_only(void **state)
{
    (void)state;
    struct identity id = {0};
    assert_int_equal(identity_resolve("", NULL, NULL, NULL, &id, NULL), 0);
    assert_int_equal(id.uid, 0);
    assert_string_equal(id.home, "/");
    identity_release(&id);
    assert_true(identity_resolve("root", NULL, NULL, NULL, &id, NULL) < 0);
}

static void a_fifo_for_passwd_is_refused_without_waiting(void **state)
{
    (void)state;
    char path[] = "/tmp/test_passwd.XXXXXX";
    assert_non_null(mkdtemp(path));
    CLEANUP_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(root, "etc", 0755), 0);
    assert_int_equal(mkfifoat(root, "etc/passwd", 0666), 0);
    struct identity id = {0};
    struct error err = {0};
    assert_true(identity_resolve_beneath("root", root, NULL, &id, &err) < 0);
    assert_int_equal(unlinkat(root, "etc/passwd", 0), 0);
    /* A symlink out of the root stays inside it, where there is nothing. */
    assert_int_equal(symlinkat("/etc/passwd", root, "etc/passwd2"), 0);
    assert_int_equal(symlinkat("../../../../etc/hostname", root, "etc/passwd"), 0);
    error_clear(&err);
    assert_true(identity_resolve_beneath("root", root, NULL, &id, &err) < 0);
    assert_string_equal(err.message, "unable to find user root: no matching entries in passwd file");
    unlinkat(root, "etc/passwd", 0);
    unlinkat(root, "etc/passwd2", 0);
    unlinkat(root, "etc", AT_REMOVEDIR);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_resolved),
        cmocka_unit_test(supplementary_groups_match_whole_names),
        cmocka_unit_test(hostile_numbers_are_refused),
        cmocka_unit_test(entries_with_ids_out_of_range_do_not_exist),
        cmocka_unit_test(group_add_takes_names_and_numbers),
        cmocka_unit_test(no_files_mean_numbers_only),
        cmocka_unit_test(a_fifo_for_passwd_is_refused_without_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
