/* The frontend dockerfile.v0: its options, the files that they name, and the build. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "api/buildkit/grpc.h"
#include "api/buildkit/solve.h"
#include "api/buildkit/solve_options.h"
#include "api/images.h"
#include "api/server_private.h"
#include "archive/ignore.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "daemon/build/context.h"
#include "daemon/build/context_sync.h"

/* Of a transfer is told when so many more bytes have come. */
#define PROGRESS_BYTES ((int64_t)4 << 20)
#define UPLOAD_PREFIX "http://buildkit-session/"
/* Numbers of the steps that are no instructions. */
enum { STEP_DOCKERFILE, STEP_IGNORE, STEP_CONTEXT, STEP_NAMED };

/* One directory on the daemon's side. */
struct source {
    struct context_sync *sync;
    struct build_files files;
    int fd; /* -1: none */
};

struct run {
    struct solve *solve;
    struct session *session;
    struct solve_options options;
    struct source dockerfile, context;
    struct source *named; /* as many as options.contexts */
    struct build_context *contexts;
    char *text, *text_name;
    size_t text_size;
};

static void source_release(struct source *source)
{
    context_sync_free(source->sync);
    build_files_release(&source->files);
}

static void run_release(struct run *run)
{
    source_release(&run->dockerfile);
    source_release(&run->context);
    for (size_t i = 0; run->named && i < run->options.contexts.count; i++)
        source_release(&run->named[i]);
    free(run->named);
    free(run->contexts);
    free(run->text);
    free(run->text_name);
    solve_options_release(&run->options);
    session_put(run->solve->sessions, run->session);
}

/* ---- directories of the client ---- */

struct transfer {
    struct solve_step step;
    int64_t bytes;
};

static void on_bytes(int64_t bytes, void *data)
{
    struct transfer *transfer = data;
    /* Not for every piece. */
    if (bytes - transfer->bytes < PROGRESS_BYTES)
        return;
    transfer->bytes = bytes;
    solve_step_status(&transfer->step, "transferring context", bytes, 0, false);
}

static int take_directory(struct run *run, unsigned number, const char *step_name, const char *name,
                          const struct strv *exclude, const struct strv *follow, struct source *ret, struct error *err)
{
    struct transfer transfer = {0};
    struct error error = {0};
    int64_t bytes = 0;
    solve_step_begin(&transfer.step, run->solve, number, step_name);
    const struct session_files_options options = {
        .name = name, .exclude = exclude, .follow = follow, .progress = on_bytes, .data = &transfer};
    const char *other = strmap_get(&run->options.local_sessions, name);
    struct session *session = NULL;
    int r = other ? session_get(run->solve->sessions, other, &session, &error) : 0;
    if (r == 0)
        r = session_files(session ? session : run->session, run->solve->engine, &options, &ret->sync, &ret->fd, &bytes,
                          &error);
    session_put(run->solve->sessions, session);
    if (r == 0)
        solve_step_status(&transfer.step, "transferring context", bytes, 0, true);
    solve_step_end(&transfer.step, r < 0 ? &error : NULL);
    return r < 0 ? error_propagate(err, &error) : 0;
}

/* A file of a directory; -ENOENT without an error where there is none. */
static int read_text(int dir_fd, const char *name, char **ret, size_t *ret_size)
{
    return beneath_read_file(dir_fd, name, BUILD_DOCKERFILE_MAX, ret, ret_size);
}

/* Lines of a .dockerignore as the client's matcher takes them. */
static int read_patterns(const char *name, const char *text, size_t size, struct strv *ret, struct error *err)
{
    CLEANUP_IGNORE struct ignore ignore = {0};
    int r = ignore_parse(text, size, &ignore, err);
    if (r < 0)
        return error_context(err, "%s", name);
    for (const char *line = text, *end = text + size; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((next ? next : end) - line);
        const char *from = line;
        line = next ? next + 1 : end;
        if (n > 0 && *from == '#')
            continue;
        while (n > 0 && strchr(" \t\r", from[n - 1]))
            n--;
        for (; n > 0 && strchr(" \t", *from); n--)
            from++;
        bool exception = n > 0 && *from == '!';
        for (from += exception, n -= exception; n > 0 && strchr(" \t/", *from); n--)
            from++;
        if (n > 0)
            strv_addf(ret, "%s%.*s", exception ? "!" : "", (int)n, from);
    }
    return 0;
}

/* The .dockerignore alone of the directory `name`. */
static int take_ignore_file(struct run *run, const char *name, struct source *ret, struct error *err)
{
    CLEANUP_STRV struct strv follow = STRV_INIT;
    strv_add(&follow, ".dockerignore");
    return take_directory(run, STEP_IGNORE, "[internal] load .dockerignore", name, NULL, &follow, ret, err);
}

/* What stays behind of the directory `name`: its .dockerignore. */
static int ask_ignored(struct run *run, const char *name, struct strv *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    struct source source = {.files = BUILD_FILES_INIT, .fd = -1};
    size_t size;
    int r = take_ignore_file(run, name, &source, err);
    if (r == 0 && read_text(source.fd, ".dockerignore", &text, &size) == 0)
        r = read_patterns(".dockerignore", text, size, ret, err);
    source_release(&source);
    return r;
}

/* ---- the Dockerfile ---- */

static int local_dockerfile(struct run *run, struct error *err)
{
    CLEANUP_STRV struct strv follow = STRV_INIT;
    const char *name = run->options.filename;
    CLEANUP_FREE char *step = xasprintf("[internal] load build definition from %s", name);
    CLEANUP_FREE char *ignore_name = xasprintf("%s.dockerignore", name);
    strv_add(&follow, name);
    strv_add(&follow, ignore_name);
    bool is_default = strcmp(name, "Dockerfile") == 0;
    if (is_default)
        strv_add(&follow, "dockerfile");
    int r =
        take_directory(run, STEP_DOCKERFILE, step, run->options.dockerfile_key, NULL, &follow, &run->dockerfile, err);
    if (r < 0)
        return r;
    r = read_text(run->dockerfile.fd, name, &run->text, &run->text_size);
    if (r == -ENOENT && is_default)
        r = read_text(run->dockerfile.fd, "dockerfile", &run->text, &run->text_size);
    if (r == -ENOENT)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "failed to read dockerfile: open %s: no such file or directory",
                         name);
    if (r < 0)
        return error_errno(err, r, "failed to read dockerfile: %s", name);
    run->text_name = xstrdup(name);
    return 0;
}

/* ---- what is not the client's directory ---- */

struct upload {
    struct grpc_call *call;
    int fd;
    struct error error;
};

static void *upload_main(void *data)
{
    struct upload *upload = data;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    int r;
    while ((r = grpc_receive(upload->call, &message, &upload->error)) > 0) {
        Bk__Bytes *bytes = bk__bytes__unpack(NULL, message.size, (const uint8_t *)strbuf_str(&message));
        bool fine = bytes && fd_write_all(upload->fd, bytes->data.data, bytes->data.len) == 0;
        if (!bytes)
            error_set(&upload->error, ERROR_INVALID, EPROTO, "build context: malformed message");
        else
            bk__bytes__free_unpacked(bytes, NULL);
        if (!fine)
            break;
    }
    if (r == 0)
        grpc_status(upload->call, &upload->error);
    fd_close(upload->fd);
    return NULL;
}

/* A tar that the client reads from its standard input. */
static int take_upload(struct run *run, const char *url, struct source *ret, struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    CLEANUP_STRV struct strv headers = STRV_INIT;
    pthread_t thread;
    int pipe_fds[2];
    strv_add(&headers, "urlpath");
    strv_add(&headers, url + strlen(UPLOAD_PREFIX) - 1);
    int r = grpc_call(run->session->connection, "/moby.upload.v1.Upload/Pull", &headers, &call, err);
    if (r == 0)
        r = build_files_new(run->solve->engine, &ret->files, err);
    if (r == 0 && (r = fd_pipe(pipe_fds)) < 0)
        r = error_errno(err, r, "pipe");
    if (r < 0)
        return r;
    struct upload upload = {.call = &call, .fd = pipe_fds[1]};
    r = pthread_create(&thread, NULL, upload_main, &upload);
    if (r != 0) {
        fd_close(pipe_fds[0]);
        fd_close(pipe_fds[1]);
        return error_errno(err, r, "start a thread");
    }
    r = build_files_receive(&ret->files, pipe_fds[0], err);
    fd_close(pipe_fds[0]);
    pthread_join(thread, NULL);
    ret->fd = ret->files.fd;
    if (r == 0 && upload.error.kind != ERROR_NONE)
        return error_propagate(err, &upload.error);
    error_clear(&upload.error);
    return r;
}

static int take_remote(struct run *run, const char *url, struct source *ret, struct error *err)
{
    if (strncmp(url, UPLOAD_PREFIX, strlen(UPLOAD_PREFIX)) == 0)
        return take_upload(run, url, ret, err);
    const struct build_suppliers suppliers = {.secret = session_secret, .data = run->session};
    const struct build_fetch how = {
        .cancel_fd = run->solve->cancel_fd, .keep_git_dir = run->options.keep_git_dir, .suppliers = &suppliers};
    int r = build_files_new(run->solve->engine, &ret->files, err);
    if (r == 0)
        r = build_files_fetch(&ret->files, url, &how, err);
    ret->fd = ret->files.fd;
    return r;
}

/* ---- the Dockerfile and the build's own context ---- */

static int take_remote_context(struct run *run, struct error *err)
{
    struct solve_step step;
    struct error error = {0};
    solve_step_begin(&step, run->solve, STEP_CONTEXT, "[internal] load remote build context");
    int r = take_remote(run, run->options.context, &run->context, &error);
    solve_step_end(&step, r < 0 ? &error : NULL);
    return r < 0 ? error_propagate(err, &error) : 0;
}

static int take_dockerfile(struct run *run, struct error *err)
{
    const struct solve_options *o = &run->options;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (!o->context || o->local_dockerfile)
        return local_dockerfile(run, err);
    int r = build_files_dockerfile(&run->context.files, o->filename_given ? o->filename : NULL, &text, &run->text_name,
                                   err);
    run->text_size = text.size;
    run->text = strbuf_take(&text);
    return r;
}

static int take_local_context(struct run *run, struct error *err)
{
    CLEANUP_STRV struct strv ignored = STRV_INIT;
    CLEANUP_FREE char *patterns = NULL;
    CLEANUP_FREE char *own = xasprintf("%s.dockerignore", run->options.filename);
    size_t size;
    int r = 0;
    if (read_text(run->dockerfile.fd, own, &patterns, &size) == 0)
        r = read_patterns(own, patterns, size, &ignored, err);
    else
        r = ask_ignored(run, run->options.context_key, &ignored, err);
    if (r == 0)
        r = take_directory(run, STEP_CONTEXT, "[internal] load build context", run->options.context_key, &ignored, NULL,
                           &run->context, err);
    return r;
}

/* ---- named contexts ---- */

static int take_named(struct run *run, size_t i, struct error *err)
{
    const struct strmap_entry *given = &run->options.contexts.items[i];
    struct build_context *context = &run->contexts[i];
    const char *value = given->value;
    *context = (struct build_context){.name = given->key, .fd = -1};
    if (strncmp(value, "docker-image://", 15) == 0) {
        context->image = value + 15;
        return 0;
    }
    int r;
    if (strncmp(value, "local:", 6) == 0) {
        CLEANUP_STRV struct strv ignored = STRV_INIT;
        CLEANUP_FREE char *step = xasprintf("[context %s] load from client", given->key);
        r = ask_ignored(run, value + 6, &ignored, err);
        if (r == 0)
            r = take_directory(run, STEP_NAMED + (unsigned)i, step, value + 6, &ignored, NULL, &run->named[i], err);
    } else if (strstr(value, "://") && strncmp(value, "oci-layout://", 13) != 0) {
        r = take_remote(run, value, &run->named[i], err);
    } else {
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "context %s: %s is not supported", given->key, value);
    }
    context->fd = run->named[i].fd;
    return r;
}

/* ---- all ---- */

static int run_build(struct run *run, struct error *err)
{
    struct solve *solve = run->solve;
    struct build_options *o = &run->options.build;
    struct registry_config registries = {0};
    struct build_events events = solve_events;
    images_copy_registries(solve->engine, &registries);
    o->registries = &registries;
    o->context_fd = run->context.fd;
    o->contexts = run->contexts;
    o->context_count = run->options.contexts.count;
    o->suppliers = (struct build_suppliers){.secret = session_secret,
                                            .ssh_agent = session_ssh_agent,
                                            .credentials = session_credentials,
                                            .data = run->session};
    int r = solve_export_prepare(solve, o, err);
    if (r == 0) {
        struct solve_progress *progress = solve_progress_new(solve, run->text_name);
        events.data = progress;
        r = build_run(solve->engine, o, &events, &solve->result, err);
        solve_progress_free(progress);
    }
    solve->built = r == 0;
    images_release_registries(&registries);
    return r;
}

/* Of the context only what it ignores is of interest. */
static int answer_subrequest(struct run *run, struct error *err)
{
    struct build_options *o = &run->options.build;
    CLEANUP_FREE char *own = xasprintf("%s.dockerignore", run->options.filename);
    CLEANUP_FREE char *patterns = NULL;
    size_t size;
    int r = 0;
    if (run->dockerfile.fd >= 0 && read_text(run->dockerfile.fd, own, &patterns, &size) == 0)
        o->context_fd = run->dockerfile.fd;
    else if (!run->options.context)
        r = take_ignore_file(run, run->options.context_key, &run->context, err);
    if (o->context_fd < 0)
        o->context_fd = run->context.fd;
    return r < 0 ? r : solve_subrequest(run->solve, run->options.subrequest, o, err);
}

static int prepare(struct run *run, Bk__Entry *const *options, size_t count, struct error *err)
{
    const Bk__SolveRequest *request = run->solve->request;
    int r = solve_options_read(options, count, request, run->solve->engine, &run->options, err);
    if (r == 0)
        r = session_get(run->solve->sessions, request->session, &run->session, err);
    if (r == 0 && run->options.context)
        r = take_remote_context(run, err);
    if (r == 0)
        r = take_dockerfile(run, err);
    if (r < 0 || run->options.subrequest)
        return r;
    if (!run->options.context)
        r = take_local_context(run, err);
    size_t n = run->options.contexts.count;
    run->named = xcalloc(n + 1, sizeof(*run->named));
    run->contexts = xcalloc(n + 1, sizeof(*run->contexts));
    for (size_t i = 0; i < n; i++)
        run->named[i] = (struct source){.files = BUILD_FILES_INIT, .fd = -1};
    for (size_t i = 0; i < n && r == 0; i++)
        r = take_named(run, i, err);
    return r;
}

int solve_run(struct solve *solve, Bk__Entry *const *options, size_t count, struct error *err)
{
    struct run run = {.solve = solve,
                      .dockerfile = {.files = BUILD_FILES_INIT, .fd = -1},
                      .context = {.files = BUILD_FILES_INIT, .fd = -1}};
    int r = prepare(&run, options, count, err);
    struct build_options *o = &run.options.build;
    o->context_fd = -1;
    o->dockerfile = run.text;
    o->dockerfile_size = run.text_size;
    o->dockerfile_name = run.text_name;
    o->cancel_fd = solve->cancel_fd;
    if (r == 0 && run.options.subrequest)
        r = answer_subrequest(&run, err);
    else if (r == 0)
        r = run_build(&run, err);
    run_release(&run);
    return r;
}
