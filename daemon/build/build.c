/* A build from its text to its image. */
#include "daemon/build/build.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/db.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/build/cache_export.h"
#include "daemon/build/cache_from.h"
#include "daemon/build/cache_import.h"
#include "daemon/build/execute.h"
#include "daemon/build/finish.h"
#include "daemon/engine_internal.h"

#define STACK_SIZE DRAFT_STACK
#define WATCH_STACK ((size_t)64 * 1024)

/* ---- What steps ask of the build ---- */

static bool is_cancelled(const struct build *build)
{
    struct pollfd fd = {.fd = build->options->cancel_fd, .events = POLLIN | POLLRDHUP};
    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

bool build_given_up(void *data)
{
    struct build *build = data;
    pthread_mutex_lock(&build->lock);
    bool failed = build->failed;
    pthread_mutex_unlock(&build->lock);
    if (failed || !is_cancelled(build))
        return failed;
    struct error error = {0};
    error_set(&error, ERROR_CANCELLED, ECANCELED, "build cancelled");
    build_fail(build, &error);
    return true;
}

int build_fail(struct build *build, const struct error *error)
{
    pthread_mutex_lock(&build->lock);
    if (!build->failed) {
        build->failed = true;
        build->error = *error;
        eventfd_write(build->stop_fd, 1);
    }
    int r = -build->error.errnum;
    pthread_cond_broadcast(&build->changed);
    pthread_mutex_unlock(&build->lock);
    return r;
}

void build_give_up_all(struct build_service *service)
{
    struct error error = {0};
    error_set(&error, ERROR_CANCELLED, ECANCELED, "build cancelled: the daemon ends");
    for (struct build *build = service->builds; build != NULL; build = build->next)
        build_fail(build, &error);
}

static int enter(struct build *build, struct error *err)
{
    struct build_service *service = build->service;
    pthread_mutex_lock(&service->lock);
    bool closing = service->closing;
    if (!closing) {
        build->next = service->builds;
        service->builds = build;
    }
    pthread_mutex_unlock(&service->lock);
    return closing ? error_set(err, ERROR_UNAVAILABLE, 0, "the daemon ends") : 0;
}

static void leave(struct build *build)
{
    struct build_service *service = build->service;
    pthread_mutex_lock(&service->lock);
    struct build **at = &service->builds;
    while (*at != build)
        at = &(*at)->next;
    *at = build->next;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

void build_work_begin(struct build *build)
{
    pthread_mutex_lock(&build->lock);
    while (build->working >= build->working_max)
        pthread_cond_wait(&build->changed, &build->lock);
    build->working++;
    pthread_mutex_unlock(&build->lock);
}

void build_work_end(struct build *build)
{
    pthread_mutex_lock(&build->lock);
    build->working--;
    pthread_cond_broadcast(&build->changed);
    pthread_mutex_unlock(&build->lock);
}

void build_touch(struct build *build, const char *key)
{
    pthread_mutex_lock(&build->lock);
    strv_add(&build->touched, key);
    pthread_mutex_unlock(&build->lock);
    build_key_hold(build->service, key);
}

int64_t build_time(const struct build *build)
{
    const int64_t *epoch = build->options->source_date_epoch;
    return epoch != NULL ? *epoch * 1000000000 : timestamp_now();
}

struct build_step_info *build_trigger_info(struct stage_run *run, const char *text)
{
    struct build *build = run->build;
    struct build_step_info *info = xcalloc(1, sizeof(*info));
    *info = run->infos[0];
    info->first_line = info->last_line = 0;
    info->is_from = false;
    info->is_trigger = true;
    info->base = NULL;
    pthread_mutex_lock(&build->lock);
    char *copy = xstrdup(text);
    strv_add_take(&build->texts, copy);
    info->text = copy;
    xgrow((void **)&build->triggers, build->trigger_count, &build->trigger_capacity, sizeof(*build->triggers));
    build->triggers[build->trigger_count++] = info;
    info->id = info->total + (int)build->trigger_count;
    pthread_mutex_unlock(&build->lock);
    return info;
}

/* ---- Stages in threads ---- */

static void run_stage(struct stage_run *run)
{
    struct build *build = run->build;
    struct error error = {0};
    int r = stage_run_build(run, &error);
    if (r < 0)
        build_fail(build, &error);
    pthread_mutex_lock(&build->lock);
    run->status = r < 0 ? STAGE_FAILED : STAGE_DONE;
    pthread_cond_broadcast(&build->changed);
    pthread_mutex_unlock(&build->lock);
}

/* Modes are what the steps say: the thread has a umask of its own. */
static void *stage_main(void *data)
{
    struct stage_run *run = data;
    pthread_setname_np(pthread_self(), "build-stage");
    if (unshare(CLONE_FS) < 0) {
        struct error error = {0};
        error_errno(&error, errno, "unshare");
        build_fail(run->build, &error);
    }
    umask(0);
    run_stage(run);
    return NULL;
}

static void start_stage(struct stage_run *run)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int r = pthread_create(&run->thread, &attributes, stage_main, run);
    pthread_attr_destroy(&attributes);
    run->threaded = r == 0;
    if (r == 0)
        return;
    struct error error = {0};
    error_errno(&error, r, "start a thread");
    pthread_mutex_lock(&run->build->lock);
    run->status = STAGE_FAILED;
    pthread_mutex_unlock(&run->build->lock);
    build_fail(run->build, &error); /* wakes who waits for it */
}

/* From the last to the first: a stage may start further ones (build_need_stage), and all of them come before it. */
static void run_stages(struct build *build)
{
    for (size_t i = 0; i < build->stages.count; i++)
        if (build->stages.items[i].needed)
            start_stage(&build->runs[i]);
    for (size_t i = build->stages.count; i-- > 0;)
        if (build->runs[i].threaded)
            pthread_join(build->runs[i].thread, NULL);
}

/* ---- The client ---- */

/* Nothing that waits in a build has to look whether the client is still there: this thread does, and fails the build.
 */
static void *watch_main(void *data)
{
    struct build *build = data;
    struct pollfd fds[] = {{.fd = build->options->cancel_fd, .events = POLLIN | POLLRDHUP},
                           {.fd = build->watch_fd, .events = POLLIN},
                           {.fd = build->stop_fd, .events = POLLIN}};
    pthread_setname_np(pthread_self(), "build-watch");
    while (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno == EINTR)
        ;
    if (fds[0].revents != 0)
        (void)build_given_up(build);
    return NULL;
}

static void run_watched(struct build *build)
{
    pthread_t thread;
    pthread_attr_t attributes;
    if (build->options->cancel_fd < 0)
        return run_stages(build);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WATCH_STACK);
    int r = pthread_create(&thread, &attributes, watch_main, build);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        struct error error = {0};
        error_errno(&error, r, "start a thread");
        build_fail(build, &error);
        return;
    }
    run_stages(build);
    eventfd_write(build->watch_fd, 1);
    pthread_join(thread, NULL);
}

/* ---- Numbering ---- */

static size_t step_count(const struct build *build, const struct stage *stage)
{
    bool target = stage->index == build->stages.target;
    return 1 + stage->instruction_count + (target && build->options->labels.count > 0);
}

static size_t global_count(const struct build *build)
{
    size_t n = 0;
    while (n < build->file.count && build->file.instructions[n].kind == INSTRUCTION_ARG)
        n++;
    return n;
}

static char *labels_text(const struct strmap *labels)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "LABEL");
    for (size_t i = 0; i < labels->count; i++)
        strbuf_addf(&text, " %s=%s", labels->items[i].key, labels->items[i].value);
    return strbuf_take(&text);
}

static void describe(struct build *build, struct build_step_info *info, int number, const char *stage,
                     const struct instruction *instruction)
{
    *info = (struct build_step_info){.number = number,
                                     .id = number,
                                     .total = build->progress.total,
                                     .stage = stage,
                                     .text = instruction->original,
                                     .file = build->file.name,
                                     .first_line = instruction->first_line,
                                     .last_line = instruction->last_line,
                                     .is_from = instruction->kind == INSTRUCTION_FROM,
                                     .only_stage = build->stages.count == 1};
}

bool build_makes_files(enum instruction_kind kind)
{
    switch (kind) {
    case INSTRUCTION_RUN:
    case INSTRUCTION_COPY:
    case INSTRUCTION_ADD:
    case INSTRUCTION_WORKDIR:
        return true;
    default:
        return false;
    }
}

static bool has_place(const struct stage *stage, const struct instruction *instruction)
{
    return instruction->kind == INSTRUCTION_FROM ? stage->base_stage < 0 && !stage->scratch
                                                 : build_makes_files(instruction->kind);
}

/* The image of a FROM, in full. */
static const char *base_name(struct build *build, const struct stage *stage)
{
    const struct build_context *context = build_context_find(build->options, stage->base);
    struct reference ref = {0};
    const char *given = context ? context->image : stage->base;
    if (stage->base_stage >= 0 || stage->scratch || !given)
        return NULL;
    char *name = NULL;
    if (reference_parse(given, &ref, NULL) == 0) {
        if (!ref.digest)
            reference_default_tag(&ref);
        name = reference_full(&ref);
    }
    reference_release(&ref);
    strv_add_take(&build->texts, name ? name : xstrdup(given));
    return build->texts.items[build->texts.count - 1];
}

/* The first infos are those of FROM and the instructions. */
static void set_places(struct build_step_info *infos, const struct stage *stage)
{
    int places = 0;
    for (size_t i = 0; i <= stage->instruction_count; i++) /* FROM is in front of them */
        infos[i].place = has_place(stage, &stage->from[i]) ? ++places : 0;
    for (size_t i = 0; i <= stage->instruction_count; i++)
        infos[i].places = places;
}

static const char *stage_label(struct build *build, const struct stage *stage)
{
    if (stage->name != NULL)
        return stage->name;
    char *number = xasprintf("%zu", stage->index);
    strv_add_take(&build->texts, number);
    return number;
}

static void prepare_run(struct build *build, struct stage_run *run, const struct stage *stage, int number)
{
    const struct build_options *options = build->options;
    const char *label = stage_label(build, stage);
    size_t count = step_count(build, stage);
    *run = (struct stage_run){.build = build, .stage = stage, .number = number};
    run->infos = xcalloc(count, sizeof(*run->infos));
    describe(build, &run->infos[0], number, label, stage->from);
    run->infos[0].base = base_name(build, stage);
    for (size_t i = 0; i < stage->instruction_count; i++)
        describe(build, &run->infos[i + 1], number + 1 + (int)i, label, &stage->instructions[i]);
    set_places(run->infos, stage);
    if (count > 1 + stage->instruction_count) {
        struct build_step_info *info = &run->infos[count - 1];
        describe(build, info, number + (int)count - 1, label, stage->from);
        char *text = labels_text(&options->labels);
        strv_add_take(&build->texts, text);
        info->text = text;
        info->is_from = false;
    }
    run->no_cache = options->no_cache || strv_contains(&options->no_cache_filter, label);
    build_scope_init(&run->scope, &build->stages, &options->build_args, build->file.escape);
}

static void prepare_runs(struct build *build)
{
    size_t total = global_count(build);
    for (size_t i = 0; i < build->stages.count; i++)
        if (build->stages.items[i].needed)
            total += step_count(build, &build->stages.items[i]);
    build_progress_init(&build->progress, build->events, (int)total, build->options->in_order,
                        image_store_root_fd(engine_images(build->engine)));
    build->runs = xcalloc(build->stages.count, sizeof(*build->runs));
    int number = (int)global_count(build) + 1;
    for (size_t i = 0; i < build->stages.count; i++) {
        const struct stage *stage = &build->stages.items[i];
        if (!stage->needed)
            continue;
        prepare_run(build, &build->runs[i], stage, number);
        number += (int)step_count(build, stage);
    }
}

void build_need_stage(struct stage_run *by, size_t index)
{
    struct build *build = by->build;
    struct stage_run *run = &build->runs[index];
    struct stage *stage = &build->stages.items[index];
    pthread_mutex_lock(&build->lock);
    bool begins = !stage->needed;
    if (begins) {
        stage->needed = true;
        prepare_run(build, run, stage, by->number);
        for (size_t i = 0; i < step_count(build, stage); i++) {
            run->infos[i].number = by->number;
            run->infos[i].first_line = run->infos[i].last_line = 0;
        }
    }
    pthread_mutex_unlock(&build->lock);
    if (begins)
        start_stage(run);
}

/* ARGs before the first FROM are steps, too, as docker counts them. */
static void tell_globals(struct build *build)
{
    size_t count = global_count(build);
    build->globals = xcalloc(count + 1, sizeof(*build->globals));
    for (size_t i = 0; i < count; i++) {
        describe(build, &build->globals[i], (int)i + 1, "", &build->file.instructions[i]);
        build_progress_started(&build->progress, &build->globals[i]);
        build_progress_done(&build->progress, &build->globals[i], "", NULL);
    }
}

/* ---- The whole ---- */

int build_read_dockerfile(const struct build_options *o, struct dockerfile *file, struct stages *stages,
                          struct error *err)
{
    CLEANUP_STRV struct strv contexts = STRV_INIT;
    for (size_t i = 0; i < o->context_count; i++)
        strv_add(&contexts, o->contexts[i].name);
    int r = dockerfile_parse(o->dockerfile_name != NULL ? o->dockerfile_name : "Dockerfile", o->dockerfile,
                             o->dockerfile_size, file, err);
    if (r < 0)
        return r;
    const struct stages_options options = {
        .build_args = &o->build_args, .contexts = &contexts, .target = o->target, .platform = o->platform};
    return stages_collect(file, &options, stages, err);
}

static void tell_warnings(struct build *build)
{
    CLEANUP_STRV struct strv unused = STRV_INIT;
    for (size_t i = 0; i < build->file.warnings.count; i++)
        build_progress_warning(&build->progress, NULL, build->file.warnings.items[i]);
    stages_unused_args(&build->stages, &build->file, &build->options->build_args, &unused);
    if (unused.count > 0) {
        CLEANUP_FREE char *names = strv_join(&unused, " ");
        CLEANUP_FREE char *text = xasprintf("[Warning] One or more build-args [%s] were not consumed", names);
        build_progress_warning(&build->progress, NULL, text);
    }
}

static void release_runs(struct build *build)
{
    for (size_t i = 0; build->runs != NULL && i < build->stages.count; i++) {
        if (build->runs[i].stage == NULL)
            continue;
        build_state_release(&build->runs[i].state);
        build_scope_release(&build->runs[i].scope);
        cache_from_release(&build->runs[i]);
        strv_release(&build->runs[i].keys);
        free(build->runs[i].infos);
    }
    free(build->runs);
    for (size_t i = 0; i < build->trigger_count; i++)
        free(build->triggers[i]);
    free(build->triggers);
    free(build->globals);
}

static void release(struct build *build)
{
    release_runs(build);
    for (size_t i = 0; i < build->new_row_count; i++)
        cache_row_free(build->new_rows[i]);
    free(build->new_rows);
    for (size_t i = 0; i < build->touched.count; i++)
        build_key_unhold(build->service, build->touched.items[i]);
    cache_imports_close(build);
    strv_release(&build->touched);
    strv_release(&build->resolved);
    strv_release(&build->texts);
    stages_release(&build->stages);
    dockerfile_release(&build->file);
}

static void destroy(struct build *build)
{
    fd_close(build->stop_fd);
    fd_close(build->watch_fd);
    pthread_mutex_destroy(&build->lock);
    pthread_cond_destroy(&build->changed);
}

static void run_steps(struct build *build)
{
    struct error failed = {0};
    cache_imports_open(build);
    tell_globals(build);
    run_watched(build);
    if (!build->failed && build_finish(build, &failed) < 0)
        build_fail(build, &failed);
    if (!build->failed && build->options->used && cache_set_add(build->options->used, build, &failed) < 0)
        build_fail(build, &failed);
    if (!build->failed)
        tell_warnings(build);
}

static int run_all(struct build *build, struct error *err)
{
    struct error failed = {0};
    prepare_runs(build);
    if (build_lint(build, &failed) < 0)
        build_fail(build, &failed);
    if (!build->failed && !build->options->check_only)
        run_steps(build);
    build_progress_release(&build->progress);
    build->result->warnings = build->progress.warnings;
    return build->failed ? error_propagate(err, &build->error) : 0;
}

int build_run(struct engine *engine, const struct build_options *options, const struct build_events *events,
              struct build_result *ret, struct error *err)
{
    static const struct build_events nobody;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct build build = {.engine = engine,
                          .service = engine->builds,
                          .options = options,
                          .events = events != NULL ? events : &nobody,
                          .result = ret,
                          .working_max = processors < 2    ? 2
                                         : processors < 64 ? (unsigned)processors
                                                           : 64,
                          .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                          .watch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    *ret = (struct build_result){0};
    if (build.stop_fd < 0 || build.watch_fd < 0) {
        int r = error_errno(err, errno, "eventfd");
        fd_close(build.stop_fd);
        fd_close(build.watch_fd);
        return r;
    }
    pthread_mutex_init(&build.lock, NULL);
    pthread_cond_init(&build.changed, NULL);
    int r = build_read_dockerfile(options, &build.file, &build.stages, err);
    if (r == 0)
        r = build_check_options(&build, err);
    if (r == 0)
        r = enter(&build, err);
    if (r == 0) {
        r = run_all(&build, err);
        release(&build);
        leave(&build); /* the service may be freed from here on */
    } else {
        release(&build);
    }
    destroy(&build);
    return r;
}
