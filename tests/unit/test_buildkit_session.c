/* The session's services at the hands of clients that mean harm, make mistakes or fall silent. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/go_mode.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/session.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "daemon/build/context_sync.h"
#include "daemon/engine_internal.h"
#include "daemon/worker.h"
#include "image/image.h"
#include "tests/unit/base_test.h"

/* A daemon with one session, and the client at its other end. */
struct rig {
    struct daemon_options options;
    struct engine engine;
    struct http2 *client;
    struct session *session;
    struct session_list list;
    int cancel_fd;
    void (*behave)(struct rig *rig, struct grpc_call *call);
    const char *text; /* for behave */
    size_t size;
};

static int answer(struct grpc_call *call, void *data, struct error *err)
{
    struct rig *rig = data;
    (void)err;
    rig->behave(rig, call);
    return 0;
}

static void serve(struct http2_stream *stream, void *data)
{
    static const struct grpc_method methods[] = {{"/moby.filesync.v1.FileSync/DiffCopy", answer},
                                                 {"/moby.filesync.v1.FileSend/DiffCopy", answer},
                                                 {"/moby.buildkit.secrets.v1.Secrets/GetSecret", answer},
                                                 {"/moby.filesync.v1.Auth/Credentials", answer},
                                                 {0}};
    grpc_serve(stream, methods, data);
}

static void rig_open(struct rig *rig, const struct scratch *scratch, void (*behave)(struct rig *, struct grpc_call *))
{
    struct error err = {0};
    struct http2 *connection = NULL;
    int pair[2];
    *rig = (struct rig){.behave = behave, .cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    rig->options.data_root = scratch->path;
    rig->engine.options = &rig->options;
    assert_int_equal(worker_new("cleaner", &rig->engine.cleaner, &err), 0);
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    assert_int_equal(http2_new(pair[0], serve, rig, &rig->client, &err), 0);
    assert_int_equal(http2_new(pair[1], NULL, NULL, &connection, &err), 0);
    session_list_init(&rig->list);
    rig->session = session_add(&rig->list, "id", "key", connection);
}

static void rig_close(struct rig *rig)
{
    struct http2 *connection = http2_ref(rig->session->connection);
    http2_close(connection);
    http2_wait(connection);
    http2_wait(rig->client);
    session_remove(&rig->list, rig->session);
    session_list_release(&rig->list);
    http2_unref(connection);
    http2_unref(rig->client);
    worker_drain(rig->engine.cleaner);
    worker_free(rig->engine.cleaner);
    fd_close(rig->cancel_fd);
}

/* ---- what the client sends ---- */

static int send_packet(struct grpc_call *call, const Bk__Packet *packet)
{
    CLEANUP_FREE uint8_t *packed = xmalloc(bk__packet__get_packed_size(packet) + 1);
    return grpc_send(call, packed, bk__packet__pack(packet, packed), NULL);
}

static void list(struct grpc_call *call, const char *path, uint32_t mode, const char *link)
{
    Bk__Packet packet = BK__PACKET__INIT;
    Bk__Stat stat = BK__STAT__INIT;
    packet.type = BK__PACKET__TYPE__STAT;
    packet.stat = &stat;
    stat.path = (char *)path;
    stat.mode = mode;
    stat.size = 3;
    stat.mod_time = 1000;
    stat.linkname = (char *)link;
    send_packet(call, &packet);
}

static void list_end(struct grpc_call *call)
{
    Bk__Packet packet = BK__PACKET__INIT;
    packet.type = BK__PACKET__TYPE__STAT;
    send_packet(call, &packet);
}

static int tell(struct grpc_call *call, Bk__Packet__Type type, uint32_t id, const char *data, size_t size)
{
    Bk__Packet packet = BK__PACKET__INIT;
    packet.type = type;
    packet.id = id;
    packet.data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
    return send_packet(call, &packet);
}

/* Until the daemon has had enough. */
static void wait_for_end(struct grpc_call *call)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    while (grpc_receive(call, &message, NULL) > 0)
        ;
}

/* The text says what is listed ("f", "d", "l" with the path behind it; one a line) and, after a line "-", sent: "ID
 * data", "ID" (its end), other packets by their name; "asked" waits for a packet, "wait" for the daemon's end. */
static void follow_script(struct rig *rig, struct grpc_call *call)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    CLEANUP_STRBUF struct strbuf request = STRBUF_INIT;
    strv_split(&lines, rig->text, '\n');
    size_t i = 0;
    for (; i < lines.count && strcmp(lines.items[i], "-") != 0; i++) {
        const char *line = lines.items[i];
        if (strncmp(line, "data", 4) == 0)
            tell(call, BK__PACKET__TYPE__DATA, 0, "x", 1);
        else
            list(call, line + 2,
                 *line == 'd'   ? GO_DIR | 0755
                 : *line == 'l' ? GO_SYMLINK | 0777
                                : 0644,
                 *line == 'l' ? "/etc" : "");
    }
    if (i < lines.count)
        list_end(call);
    for (i++; i < lines.count; i++) {
        const char *line = lines.items[i];
        char *rest;
        unsigned long id = strtoul(line, &rest, 10);
        if (strcmp(line, "fin") == 0)
            tell(call, BK__PACKET__TYPE__FIN, 0, NULL, 0);
        else if (strcmp(line, "req") == 0)
            tell(call, BK__PACKET__TYPE__REQ, 0, NULL, 0);
        else if (strcmp(line, "err") == 0)
            tell(call, BK__PACKET__TYPE__ERR, 0, "no disk", 7);
        else if (strcmp(line, "garbage") == 0)
            grpc_send(call, "\xff\xff\xff", 3, NULL);
        else if (strcmp(line, "huge") == 0) /* a message of 4 GB */
            http2_write(call->stream, "\0\xff\xff\xff\xff", 5);
        else if (strcmp(line, "asked") == 0)
            grpc_receive(call, &request, NULL);
        else if (strcmp(line, "wait") == 0)
            wait_for_end(call);
        else
            tell(call, BK__PACKET__TYPE__DATA, (uint32_t)id, *rest ? rest + 1 : NULL, *rest ? strlen(rest + 1) : 0);
    }
}

/* ---- directories ---- */

static int take(struct rig *rig, struct context_sync **sync, int *fd, struct error *err)
{
    int64_t bytes;
    const struct session_files_options options = {.name = "context", .cancel_fd = rig->cancel_fd};
    return session_files(rig->session, &rig->engine, &options, sync, fd, &bytes, err);
}

/* Of contexts nothing is there but locks and empty directories; beside them, nothing at all. */
static void assert_nothing_left(const struct scratch *scratch)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    bool made = directory_open(scratch->fd, "build-contexts", &dir) == 0;
    while (made && directory_next(dir, &name) > 0) {
        CLEANUP_FREE char *manifest = xasprintf("build-contexts/%s/manifest", name);
        CLEANUP_FREE char *tree = xasprintf("build-contexts/%s/tree", name);
        assert_int_equal(strncmp(name, "keep-", 5), 0);
        assert_int_equal(faccessat(scratch->fd, manifest, F_OK, 0), -1);
        assert_int_equal(faccessat(scratch->fd, tree, F_OK, 0), -1);
    }
    CLEANUP_DIRECTORY DIR *all = NULL;
    assert_int_equal(directory_open(scratch->fd, ".", &all), 0);
    while (directory_next(all, &name) > 0)
        assert_string_equal(name, "build-contexts");
}

static void transfers_that_break_the_rules_fail_and_leave_nothing(void **state)
{
    static const struct {
        const char *script, *message;
    } rows[] = {
        {"f ../x\n-", "not clean"},
        {"f /etc/x\n-", "not clean"},
        {"d a\nf a/../../x\n-", "not clean"},
        {"f \n-", "length"},
        {"f b\nf a\n-", "not in order"},
        {"f a\nf a\n-", "not in order"},
        {"l a\nf a/passwd\n-", "its directory is not listed"},
        {"f a\nf a/b\n-", "its directory is not listed"},
        {"data\n-", "packet 2 within the list"},
        {"f a", "ended too early"},
        {"f a\n-\nasked", "ended too early"},
        {"f a\n-\nasked\n0 x", "ended too early"},
        {"f a\n-\n7 x\nwait", "file 7 was not asked for"},
        {"f a\nd b\n-\n1 x\nwait", "file 1 was not asked for"},
        {"f a\nf b\n-\n0 x\n0\n0 x\nwait", "make a: File exists"},
        {"f a\n-\nfin\nwait", "packet 3 of file 0 was not asked for"},
        {"f a\n-\nreq\nwait", "packet 1 of file 0 was not asked for"},
        {"f a\n-\n0 x\nerr\nwait", "no disk"},
        {"f a\n-\n0 x\ngarbage\nwait", "malformed packet"},
        {"f a\n-\n0 x\nhuge\nwait", "larger than 16777216"},
        {"f a\n-\n0 x\n0\n0 x\nwait", "instead of the end"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig rig;
        struct error err = {0};
        struct context_sync *sync = NULL;
        int fd = -1;
        rig_open(&rig, *state, follow_script);
        rig.text = rows[i].script;
        if (take(&rig, &sync, &fd, &err) >= 0 || !strstr(err.message, rows[i].message))
            fail_msg("%s\n  found:    %s\n  expected: %s", rows[i].script, err.message, rows[i].message);
        assert_null(sync);
        rig_close(&rig);
        assert_nothing_left(*state);
    }
}

/* What was listed may have changed until it is read. */
static void a_file_is_what_comes_whatever_its_size_was_said_to_be(void **state)
{
    struct rig rig;
    struct error err = {0};
    struct context_sync *sync = NULL;
    int fd = -1;
    rig_open(&rig, *state, follow_script);
    rig.text = "f empty\nf longer\n-\n1 longer than\n0\n1  three\n1\nfin\nwait";
    if (take(&rig, &sync, &fd, &err) < 0)
        fail_msg("%s", err.message);
    CLEANUP_FREE char *text = NULL;
    size_t size;
    assert_int_equal(file_read(fd, "longer", 100, &text, &size, &err), 0);
    assert_string_equal(text, "longer than three");
    context_sync_free(sync);
    rig_close(&rig);
}

/* ---- clients that go or fall silent ---- */

static void go_in_the_middle(struct rig *rig, struct grpc_call *call)
{
    list(call, "a", 0644, "");
    list_end(call);
    tell(call, BK__PACKET__TYPE__DATA, 0, "x", 1);
    http2_close(rig->client);
}

static void fall_silent(struct rig *rig, struct grpc_call *call)
{
    list(call, "a", 0644, "");
    eventfd_write(rig->cancel_fd, 1);
    wait_for_end(call);
}

static void never_end(struct rig *rig, struct grpc_call *call)
{
    list(call, "a", 0644, "");
    list_end(call);
    for (size_t i = 0; tell(call, BK__PACKET__TYPE__DATA, 0, "again and again", 15) == 0; i++) {
        if (i == 100)
            eventfd_write(rig->cancel_fd, 1);
    }
}

static void a_client_that_goes_falls_silent_or_never_ends_is_not_waited_for(void **state)
{
    void (*const ways[])(struct rig *, struct grpc_call *) = {go_in_the_middle, fall_silent, never_end};
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        struct rig rig;
        struct error err = {0};
        struct context_sync *sync = NULL;
        int fd = -1;
        rig_open(&rig, *state, ways[i]);
        assert_true(take(&rig, &sync, &fd, &err) < 0);
        assert_int_equal(err.kind, ERROR_CANCELLED);
        rig_close(&rig);
        assert_nothing_left(*state);
    }
}

/* Until the daemon has given the call up. */
static void wait_for_reset(struct grpc_call *call)
{
    struct pollfd reset = {.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN};
    http2_notify(call->stream, reset.fd);
    while (poll(&reset, 1, -1) < 1)
        ;
    http2_notify(call->stream, -1);
    fd_close(reset.fd);
}

/* Takes nothing of what it is sent, and answers nothing. */
static void stall(struct rig *rig, struct grpc_call *call)
{
    eventfd_write(rig->cancel_fd, 1);
    wait_for_reset(call);
}

static void a_client_that_takes_no_result_is_not_waited_for(void **state)
{
    struct rig rig;
    struct error err = {0};
    struct grpc_call call;
    CLEANUP_FREE char *piece = xcalloc(1, HTTP2_WINDOW);
    rig_open(&rig, *state, stall);
    assert_int_equal(session_send_open(rig.session, 0, rig.cancel_fd, &call, &err), 0);
    while (session_send_bytes(&call, piece, HTTP2_WINDOW, &err) == 0)
        ;
    assert_int_equal(err.kind, ERROR_CANCELLED);
    grpc_call_release(&call);
    rig_close(&rig);
}

static void a_session_that_never_comes_is_not_waited_for_when_the_build_is_cancelled(void **state)
{
    struct session_list list;
    struct session *session = NULL;
    struct error err = {0};
    int cancel_fd = eventfd(1, EFD_CLOEXEC);
    (void)state;
    session_list_init(&list);
    assert_true(session_get(&list, "nobody", cancel_fd, &session, &err) < 0);
    assert_int_equal(err.kind, ERROR_CANCELLED);
    session_list_release(&list);
    fd_close(cancel_fd);
}

/* ---- secrets and credentials ---- */

static void answer_secret(struct rig *rig, struct grpc_call *call)
{
    Bk__Bytes message = BK__BYTES__INIT;
    CLEANUP_FREE char *value = xcalloc(1, rig->size + 1);
    CLEANUP_FREE uint8_t *packed = xmalloc(rig->size + 16);
    memset(value, 's', rig->size);
    message.data = (ProtobufCBinaryData){.len = rig->size, .data = (uint8_t *)value};
    grpc_send(call, packed, bk__bytes__pack(&message, packed), NULL);
}

static void answer_credentials(struct rig *rig, struct grpc_call *call)
{
    Bk__CredentialsResponse message = BK__CREDENTIALS_RESPONSE__INIT;
    CLEANUP_FREE char *value = xcalloc(1, rig->size + 1);
    CLEANUP_FREE uint8_t *packed = xmalloc(rig->size + 32);
    memset(value, 's', rig->size);
    message.username = (char *)"me";
    message.secret = value;
    grpc_send(call, packed, bk__credentials_response__pack(&message, packed), NULL);
}

static void answer_garbage(struct rig *rig, struct grpc_call *call)
{
    (void)rig;
    grpc_send(call, "\xff\xff\xff", 3, NULL);
}

static void secrets_have_a_largest_size(void **state)
{
    static const struct {
        void (*behave)(struct rig *, struct grpc_call *);
        size_t size;
        const char *message;
    } rows[] = {
        {answer_secret, 512000, NULL},
        {answer_secret, 512001, "secret key is larger than 512000 bytes"},
        {answer_secret, GRPC_MESSAGE_MAX, "larger than 16777216"},
        {answer_garbage, 0, "malformed answer"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig rig;
        struct error err = {0};
        struct build_secret secret = {0};
        rig_open(&rig, *state, rows[i].behave);
        rig.size = rows[i].size;
        struct session_supply supply = {.session = rig.session, .cancel_fd = rig.cancel_fd};
        int r = session_secret("key", &secret, &supply, &err);
        if (rows[i].message ? r >= 0 || !strstr(err.message, rows[i].message) : r < 0 || secret.size != rows[i].size)
            fail_msg("%zu bytes: %s", rows[i].size, err.message);
        free(secret.data);
        rig_close(&rig);
    }
}

static void credentials_that_cannot_be_used_are_none(void **state)
{
    static const struct {
        void (*behave)(struct rig *, struct grpc_call *);
        size_t size;
        bool usable;
    } rows[] = {{answer_credentials, 1000, true}, {answer_credentials, 70000, false}, {answer_garbage, 0, false}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig rig;
        rig_open(&rig, *state, rows[i].behave);
        rig.size = rows[i].size;
        struct session_supply supply = {.session = rig.session, .cancel_fd = rig.cancel_fd};
        const struct registry_auth *login = session_credentials("example.org", &supply);
        assert_int_equal(login != NULL, rows[i].usable);
        assert_ptr_equal(session_credentials("example.org", &supply), login);
        rig_close(&rig);
    }
}

static void an_answer_that_never_comes_is_not_waited_for_when_the_build_is_cancelled(void **state)
{
    struct rig rig;
    struct error err = {0};
    struct build_secret secret = {0};
    rig_open(&rig, *state, stall);
    struct session_supply supply = {.session = rig.session, .cancel_fd = rig.cancel_fd};
    assert_true(session_secret("key", &secret, &supply, &err) < 0);
    assert_int_equal(err.kind, ERROR_CANCELLED);
    /* The next build asks again. */
    assert_null(session_credentials("example.org", &supply));
    assert_int_equal(rig.session->registries.count, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(transfers_that_break_the_rules_fail_and_leave_nothing),
        IN_SCRATCH(a_file_is_what_comes_whatever_its_size_was_said_to_be),
        IN_SCRATCH(a_client_that_goes_falls_silent_or_never_ends_is_not_waited_for),
        IN_SCRATCH(a_client_that_takes_no_result_is_not_waited_for),
        IN_SCRATCH(a_session_that_never_comes_is_not_waited_for_when_the_build_is_cancelled),
        IN_SCRATCH(secrets_have_a_largest_size),
        IN_SCRATCH(credentials_that_cannot_be_used_are_none),
        IN_SCRATCH(an_answer_that_never_comes_is_not_waited_for_when_the_build_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
