#include "cmd/dory/compose/images.h"

#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "cmd/dory/compose/model.h"
#include "cmd/dory/compose/schema.h"
#include "cmd/dory/compose/work.h"
#include "cmd/dory/container_create.h"

void compose_images_release(struct compose_images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        free(images->items[i].name);
        free(images->items[i].platform);
        free(images->items[i].id);
        json_free(images->items[i].inspect);
    }
    free(images->items);
    *images = (struct compose_images){0};
}

const char *compose_platform(const struct compose_project *project, const struct json *service)
{
    const char *platform = json_get_string(service, "platform");
    return platform ? platform : strv_env_get(&project->environment, "DOCKER_DEFAULT_PLATFORM");
}

static int inspect_platform(struct cli *cli, struct compose_image *image, const char *platform, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    struct error failure = {0};
    free(image->id);
    json_free(image->inspect);
    image->id = NULL;
    image->inspect = NULL;
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, image->name);
    strbuf_adds(&path, "/json");
    client_query_add(&path, "platform", platform);
    int r =
        client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &image->inspect, &failure);
    if (r == 0)
        image->id = xstrdup(json_get_string(image->inspect, "Id"));
    return r == 0 || failure.kind == ERROR_NOT_FOUND ? 0 : error_propagate(err, &failure);
}

/* What is there for another platform is told, too: it may run all the same, which the creation says. */
static int inspect(struct cli *cli, struct compose_image *image, struct error *err)
{
    int r = inspect_platform(cli, image, image->platform, err);
    return r == 0 && !image->id && image->platform ? inspect_platform(cli, image, NULL, err) : r;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct compose_image *find(struct compose_images *images, const char *name, const char *platform)
{
    for (size_t i = 0; i < images->count; i++) {
        if (strcmp(images->items[i].name, name) == 0 && is_same(images->items[i].platform, platform))
            return &images->items[i];
    }
    return NULL;
}

int compose_images_get(struct cli *cli, struct compose_images *images, const char *name, const char *platform,
                       const struct compose_image **ret, struct error *err)
{
    struct compose_image *image = find(images, name, platform);
    int r = 0;
    if (!image) {
        xgrow((void **)&images->items, images->count, &images->capacity, sizeof(*images->items));
        image = &images->items[images->count++];
        *image = (struct compose_image){.name = xstrdup(name), .platform = xstrdup(platform)};
        r = inspect(cli, image, err);
    }
    if (ret)
        *ret = image;
    return r;
}

/* Asks again after a pull or a build. */
static int refresh(struct cli *cli, struct compose_images *images, const char *name, const char *platform,
                   struct error *err)
{
    struct compose_image *image = find(images, name, platform);
    return image ? inspect(cli, image, err) : compose_images_get(cli, images, name, platform, NULL, err);
}

/* ---- pulling ---- */

int compose_image_digest(struct cli *cli, const struct reference *reference, char **ret, struct error *err)
{
    CLEANUP_FREE char *name = reference_full(reference);
    CLEANUP_FREE char *familiar = reference_familiar(reference);
    CLEANUP_FREE char *auth = registry_auth_header(cli, familiar);
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    const char *const headers[] = {auth, NULL};
    strbuf_adds(&path, "/distribution/");
    client_path_escape(&path, name);
    strbuf_adds(&path, "/json");
    struct client_request request = {.path = strbuf_str(&path), .headers = headers};
    int r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return r;
    const char *digest = json_get_string(json_get(answer, "Descriptor"), "digest");
    if (!digest || !digest_is_valid(digest))
        return error_set(err, ERROR_INVALID, 0, "%s: the daemon's answer has no digest", familiar);
    *ret = xstrdup(digest);
    return 0;
}

static int ask_registry(struct cli *cli, const char *image, struct error *err)
{
    CLEANUP(reference_release) struct reference reference = {0};
    CLEANUP_FREE char *digest = NULL;
    int r = reference_parse(image, &reference, err);
    if (r < 0)
        return error_context(err, "%s", image);
    reference_default_tag(&reference);
    r = compose_image_digest(cli, &reference, &digest, err);
    return r < 0 ? error_context(err, "%s", image) : 0;
}

int compose_pull_image(struct cli *cli, const struct compose_pull *pull, struct work_report *report, struct error *err)
{
    const struct pull_options options = {
        .reference = pull->image, .platform = pull->platform, .quiet = true, .output_fd = STDERR_FILENO};
    const char *event = pull->event;
    work_event(report, event, BOARD_WORKING, "Pulling");
    int r = pull->dry_run ? ask_registry(cli, pull->image, err) : image_pull_command(cli, &options, err);
    if (r < 0) {
        static const char prefix[] = "Error response from daemon: ";
        bool daemons = strncmp(err->message, prefix, strlen(prefix)) == 0;
        CLEANUP_FREE char *text = xasprintf("Error %s", err->message + (daemons ? strlen(prefix) : 0));
        work_event(report, event, BOARD_ERROR, text);
        return error_context(err, "service %s", event);
    }
    work_event(report, event, BOARD_DONE, "Pulled");
    return 0;
}

struct pull {
    char *event, *image;
    const char *platform;
    bool optional; /* it can be built instead */
    bool dry_run;
};

static int pull_task(struct cli *cli, void *data, struct work_report *report, struct error *err)
{
    const struct pull *pull = data;
    const struct compose_pull image = {pull->event, pull->image, pull->platform, pull->dry_run};
    int r = compose_pull_image(cli, &image, report, err);
    return r < 0 && pull->optional ? 0 : r;
}

/* "every_12h", "daily", "weekly": the time after which an image is asked for again, or -1 for other policies. */
static int64_t refresh_interval(const char *policy)
{
    const int64_t day = 24LL * 3600 * 1000000000;
    int64_t ns;
    if (!policy)
        return -1;
    if (strcmp(policy, "daily") == 0)
        return day;
    if (strcmp(policy, "weekly") == 0)
        return 7 * day;
    if (strncmp(policy, "every_", 6) != 0)
        return -1;
    return schema_duration(policy + 6, &ns) == 0 ? ns : 0;
}

static bool is_old(const struct compose_image *image, int64_t interval)
{
    int64_t tagged;
    const char *text = json_get_string(json_get(image->inspect, "Metadata"), "LastTagTime");
    return !text || timestamp_parse(text, &tagged) < 0 || tagged + interval < timestamp_now();
}

static bool must_pull(const struct json *service, const struct compose_image *image)
{
    const char *policy = json_get_string(service, "pull_policy");
    int64_t interval = refresh_interval(policy);
    if (!json_get_string(service, "image"))
        return false;
    if (policy && strcmp(policy, "always") == 0)
        return true;
    if (policy && (strcmp(policy, "never") == 0 || strcmp(policy, "build") == 0))
        return false;
    return !image->id || (interval >= 0 && is_old(image, interval));
}

/* Does the daemon have it for the platform that is asked for? */
static bool fits_platform(const struct json *service, const struct compose_image *image)
{
    const char *platform = json_get_string(service, "platform");
    if (!platform || !image->id)
        return true;
    CLEANUP_FREE char *actual =
        xasprintf("%s/%s", json_get_string(image->inspect, "Os"), json_get_string(image->inspect, "Architecture"));
    return strncmp(platform, actual, strlen(actual)) == 0 || strcmp(platform, strchr(actual, '/') + 1) == 0 ||
           (strcmp(platform, "linux/x86_64") == 0 && strcmp(actual, "linux/amd64") == 0) ||
           (strcmp(platform, "linux/aarch64") == 0 && strcmp(actual, "linux/arm64") == 0);
}

/* Some service builds an image of that name. */
static bool can_be_built(const struct compose_project *project, const char *image)
{
    const struct json *services = json_get(project->model, "services");
    for (size_t i = 0; i < model_members(services); i++) {
        const struct json *service = &services->object.values[i];
        CLEANUP_FREE char *name = model_image(project, services->object.keys[i]);
        if (json_get(service, "build") && strcmp(name, image) == 0)
            return true;
    }
    return false;
}

struct pulls {
    struct pull *items;
    size_t count, capacity;
};

static void add_pull(struct pulls *pulls, const char *event, const char *image, const char *platform, bool optional)
{
    for (size_t i = 0; i < pulls->count; i++) {
        if (strcmp(pulls->items[i].image, image) == 0 && is_same(pulls->items[i].platform, platform))
            return;
    }
    xgrow((void **)&pulls->items, pulls->count, &pulls->capacity, sizeof(*pulls->items));
    pulls->items[pulls->count++] = (struct pull){xstrdup(event), xstrdup(image), platform, optional, false};
}

/* What a service needs: its own image, and those that it mounts. */
static int collect_pulls(struct cli *cli, const struct compose_project *project, const char *name,
                         struct compose_images *images, struct pulls *pulls, struct error *err)
{
    const struct json *service = compose_service(project, name), *volumes = json_get(service, "volumes");
    const struct compose_image *image;
    CLEANUP_FREE char *reference = model_image(project, name);
    const char *platform = compose_platform(project, service);
    int r = compose_images_get(cli, images, reference, platform, &image, err);
    if (r == 0 && !fits_platform(service, image)) {
        free(((struct compose_image *)image)->id);
        ((struct compose_image *)image)->id = NULL;
    }
    if (r == 0 && must_pull(service, image))
        add_pull(pulls, name, reference, platform, can_be_built(project, reference));
    for (size_t i = 0; r == 0 && i < json_count(volumes); i++) {
        const char *type = json_get_string(json_at(volumes, i), "type"),
                   *source = json_get_string(json_at(volumes, i), "source");
        if (!type || !source || strcmp(type, "image") != 0)
            continue;
        r = compose_images_get(cli, images, source, NULL, &image, err);
        CLEANUP_FREE char *event = xasprintf("%s:volume %zu", name, i);
        if (r == 0 && !image->id)
            add_pull(pulls, event, source, NULL, false);
    }
    return r;
}

static int pull_all(struct cli *cli, const struct compose_images_policy *policy, struct board *board,
                    struct pulls *pulls, struct error *err)
{
    struct board quiet = {.mode = BOARD_QUIET};
    struct work *work = work_new(cli, policy->quiet_pull ? &quiet : board, policy->parallel);
    for (size_t i = 0; i < pulls->count; i++) {
        pulls->items[i].dry_run = board->dry_run;
        work_add(work, &(struct work_item){.name = pulls->items[i].event, .run = pull_task, .data = &pulls->items[i]});
    }
    int r = work_run(work, err);
    work_free(work);
    if (!policy->quiet_pull)
        board_finish(board);
    return r;
}

static int pull_required(struct cli *cli, const struct compose_project *project, const struct strv *services,
                         const struct compose_images_policy *policy, struct board *board, struct compose_images *images,
                         struct error *err)
{
    struct pulls pulls = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < services->count; i++)
        r = collect_pulls(cli, project, services->items[i], images, &pulls, err);
    if (r == 0 && pulls.count > 0)
        r = pull_all(cli, policy, board, &pulls, err);
    for (size_t i = 0; i < pulls.count; i++) {
        if (r == 0 && !board->dry_run)
            r = refresh(cli, images, pulls.items[i].image, pulls.items[i].platform, err);
        free(pulls.items[i].event);
        free(pulls.items[i].image);
    }
    free(pulls.items);
    return r;
}

/* ---- building ---- */

/* Those that are to be built, in an order in which each stands behind what it takes from others. */
static int order_build(const struct compose_project *project, const char *name, struct strv *path, struct strv *out,
                       struct error *err)
{
    const struct json *service = compose_service(project, name);
    CLEANUP_STRV struct strv needs = STRV_INIT;
    if (!service || !json_get(service, "build") || strv_contains(out, name))
        return 0;
    if (strv_contains(path, name))
        return error_set(err, ERROR_INVALID, 0, "service \"%s\": its additional_contexts lead back to itself", name);
    strv_add(path, name);
    compose_build_dependencies(service, &needs);
    int r = 0;
    for (size_t i = 0; r == 0 && i < needs.count; i++)
        r = order_build(project, needs.items[i], path, out, err);
    strv_remove(path, path->count - 1);
    if (r == 0)
        strv_add(out, name);
    return r;
}

static bool must_build(const struct json *service, const struct compose_image *image)
{
    const char *policy = json_get_string(service, "pull_policy");
    return json_get(service, "build") && (!image->id || (policy && strcmp(policy, "build") == 0));
}

static int build_required(struct cli *cli, const struct compose_project *project, const struct strv *services,
                          const struct compose_images_policy *policy, struct board *board,
                          struct compose_images *images, struct error *err)
{
    CLEANUP_STRV struct strv order = STRV_INIT, path = STRV_INIT;
    const struct compose_build_options options = {.quiet = policy->quiet_build};
    int r = 0;
    for (size_t i = 0; r == 0 && i < services->count; i++)
        r = order_build(project, services->items[i], &path, &order, err);
    for (size_t i = 0; r == 0 && i < order.count; i++) {
        const struct compose_image *image;
        CLEANUP_FREE char *name = model_image(project, order.items[i]);
        const struct json *service = compose_service(project, order.items[i]);
        const char *platform = compose_platform(project, service);
        r = compose_images_get(cli, images, name, platform, &image, err);
        if (r < 0 || !must_build(service, image))
            continue;
        if (!board->dry_run)
            r = compose_build_service(cli, project, order.items[i], &options, NULL, err);
        if (r == 0)
            board_event(board, order.items[i], BOARD_DONE, "Built");
        if (r == 0 && !board->dry_run)
            r = refresh(cli, images, name, platform, err);
    }
    board_finish(board);
    return r;
}

int compose_images_ensure(struct cli *cli, const struct compose_project *project, const struct strv *services,
                          const struct compose_images_policy *policy, struct board *board,
                          struct compose_images *images, struct error *err)
{
    for (size_t i = 0; i < services->count; i++) {
        const struct json *service = compose_service(project, services->items[i]);
        if (!json_get_string(service, "image") && !json_get(service, "build"))
            return error_set(err, ERROR_INVALID, 0, "invalid service \"%s\". Must specify either image or build",
                             services->items[i]);
    }
    int r = pull_required(cli, project, services, policy, board, images, err);
    if (r == 0 && !policy->no_build)
        r = build_required(cli, project, services, policy, board, images, err);
    return r;
}
