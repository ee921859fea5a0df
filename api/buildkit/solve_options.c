#include "api/buildkit/solve_options.h"

#include <errno.h>
#include <string.h>

#include "api/build_parameters.h"
#include "base/memory.h"
#include "base/parse.h"
#include "daemon/engine.h"
#include "daemon/ulimits.h"
#include "image/platform.h"
#include "image/reference.h"

#define PLATFORMS_MAX 64

struct reader {
    struct solve_options *ret;
    struct error *err;
};
typedef int (*option_reader)(struct reader *r, const char *name, const char *value);

static int refuse(struct reader *r, const char *name, const char *value)
{
    return error_set(r->err, ERROR_NOT_IMPLEMENTED, 0, "build option %s=%.200s is not supported", name, value);
}

static int read_target(struct reader *r, const char *name, const char *value)
{
    (void)name;
    r->ret->build.target = value;
    return 0;
}

static int read_filename(struct reader *r, const char *name, const char *value)
{
    (void)name;
    r->ret->filename = value;
    r->ret->filename_given = true;
    return 0;
}

static int read_context(struct reader *r, const char *name, const char *value)
{
    (void)name;
    r->ret->context = *value ? value : NULL;
    return 0;
}

static int read_context_key(struct reader *r, const char *name, const char *value)
{
    (void)name;
    r->ret->context_key = value;
    return 0;
}

static int read_dockerfile_key(struct reader *r, const char *name, const char *value)
{
    (void)name;
    r->ret->dockerfile_key = value;
    r->ret->local_dockerfile = true;
    return 0;
}

static int read_platform(struct reader *r, const char *name, const char *value)
{
    struct strv *list = &r->ret->platforms;
    (void)name;
    strv_clear(list);
    if (*value)
        strv_split(list, value, ',');
    if (list->count > PLATFORMS_MAX)
        return error_set(r->err, ERROR_INVALID, 0, "more than %d platforms at once", PLATFORMS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        struct platform platform;
        char text[PLATFORM_TEXT_MAX];
        int failed = platform_parse(list->items[i], &platform, r->err);
        if (failed < 0)
            return failed;
        platform_format(&platform, text);
        for (size_t k = 0; k < i; k++)
            if (strcmp(list->items[k], text) == 0)
                return error_set(r->err, ERROR_INVALID, 0, "platform %s is given twice", text);
        if (list->count > 1) { /* one stays as it was written */
            free(list->items[i]);
            list->items[i] = xstrdup(text);
        }
    }
    r->ret->build.platform = list->count > 0 ? list->items[0] : "";
    return 0;
}

/* "" is all stages, else their names. */
static int read_no_cache(struct reader *r, const char *name, const char *value)
{
    (void)name;
    if (!*value)
        r->ret->build.no_cache = true;
    else
        strv_split(&r->ret->build.no_cache_filter, value, ',');
    return 0;
}

static int read_resolve_mode(struct reader *r, const char *name, const char *value)
{
    if (*value && strcmp(value, "default") != 0 && strcmp(value, "local") != 0 && strcmp(value, "pull") != 0)
        return refuse(r, name, value);
    r->ret->build.pull = strcmp(value, "pull") == 0;
    return 0;
}

static int read_network(struct reader *r, const char *name, const char *value)
{
    if (strcmp(value, "sandbox") == 0 || strcmp(value, "default") == 0 || !*value)
        return 0;
    if (strcmp(value, "host") != 0 && strcmp(value, "none") != 0)
        return error_set(r->err, ERROR_INVALID, 0, "%s: unsupported network mode %.200s", name, value);
    xstrset(&r->ret->build.host.network_mode, value);
    return 0;
}

/* "name=address,..." */
static int read_add_hosts(struct reader *r, const char *name, const char *value)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    strv_split(&list, value, ',');
    for (size_t i = 0; i < list.count; i++) {
        char *equals = strchr(list.items[i], '=');
        if (!equals)
            return error_set(r->err, ERROR_INVALID, 0, "%s: invalid entry %.200s", name, list.items[i]);
        *equals = ':';
        strv_add(&r->ret->build.host.extra_hosts, list.items[i]);
    }
    return 0;
}

static int read_cgroup_parent(struct reader *r, const char *name, const char *value)
{
    (void)name;
    xstrset(&r->ret->build.host.cgroup_parent, value);
    return 0;
}

static int read_cpuset(struct reader *r, const char *name, const char *value)
{
    struct host_config *host = &r->ret->build.host;
    xstrset(strcmp(name, "cpusetcpus") == 0 ? &host->cpuset_cpus : &host->cpuset_mems, value);
    return 0;
}

static int read_number(struct reader *r, const char *name, const char *value)
{
    struct host_config *host = &r->ret->build.host;
    const struct {
        const char *name;
        int64_t *place;
    } numbers[] = {
        {"shm-size", &host->shm_size},    {"memory", &host->memory},        {"memswap", &host->memory_swap},
        {"cpushares", &host->cpu_shares}, {"cpuperiod", &host->cpu_period}, {"cpuquota", &host->cpu_quota},
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0 && parse_int64(value, -1, INT64_MAX, numbers[i].place) < 0)
            return error_set(r->err, ERROR_INVALID, 0, "failed to parse %s: %.200s", name, value);
    }
    return 0;
}

/* "name=soft:hard,..." */
static int read_ulimits(struct reader *r, const char *name, const char *value)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    struct json_writer w;
    strv_split(&list, value, ',');
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_key(&w, "Ulimits");
    json_begin_array(&w);
    for (size_t i = 0; i < list.count; i++) {
        int64_t soft, hard;
        char *equals = strchr(list.items[i], '=');
        if (!equals)
            return error_set(r->err, ERROR_INVALID, 0, "%s: invalid entry %.200s", name, list.items[i]);
        *equals = '\0';
        int failed = ulimit_parse(list.items[i], equals + 1, &soft, &hard, r->err);
        if (failed < 0)
            return failed;
        json_begin_object(&w);
        json_member_string(&w, "Name", list.items[i]);
        json_member_int(&w, "Soft", soft);
        json_member_int(&w, "Hard", hard);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    int failed = json_parse(text.data, text.size, &tree, r->err);
    /* HostConfig's own row decodes them. */
    return failed < 0 ? failed : json_table_decode(&host_config_table, tree, &r->ret->build.host, r->err);
}

static int read_build_arg(struct reader *r, const char *name, const char *value)
{
    const char *arg = name + strlen("build-arg:");
    struct solve_options *o = r->ret;
    bool yes = false;
    strmap_set(&o->build.build_args, arg, value);
    if (strcmp(arg, "BUILDKIT_CONTEXT_KEEP_GIT_DIR") == 0)
        o->keep_git_dir = parse_bool(value, &yes) == 0 && yes;
    if (strcmp(arg, "SOURCE_DATE_EPOCH") == 0 && *value) {
        if (parse_int64(value, 0, INT64_MAX / 1000000000, &o->source_date_epoch) < 0)
            return error_set(r->err, ERROR_INVALID, 0, "invalid SOURCE_DATE_EPOCH: %.100s", value);
        o->build.source_date_epoch = &o->source_date_epoch;
    }
    return 0;
}

static int read_label(struct reader *r, const char *name, const char *value)
{
    strmap_set(&r->ret->build.labels, name + strlen("label:"), value);
    return 0;
}

/* A directory of another session's than the build's. */
static int read_local_session(struct reader *r, const char *name, const char *value)
{
    strmap_set(&r->ret->local_sessions, name + strlen("local-sessionid:"), value);
    return 0;
}

static int read_named(struct reader *r, const char *name, const char *value)
{
    const char *key = name + strlen("context:");
    const char *platform = strstr(key, "::"); /* of one platform; the others are no business of ours */
    CLEANUP_FREE char *plain = xstrndup(key, platform ? (size_t)(platform - key) : strlen(key));
    strmap_set(&r->ret->contexts, plain, value);
    return 0;
}

static int read_switch(struct reader *r, const char *name, const char *key, bool *ret)
{
    const char *value = strmap_get(&r->ret->provenance, key);
    return !value || parse_bool(value, ret) == 0
               ? 0
               : error_set(r->err, ERROR_INVALID, 0, "%s: %s=%.100s is neither true nor false", name, key, value);
}

/* The least provenance, which buildx asks for unasked, goes with images that can carry it, and docker's store without
 * containerd's cannot. Asked for by name it is part of what is pushed or written. */
static int read_provenance(struct reader *r, const char *name, const char *value)
{
    static const char *const known[] = {"type", "mode", "builder-id", "inline-only", "disabled", "version"};
    CLEANUP_STRV struct strv fields = STRV_INIT;
    struct strmap *ret = &r->ret->provenance;
    strv_split(&fields, value, ',');
    for (size_t i = 0; i < fields.count; i++) {
        char *equals = strchr(fields.items[i], '=');
        bool fine = !*fields.items[i];
        for (size_t k = 0; equals && k < ARRAY_SIZE(known); k++)
            fine = fine || (strncmp(fields.items[i], known[k], strlen(known[k])) == 0 &&
                            fields.items[i] + strlen(known[k]) == equals);
        if (!fine)
            return error_set(r->err, ERROR_NOT_IMPLEMENTED, 0, "attestations: %s: %.200s is not supported", name,
                             fields.items[i]);
        if (equals) {
            *equals = 0;
            strmap_set(ret, fields.items[i], equals + 1);
        }
    }
    const char *mode = strmap_get(ret, "mode"), *version = strmap_get(ret, "version");
    if (mode && strcmp(mode, "min") != 0 && strcmp(mode, "max") != 0)
        return error_set(r->err, ERROR_INVALID, 0, "%s: mode=%.100s is neither min nor max", name, mode);
    if (version && strcmp(version, "v0.2") != 0)
        return error_set(r->err, ERROR_NOT_IMPLEMENTED, 0, "%s: version=%.100s is not supported", name, version);
    bool inline_only = false, disabled = false;
    if (read_switch(r, name, "inline-only", &inline_only) < 0 || read_switch(r, name, "disabled", &disabled) < 0)
        return -EINVAL;
    r->ret->attested = !inline_only && !disabled;
    return 0;
}

static int read_attestation(struct reader *r, const char *name, const char *value)
{
    if (strcmp(name, "attest:provenance") == 0)
        return read_provenance(r, name, value);
    if (strstr(value, "disabled=true"))
        return 0;
    return error_set(r->err, ERROR_NOT_IMPLEMENTED, 0, "attestations (%s=%.200s) are not supported", name, value);
}

static int read_subrequest(struct reader *r, const char *name, const char *value)
{
    (void)name;
    r->ret->subrequest = *value ? value : NULL;
    return 0;
}

static int read_cache_from(struct reader *r, const char *name, const char *value)
{
    (void)name;
    strv_split(&r->ret->build.cache_from, value, ',');
    return 0;
}

static int read_directory_cache(struct reader *r, const struct json *attrs)
{
    struct solve_options *o = r->ret;
    const char *directory = json_get_string(attrs, "src"), *digest = json_get_string(attrs, "digest");
    if (!directory || !*directory)
        return error_set(r->err, ERROR_INVALID, 0, "local cache importer requires src");
    if (!digest || !digest_is_valid(digest))
        return error_set(r->err, ERROR_INVALID, 0, "local cache importer requires explicit digest");
    o->directory_caches =
        xreallocarray(o->directory_caches, o->directory_cache_count + 1, sizeof(*o->directory_caches));
    o->directory_caches[o->directory_cache_count++] =
        (struct solve_directory_cache){.directory = directory, .digest = digest};
    return 0;
}

static int read_cache_import(struct reader *r, const struct json *entry)
{
    const char *type = json_get_string(entry, "Type");
    const struct json *attrs = json_get(entry, "Attrs");
    const char *ref = json_get_string(attrs, "ref");
    if (type && strcmp(type, "local") == 0)
        return read_directory_cache(r, attrs);
    if (!type || strcmp(type, "registry") != 0)
        return error_set(r->err, ERROR_NOT_IMPLEMENTED, 0,
                         "cache imports of type %.100s are not supported: only registry and local are",
                         type ? type : "\"\"");
    if (!ref || !*ref)
        return error_set(r->err, ERROR_INVALID, 0, "registry cache importer requires ref");
    strv_add(&r->ret->build.cache_from, ref);
    return 0;
}

/* [{"Type":"registry","Attrs":{"ref":"..."}}] */
static int read_cache_imports(struct reader *r, const char *name, const char *value)
{
    if (r->ret->cache_imports)
        return error_set(r->err, ERROR_INVALID, 0, "%s is given twice", name);
    int failed = json_parse(value, strlen(value), &r->ret->cache_imports, r->err);
    if (failed < 0)
        return error_context(r->err, "%s", name);
    for (size_t i = 0; failed == 0 && i < json_count(r->ret->cache_imports); i++)
        failed = read_cache_import(r, json_at(r->ret->cache_imports, i));
    return failed;
}

static int read_nothing(struct reader *r, const char *name, const char *value)
{
    (void)r;
    (void)name;
    (void)value;
    return 0;
}

/* A name that ends in a colon is what names begin with. */
static const struct {
    const char *name;
    option_reader read;
} readers[] = {
    {"target", read_target},
    {"filename", read_filename},
    {"context", read_context},
    {"contextkey", read_context_key},
    {"dockerfilekey", read_dockerfile_key},
    {"platform", read_platform},
    {"no-cache", read_no_cache},
    {"image-resolve-mode", read_resolve_mode},
    {"force-network-mode", read_network},
    {"add-hosts", read_add_hosts},
    {"cgroup-parent", read_cgroup_parent},
    {"shm-size", read_number},
    {"memory", read_number},
    {"memswap", read_number},
    {"cpushares", read_number},
    {"cpuperiod", read_number},
    {"cpuquota", read_number},
    {"cpusetcpus", read_cpuset},
    {"cpusetmems", read_cpuset},
    {"ulimit", read_ulimits},
    {"build-arg:", read_build_arg},
    {"label:", read_label},
    {"context:", read_named},
    {"attest:", read_attestation},
    {"requestid", read_subrequest},
    {"cache-from", read_cache_from},
    {"cache-imports", read_cache_imports},
    {"local-sessionid:", read_local_session},
    /* What only says where the client's things come from. */
    {"vcs:", read_nothing},
    {"source", read_nothing},  /* of the syntax that the Dockerfile asks for: the builder's own is the newest */
    {"cmdline", read_nothing}, /* as it was written in the syntax line */
    {"frontend.caps", read_nothing},
    {"multi-platform", read_nothing},
};

static int read_entry(struct reader *r, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        size_t size = strlen(readers[i].name);
        bool prefix = readers[i].name[size - 1] == ':';
        if (prefix ? strncmp(readers[i].name, name, size) == 0 : strcmp(readers[i].name, name) == 0)
            return readers[i].read(r, name, value);
    }
    return refuse(r, name, value);
}

static int read_entitlements(const Bk__SolveRequest *request, struct build_options *o, struct error *err)
{
    for (size_t i = 0; i < request->n_entitlements; i++) {
        const char *name = request->entitlements[i];
        if (strcmp(name, "network.host") == 0)
            o->allow_network_host = true;
        else if (strcmp(name, "security.insecure") == 0)
            o->allow_security_insecure = true;
        else
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "entitlement %.100s is not supported", name);
    }
    return 0;
}

int solve_options_read(Bk__Entry *const *entries, size_t count, const Bk__SolveRequest *request, struct engine *engine,
                       struct solve_options *ret, struct error *err)
{
    struct reader reader = {.ret = ret, .err = err};
    *ret = (struct solve_options){.build = {.context_fd = -1, .cancel_fd = -1},
                                  .context_key = "context",
                                  .dockerfile_key = "dockerfile",
                                  .filename = "Dockerfile"};
    int r = read_entitlements(request, &ret->build, err);
    for (size_t i = 0; i < count && r == 0; i++)
        r = read_entry(&reader, entries[i]->key, entries[i]->value);
    if (r == 0)
        r = ulimits_validate(&ret->build.host, err);
    return r < 0 ? r : build_parameters_validate_host(&ret->build.host, engine, err);
}

void solve_options_release(struct solve_options *options)
{
    strmap_release(&options->build.build_args);
    strmap_release(&options->build.labels);
    strmap_release(&options->local_sessions);
    strmap_release(&options->contexts);
    strv_release(&options->build.no_cache_filter);
    strv_release(&options->build.cache_from);
    strv_release(&options->platforms);
    strmap_release(&options->provenance);
    free(options->directory_caches);
    json_free(options->cache_imports);
    host_config_release(&options->build.host);
}
