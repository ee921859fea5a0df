/* A session's beginning: options, Dockerfile, contexts. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/build_session.h"
#include "base/fd.h"
#include "base/relay.h"

static const struct json_field context_fields[] = {
    {.name = "name", .type = JSON_FIELD_STRING, .offset = offsetof(struct session_context, name)},
    {.name = "kind",
     .type = JSON_FIELD_STRING,
     .offset = offsetof(struct session_context, kind),
     .flags = JSON_REQUIRED},
    {.name = "value", .type = JSON_FIELD_STRING, .offset = offsetof(struct session_context, value)},
};
static const struct json_table context_table = JSON_TABLE(struct session_context, context_fields);

static const struct json_field secret_fields[] = {
    {.name = "id", .type = JSON_FIELD_STRING, .offset = offsetof(struct session_secret, id), .flags = JSON_REQUIRED},
    {.name = "data",
     .type = JSON_FIELD_STRING,
     .offset = offsetof(struct session_secret, data),
     .flags = JSON_REQUIRED},
};
static const struct json_table secret_table = JSON_TABLE(struct session_secret, secret_fields);

static const struct json_field cache_fields[] = {
    {.name = "type", .type = JSON_FIELD_STRING, .offset = offsetof(struct session_cache, type), .flags = JSON_REQUIRED},
    {.name = "attributes", .type = JSON_FIELD_STRMAP, .offset = offsetof(struct session_cache, attributes)},
};
static const struct json_table cache_table = JSON_TABLE(struct session_cache, cache_fields);

#define AT(member) offsetof(struct session_options, member)
static const struct json_field option_fields[] = {
    {.name = "contexts", .type = JSON_FIELD_ARRAY, .offset = AT(contexts), .table = &context_table},
    {.name = "secrets", .type = JSON_FIELD_ARRAY, .offset = AT(secrets), .table = &secret_table},
    {.name = "ssh", .type = JSON_FIELD_STRV, .offset = AT(ssh)},
    {.name = "noCacheFilter", .type = JSON_FIELD_STRV, .offset = AT(no_cache_filter)},
    {.name = "platforms", .type = JSON_FIELD_STRV, .offset = AT(platforms)},
    {.name = "caches", .type = JSON_FIELD_ARRAY, .offset = AT(caches), .table = &cache_table},
    {.name = "push", .type = JSON_FIELD_BOOL, .offset = AT(push)},
    {.name = "dockerfile", .type = JSON_FIELD_BOOL, .offset = AT(dockerfile)},
    {.name = "allowHost", .type = JSON_FIELD_BOOL, .offset = AT(allow_host)},
    {.name = "allowInsecure", .type = JSON_FIELD_BOOL, .offset = AT(allow_insecure)},
    {.name = "check", .type = JSON_FIELD_BOOL, .offset = AT(check)},
    {.name = "tree", .type = JSON_FIELD_BOOL, .offset = AT(tree)},
    {.name = "noImage", .type = JSON_FIELD_BOOL, .offset = AT(no_image)},
};
const struct json_table session_options_table = {.size = sizeof(struct session_options),
                                                 .fields = option_fields,
                                                 .count = ARRAY_SIZE(option_fields),
                                                 .strict = true}; /* what a newer client asks for is not passed over */

/* The next frame, which must be of this type. */
static int expect(struct build_session *session, enum session_type type, struct session_frame *ret, struct error *err)
{
    int r = session_receive(&session->reader, ret, err);
    if (r == 0)
        return error_set(err, ERROR_CANCELLED, ECANCELED, "the client has gone");
    if (r > 0 && ret->type != type)
        return error_set(err, ERROR_INVALID, EPROTO, "unexpected frame '%c' of a build session: '%c' is due", ret->type,
                         type);
    return r < 0 ? r : 0;
}

static int receive_options(struct build_session *session, struct error *err)
{
    struct session_frame frame;
    int r = expect(session, SESSION_OPTIONS, &frame, err);
    if (r == 0)
        r = json_table_decode_text(&session_options_table, frame.data, frame.size, &session->options, err);
    if (r == 0 && session->options.contexts.count == 0)
        r = error_set(err, ERROR_INVALID, 0, "contexts: empty");
    return r < 0 ? error_context(err, "build session") : 0;
}

/* Pieces up to an empty one. */
static int receive_text(struct build_session *session, enum session_type type, size_t limit, struct strbuf *out,
                        struct error *err)
{
    struct session_frame frame;
    int r;
    while ((r = expect(session, type, &frame, err)) == 0 && frame.size > 0) {
        strbuf_add(out, frame.data, frame.size);
        if (out->size > limit)
            return error_set(err, ERROR_INVALID, EFBIG, "build session: more than %zu bytes", limit);
    }
    return r;
}

/* ---- a directory ---- */

static int send_needed(struct build_session *session, unsigned channel, const uint32_t *needed, size_t count,
                       struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        const unsigned char number[4] = {(unsigned char)(needed[i] >> 24), (unsigned char)(needed[i] >> 16),
                                         (unsigned char)(needed[i] >> 8), (unsigned char)needed[i]};
        strbuf_add(&out, number, sizeof(number));
        if (out.size + sizeof(number) > SESSION_FRAME_MAX) {
            r = build_session_send(session, SESSION_NEED, channel, out.data, out.size);
            strbuf_clear(&out);
        }
    }
    if (r == 0 && out.size > 0)
        r = build_session_send(session, SESSION_NEED, channel, out.data, out.size);
    if (r == 0)
        r = build_session_send(session, SESSION_NEED, channel, NULL, 0);
    return r < 0 ? error_set(err, ERROR_CANCELLED, -r, "the client has gone") : 0;
}

static int receive_file(struct build_session *session, struct context_sync *sync, uint32_t index, struct error *err)
{
    struct session_frame frame;
    for (;;) {
        int r = session_receive(&session->reader, &frame, err);
        if (r == 0)
            return error_set(err, ERROR_CANCELLED, ECANCELED, "the client has gone");
        if (r < 0)
            return r;
        if (frame.type == SESSION_FILE_END)
            return context_sync_end(sync, index, frame.size > 0, err);
        if (frame.type != SESSION_FILE)
            return error_set(err, ERROR_INVALID, EPROTO, "unexpected frame '%c' within a file", frame.type);
        r = context_sync_data(sync, index, frame.data, frame.size, err);
        if (r < 0)
            return r;
    }
}

static int receive_directory(struct build_session *session, unsigned channel, const char *key,
                             struct session_files *files, struct error *err)
{
    CLEANUP_STRBUF struct strbuf manifest = STRBUF_INIT;
    CLEANUP_FREE uint32_t *needed = NULL;
    size_t count = 0;
    int r = receive_text(session, SESSION_MANIFEST, CONTEXT_MANIFEST_MAX, &manifest, err);
    if (r == 0)
        r = context_sync_open(session->engine, key ? key : "", &manifest, &files->sync, &needed, &count, err);
    if (r == 0)
        r = send_needed(session, channel, needed, count, err);
    for (size_t i = 0; i < count && r == 0; i++)
        r = receive_file(session, files->sync, needed[i], err);
    return r < 0 ? r : context_sync_finish(files->sync, &files->fd, err);
}

/* ---- a tar ---- */

struct tar_feed {
    struct build_session *session;
    int fd;
    struct error error; /* that ended it before its time */
};

/* Takes the frames apart; the receiver closes its end when it has failed, which ends the feeding but not the reading:
 * the client has to come to its end before it sees the answer. */
static void *feed_main(void *data)
{
    struct tar_feed *feed = data;
    struct session_frame frame;
    bool listening = true;
    while (expect(feed->session, SESSION_TAR, &frame, &feed->error) == 0 && frame.size > 0) {
        if (listening && fd_write_all(feed->fd, frame.data, frame.size) < 0)
            listening = false;
    }
    fd_close(feed->fd);
    return NULL;
}

static int receive_tar(struct build_session *session, struct session_files *files, struct error *err)
{
    int pipe_fds[2];
    pthread_t thread;
    int r = build_files_new(session->engine, &files->files, err);
    if (r < 0)
        return r;
    r = fd_pipe(pipe_fds);
    if (r < 0)
        return error_errno(err, r, "pipe");
    struct tar_feed feed = {.session = session, .fd = pipe_fds[1]};
    r = pthread_create(&thread, NULL, feed_main, &feed);
    if (r != 0) {
        fd_close(pipe_fds[0]);
        fd_close(pipe_fds[1]);
        return error_errno(err, r, "start a thread");
    }
    r = build_files_receive(&files->files, pipe_fds[0], err);
    fd_close(pipe_fds[0]);
    pthread_join(thread, NULL);
    files->fd = files->files.fd;
    return r == 0 && feed.error.kind != ERROR_NONE ? error_propagate(err, &feed.error) : r;
}

/* ---- all ---- */

static int receive_context(struct build_session *session, unsigned channel, struct error *err)
{
    const struct session_context *context = (struct session_context *)session->options.contexts.items + channel;
    struct session_files *files = &session->contexts[channel];
    if (strcmp(context->kind, "directory") == 0)
        return receive_directory(session, channel, context->value, files, err);
    if (strcmp(context->kind, "tar") == 0)
        return receive_tar(session, files, err);
    if (strcmp(context->kind, "image") == 0 || strcmp(context->kind, "none") == 0)
        return 0;
    if (strcmp(context->kind, "remote") != 0)
        return error_set(err, ERROR_INVALID, 0, "build session: unknown kind of context \"%s\"", context->kind);
    const struct build_suppliers suppliers = {.secret = build_session_secret, .data = session};
    const struct build_fetch how = {
        .cancel_fd = session->fd, .keep_git_dir = session->parameters->keep_git_dir, .suppliers = &suppliers};
    int r = build_files_new(session->engine, &files->files, err);
    if (r == 0)
        r = build_files_fetch(&files->files, context->value ? context->value : "", &how, err);
    files->fd = files->files.fd;
    return r;
}

/* The Dockerfile that the client has not read: of a tar or a fetched context, or at a URL of its own. */
static int find_dockerfile(struct build_session *session, struct error *err)
{
    const char *name = session->parameters->dockerfile_name;
    if (session->options.dockerfile) {
        session->dockerfile_name = xstrdup(name ? name : "Dockerfile");
        return 0;
    }
    if (name && (strncmp(name, "http://", 7) == 0 || strncmp(name, "https://", 8) == 0)) {
        session->dockerfile_name = xstrdup(name);
        return build_fetch_dockerfile(name, session->fd, &session->dockerfile, err);
    }
    if (session->contexts[0].files.fd < 0)
        return error_set(err, ERROR_INVALID, 0, "build session: there is no Dockerfile");
    return build_files_dockerfile(&session->contexts[0].files, name, &session->dockerfile, &session->dockerfile_name,
                                  err);
}

int build_session_receive(struct build_session *session, struct error *err)
{
    int r = receive_options(session, err);
    if (r == 0 && session->options.dockerfile)
        r = receive_text(session, SESSION_DOCKERFILE, BUILD_DOCKERFILE_MAX, &session->dockerfile, err);
    if (r < 0)
        return r;
    size_t count = session->options.contexts.count;
    session->contexts = xcalloc(count, sizeof(*session->contexts));
    for (size_t i = 0; i < count; i++) {
        session->contexts[i].fd = -1;
        session->contexts[i].files = (struct build_files)BUILD_FILES_INIT;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = receive_context(session, (unsigned)i, err);
    return r < 0 ? r : find_dockerfile(session, err);
}
