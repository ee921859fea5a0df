#include "cmd/dory/compose/watch_actions.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "cmd/dory/command_call.h"
#include "cmd/dory/compose/images.h"
#include "cmd/dory/compose/watch_sync.h"
#include "cmd/dory/filters_query.h"

void watch_say(const char *format, ...)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, format);
    strbuf_vaddf(&text, format, args);
    va_end(args);
    printf("        ⦿ %s\n", strbuf_str(&text));
    fflush(stdout);
}

/* ["a" "b"], as Go prints a list of texts. The caller frees. */
static char *quoted(const struct strv *names)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_addc(&text, '[');
    for (size_t i = 0; i < names->count; i++)
        strbuf_addf(&text, "%s\"%s\"", i ? " " : "", names->items[i]);
    strbuf_addc(&text, ']');
    return strbuf_take(&text);
}

/* ---- copies ---- */

static int copy(const struct watch_context *context, const char *service, const struct watch_files *files,
                struct error *err)
{
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    CLEANUP_STRV struct strv services = STRV_INIT;
    strv_add(&services, service);
    struct compose_query query = {.all = true, .services = &services};
    int r = compose_containers_list(cli_client(context->cli), context->project->name, &query, &containers, err);
    return r < 0 ? r : watch_sync(context->cli, &containers, files, err);
}

static void add_matches(const struct watch_rule *rule, const struct strv *changed, struct watch_files *files)
{
    for (size_t i = 0; i < changed->count; i++) {
        if (!watch_rule_matches(rule, changed->items[i]))
            continue;
        CLEANUP_FREE char *target = watch_rule_target(rule, changed->items[i]);
        watch_files_add(files, changed->items[i], target);
    }
}

static int sync_service(const struct watch_context *context, const char *service, const struct strv *changed,
                        struct error *err)
{
    CLEANUP_WATCH_FILES struct watch_files files = {0};
    for (size_t i = 0; i < context->rules->count; i++) {
        const struct watch_rule *rule = &context->rules->items[i];
        if ((rule->actions & WATCH_SYNC) && strcmp(rule->service, service) == 0)
            add_matches(rule, changed, &files);
    }
    if (files.from.count == 0)
        return 0;
    watch_say("Syncing service \"%s\" after %zu changes were detected", service, files.from.count);
    return copy(context, service, &files, err);
}

/* ---- rebuild and restart ---- */

static int remove_image(struct cli *cli, const char *id, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, id);
    struct client_request request = {.method = "DELETE", .path = strbuf_str(&path)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

/* One that is still in use stays, and is found the next time. */
static int prune(const struct watch_context *context, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    CLEANUP_JSON struct json *images = NULL;
    strv_add(&filters, "dangling=true");
    strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, context->project->name);
    strbuf_adds(&path, "/images/json");
    int r = filters_query_add(&path, &filters, err);
    if (r == 0)
        r = client_json(cli_client(context->cli), &(struct client_request){.path = strbuf_str(&path)}, &images, err);
    for (size_t i = 0; r == 0 && i < json_count(images); i++) {
        const char *id = json_get_string(json_at(images, i), "Id");
        struct error refused = {0};
        if (!id)
            continue;
        r = remove_image(context->cli, id, &refused);
        if (r < 0 && (refused.kind == ERROR_CONFLICT || refused.kind == ERROR_NOT_FOUND))
            r = 0;
        else if (r < 0)
            error_propagate(err, &refused);
    }
    return r;
}

static int rebuild(const struct watch_context *context, const struct strv *services, struct error *err)
{
    CLEANUP_FREE char *names = quoted(services);
    CLEANUP_STRV struct strv words = STRV_INIT;
    struct compose_build_options options = {.quiet = context->quiet};
    int r = 0;
    watch_say("Rebuilding service(s) %s after changes were detected...", names);
    for (size_t i = 0; i < services->count && r == 0; i++)
        r = compose_build_service(context->cli, context->project, services->items[i], &options, NULL, err);
    if (r < 0) {
        watch_say("Build failed. Error: %s", err->message);
        return r;
    }
    watch_say("service(s) %s successfully built", names);
    const char *const up[] = {"--detach", "--no-deps", "--no-build", "--force-recreate"};
    for (size_t i = 0; i < ARRAY_SIZE(up); i++)
        strv_add(&words, up[i]);
    strv_add_all(&words, services);
    r = command_call(context->cli, "compose up", &words, err);
    if (r > 0)
        r = error_set(err, ERROR_SYSTEM, 0, "the services were not started");
    if (r < 0) {
        watch_say("Failed to recreate services after update. Error: %s", err->message);
        return r;
    }
    return context->prune ? prune(context, err) : 0;
}

static int restart(const struct watch_context *context, const struct strv *services, struct error *err)
{
    CLEANUP_FREE char *names = quoted(services);
    CLEANUP_STRV struct strv words = STRV_INIT;
    strv_add(&words, "--no-deps");
    strv_add_all(&words, services);
    int r = command_call(context->cli, "compose restart", &words, err);
    if (r > 0)
        return error_set(err, ERROR_SYSTEM, 0, "service(s) %s were not restarted", names);
    if (r == 0)
        watch_say("service(s) %s restarted", names);
    return r;
}

/* ---- commands ---- */

static void hook_words(const struct json *hook, struct strv *words)
{
    const char *user = json_get_string(hook, "user"), *directory = json_get_string(hook, "working_dir");
    const struct json *environment = json_get(hook, "environment");
    if (user)
        strv_addf(words, "--user=%s", user);
    if (directory)
        strv_addf(words, "--workdir=%s", directory);
    if (json_get_bool(hook, "privileged", false))
        strv_add(words, "--privileged");
    for (size_t i = 0; environment && environment->kind == JSON_OBJECT && i < environment->object.count; i++) {
        const char *value = json_string(&environment->object.values[i]);
        strv_addf(words, "--env=%s%s%s", environment->object.keys[i], value ? "=" : "", value ? value : "");
    }
}

static int run_hook(const struct watch_context *context, const struct watch_rule *rule, struct error *err)
{
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    CLEANUP_STRV struct strv services = STRV_INIT;
    strv_add(&services, rule->service);
    struct compose_query query = {.services = &services};
    const struct json *command = json_get(rule->exec, "command");
    int r = compose_containers_list(cli_client(context->cli), context->project->name, &query, &containers, err);
    for (size_t i = 0; i < containers.count && r == 0; i++) {
        CLEANUP_STRV struct strv words = STRV_INIT;
        hook_words(rule->exec, &words);
        strv_add(&words, containers.items[i].id);
        for (size_t c = 0; c < json_count(command); c++)
            strv_add(&words, json_string(json_at(command, c)));
        r = command_call(context->cli, "exec", &words, err);
        if (r > 0)
            r = error_set(err, ERROR_SYSTEM, 0, "the command of %s ended with status %d", containers.items[i].name, r);
    }
    return r;
}

/* ---- all of it ---- */

static bool concerns(const struct watch_rule *rule, const struct strv *changed)
{
    for (size_t i = 0; i < changed->count; i++) {
        if (watch_rule_matches(rule, changed->items[i]))
            return true;
    }
    return false;
}

/* Services with a rule of that action that is concerned. */
static void collect(const struct watch_context *context, unsigned action, const struct strv *changed,
                    struct strv *services)
{
    for (size_t i = 0; i < context->rules->count; i++) {
        const struct watch_rule *rule = &context->rules->items[i];
        if ((rule->actions & action) && !strv_contains(services, rule->service) && concerns(rule, changed))
            strv_add(services, rule->service);
    }
}

int watch_handle(const struct watch_context *context, const struct strv *changed, struct error *err)
{
    CLEANUP_STRV struct strv rebuilt = STRV_INIT, synced = STRV_INIT, restarted = STRV_INIT;
    collect(context, WATCH_REBUILD, changed, &rebuilt);
    collect(context, WATCH_SYNC, changed, &synced);
    collect(context, WATCH_RESTART, changed, &restarted);
    int r = rebuilt.count > 0 ? rebuild(context, &rebuilt, err) : 0;
    for (size_t i = 0; i < synced.count && r == 0; i++)
        r = sync_service(context, synced.items[i], changed, err);
    if (r == 0 && restarted.count > 0)
        r = restart(context, &restarted, err);
    for (size_t i = 0; i < context->rules->count && r == 0; i++) {
        const struct watch_rule *rule = &context->rules->items[i];
        if ((rule->actions & WATCH_EXEC) && concerns(rule, changed))
            r = run_hook(context, rule, err);
    }
    return r;
}

/* ---- initial_sync ---- */

static int image_created(const struct watch_context *context, const char *service, int64_t *ret_ns, struct error *err)
{
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    CLEANUP_STRV struct strv services = STRV_INIT;
    CLEANUP_JSON struct json *image = NULL;
    strv_add(&services, service);
    struct compose_query query = {.all = true, .services = &services};
    int r = compose_containers_list(cli_client(context->cli), context->project->name, &query, &containers, err);
    if (r < 0)
        return r;
    if (containers.count == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "service \"%s\" has no container to copy files into", service);
    CLEANUP_FREE char *path = xasprintf("/images/%s/json", json_get_string(containers.items[0].row, "ImageID"));
    r = client_json(cli_client(context->cli), &(struct client_request){.path = path}, &image, err);
    const char *created = json_get_string(image, "Created");
    *ret_ns = 0;
    if (r == 0 && created)
        timestamp_parse(created, ret_ns);
    return r;
}

static bool is_newer(const char *path, int64_t ns)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec >= ns;
}

int watch_initial_sync(const struct watch_context *context,
                       void (*list)(const char *path, struct strv *files, void *data), void *data, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < context->rules->count && r == 0; i++) {
        const struct watch_rule *rule = &context->rules->items[i];
        CLEANUP_STRV struct strv all = STRV_INIT, newer = STRV_INIT;
        CLEANUP_WATCH_FILES struct watch_files files = {0};
        int64_t created = 0;
        if (!rule->initial_sync || !(rule->actions & WATCH_SYNC))
            continue;
        r = image_created(context, rule->service, &created, err);
        list(rule->clean_path, &all, data);
        for (size_t n = 0; n < all.count; n++) {
            if (is_newer(all.items[n], created))
                strv_add(&newer, all.items[n]);
        }
        add_matches(rule, &newer, &files);
        if (r == 0 && files.from.count > 0)
            r = copy(context, rule->service, &files, err);
    }
    return r;
}
