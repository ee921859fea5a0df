/* compose pull and push: the images of services from and to their registries. */
#include <stdio.h>
#include <string.h>

#include "cmd/dory/compose/images.h"
#include "cmd/dory/compose/project.h"
#include "cmd/dory/compose/work.h"
#include "cmd/dory/container_create.h"
#include "image/reference.h"

struct transfer_flags {
    bool ignore_failures, ignore_buildable, dependencies, quiet;
    char *policy;
    bool deprecated; /* the value of flags that mean nothing any more */
    bool parallel_given, no_parallel_given;
};

/* One image on its way. */
struct transfer {
    const struct transfer_flags *flags;
    const char *service;
    char *image; /* owned */
    const char *platform;
    bool buildable;
    struct strv *must_build; /* names of services whose image could not be had */
    struct strbuf *failures; /* of images that could not be had, a line each */
    bool dry_run;
};

struct transfers {
    struct transfer *items;
    size_t count, capacity;
};

static void transfers_release(struct transfers *transfers)
{
    for (size_t i = 0; i < transfers->count; i++)
        free(transfers->items[i].image);
    free(transfers->items);
}

static int check_policy(const char *value, struct error *err)
{
    if (strcmp(value, "missing") == 0 || strcmp(value, "always") == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "must be one of missing, always");
}

#define AT(member) offsetof(struct transfer_flags, member)
static const struct option pull_options_table[] = {
    {"ignore-buildable", 0, OPTION_BOOL, AT(ignore_buildable), NULL, "Ignore images that can be built", 0, 0, NULL},
    {"ignore-pull-failures", 0, OPTION_BOOL, AT(ignore_failures), NULL,
     "Pull what it can and ignores images with pull failures", 0, 0, NULL},
    {"include-deps", 0, OPTION_BOOL, AT(dependencies), NULL, "Also pull services declared as dependencies", 0, 0, NULL},
    {"no-parallel", 0, OPTION_BOOL, AT(deprecated), NULL, "DEPRECATED disable parallel pulling", OPTION_HIDDEN,
     AT(no_parallel_given), NULL},
    {"parallel", 0, OPTION_BOOL, AT(deprecated), NULL, "DEPRECATED pull multiple images in parallel", OPTION_HIDDEN,
     AT(parallel_given), NULL},
    {"policy", 0, OPTION_STRING, AT(policy), "string", "Apply pull policy (\"missing\"|\"always\")", 0, 0,
     check_policy},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Pull without printing progress information", 0, 0, NULL},
    {0},
};

static const struct option push_options[] = {
    {"ignore-push-failures", 0, OPTION_BOOL, AT(ignore_failures), NULL,
     "Push what it can and ignores images with push failures", 0, 0, NULL},
    {"include-deps", 0, OPTION_BOOL, AT(dependencies), NULL, "Also push images of services declared as dependencies", 0,
     0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Push without printing progress information", 0, 0, NULL},
    {0},
};

/* ---- which services ---- */

static void add_service(const struct compose_project *project, const char *name, bool dependencies, struct strv *ret)
{
    const struct json *service = compose_service(project, name), *depends = json_get(service, "depends_on");
    if (!service || strv_contains(ret, name))
        return;
    strv_add(ret, name);
    for (size_t i = 0; dependencies && depends && depends->kind == JSON_OBJECT && i < depends->object.count; i++)
        add_service(project, depends->object.keys[i], true, ret);
}

static int load(struct cli *cli, const struct transfer_flags *flags, const struct strv *arguments,
                struct compose_project *project, struct strv *names, struct error *err)
{
    int r = compose_project_load(compose_options(cli), project, err);
    if (r < 0)
        return r;
    compose_project_warn(project);
    r = compose_project_enable(project, arguments, err);
    if (r < 0)
        return r;
    const struct json *services = json_get(project->model, "services");
    for (size_t i = 0; i < arguments->count; i++)
        add_service(project, arguments->items[i], flags->dependencies, names);
    for (size_t i = 0; arguments->count == 0 && services && i < services->object.count; i++)
        add_service(project, services->object.keys[i], false, names);
    return 0;
}

/* ---- the work ---- */

static struct transfer *add_transfer(struct transfers *transfers, const struct transfer *transfer, const char *image)
{
    xgrow((void **)&transfers->items, transfers->count, &transfers->capacity, sizeof(*transfers->items));
    struct transfer *added = &transfers->items[transfers->count++];
    *added = *transfer;
    added->image = xstrdup(image);
    return added;
}

/* A failure that does not end the work is its result. */
static int judge(const struct transfer *transfer, struct work_report *report, int r, struct error *err)
{
    if (r >= 0 || (!transfer->flags->ignore_failures && !transfer->buildable))
        return r;
    work_result(report, err->message);
    error_clear(err);
    return 0;
}

static int pull(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct transfer *transfer = data;
    const struct compose_pull image = {transfer->service, transfer->image, transfer->platform, transfer->dry_run};
    return judge(transfer, report, compose_pull_image(cli, &image, report, err), err);
}

static int push(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct transfer *transfer = data;
    CLEANUP_FREE char *id = xasprintf("Pushing %s", transfer->image);
    work_event(report, id, BOARD_WORKING, "Pushing");
    int r = transfer->dry_run ? 0 : image_push_command(cli, transfer->image, true, err);
    CLEANUP_FREE char *failure = r < 0 ? xasprintf("Error %s", err->message) : NULL;
    work_event(report, id, r < 0 ? BOARD_ERROR : BOARD_DONE, failure ? failure : "Pushed");
    if (r < 0)
        error_context(err, "service %s", transfer->service);
    return judge(transfer, report, r, err);
}

static void note_failure(void *data, const char *result)
{
    const struct transfer *transfer = data;
    if (!*result)
        return;
    strbuf_addf(transfer->failures, "%s%s", transfer->failures->size ? "\n" : "", result);
    if (transfer->buildable)
        strv_add(transfer->must_build, transfer->service);
}

static int run_all(struct cli *cli, struct transfers *transfers, work_fn fn, struct board *board, struct error *err)
{
    struct work *work = work_new(cli, board, compose_options(cli)->parallel);
    for (size_t i = 0; i < transfers->count; i++) {
        struct transfer *transfer = &transfers->items[i];
        transfer->dry_run = board->dry_run;
        work_add(work,
                 &(struct work_item){.name = transfer->service, .run = fn, .done = note_failure, .data = transfer});
    }
    int r = work_run(work, err);
    work_free(work);
    return r;
}

/* ---- pull ---- */

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return word && (strcmp(word, a) == 0 || strcmp(word, b) == 0);
}

/* An image that is there and whose tag is not "latest", which moves. */
static int is_present(struct cli *cli, struct compose_images *images, const char *name, bool *ret, struct error *err)
{
    const struct compose_image *image;
    CLEANUP(reference_release) struct reference reference = {0};
    int r = compose_images_get(cli, images, name, NULL, &image, err);
    if (r < 0)
        return r;
    *ret = false;
    if (!image->id || reference_parse(name, &reference, NULL) < 0)
        return 0;
    reference_default_tag(&reference);
    *ret = !reference.tag || strcmp(reference.tag, "latest") != 0;
    return 0;
}

static const char *pulled_by(const struct transfers *transfers, const char *image)
{
    for (size_t i = 0; i < transfers->count; i++) {
        if (strcmp(transfers->items[i].image, image) == 0)
            return transfers->items[i].service;
    }
    return NULL;
}

/* Why the image of a service is not pulled, or NULL. The caller frees *ret. */
static int reason_to_skip(struct cli *cli, struct compose_images *images, const struct transfers *transfers,
                          const struct transfer_flags *flags, const struct json *service, char **ret, struct error *err)
{
    const char *image = json_get_string(service, "image");
    const char *policy = flags->policy ? flags->policy : json_get_string(service, "pull_policy");
    bool present = false;
    *ret = NULL;
    if (!image || !*image) {
        *ret = xstrdup("Skipped - No image to be pulled");
        return 0;
    }
    if (is_one_of(policy, "missing", "if_not_present")) {
        int r = is_present(cli, images, image, &present, err);
        if (r < 0)
            return r;
    }
    const char *other = pulled_by(transfers, image);
    if (is_one_of(policy, "never", "build"))
        *ret = xstrdup("Skipped");
    else if (present)
        *ret = xstrdup("Skipped - Image is already present locally");
    else if (json_get(service, "build") && flags->ignore_buildable)
        *ret = xstrdup("Skipped - Image can be built");
    else if (other)
        *ret = xasprintf("Skipped - Image is already being pulled by %s", other);
    return 0;
}

static int plan_pulls(struct cli *cli, const struct compose_project *project, const struct strv *names,
                      const struct transfer *model, struct board *board, struct transfers *ret, struct error *err)
{
    CLEANUP_COMPOSE_IMAGES struct compose_images images = {0};
    const char *platform = strv_env_get(&project->environment, "DOCKER_DEFAULT_PLATFORM");
    for (size_t i = 0; i < names->count; i++) {
        const struct json *service = compose_service(project, names->items[i]);
        CLEANUP_FREE char *reason = NULL;
        int r = reason_to_skip(cli, &images, ret, model->flags, service, &reason, err);
        if (r < 0)
            return r;
        if (reason) {
            board_event(board, names->items[i], BOARD_DONE, reason);
            continue;
        }
        struct transfer transfer = *model;
        const char *own = json_get_string(service, "platform");
        transfer.service = names->items[i];
        transfer.platform = own ? own : platform;
        transfer.buildable = json_get(service, "build") != NULL;
        add_transfer(ret, &transfer, json_get_string(service, "image"));
    }
    return 0;
}

static int finish_pull(const struct transfer *model, int r, struct error *err)
{
    CLEANUP_FREE char *names = strv_join(model->must_build, " ");
    if (model->must_build->count > 0)
        fprintf(stderr,
                "WARNING: Some service image(s) must be built from source by running:\n    docker compose build %s\n",
                names);
    if (r < 0 || model->failures->size == 0 || model->flags->ignore_failures)
        return r;
    return error_set(err, ERROR_SYSTEM, 0, "%s", strbuf_str(model->failures));
}

static int run_pull(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    CLEANUP_STRV struct strv names = STRV_INIT, must_build = STRV_INIT;
    CLEANUP_STRBUF struct strbuf failures = STRBUF_INIT;
    CLEANUP(transfers_release) struct transfers transfers = {0};
    CLEANUP(board_release) struct board board = {0};
    const struct transfer_flags *flags = data;
    struct transfer model = {.flags = flags, .must_build = &must_build, .failures = &failures};
    if (flags->parallel_given || flags->no_parallel_given)
        fprintf(stderr, "option '--%s' is DEPRECATED and will be ignored.\n",
                flags->parallel_given ? "parallel" : "no-parallel");
    board_init(&board, compose_options(cli), "Pulling");
    if (flags->quiet)
        board.mode = BOARD_QUIET;
    int r = load(cli, flags, arguments, &project, &names, err);
    if (r == 0)
        r = plan_pulls(cli, &project, &names, &model, &board, &transfers, err);
    if (r == 0)
        r = run_all(cli, &transfers, pull, &board, err);
    board_finish(&board);
    return finish_pull(&model, r, err);
}

/* ---- push ---- */

static void plan_pushes(const struct compose_project *project, const struct strv *names, const struct transfer *model,
                        struct board *board, struct transfers *ret)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct json *service = compose_service(project, names->items[i]), *build = json_get(service, "build");
        const struct json *tags = json_get(build, "tags");
        const char *image = json_get_string(service, "image");
        struct transfer transfer = *model;
        if (!build || !image || !*image) {
            board_event(board, names->items[i], BOARD_DONE, "Skipped");
            continue;
        }
        transfer.service = names->items[i];
        add_transfer(ret, &transfer, image);
        for (size_t t = 0; t < json_count(tags); t++)
            add_transfer(ret, &transfer, json_string(json_at(tags, t)));
    }
}

static int run_push(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct transfer_flags *flags = data;
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    CLEANUP_STRV struct strv names = STRV_INIT, must_build = STRV_INIT;
    CLEANUP_STRBUF struct strbuf failures = STRBUF_INIT;
    CLEANUP(transfers_release) struct transfers transfers = {0};
    CLEANUP(board_release) struct board board = {0};
    struct transfer model = {.flags = flags, .must_build = &must_build, .failures = &failures};
    board_init(&board, compose_options(cli), "Pushing");
    if (flags->quiet)
        board.mode = BOARD_QUIET;
    int r = load(cli, flags, arguments, &project, &names, err);
    if (r < 0)
        return r;
    plan_pushes(&project, &names, &model, &board, &transfers);
    r = run_all(cli, &transfers, push, &board, err);
    board_finish(&board);
    return r;
}

const struct command command_compose_pull = {
    .name = "compose pull",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Pull service images",
    .options = pull_options_table,
    .flags_size = sizeof(struct transfer_flags),
    .max_arguments = -1,
    .run = run_pull,
};

const struct command command_compose_push = {
    .name = "compose push",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Push service images",
    .options = push_options,
    .flags_size = sizeof(struct transfer_flags),
    .max_arguments = -1,
    .run = run_push,
};
