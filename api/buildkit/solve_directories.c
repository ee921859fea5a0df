/* The client's directories, of which only that travels which the build needs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "api/buildkit/solve_run.h"
#include "archive/ignore.h"
#include "base/beneath.h"
#include "base/memory.h"
#include "daemon/build/context_sync.h"

/* Of a transfer is told when so many more bytes have come. */
#define PROGRESS_BYTES ((int64_t)4 << 20)

/* ---- one directory ---- */

struct transfer {
    struct solve_step step;
    char *status; /* what its progress is called */
    int64_t bytes;
};

static void on_bytes(int64_t bytes, void *data)
{
    struct transfer *transfer = data;
    /* Not for every piece. */
    if (bytes - transfer->bytes < PROGRESS_BYTES)
        return;
    transfer->bytes = bytes;
    solve_step_status(&transfer->step, transfer->status, bytes, 0, false);
}

static int take_directory(struct run *run, unsigned number, const char *step_name, const char *name,
                          const struct strv *exclude, const struct strv *follow, struct source *ret, struct error *err)
{
    struct transfer transfer = {.status = xasprintf("transferring %s:", name)};
    struct error error = {0};
    int64_t bytes = 0;
    solve_step_begin(&transfer.step, run->solve, number, step_name);
    const struct session_files_options options = {.name = name,
                                                  .exclude = exclude,
                                                  .follow = follow,
                                                  .progress = on_bytes,
                                                  .data = &transfer,
                                                  .cancel_fd = run->solve->cancel_fd};
    const char *other = strmap_get(&run->options.local_sessions, name);
    struct session *session = NULL;
    int r = other          ? session_get(run->solve->sessions, other, run->solve->cancel_fd, &session, &error)
            : run->session ? 0
                           : error_set(&error, ERROR_INVALID, 0, "%s: the build names no session that has it", name);
    if (r == 0)
        r = session_files(session ? session : run->session, run->solve->engine, &options, &ret->sync, &ret->fd, &bytes,
                          &error);
    session_put(run->solve->sessions, session);
    if (r == 0)
        solve_step_status(&transfer.step, transfer.status, bytes, 0, true);
    free(transfer.status);
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

int run_take_dockerfile(struct run *run, struct error *err)
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

/* ---- what is needed of the others ---- */

struct asking {
    struct run *run;
    struct solve_step step;
    char *name;
    unsigned count;
};

static void on_asking(const char *image, void *data)
{
    struct asking *asking = data;
    asking->name = xasprintf("[internal] load metadata for %s", image);
    solve_step_begin(&asking->step, asking->run->solve, asking->run->round * STEP_ROUND + STEP_BASES + asking->count++,
                     asking->name);
}

static void on_asked(const struct error *error, void *data)
{
    struct asking *asking = data;
    solve_step_end(&asking->step, error);
    free(asking->name);
}

static bool is_local(const char *context)
{
    return strncmp(context, "local:", 6) == 0;
}

/* Without a directory of the client's it does not matter. */
static int find_needs(struct run *run, struct build_needs *ret, struct error *err)
{
    struct asking asking = {.run = run};
    const struct build_needs_events events = {.asking = on_asking, .asked = on_asked, .data = &asking};
    bool matters = !run->options.context;
    for (size_t i = 0; i < run->options.contexts.count; i++)
        matters = matters || is_local(run->options.contexts.items[i].value);
    return matters ? build_needs_find(run->solve->engine, &run->options.build, &events, ret, err) : 0;
}

/* ---- the contexts ---- */

/* The checks look at the context's ignore files, too. */
static int take_context(struct run *run, const struct build_need *need, struct error *err)
{
    CLEANUP_STRV struct strv ignored = STRV_INIT, follow = STRV_INIT;
    CLEANUP_FREE char *patterns = NULL;
    CLEANUP_FREE char *own = xasprintf("%s.dockerignore", run->options.filename);
    size_t size;
    int r = 0;
    if (read_text(run->dockerfile.fd, own, &patterns, &size) == 0)
        r = read_patterns(own, patterns, size, &ignored, err);
    else
        r = ask_ignored(run, run->options.context_key, &ignored, err);
    strv_copy(&follow, &need->paths);
    ignore_file_names(run->options.filename, &follow);
    if (r == 0)
        r = take_directory(run, run->round * STEP_ROUND + STEP_CONTEXT, "[internal] load build context",
                           run->options.context_key, &ignored, need->all ? NULL : &follow, &run->context, err);
    return r;
}

static int take_named(struct run *run, size_t i, const struct build_need *need, struct error *err)
{
    CLEANUP_STRV struct strv ignored = STRV_INIT;
    const char *name = run->options.contexts.items[i].value + strlen("local:");
    CLEANUP_FREE char *step = xasprintf("[context %s] load from client", run->contexts[i].name);
    int r = ask_ignored(run, name, &ignored, err);
    if (r == 0)
        r = take_directory(run, run->round * STEP_ROUND + STEP_NAMED + (unsigned)i, step, name, &ignored,
                           need->all ? NULL : &need->paths, &run->named[i], err);
    run->contexts[i].fd = run->named[i].fd;
    return r;
}

int run_take_directories(struct run *run, struct error *err)
{
    CLEANUP_BUILD_NEEDS struct build_needs needs = {0};
    int r = find_needs(run, &needs, err);
    const struct build_need *need = build_needs_get(&needs, NULL);
    if (r == 0 && need && !run->options.context)
        r = take_context(run, need, err);
    for (size_t i = 0; i < run->options.contexts.count && r == 0; i++) {
        need = build_needs_get(&needs, run->contexts[i].name);
        if (need && is_local(run->options.contexts.items[i].value))
            r = take_named(run, i, need, err);
    }
    return r;
}

void run_drop_directories(struct run *run)
{
    if (!run->options.context) {
        source_release(&run->context);
        run->context = (struct source)SOURCE_INIT;
    }
    for (size_t i = 0; i < run->options.contexts.count; i++) {
        if (!is_local(run->options.contexts.items[i].value))
            continue;
        source_release(&run->named[i]);
        run->named[i] = (struct source)SOURCE_INIT;
        run->contexts[i].fd = -1;
    }
}

int run_take_ignore_file(struct run *run, int *ret_fd, struct error *err)
{
    CLEANUP_FREE char *own = xasprintf("%s.dockerignore", run->options.filename);
    CLEANUP_FREE char *patterns = NULL;
    size_t size;
    int r = 0;
    *ret_fd = -1;
    if (run->dockerfile.fd >= 0 && read_text(run->dockerfile.fd, own, &patterns, &size) == 0)
        *ret_fd = run->dockerfile.fd;
    else if (!run->options.context)
        r = take_ignore_file(run, run->options.context_key, &run->context, err);
    if (*ret_fd < 0)
        *ret_fd = run->context.fd;
    return r;
}
