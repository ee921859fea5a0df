/* The frontend dockerfile.v0: its options, the files that they name, and the build. */
#include "api/buildkit/solve_run.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "api/buildkit/grpc.h"
#include "api/images.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "daemon/build/context_sync.h"
#include "image/platform.h"

#define UPLOAD_PREFIX "http://buildkit-session/"

void source_release(struct source *source)
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
    free(run->cache_places);
    free(run->text);
    free(run->text_name);
    images_release_registries(&run->registries);
    solve_options_release(&run->options);
    session_put(run->solve->sessions, run->session);
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
    if (!run->session)
        return error_set(err, ERROR_INVALID, 0, "%s: the build names no session that has it", url);
    strv_add(&headers, "urlpath");
    strv_add(&headers, url + strlen(UPLOAD_PREFIX) - 1);
    int r =
        grpc_call(run->session->connection, "/moby.upload.v1.Upload/Pull", &headers, run->solve->cancel_fd, &call, err);
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
    if (r < 0) /* the client may not be about to send more */
        grpc_cancel(&call);
    pthread_join(thread, NULL);
    ret->fd = ret->files.fd;
    if (r == 0 && upload.error.kind != ERROR_NONE)
        return error_propagate(err, &upload.error);
    error_clear(&upload.error);
    return r;
}

static struct build_suppliers suppliers_of(struct run *run)
{
    if (!run->session)
        return run->solve->suppliers;
    return (struct build_suppliers){.secret = session_secret,
                                    .ssh_agent = session_ssh_agent,
                                    .credentials = session_credentials,
                                    .data = &run->supply};
}

static int take_remote(struct run *run, const char *url, struct source *ret, struct error *err)
{
    if (strncmp(url, UPLOAD_PREFIX, strlen(UPLOAD_PREFIX)) == 0)
        return take_upload(run, url, ret, err);
    const struct build_suppliers suppliers = suppliers_of(run);
    const struct build_fetch how = {
        .cancel_fd = run->solve->cancel_fd, .keep_git_dir = run->options.keep_git_dir, .suppliers = &suppliers};
    int r = build_files_new(run->solve->engine, &ret->files, err);
    if (r == 0)
        r = build_files_fetch(&ret->files, url, &how, err);
    ret->fd = ret->files.fd;
    return r;
}

/* ---- the Dockerfile and contexts that are not the client's directories ---- */

static int take_body(struct run *run, struct error *err)
{
    int r = build_files_new(run->solve->engine, &run->context.files, err);
    if (r == 0)
        r = build_files_receive(&run->context.files, run->solve->body_fd, err);
    run->context.fd = run->context.files.fd;
    return r;
}

static int take_remote_context(struct run *run, struct error *err)
{
    struct solve_step step;
    struct error error = {0};
    solve_step_begin(&step, run->solve, STEP_CONTEXT, "[internal] load remote build context");
    int r = run->solve->body_fd >= 0 ? take_body(run, &error)
                                     : take_remote(run, run->options.context, &run->context, &error);
    solve_step_end(&step, r < 0 ? &error : NULL);
    return r < 0 ? error_propagate(err, &error) : 0;
}

static int take_dockerfile(struct run *run, struct error *err)
{
    const struct solve_options *o = &run->options;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (!o->context || o->local_dockerfile)
        return run_take_dockerfile(run, err);
    int r = build_files_dockerfile(&run->context.files, o->filename_given ? o->filename : NULL, &text, &run->text_name,
                                   err);
    run->text_size = text.size;
    run->text = strbuf_take(&text);
    return r;
}

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
    if (strncmp(value, "local:", 6) == 0) /* run_take_directories() */
        return 0;
    if (!strstr(value, "://") || strncmp(value, "oci-layout://", 13) == 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "context %s: %s is not supported", given->key, value);
    int r = take_remote(run, value, &run->named[i], err);
    context->fd = run->named[i].fd;
    return r;
}

static int take_all_named(struct run *run, struct error *err)
{
    size_t count = run->options.contexts.count;
    int r = 0;
    run->named = xcalloc(count + 1, sizeof(*run->named));
    run->contexts = xcalloc(count + 1, sizeof(*run->contexts));
    for (size_t i = 0; i < count; i++)
        run->named[i] = (struct source)SOURCE_INIT;
    for (size_t i = 0; i < count && r == 0; i++)
        r = take_named(run, i, err);
    return r;
}

/* ---- all ---- */

void solve_release_platforms(struct solve *solve)
{
    for (size_t i = 0; i < solve->platform_count; i++) {
        free(solve->platforms[i].name);
        free(solve->platforms[i].directory);
    }
    free(TAKE_PTR(solve->platforms));
    solve->platform_count = 0;
    if (solve->provenance) {
        free(solve->provenance->builder_id);
        free(solve->provenance->file);
        free(solve->provenance->text);
        free(TAKE_PTR(solve->provenance));
    }
    strmap_release(&solve->arguments);
    strv_release(&solve->bases);
}

/* Those that say what is built; with `max` also what it was told. */
static bool is_argument(const char *key, bool max)
{
    static const char *const told[] = {"build-arg:", "label:"};
    static const char *const others[] = {
        "attest:",  "context:",           "local-sessionid:", "vcs:",       "cgroup-parent",
        "platform", "image-resolve-mode", "cache-imports",    "cache-from", "frontend.caps"};
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        if (strncmp(key, told[i], strlen(told[i])) == 0)
            return max;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strncmp(key, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

/* What the exporters need to know when the options are gone. */
static void note_result(struct run *run, Bk__Entry *const *options, size_t count)
{
    struct solve *solve = run->solve;
    const struct solve_options *o = &run->options;
    size_t platforms = o->platforms.count > 0 ? o->platforms.count : 1;
    const char *mode = strmap_get(&o->provenance, "mode");
    solve_release_platforms(solve);
    solve->platforms = xcalloc(platforms, sizeof(*solve->platforms));
    solve->platform_count = platforms;
    for (size_t i = 0; i < platforms; i++) {
        const char *name = o->platforms.count > 0 ? o->platforms.items[i] : "";
        solve->platforms[i].name = xstrdup(name);
        solve->platforms[i].directory = platform_directory(*name ? name : "linux"); /* the rest is this machine's */
    }
    if (!o->attested)
        return;
    solve->provenance = xcalloc(1, sizeof(*solve->provenance));
    solve->provenance->max = mode && strcmp(mode, "max") == 0;
    solve->provenance->builder_id = xstrdup(strmap_get(&o->provenance, "builder-id"));
    solve->provenance->file = xstrdup(run->text_name);
    solve->provenance->text = xstrndup(run->text, run->text_size);
    for (size_t i = 0; i < count; i++)
        if (is_argument(options[i]->key, solve->provenance->max))
            strmap_set(&solve->arguments, options[i]->key, options[i]->value);
}

static int build_platform(struct run *run, struct solve_platform *platform, struct error *err)
{
    struct solve *solve = run->solve;
    struct build_options *o = &run->options.build;
    struct build_events events = solve_events;
    o->context_fd = run->context.fd;
    int r = solve_export_prepare(solve, run->round, o, err);
    if (r < 0)
        return r;
    struct solve_progress *progress =
        solve_progress_new(solve, run->text_name, solve->platform_count > 1 ? platform->name : NULL, run->round);
    events.data = progress;
    platform->started = timestamp_now();
    r = build_run(solve->engine, o, &events, &platform->result, err);
    platform->ended = timestamp_now();
    solve_progress_free(progress);
    return r;
}

/* One after the other: what they have in common comes from the cache. */
static int run_build(struct run *run, struct error *err)
{
    struct solve *solve = run->solve;
    int r = 0;
    for (size_t i = 0; i < solve->platform_count && r == 0; i++) {
        struct solve_platform *platform = &solve->platforms[i];
        run->round = (unsigned)i;
        run->options.build.platform = *platform->name ? platform->name : NULL;
        if (i > 0) {
            run_drop_directories(run);
            r = run_take_directories(run, err);
        }
        if (r == 0)
            r = build_platform(run, platform, err);
        if (r < 0 && solve->platform_count > 1)
            error_context(err, "%s", platform->name);
    }
    solve->result = solve->platforms[0].result;
    solve->built = r == 0;
    return r;
}

/* Of the context only what it ignores is of interest. */
static int answer_subrequest(struct run *run, struct error *err)
{
    struct build_options *o = &run->options.build;
    int r = run_take_ignore_file(run, &o->context_fd, err);
    return r < 0 ? r : solve_subrequest(run->solve, run->options.subrequest, o, err);
}

/* A directory of the client's with a cache. */
static struct cache_place *open_directory(void *data)
{
    const struct solve_directory_cache *cache = data;
    struct run *run = cache->run;
    return session_content(run->session, cache->directory, cache->digest, run->solve->cancel_fd);
}

static void fill_cache_places(struct run *run)
{
    struct solve_options *o = &run->options;
    run->cache_places = xcalloc(o->directory_cache_count + 1, sizeof(*run->cache_places));
    for (size_t i = 0; run->session && i < o->directory_cache_count; i++) {
        struct solve_directory_cache *cache = &o->directory_caches[i];
        cache->run = run;
        run->cache_places[i] =
            (struct build_cache_place){.name = cache->directory, .open = open_directory, .data = cache};
    }
    o->build.cache_places = run->cache_places;
    o->build.cache_place_count = run->session ? o->directory_cache_count : 0;
}

/* What the build and the search for its needs have in common. */
static void fill_options(struct run *run)
{
    struct build_options *o = &run->options.build;
    images_copy_registries(run->solve->engine, &run->registries);
    o->registries = &run->registries;
    o->context_fd = -1;
    o->dockerfile = run->text;
    o->dockerfile_size = run->text_size;
    o->dockerfile_name = run->text_name;
    o->contexts = run->contexts;
    o->context_count = run->contexts ? run->options.contexts.count : 0;
    o->cancel_fd = run->solve->cancel_fd;
    o->suppliers = suppliers_of(run);
    o->squash = run->solve->squash;
    o->used = run->solve->used;
    fill_cache_places(run);
}

static int prepare(struct run *run, Bk__Entry *const *options, size_t count, struct error *err)
{
    const Bk__SolveRequest *request = run->solve->request;
    int r = solve_options_read(options, count, request, run->solve->engine, &run->options, err);
    if (r == 0 && *request->session)
        r = session_get(run->solve->sessions, request->session, run->solve->cancel_fd, &run->session, err);
    run->supply = (struct session_supply){.session = run->session, .cancel_fd = run->solve->cancel_fd};
    if (r == 0 && run->options.context)
        r = take_remote_context(run, err);
    if (r == 0)
        r = take_dockerfile(run, err);
    if (r == 0 && !run->options.subrequest)
        r = take_all_named(run, err);
    if (r == 0)
        fill_options(run);
    if (r == 0 && !run->options.subrequest) {
        note_result(run, options, count);
        r = solve_export_check_result(run->solve, err);
    }
    return r < 0 || run->options.subrequest ? r : run_take_directories(run, err);
}

int solve_run(struct solve *solve, Bk__Entry *const *options, size_t count, struct error *err)
{
    struct run run = {.solve = solve, .dockerfile = SOURCE_INIT, .context = SOURCE_INIT};
    int r = prepare(&run, options, count, err);
    if (r == 0)
        r = run.options.subrequest ? answer_subrequest(&run, err) : run_build(&run, err);
    run_release(&run);
    return r;
}
