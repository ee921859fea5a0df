#include "api/build_session.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "api/request.h"
#include "base/base64.h"
#include "base/fd.h"
#include "base/log.h"

#define SEND_PATIENCE_S 150

int build_session_send(struct build_session *session, enum session_type type, unsigned channel, const void *data,
                       size_t size)
{
    pthread_mutex_lock(&session->send_lock);
    int r = session_send(session->fd, type, channel, data, size);
    if (r < 0)
        shutdown(session->fd, SHUT_RDWR); /* ends the watcher, and with it the build */
    pthread_mutex_unlock(&session->send_lock);
    return r;
}

/* ---- what steps ask for ---- */

int build_session_secret(const char *id, struct build_secret *ret, void *data, struct error *err)
{
    const struct build_session *session = data;
    const struct session_secret *secrets = session->options.secrets.items;
    for (size_t i = 0; i < session->options.secrets.count; i++) {
        CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
        if (strcmp(secrets[i].id, id) != 0)
            continue;
        if (base64_decode(secrets[i].data, &value) < 0)
            return error_set(err, ERROR_INVALID, 0, "secret %s: not base64", id);
        ret->size = value.size;
        ret->data = strbuf_take(&value);
        return 0;
    }
    return error_set(err, ERROR_NOT_FOUND, 0, "secret %s: not found", id);
}

static const struct registry_auth *supply_credentials(const char *registry, void *data)
{
    const struct build_session *session = data;
    return build_parameters_credentials(registry, session->parameters);
}

static int send_tree(void *data, const void *bytes, size_t size, struct error *err)
{
    struct build_session *session = data;
    for (size_t at = 0; at < size;) {
        size_t n = size - at < SESSION_FRAME_MAX ? size - at : SESSION_FRAME_MAX;
        int r = build_session_send(session, SESSION_TREE, 0, (const char *)bytes + at, n);
        if (r < 0)
            return error_set(err, ERROR_CANCELLED, -r, "the client has gone");
        at += n;
    }
    return 0;
}

/* ---- while it is built ---- */

/* Reads until the client closes; then the build is cancelled. */
static void *watch_main(void *data)
{
    struct build_session *session = data;
    struct session_frame frame;
    while (session_receive(&session->reader, &frame, NULL) > 0) {
        if (frame.type == SESSION_AGENT_DATA)
            build_session_agent_data(session, &frame);
    }
    eventfd_write(session->cancel_fd, 1);
    return NULL;
}

static void fill_options(struct build_session *session, struct build_context *contexts)
{
    struct build_options *o = &session->parameters->options;
    const struct session_context *given = session->options.contexts.items;
    for (size_t i = 1; i < session->options.contexts.count; i++) {
        bool image = strcmp(given[i].kind, "image") == 0;
        contexts[i - 1] = (struct build_context){.name = given[i].name ? given[i].name : "",
                                                 .fd = session->contexts[i].fd,
                                                 .image = image ? given[i].value : NULL};
    }
    o->contexts = contexts;
    o->context_count = session->options.contexts.count - 1;
    o->context_fd = session->contexts[0].fd;
    o->dockerfile = strbuf_str(&session->dockerfile);
    o->dockerfile_size = session->dockerfile.size;
    o->dockerfile_name = session->dockerfile_name;
    strv_copy(&o->no_cache_filter, &session->options.no_cache_filter);
    o->allow_network_host = o->allow_network_host || session->options.allow_host;
    o->allow_security_insecure = session->options.allow_insecure;
    o->check_only = session->options.check;
    o->no_image = session->options.no_image;
    session->tree = session->options.tree ? tar_writer_new(send_tree, session) : NULL;
    o->tree = session->tree;
    o->cancel_fd = session->cancel_fd;
    o->suppliers = (struct build_suppliers){.secret = build_session_secret,
                                            .ssh_agent = build_session_agent,
                                            .credentials = supply_credentials,
                                            .data = session};
}

static int build(struct build_session *session, struct build_result *result, struct error *err)
{
    struct build_events events = build_session_events;
    CLEANUP_FREE struct build_context *contexts =
        xcalloc(session->options.contexts.count, sizeof(struct build_context));
    pthread_t watcher;
    events.data = session;
    fill_options(session, contexts);
    int r = pthread_create(&watcher, NULL, watch_main, session);
    if (r != 0)
        return error_errno(err, r, "start a thread");
    r = build_session_run(session, &events, result, err);
    if (r == 0 && session->tree)
        r = tar_writer_finish(session->tree, err);
    if (r == 0 && session->options.tree && build_session_send(session, SESSION_TREE, 0, NULL, 0) < 0)
        r = error_set(err, ERROR_CANCELLED, EPIPE, "the client has gone");
    build_session_agents_close(session);
    shutdown(session->fd, SHUT_RD); /* ends the watcher */
    pthread_join(watcher, NULL);
    return r;
}

/* ---- the end ---- */

static void send_result(struct build_session *session, int r, const struct build_result *result,
                        const struct error *error)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    if (r < 0) {
        json_member_string(&w, "error", error->message);
        json_member_int(&w, "code", result->exit_code);
    } else {
        json_member_string(&w, "id", result->image_id);
    }
    json_member_int(&w, "warnings", (int64_t)result->warnings);
    json_end_object(&w);
    build_session_send(session, SESSION_RESULT, 0, out.data, out.size);
}

/* A client that is still sending looks for an answer only in between. */
static void drain(struct build_session *session)
{
    CLEANUP_FREE char *buffer = xmalloc(65536);
    shutdown(session->fd, SHUT_WR);
    while (recv(session->fd, buffer, 65536, 0) > 0)
        ;
}

static void release(struct build_session *session)
{
    for (size_t i = 0; session->contexts && i < session->options.contexts.count; i++) {
        context_sync_free(session->contexts[i].sync);
        build_files_release(&session->contexts[i].files);
    }
    free(session->contexts);
    tar_writer_free(session->tree);
    const struct session_secret *secrets = session->options.secrets.items;
    for (size_t i = 0; i < session->options.secrets.count; i++) {
        if (secrets[i].data)
            explicit_bzero(secrets[i].data, strlen(secrets[i].data));
    }
    json_table_release(&session_options_table, &session->options);
    if (session->reader.buffer.data)
        explicit_bzero(session->reader.buffer.data, session->reader.buffer.capacity);
    session_reader_release(&session->reader);
    strbuf_release(&session->dockerfile);
    free(session->dockerfile_name);
    fd_close(session->fd);
    fd_close(session->cancel_fd);
    pthread_mutex_destroy(&session->send_lock);
    pthread_mutex_destroy(&session->agent_lock);
    pthread_cond_destroy(&session->agent_changed);
    free(session);
}

static void run(struct build_session *session)
{
    struct build_result result = {0};
    struct error error = {0};
    int r = build_session_receive(session, &error);
    if (r < 0) {
        send_result(session, r, &result, &error);
        drain(session);
        return;
    }
    r = build(session, &result, &error);
    send_result(session, r, &result, &error);
}

int build_session_handle(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_BUILD_PARAMETERS struct build_parameters parameters = {0};
    struct build_session *session = xcalloc(1, sizeof(*session));
    session->engine = engine;
    session->parameters = &parameters;
    session->fd = -1;
    session->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&session->send_lock, NULL);
    pthread_mutex_init(&session->agent_lock, NULL);
    pthread_cond_init(&session->agent_changed, NULL);
    for (size_t i = 0; i < SESSION_AGENTS_MAX; i++)
        session->agents[i].fd = -1;
    int r = session->cancel_fd < 0 ? error_errno(err, errno, "eventfd") : 0;
    if (r == 0 && !request_wants_upgrade(request))
        r = error_set(err, ERROR_INVALID, 0, "a build session needs an upgraded connection");
    if (r == 0 && build_parameters_is_buildkit(request))
        r = error_set(err, ERROR_INVALID, 0, "version=2 is of POST /build");
    if (r == 0)
        r = build_parameters_read(request, engine, &parameters, err);
    if (r == 0)
        r = api_hijack(request, "application/vnd.dory.build-session", &session->fd, err);
    if (r == 0) {
        const struct timeval patience = {.tv_sec = SEND_PATIENCE_S};
        session->reader.fd = session->fd;
        /* How long a client that reads nothing is awaited when all steps have ended. */
        if (setsockopt(session->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
            log_warn("build: a limit for a client that does not read: %s", strerror(errno));
        run(session);
    }
    release(session);
    return r;
}
