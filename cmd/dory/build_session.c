/*
 * A build by dory's own daemon: what api/client_session.h describes, from the client's side. One thread: it sends the
 * contexts, then answers what comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/client.h"
#include "api/client_session.h"
#include "archive/unpack.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "cmd/dory/build.h"
#include "cmd/dory/build_display.h"
#include "cmd/dory/build_manifest.h"
#include "cmd/dory/build_secrets.h"
#include "cmd/dory/build_source.h"
#include "cmd/dory/build_ssh.h"

#define PIECE ((size_t)256 * 1024)
#define AGENTS_MAX 64
/* A live display is drawn again after so long. */
#define TICK_MS 100

struct agent {
    unsigned channel;
    int fd; /* -1: free */
};

struct session {
    struct client_stream stream;
    struct session_reader reader;
    const struct build_flags *flags;
    const struct build_source *source;
    struct build_source *named; /* directories of --build-context; NULL path: it is none */
    struct strmap contexts;     /* --build-context */
    struct build_ssh ssh;
    struct agent agents[AGENTS_MAX];
    struct build_display display;
    struct json *result;
    int64_t sent; /* bytes of contexts */
    char *piece;
};

static void session_release(struct session *session)
{
    for (size_t i = 0; session->named && i < session->contexts.count; i++)
        build_source_release(&session->named[i]);
    free(session->named);
    for (size_t i = 0; i < AGENTS_MAX; i++)
        fd_close(session->agents[i].fd);
    strmap_release(&session->contexts);
    build_ssh_release(&session->ssh);
    session_reader_release(&session->reader);
    fd_close(session->stream.fd);
    free(session->stream.leftover);
    build_display_release(&session->display);
    json_free(session->result);
    free(session->piece);
}

static int lost(struct error *err)
{
    return error_set(err, ERROR_UNAVAILABLE, ECONNRESET, "the connection to the daemon was lost");
}

static int put(struct session *session, enum session_type type, unsigned channel, const void *data, size_t size,
               struct error *err)
{
    int r = session_send(session->stream.fd, type, channel, data, size);
    return r < 0 ? error_errno(err, r, "send to the daemon") : 0;
}

/* ---- options ---- */

static bool has_scheme(const char *text, const char *scheme)
{
    return strncmp(text, scheme, strlen(scheme)) == 0;
}

static int open_named(struct session *session, struct error *err)
{
    session->named = xcalloc(session->contexts.count + 1, sizeof(*session->named));
    for (size_t i = 0; i < session->contexts.count; i++)
        session->named[i].fd = -1;
    for (size_t i = 0; i < session->contexts.count; i++) {
        const char *value = session->contexts.items[i].value;
        if (has_scheme(value, "oci-layout://") || has_scheme(value, "target:"))
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--build-context %s=%s is not supported",
                             session->contexts.items[i].key, value);
        if (has_scheme(value, "docker-image://") || build_source_is_remote(value))
            continue;
        int r = build_source_open_named(value, session->source->keep_git, &session->named[i], err);
        if (r < 0)
            return error_context(err, "--build-context %s", session->contexts.items[i].key);
    }
    return 0;
}

static int read_named(struct session *session, struct error *err)
{
    const struct strv *given = &session->flags->build_contexts;
    for (size_t i = 0; i < given->count; i++) {
        const char *equals = strchr(given->items[i], '=');
        if (!equals || equals == given->items[i] || !equals[1])
            return error_set(err, ERROR_INVALID, 0, "invalid context value: %s, expected key=value", given->items[i]);
        CLEANUP_FREE char *name = xstrndup(given->items[i], (size_t)(equals - given->items[i]));
        strmap_set(&session->contexts, name, equals + 1);
    }
    return open_named(session, err);
}

static void write_context(struct json_writer *w, const char *name, const char *kind, const char *value)
{
    json_begin_object(w);
    json_member_string(w, "name", name);
    json_member_string(w, "kind", kind);
    json_member_string(w, "value", value);
    json_end_object(w);
}

static void write_source(struct json_writer *w, const char *name, const struct build_source *source)
{
    char key[65] = "";
    if (source->kind == BUILD_DIRECTORY)
        build_manifest_key(source, key);
    write_context(w, name,
                  source->kind == BUILD_DIRECTORY ? "directory"
                  : source->kind == BUILD_ARCHIVE ? "tar"
                  : source->kind == BUILD_REMOTE  ? "remote"
                                                  : "none",
                  source->kind == BUILD_REMOTE ? source->remote : key);
}

static void write_contexts(struct json_writer *w, const struct session *session)
{
    json_key(w, "contexts");
    json_begin_array(w);
    write_source(w, "", session->source);
    for (size_t i = 0; i < session->contexts.count; i++) {
        const char *name = session->contexts.items[i].key, *value = session->contexts.items[i].value;
        if (session->named[i].path)
            write_source(w, name, &session->named[i]);
        else if (has_scheme(value, "docker-image://"))
            write_context(w, name, "image", value + strlen("docker-image://"));
        else
            write_context(w, name, "remote", value);
    }
    json_end_array(w);
}

static void write_list(struct json_writer *w, const char *name, const struct strv *list)
{
    json_key(w, name);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        json_put_string(w, list->items[i]);
    json_end_array(w);
}

/* One is the query's. */
static void write_platforms(struct json_writer *w, const struct build_flags *flags, const struct build_output *output)
{
    CLEANUP_STRV struct strv platforms = STRV_INIT;
    if (!build_is_of_several(flags))
        return;
    strv_split(&platforms, flags->platform, ',');
    write_list(w, "platforms", &platforms);
    json_member_bool(w, "push", flags->push || (output && output->push));
}

static int send_options(struct session *session, const struct build_output *output, struct error *err)
{
    const struct build_flags *flags = session->flags;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    bool tree = output && (output->kind == OUTPUT_LOCAL || output->kind == OUTPUT_TAR);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    write_contexts(&w, session);
    json_key(&w, "ssh");
    json_begin_array(&w);
    for (size_t i = 0; i < session->ssh.sockets.count; i++)
        json_put_string(&w, session->ssh.sockets.items[i].key);
    json_end_array(&w);
    write_list(&w, "noCacheFilter", &flags->no_cache_filter);
    write_platforms(&w, flags, output);
    json_member_bool(&w, "dockerfile", session->source->dockerfile_read);
    json_member_bool(&w, "allowHost", strv_contains(&flags->allow, "network.host"));
    json_member_bool(&w, "allowInsecure", strv_contains(&flags->allow, "security.insecure"));
    json_member_bool(&w, "check", flags->check || (flags->call && strcmp(flags->call, "check") == 0));
    json_member_bool(&w, "tree", tree);
    json_member_bool(&w, "noImage",
                     (tree && flags->tags.count == 0 && !flags->load) || (output && output->kind == OUTPUT_NONE));
    json_key(&w, "secrets");
    int r = build_secrets_write(&w, &flags->secrets, err);
    if (r == 0 && flags->cache_to.count > 0)
        r = build_cache_to_write(&w, &flags->cache_to, err);
    json_end_object(&w);
    if (r == 0 && text.size > SESSION_FRAME_MAX)
        r = error_set(err, ERROR_INVALID, E2BIG, "the secrets are larger than %zu bytes together", SESSION_FRAME_MAX);
    if (r == 0)
        r = put(session, SESSION_OPTIONS, 0, text.data, text.size, err);
    explicit_bzero(text.data, text.size);
    return r;
}

/* ---- contexts ---- */

/* Pieces, and an empty one at the end. */
static int send_text(struct session *session, enum session_type type, unsigned channel, const struct strbuf *text,
                     struct error *err)
{
    int r = 0;
    for (size_t at = 0; at < text->size && r == 0; at += PIECE)
        r = put(session, type, channel, text->data + at, text->size - at < PIECE ? text->size - at : PIECE, err);
    return r < 0 ? r : put(session, type, channel, NULL, 0, err);
}

/* The daemon has something to say: while it is being sent to, that is the end. */
static bool is_told(struct session *session)
{
    struct pollfd fd = {.fd = session->stream.fd, .events = POLLIN};
    return session_buffered(&session->reader) || poll(&fd, 1, 0) > 0;
}

static int send_file(struct session *session, unsigned channel, int fd, struct error *err)
{
    ssize_t n;
    while ((n = read(fd, session->piece, PIECE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read a file of the build context");
        int r = put(session, SESSION_FILE, channel, session->piece, (size_t)n, err);
        if (r < 0 || is_told(session))
            return r;
        session->sent += n;
    }
    return put(session, SESSION_FILE_END, channel, NULL, 0, err);
}

static int send_needed(struct session *session, unsigned channel, const struct build_source *source,
                       const struct build_manifest *manifest, const struct strbuf *needed, struct error *err)
{
    int r = 0;
    for (size_t at = 0; at + 4 <= needed->size && r == 0 && !is_told(session); at += 4) {
        const unsigned char *n = (unsigned char *)needed->data + at;
        size_t index = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
        if (index >= manifest->count)
            return error_set(err, ERROR_SYSTEM, EPROTO, "the daemon asks for a file that is not there");
        CLEANUP_CLOSE int fd = build_manifest_open(source, manifest, index);
        if (fd >= 0)
            r = send_file(session, channel, fd, err);
        else if (errno == ENOENT || errno == ELOOP)
            r = put(session, SESSION_FILE_END, channel, "", 1, err);
        else
            r = error_errno(err, errno, "error checking context: can't read '%s/%s'", source->path,
                            build_manifest_path(manifest, index));
    }
    return r;
}

static int take_result(struct session *session, const struct session_frame *frame, struct error *err)
{
    return json_parse(frame->data, frame->size, &session->result, err);
}

static int send_directory(struct session *session, unsigned channel, const struct build_source *source,
                          struct error *err)
{
    CLEANUP_BUILD_MANIFEST struct build_manifest manifest = {0};
    CLEANUP_STRBUF struct strbuf needed = STRBUF_INIT;
    struct session_frame frame;
    int r = build_manifest_make(source, &manifest, err);
    if (r == 0)
        r = send_text(session, SESSION_MANIFEST, channel, &manifest.text, err);
    if (r < 0)
        return r;
    while ((r = session_receive(&session->reader, &frame, err)) > 0 && frame.type == SESSION_NEED && frame.size > 0)
        strbuf_add(&needed, frame.data, frame.size);
    if (r <= 0)
        return r == 0 ? lost(err) : r;
    if (frame.type == SESSION_RESULT)
        return take_result(session, &frame, err);
    return send_needed(session, channel, source, &manifest, &needed, err);
}

static int send_archive(struct session *session, const struct build_source *source, struct error *err)
{
    int r = put(session, SESSION_TAR, 0, source->head.data, source->head.size, err);
    while (r == 0 && !is_told(session)) {
        ssize_t n = read(source->fd, session->piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read the context on standard input");
        if (n == 0)
            break;
        session->sent += n;
        r = put(session, SESSION_TAR, 0, session->piece, (size_t)n, err);
    }
    return r < 0 ? r : put(session, SESSION_TAR, 0, NULL, 0, err);
}

static int send_contexts(struct session *session, struct error *err)
{
    int r = session->source->dockerfile_read
                ? send_text(session, SESSION_DOCKERFILE, 0, &session->source->dockerfile, err)
                : 0;
    if (r == 0 && session->source->kind == BUILD_DIRECTORY)
        r = send_directory(session, 0, session->source, err);
    else if (r == 0 && session->source->kind == BUILD_ARCHIVE)
        r = send_archive(session, session->source, err);
    for (size_t i = 0; i < session->contexts.count && r == 0 && !session->result; i++) {
        if (session->named[i].path)
            r = send_directory(session, (unsigned)i + 1, &session->named[i], err);
    }
    return r;
}

/* ---- agents ---- */

static struct agent *find_agent(struct session *session, unsigned channel)
{
    for (size_t i = 0; i < AGENTS_MAX; i++) {
        if (session->agents[i].fd >= 0 && session->agents[i].channel == channel)
            return &session->agents[i];
    }
    return NULL;
}

static int open_agent(struct session *session, const struct session_frame *frame, struct error *err)
{
    CLEANUP_FREE char *id = xstrndup(frame->data, frame->size);
    const char *path = strmap_get(&session->ssh.sockets, id);
    int fd = path ? fd_connect_unix(AT_FDCWD, path, SOCK_STREAM) : -ENOENT;
    for (size_t i = 0; i < AGENTS_MAX && fd >= 0; i++) {
        if (session->agents[i].fd < 0) {
            session->agents[i] = (struct agent){.channel = frame->channel, .fd = fd};
            return 0;
        }
    }
    if (fd >= 0)
        fd_close(fd);
    return put(session, SESSION_AGENT_DATA, frame->channel, NULL, 0, err);
}

static int agent_data(struct session *session, const struct session_frame *frame, struct error *err)
{
    struct agent *agent = find_agent(session, frame->channel);
    if (!agent)
        return 0;
    if (frame->size > 0 && fd_write_all(agent->fd, frame->data, frame->size) == 0)
        return 0;
    agent->fd = fd_close(agent->fd);
    return frame->size > 0 ? put(session, SESSION_AGENT_DATA, frame->channel, NULL, 0, err) : 0;
}

static int read_agent(struct session *session, struct agent *agent, struct error *err)
{
    ssize_t n = read(agent->fd, session->piece, PIECE);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0)
        agent->fd = fd_close(agent->fd);
    return put(session, SESSION_AGENT_DATA, agent->channel, session->piece, n > 0 ? (size_t)n : 0, err);
}

/* ---- while it is built ---- */

/* Waits for the daemon or an agent; agents are served. */
static int wait_for_daemon(struct session *session, struct error *err)
{
    while (!session_buffered(&session->reader)) {
        struct pollfd fds[1 + AGENTS_MAX];
        struct agent *agents[1 + AGENTS_MAX];
        nfds_t count = 0;
        fds[count++] = (struct pollfd){.fd = session->stream.fd, .events = POLLIN};
        for (size_t i = 0; i < AGENTS_MAX; i++) {
            if (session->agents[i].fd < 0)
                continue;
            agents[count] = &session->agents[i];
            fds[count++] = (struct pollfd){.fd = session->agents[i].fd, .events = POLLIN};
        }
        int n = poll(fds, count, session->display.kind == DISPLAY_TTY ? TICK_MS : -1);
        if (n < 0 && errno != EINTR)
            return error_errno(err, errno, "poll");
        if (n == 0)
            build_display_tick(&session->display);
        for (nfds_t i = 1; n > 0 && i < count; i++) {
            int r = fds[i].revents ? read_agent(session, agents[i], err) : 0;
            if (r < 0)
                return r;
        }
        if (n > 0 && fds[0].revents)
            return 0;
    }
    return 0;
}

static int show_event(struct session *session, const struct session_frame *frame, struct error *err)
{
    CLEANUP_JSON struct json *event = NULL;
    int r = json_parse(frame->data, frame->size, &event, err);
    if (r == 0)
        build_display_event(&session->display, event);
    return r;
}

/* The next piece of the resulting tree, or the end of everything: 1, *ret_frame is SESSION_TREE; 0: the result has
 * come. */
static int next_piece(struct session *session, struct session_frame *ret_frame, struct error *err)
{
    while (!session->result) {
        int r = wait_for_daemon(session, err);
        if (r == 0)
            r = session_receive(&session->reader, ret_frame, err);
        if (r <= 0)
            return r == 0 ? lost(err) : r;
        r = 0;
        if (ret_frame->type == SESSION_TREE)
            return 1;
        if (ret_frame->type == SESSION_EVENT)
            r = show_event(session, ret_frame, err);
        else if (ret_frame->type == SESSION_AGENT)
            r = open_agent(session, ret_frame, err);
        else if (ret_frame->type == SESSION_AGENT_DATA)
            r = agent_data(session, ret_frame, err);
        else if (ret_frame->type == SESSION_RESULT)
            r = take_result(session, ret_frame, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the resulting tree ---- */

static ssize_t tree_source(void *data, const void **ret_data, struct error *err)
{
    struct session_frame frame;
    int r = next_piece(data, &frame, err);
    if (r == 0) /* it failed: why is in the result */
        return error_set(err, ERROR_CANCELLED, ECANCELED, "the build has no result");
    if (r < 0)
        return r;
    *ret_data = frame.data;
    return (ssize_t)frame.size;
}

static int take_local(struct session *session, const char *destination, struct error *err)
{
    int r = file_mkdirs(destination, 0755, err);
    CLEANUP_CLOSE int fd = r < 0 ? -1 : open(destination, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && fd < 0)
        r = error_errno(err, errno, "open %s", destination);
    if (r < 0)
        return r;
    /* As BuildKit's local exporter: files belong to who builds. */
    const struct unpack_options options = {.plain = true, .no_owner = true};
    struct unpack_result result;
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(tree_source, session);
    mode_t mask = umask(0); /* modes are the result's */
    r = unpack_tree(reader, fd, &options, &result, err);
    umask(mask);
    return r < 0 ? r : tar_reader_drain(reader, err);
}

static int take_tar(struct session *session, const char *destination, struct error *err)
{
    bool out = strcmp(destination, "-") == 0;
    CLEANUP_FREE char *temporary = xasprintf("%s.tmp-%d", destination, (int)getpid());
    CLEANUP_CLOSE int fd = out ? fd_dup(STDOUT_FILENO) : open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, errno, "open %s", destination);
    const void *data = NULL;
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = tree_source(session, &data, err)) != 0) {
        r = n < 0 ? (int)n : fd_write_all(fd, data, (size_t)n);
        if (n > 0 && r < 0)
            error_errno(err, r, "write %s", destination);
    }
    if (r == 0 && !out && rename(temporary, destination) < 0)
        r = error_errno(err, errno, "rename %s", destination);
    if (r < 0 && !out)
        unlink(temporary);
    return r;
}

static int finish(struct session *session, struct build_outcome *ret, struct error *err)
{
    const char *error = json_get_string(session->result, "error"), *id = json_get_string(session->result, "id");
    ret->exit_code = (int)json_get_int(session->result, "code", 0);
    ret->warnings = json_get_int(session->result, "warnings", 0);
    if (id && *id) {
        ret->image_id = xstrdup(id);
        build_display_image(&session->display, id, &session->flags->tags);
    }
    build_display_finish(&session->display, error,
                         session->source->dockerfile_read ? strbuf_str(&session->source->dockerfile) : NULL,
                         session->source->dockerfile_name);
    return error ? error_set(err, ERROR_SYSTEM, EIO, "%s", error) : 0;
}

static int run(struct session *session, const struct build_output *output, struct build_outcome *ret, struct error *err)
{
    struct session_frame frame;
    struct error own = {0};
    int r = send_options(session, output, &own);
    if (r == 0)
        r = send_contexts(session, &own);
    if (r < 0 && r != -EPIPE) /* a daemon that has closed may have said why */
        return error_propagate(err, &own);
    if (session->sent > 0)
        build_display_note(&session->display, "transferring context", session->sent);
    error_clear(&own);
    r = 0;
    if (output && output->kind == OUTPUT_LOCAL)
        r = take_local(session, output->destination, &own);
    else if (output && output->kind == OUTPUT_TAR)
        r = take_tar(session, output->destination, &own);
    if (r == 0)
        r = next_piece(session, &frame, &own);
    if (session->result) {
        int result = finish(session, ret, err);
        return result < 0 || r >= 0 ? result : error_propagate(err, &own);
    }
    build_display_finish(&session->display, own.message, NULL, NULL);
    return error_propagate(err, &own);
}

int build_session(struct cli *cli, const struct build_flags *flags, const struct build_source *source,
                  const struct build_output *output, struct build_outcome *ret, struct error *err)
{
    CLEANUP(session_release)
    struct session session = {.stream.fd = -1, .flags = flags, .source = source, .piece = xmalloc(PIECE)};
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_FREE char *registries = registry_config_header(cli);
    CLEANUP_FREE char *header = registries ? xasprintf("X-Registry-Config: %s", registries) : NULL;
    const char *headers[] = {header, NULL};
    for (size_t i = 0; i < AGENTS_MAX; i++)
        session.agents[i].fd = -1;
    int r = build_display_init(&session.display, flags->progress, flags->quiet, err);
    if (r == 0)
        r = build_ssh_read(&flags->ssh, &session.ssh, err);
    if (r == 0)
        r = read_named(&session, err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/dory");
    build_query(flags, source, source->dockerfile_name, &path);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path), .headers = headers};
    r = client_hijack(cli_client(cli), &request, &session.stream, err);
    if (r < 0)
        return r;
    session.reader.fd = session.stream.fd;
    strbuf_add(&session.reader.buffer, session.stream.leftover, session.stream.leftover_size);
    return run(&session, output, ret, err);
}
