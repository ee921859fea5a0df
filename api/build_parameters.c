#include "api/build_parameters.h"

#include <string.h>

#include "api/images.h"
#include "base/base64.h"
#include "base/parse.h"
#include "daemon/engine.h"
#include "daemon/ulimits.h"
#include "image/platform.h"

#define HEADER_MAX ((size_t)1 << 20)
#define TAGS_MAX 128

void build_parameters_release(struct build_parameters *p)
{
    for (size_t i = 0; i < p->options.tag_count; i++)
        reference_release(&p->tags[i]);
    free(p->tags);
    for (size_t i = 0; i < p->login_count; i++) {
        free(p->logins[i].server);
        json_table_release(&images_auth_table, &p->logins[i].auth);
    }
    free(p->logins);
    strv_release(&p->tag_names);
    strmap_release(&p->options.build_args);
    strmap_release(&p->options.labels);
    strv_release(&p->options.no_cache_filter);
    strv_release(&p->options.cache_from);
    host_config_release(&p->options.host);
    images_release_registries(&p->registries);
    *p = (struct build_parameters){0};
}

/* ---- values that are JSON ---- */

static int read_json(const struct api_request *request, const char *name, const char *what, struct json **ret,
                     struct error *err)
{
    const char *text = api_query(request, name);
    if (!text || !*text)
        return 0;
    int r = json_parse(text, strlen(text), ret, err);
    if (r < 0) {
        err->kind = ERROR_INVALID;
        return error_context(err, "error reading %s", what);
    }
    return 0;
}

static int wrong_kind(const char *what, const char *wanted, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "error reading %s: %s is expected", what, wanted);
}

/* {"name":"value"}; a null is a name that has no value, and is left out. */
static int read_map(const struct api_request *request, const char *name, const char *what, struct strmap *ret,
                    struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r = read_json(request, name, what, &tree, err);
    if (r < 0 || !tree || tree->kind == JSON_NULL)
        return r;
    if (tree->kind != JSON_OBJECT)
        return wrong_kind(what, "an object of strings", err);
    for (size_t i = 0; i < tree->object.count; i++) {
        const struct json *value = &tree->object.values[i];
        if (value->kind != JSON_STRING && value->kind != JSON_NULL)
            return wrong_kind(what, "an object of strings", err);
        if (value->kind == JSON_STRING)
            strmap_set(ret, tree->object.keys[i], value->string.data);
    }
    return 0;
}

static int read_list(const struct api_request *request, const char *name, struct strv *ret, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r = read_json(request, name, name, &tree, err);
    if (r < 0 || !tree || tree->kind == JSON_NULL)
        return r;
    for (size_t i = 0; i < json_count(tree); i++) {
        const char *text = json_string(json_at(tree, i));
        if (!text)
            return wrong_kind(name, "a list of strings", err);
        strv_add(ret, text);
    }
    return tree->kind == JSON_ARRAY ? 0 : wrong_kind(name, "a list of strings", err);
}

static int read_ulimits(const struct api_request *request, struct host_config *host, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r = read_json(request, "ulimits", "ulimit settings", &tree, err);
    if (r < 0 || !tree || tree->kind == JSON_NULL)
        return r;
    /* HostConfig's own row decodes them. */
    char *key = (char *)"Ulimits";
    const struct json object = {.kind = JSON_OBJECT, .object = {.keys = &key, .values = tree, .count = 1}};
    r = json_table_decode(&host_config_table, &object, host, err);
    if (r == 0)
        r = ulimits_validate(host, err);
    if (r < 0)
        err->kind = ERROR_INVALID;
    return r < 0 ? error_context(err, "error reading ulimit settings") : 0;
}

/* ---- the query ---- */

/* The builder fills in the defaults itself. */
int build_parameters_validate_host(const struct host_config *host, struct engine *engine, struct error *err)
{
    CLEANUP_STRV struct strv warnings = STRV_INIT; /* the builder gives them with each step */
    struct host_config copy = {0};
    json_table_copy(&host_config_table, &copy, host);
    host_config_set_defaults(&copy, engine_options(engine));
    int r = host_config_validate(&copy, &warnings, err);
    host_config_release(&copy);
    return r;
}

static void take_text(const struct api_request *request, const char *name, char **ret)
{
    const char *text = api_query(request, name);
    if (text && *text)
        xstrset(ret, text);
}

static int read_host(const struct api_request *request, struct host_config *host, struct error *err)
{
    const struct {
        const char *name;
        int64_t *place;
    } numbers[] = {
        {"memory", &host->memory},        {"memswap", &host->memory_swap}, {"cpushares", &host->cpu_shares},
        {"cpuperiod", &host->cpu_period}, {"cpuquota", &host->cpu_quota},  {"shmsize", &host->shm_size},
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        int r = api_query_int(request, numbers[i].name, 0, numbers[i].place, err);
        if (r < 0)
            return r;
    }
    take_text(request, "cpusetcpus", &host->cpuset_cpus);
    take_text(request, "cpusetmems", &host->cpuset_mems);
    take_text(request, "cgroupparent", &host->cgroup_parent);
    take_text(request, "networkmode", &host->network_mode);
    take_text(request, "isolation", &host->isolation);
    api_query_all(request, "extrahosts", &host->extra_hosts);
    api_query_all(request, "securityopt", &host->security_opt);
    return read_ulimits(request, host, err);
}

static int read_tags(const struct api_request *request, struct build_parameters *p, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    api_query_all(request, "t", &names);
    if (names.count > TAGS_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d names (parameter t)", TAGS_MAX);
    p->tags = xcalloc(names.count + 1, sizeof(*p->tags));
    p->options.tags = p->tags;
    for (size_t i = 0; i < names.count; i++) {
        struct reference *tag = &p->tags[p->options.tag_count];
        if (!*names.items[i])
            continue;
        p->options.tag_count++;
        int r = reference_parse(names.items[i], tag, err);
        if (r < 0)
            return r;
        if (tag->digest)
            return error_set(err, ERROR_INVALID, 0, "build tag cannot contain a digest");
        reference_default_tag(tag);
        CLEANUP_FREE char *name = reference_familiar(tag);
        if (strv_contains(&p->tag_names, name)) {
            reference_release(tag);
            *tag = (struct reference){0};
            p->options.tag_count--;
        } else {
            strv_add_take(&p->tag_names, TAKE_PTR(name));
        }
    }
    return 0;
}

bool build_parameters_is_buildkit(const struct api_request *request)
{
    const char *version = api_query(request, "version");
    return version && strcmp(version, "2") == 0;
}

static int check_version(const struct api_request *request, struct error *err)
{
    CLEANUP_JSON struct json *outputs = NULL;
    const char *version = api_query(request, "version"), *remote = api_query(request, "remote");
    int r = read_json(request, "outputs", "outputs", &outputs, err);
    if (r < 0)
        return r;
    if (build_parameters_is_buildkit(request))
        return 0;
    if (version && *version && strcmp(version, "1") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid version \"%s\"", version);
    if (remote && strcmp(remote, "client-session") == 0)
        return error_set(err, ERROR_INVALID, 0, "remote=client-session needs BuildKit (version=2)");
    if (json_count(outputs) > 0)
        return error_set(err, ERROR_INVALID, 0, "outputs need BuildKit (version=2)");
    return 0;
}

static int check_platform(const char *text, struct error *err)
{
    struct platform platform;
    if (!text || !*text)
        return 0;
    int r = platform_parse(text, &platform, err);
    if (r < 0) {
        err->kind = ERROR_INVALID;
        return r;
    }
    if (strcmp(platform.os, "linux") != 0)
        return error_set(err, ERROR_INVALID, 0, "platform \"%.100s\": operating system is not supported", text);
    return 0;
}

static void read_plain(const struct api_request *request, struct build_parameters *p)
{
    struct build_options *o = &p->options;
    const char *keep = NULL;
    bool value = false;
    o->target = api_query(request, "target");
    o->platform = api_query(request, "platform");
    o->no_cache = api_query_bool(request, "nocache", false);
    o->pull = api_query_bool(request, "pull", false);
    o->squash = api_query_bool(request, "squash", false);
    /* Who asks for all steps to be on the host's network allows it, as in docker. */
    o->allow_network_host = o->host.network_mode && strcmp(o->host.network_mode, "host") == 0;
    p->quiet = api_query_bool(request, "q", false);
    p->remote = api_query(request, "remote");
    p->remote = p->remote && *p->remote ? p->remote : NULL;
    p->dockerfile_name = api_query(request, "dockerfile");
    p->dockerfile_name = p->dockerfile_name && *p->dockerfile_name ? p->dockerfile_name : NULL;
    keep = strmap_get(&o->build_args, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
    p->keep_git_dir = keep && parse_bool(keep, &value) == 0 && value;
}

/* The time that everything is made to have been made at: https://reproducible-builds.org/specs/source-date-epoch/ */
static int read_epoch(struct build_parameters *p, struct error *err)
{
    const char *text = strmap_get(&p->options.build_args, "SOURCE_DATE_EPOCH");
    if (!text || !*text)
        return 0;
    if (parse_int64(text, 0, INT64_MAX / 1000000000, &p->source_date_epoch) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid SOURCE_DATE_EPOCH: %.100s", text);
    p->options.source_date_epoch = &p->source_date_epoch;
    return 0;
}

/* ---- credentials ---- */

static int read_logins(const struct api_request *request, struct build_parameters *p, struct error *err)
{
    const char *header = api_header(request, "X-Registry-Config");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    if (!header || !*header)
        return 0;
    if (strlen(header) > HEADER_MAX || base64_decode(header, &text) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid X-Registry-Config header: not base64");
    if (text.size == 0)
        return 0;
    int r = json_parse(text.data, text.size, &tree, err);
    if (r == 0 && tree->kind != JSON_OBJECT && tree->kind != JSON_NULL)
        r = error_set(err, ERROR_INVALID, 0, "no object");
    size_t count = r == 0 && tree->kind == JSON_OBJECT ? tree->object.count : 0;
    p->logins = xcalloc(count + 1, sizeof(*p->logins));
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct build_login *login = &p->logins[p->login_count++];
        login->server = xstrdup(tree->object.keys[i]);
        r = json_table_decode(&images_auth_table, &tree->object.values[i], &login->auth, err);
    }
    if (r < 0)
        err->kind = ERROR_INVALID;
    return r < 0 ? error_context(err, "invalid X-Registry-Config header") : 0;
}

/* "https://index.docker.io/v1/" and "index.docker.io" are docker.io; of others scheme and path do not count. */
static bool is_server(const char *text, const char *registry)
{
    const char *host = strstr(text, "://");
    host = host ? host + 3 : text;
    size_t size = strcspn(host, "/");
    if (strncmp(host, "index.docker.io", size) == 0 && size == strlen("index.docker.io"))
        return strcmp(registry, "docker.io") == 0;
    return strlen(registry) == size && strncmp(host, registry, size) == 0;
}

const struct registry_auth *build_parameters_credentials(const char *registry, void *data)
{
    const struct build_parameters *p = data;
    for (size_t i = 0; i < p->login_count; i++) {
        if (is_server(p->logins[i].server, registry))
            return &p->logins[i].auth;
    }
    return NULL;
}

int build_parameters_read(struct api_request *request, struct engine *engine, struct build_parameters *ret,
                          struct error *err)
{
    struct build_options *o = &ret->options;
    *ret = (struct build_parameters){.options = {.context_fd = -1, .cancel_fd = -1}};
    int r = check_version(request, err);
    if (r == 0)
        r = check_platform(api_query(request, "platform"), err);
    if (r == 0)
        r = read_tags(request, ret, err);
    if (r == 0)
        r = read_host(request, &o->host, err);
    if (r == 0)
        r = build_parameters_validate_host(&o->host, engine, err);
    if (r == 0)
        r = read_map(request, "buildargs", "build args", &o->build_args, err);
    if (r == 0)
        r = read_map(request, "labels", "labels", &o->labels, err);
    if (r == 0)
        r = read_epoch(ret, err);
    if (r == 0)
        r = read_list(request, "cachefrom", &o->cache_from, err);
    if (r == 0)
        r = read_logins(request, ret, err);
    if (r < 0)
        return r;
    read_plain(request, ret);
    images_copy_registries(engine, &ret->registries);
    o->registries = &ret->registries;
    o->suppliers.credentials = build_parameters_credentials;
    o->suppliers.data = ret;
    return 0;
}
