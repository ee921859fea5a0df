#include "tests/unit/base_test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/dbus.h"
#include "base/fd.h"
#include "runtime/systemd.h"

static void units_and_their_cgroups_are_named_as_systemd_names_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *slice, *path;
        bool user;
    } good[] = {
        {"system.slice:dory:abc", "dory-abc.scope", "system.slice", "/system.slice/dory-abc.scope", false},
        {NULL, "dory-id.scope", "system.slice", "/system.slice/dory-id.scope", false},
        {":cri:x", "cri-x.scope", "system.slice", "/system.slice/cri-x.scope", false},
        {"a-b-c.slice::x", "x.scope", "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice/x.scope", false},
        {"-.slice:p:x", "p-x.scope", "-.slice", "/p-x.scope", false},
        {"", "dory-id.scope", "user.slice", "/user.slice/dory-id.scope", true},
        {":cri:x", "cri-x.scope", "user.slice", "/user.slice/cri-x.scope", true},
        {"a-b.slice:p:x", "p-x.scope", "a-b.slice", "/a.slice/a-b.slice/p-x.scope", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct systemd_unit unit = {0};
        struct error err = {0};
        assert_int_equal(systemd_unit_parse(good[i].text, "id", good[i].user, &unit, &err), 0);
        assert_string_equal(unit.name, good[i].name);
        assert_string_equal(unit.slice, good[i].slice);
        assert_string_equal(unit.path, good[i].path);
        assert_int_equal(unit.user, good[i].user);
        systemd_unit_release(&unit);
    }
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/a/b",          "a:b",           "a:b:c:d",    "s.slice:p:",   "s:p:n",        "a/b.slice:p:n",
        "a.slice:p/q:n", "a.slice:p:n/m", ".slice:p:n", "a-.slice:p:n", "-a.slice:p:n", "a--b.slice:p:n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct systemd_unit unit = {0};
        struct error err = {0};
        assert_int_equal(systemd_unit_parse(bad[i], "id", false, &unit, &err), -EINVAL);
        assert_non_null(strstr(err.message, "cgroupsPath"));
    }
}

/* An answer "o", as a bus sends it: made by hand from the specification. */
static const unsigned char answer[] = "l\x02\x01\x01\x0b\0\0\0\x05\0\0\0\x0f\0\0\0"
                                      "\x05\x01u\0\x07\0\0\0"
                                      "\x08\x01g\0\x01o\0\0"
                                      "\x06\0\0\0/job/1\0";

static void an_answer_is_taken_apart(void **state)
{
    (void)state;
    struct dbus_message message;
    size_t offset = 0;
    const char *job;
    assert_int_equal(dbus_message_size(answer), sizeof(answer) - 1);
    assert_int_equal(dbus_parse(answer, sizeof(answer) - 1, &message), 0);
    assert_int_equal(message.type, DBUS_RETURN);
    assert_int_equal(message.reply_serial, 7);
    assert_int_equal(dbus_get_string(&message, &offset, &job), 0);
    assert_string_equal(job, "/job/1");
    assert_int_equal(dbus_get_string(&message, &offset, &job), -EBADMSG);
}

/* The same with a property, of signature "v". */
static const unsigned char property[] = "l\x02\x01\x01\x0b\0\0\0\x05\0\0\0\x0f\0\0\0"
                                        "\x05\x01u\0\x07\0\0\0"
                                        "\x08\x01g\0\x01v\0\0"
                                        "\x01s\0\0\x02\0\0\0/u\0";

static void a_string_in_a_variant_is_read_and_nothing_else(void **state)
{
    (void)state;
    struct dbus_message message;
    unsigned char copy[sizeof(property) - 1];
    const char *text = NULL;
    size_t offset = 0;
    memcpy(copy, property, sizeof(copy));
    assert_int_equal(dbus_parse(copy, sizeof(copy), &message), 0);
    assert_int_equal(dbus_get_variant_string(&message, &offset, &text), 0);
    assert_string_equal(text, "/u");
    offset = 0;
    copy[33] = 'o'; /* the variant's signature */
    assert_int_equal(dbus_get_variant_string(&message, &offset, &text), -EBADMSG);
    assert_int_equal(offset, 0);
}

static void cut_and_broken_messages_are_refused(void **state)
{
    (void)state;
    struct dbus_message message;
    for (size_t size = 0; size < sizeof(answer) - 1; size++)
        assert_int_equal(dbus_parse(answer, size, &message), -EBADMSG);
    unsigned char copy[sizeof(answer)];
    for (size_t i = 0; i < sizeof(answer) - 1; i++) { /* whatever one bit does, it is an answer or an error */
        memcpy(copy, answer, sizeof(copy));
        copy[i] ^= 0xff;
        int r = dbus_parse(copy, sizeof(copy) - 1, &message);
        assert_true(r == 0 || r == -EBADMSG);
    }
}

/* As the bus's socket when systemd listens for it and does not get round to starting it. */
static void nobody_behind_a_socket_is_awaited_for_ever(void **state)
{
    const struct scratch *s = *state;
    CLEANUP_CLOSE int listener = fd_listen_unix(s->fd, "bus", SOCK_STREAM, 0600);
    CLEANUP_FREE char *path = xasprintf("%s/bus", s->path);
    struct dbus dbus;
    struct error err = {0};
    assert_true(listener >= 0);
    assert_int_equal(dbus_connect(&dbus, path, true, 50, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.message, "cannot authenticate at the D-Bus"));
    assert_int_equal(dbus.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_and_their_cgroups_are_named_as_systemd_names_them),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        cmocka_unit_test(an_answer_is_taken_apart),
        cmocka_unit_test(a_string_in_a_variant_is_read_and_nothing_else),
        cmocka_unit_test(cut_and_broken_messages_are_refused),
        cmocka_unit_test_setup_teardown(nobody_behind_a_socket_is_awaited_for_ever, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
