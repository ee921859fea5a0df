/* Manifests of build contexts, and the frames of a session. */
#include <string.h>
#include <sys/socket.h>

#include "api/client_session.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "daemon/build/context_sync.h"

#include "tests/unit/base_test.h"

/* Entries as "head|path|extra". */
static void put(struct strbuf *out, const char *entry)
{
    size_t start = out->size;
    strbuf_add(out, entry, strlen(entry) + 1);
    for (size_t i = start; i < out->size; i++) {
        if (out->data[i] == '|')
            out->data[i] = '\0';
    }
}

static int parse(const char *const *entries, struct context_manifest *ret, struct strbuf *text, struct error *err)
{
    for (size_t i = 0; entries[i]; i++)
        put(text, entries[i]);
    return context_manifest_parse(text->data, text->size, ret, err);
}

static void a_manifest_is_cut_into_its_entries(void **state)
{
    static const char *const entries[] = {"d 755 0 -5 0 0|a|",         "f 644 12 99 98 7|a/f|",
                                          "l 777 3 1 1 8|a/link|../x", "f 4755 0 1 1 -9|a-b|0100",
                                          "f 644 0 1 1 10|a.c|",       NULL};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct context_manifest manifest;
    struct error err = {0};
    (void)state;
    if (parse(entries, &manifest, &text, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(manifest.count, 5);
    assert_int_equal(manifest.items[0].kind, 'd');
    assert_int_equal(manifest.items[0].mtime, -5);
    assert_string_equal(manifest.items[1].path, "a/f");
    assert_int_equal(manifest.items[1].size, 12);
    assert_int_equal(manifest.items[1].mode, 0644);
    assert_string_equal(manifest.items[2].extra, "../x");
    assert_int_equal(manifest.items[3].mode, 04755);
    assert_string_equal(manifest.items[3].extra, "0100");
    free(manifest.items);
}

static void a_manifest_that_is_not_clean_is_refused(void **state)
{
    static const struct {
        const char *entries[3];
        const char *message;
    } rows[] = {
        {{"f 644 0 0 0 0|../x|"}, "not clean"},
        {{"f 644 0 0 0 0|/x|"}, "not clean"},
        {{"d 755 0 0 0 0|a|", "f 644 0 0 0 0|a/./x|"}, "not clean"},
        {{"d 755 0 0 0 0|a|", "f 644 0 0 0 0|a//x|"}, "not clean"},
        {{"f 644 0 0 0 0||"}, "length"},
        {{"f 644 0 0 0 0|a/x|"}, "its directory is not listed"},
        {{"l 777 0 0 0 0|a|/etc", "f 644 0 0 0 0|a/passwd|"}, "its directory is not listed"},
        {{"d 755 0 0 0 0|b|", "f 644 0 0 0 0|a|"}, "not in order"},
        {{"f 644 0 0 0 0|a|", "f 644 0 0 0 0|a|"}, "not in order"},
        {{"x 644 0 0 0 0|a|"}, "unknown kind"},
        {{"f 644 0 0 0|a|"}, "malformed numbers"},
        {{"f 644 0 0 0 0 0|a|"}, "malformed numbers"},
        {{"f 999 0 0 0 0|a|"}, "malformed numbers"},
        {{"f 17777 0 0 0 0|a|"}, "out of range"},
        {{"f 644 -1 0 0 0|a|"}, "out of range"},
        {{"f 644 99999999999999999999 0 0 0|a|"}, "malformed numbers"},
        {{"f 644 0 0 0 0|a"}, "cut off"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        struct context_manifest manifest = {0};
        struct error err = {0};
        if (parse(rows[i].entries, &manifest, &text, &err) == 0)
            fail_msg("row %zu was accepted", i);
        free(manifest.items);
        if (!strstr(err.message, rows[i].message))
            fail_msg("row %zu: \"%s\" has no \"%s\"", i, err.message, rows[i].message);
    }
}

static void frames_arrive_as_they_were_sent(void **state)
{
    struct session_reader reader = {0};
    struct session_frame frame;
    struct error err = {0};
    int pair[2];
    (void)state;
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    reader.fd = pair[0];
    assert_int_equal(session_send(pair[1], SESSION_FILE, 0x123456, "contents", 8), 0);
    assert_int_equal(session_send(pair[1], SESSION_FILE_END, 1, NULL, 0), 0);
    assert_int_equal(session_receive(&reader, &frame, &err), 1);
    assert_int_equal(frame.type, SESSION_FILE);
    assert_int_equal(frame.channel, 0x123456);
    assert_int_equal(frame.size, 8);
    assert_memory_equal(frame.data, "contents", 8);
    assert_true(session_buffered(&reader));
    assert_int_equal(session_receive(&reader, &frame, &err), 1);
    assert_int_equal(frame.type, SESSION_FILE_END);
    assert_int_equal(frame.size, 0);
    assert_false(session_buffered(&reader));
    /* Half a frame is no frame, and neither is one that is too large. */
    assert_int_equal(fd_write_all(pair[1], "F\0\0\0\0\0\0\7abc", 11), 0);
    fd_close(pair[1]);
    assert_int_equal(session_receive(&reader, &frame, &err), -ECONNRESET);
    session_reader_release(&reader);
    fd_close(pair[0]);
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    reader = (struct session_reader){.fd = pair[0]};
    assert_int_equal(fd_write_all(pair[1], "F\0\0\0\xff\xff\xff\xff", 8), 0);
    assert_int_equal(session_receive(&reader, &frame, &err), -EPROTO);
    session_reader_release(&reader);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void a_peer_that_has_gone_is_an_error_and_no_signal(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    fd_close(pair[0]);
    assert_int_equal(session_send(pair[1], SESSION_EVENT, 0, "x", 1), -EPIPE);
    fd_close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_cut_into_its_entries),
        cmocka_unit_test(a_manifest_that_is_not_clean_is_refused),
        cmocka_unit_test(frames_arrive_as_they_were_sent),
        cmocka_unit_test(a_peer_that_has_gone_is_an_error_and_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
