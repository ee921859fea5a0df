/* What is asked of a registry without pulling anything: login, the distribution endpoint, search. */
#include <errno.h>
#include <strings.h>

#include "base/memory.h"
#include "image/ask_registry.h"
#include "image/digest.h"

#define HUB_SEARCH "https://index.docker.io"
#define SEARCH_MAX 100

/* ---- one endpoint after the other ---- */

static int ask_endpoint(const struct registry_options *options, ask_fn ask, void *data, bool *ret_answered,
                        struct error *err)
{
    CLEANUP_REGISTRY struct registry *registry = NULL;
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    int rc = registry_open(options, &registry, err);
    *ret_answered = rc == 0;
    if (rc == 0)
        rc = registry_connect(registry, &client, err);
    return rc < 0 ? rc : ask(registry, client, data, err);
}

int ask_registry(const struct registry_config *config, const char *domain, struct registry_options *options, ask_fn ask,
                 void *data, struct error *err)
{
    CLEANUP_REGISTRY_ENDPOINTS struct registry_endpoints endpoints = {0};
    struct error local = {0};
    bool answered = false;
    int rc = registry_endpoints_find(domain, config, &endpoints, &local);
    for (size_t i = 0; rc == 0 && i < endpoints.count; i++) {
        const struct registry_endpoint *endpoint = &endpoints.items[i];
        if (endpoint->mirror)
            continue;
        error_clear(&local);
        options->endpoint = endpoint;
        rc = ask_endpoint(options, ask, data, &answered, &local);
        bool next = rc < 0 && !answered && i + 1 < endpoints.count;
        if (!next)
            break;
        rc = 0;
    }
    return rc < 0 ? error_propagate(err, &local) : 0;
}

/* ---- login ---- */

static int ask_version(struct registry *registry, struct http_client *client, void *data, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    struct error local = {0};
    int status = 0;
    char **ret_identity = data;
    int rc = registry_get_json(registry, client, "/v2/", &tree, &status, &local);
    /* What the document says does not matter, if it is one at all. */
    if (rc < 0 && status != 200)
        return error_propagate(err, &local);
    const char *refresh = registry_refresh_token(registry);
    *ret_identity = refresh ? xstrdup(refresh) : NULL;
    return 0;
}

/* "https://index.docker.io/v1/", "registry.example.org:5000": the registry's domain. The caller frees. */
static char *domain_of(const char *server)
{
    const char *scheme = server ? strstr(server, "://") : NULL;
    const char *host = scheme ? scheme + 3 : server;
    size_t size = host ? strcspn(host, "/") : 0;
    static const char *const hub[] = {"", "docker.io", "index.docker.io", "registry-1.docker.io"};
    CLEANUP_FREE char *name = size > 0 ? xstrndup(host, size) : xstrdup("");
    for (size_t i = 0; i < ARRAY_SIZE(hub); i++)
        if (strcasecmp(name, hub[i]) == 0)
            return xstrdup("docker.io");
    return TAKE_PTR(name);
}

int registry_login(const struct registry_config *config, const char *server, const struct registry_auth *auth,
                   char **ret_identity, struct error *err)
{
    CLEANUP_FREE char *domain = domain_of(server);
    struct registry_options options = {.auth = auth, .offline = true};
    struct error local = {0};
    int rc = ask_registry(config, domain, &options, ask_version, ret_identity, &local);
    if (rc < 0 && local.kind == ERROR_UNAUTHORIZED)
        error_context(&local, "login attempt to %s failed", domain);
    return rc < 0 ? error_propagate(err, &local) : 0;
}

/* ---- distribution ---- */

struct distribution_job {
    const struct reference *ref;
    struct registry_distribution *ret;
};

void registry_distribution_release(struct registry_distribution *distribution)
{
    free(distribution->media_type);
    json_free(distribution->platforms);
    *distribution = (struct registry_distribution){0};
}

static void write_platform(struct json_writer *w, const char *architecture, const char *os, const char *variant)
{
    json_begin_object(w);
    json_member_string(w, "architecture", architecture);
    json_member_string(w, "os", os);
    if (variant && *variant)
        json_member_string(w, "variant", variant);
    json_end_object(w);
}

static int to_buffer(const void *data, size_t size, void *buffer, struct error *err)
{
    (void)err;
    strbuf_add(buffer, data, size);
    return 0;
}

/* The members of an OCI config that tell it are those of a platform object. */
static void write_config_platform(struct json_writer *w, const struct json *config)
{
    const char *version = json_get_string(config, "os.version"), *variant = json_get_string(config, "variant");
    const struct json *features = json_get(config, "os.features");
    json_begin_object(w);
    json_member_string(w, "architecture", json_get_string(config, "architecture"));
    json_member_string(w, "os", json_get_string(config, "os"));
    if (version && *version)
        json_member_string(w, "os.version", version);
    if (features && json_count(features) > 0) {
        json_key(w, "os.features");
        json_put_value(w, features);
    }
    if (variant && *variant)
        json_member_string(w, "variant", variant);
    json_end_object(w);
}

int ask_config_platform(struct registry *registry, struct http_client *client, const struct descriptor *config,
                        struct json_writer *w, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    char digest[DIGEST_TEXT_MAX];
    struct registry_blob blob = {.descriptor = config, .what = "image config", .sink = to_buffer, .sink_data = &text};
    int rc = registry_get_blob(registry, client, &blob, err);
    if (rc < 0)
        return rc;
    digest_of(text.data, text.size, digest);
    if (strcmp(digest, config->digest) != 0)
        return error_set(err, ERROR_INVALID, 0, "image config verification failed for digest %s", config->digest);
    rc = json_parse(text.data, text.size, &tree, err);
    if (rc == 0)
        write_config_platform(w, tree);
    return rc;
}

static int ask_manifest(struct registry *registry, struct http_client *client, void *data, struct error *err)
{
    const struct distribution_job *job = data;
    CLEANUP_REGISTRY_MANIFEST struct registry_manifest document = {0};
    struct manifest CLEANUP_MANIFEST manifest = {0};
    CLEANUP_STRBUF struct strbuf platforms = STRBUF_INIT;
    struct json_writer w;
    int rc =
        registry_get_manifest(registry, client, job->ref->digest ? job->ref->digest : job->ref->tag, &document, err);
    if (rc == 0)
        rc = manifest_parse(document.content_type, document.text, document.size, &manifest, err);
    if (rc < 0)
        return rc;
    json_writer_init(&w, &platforms);
    json_begin_array(&w);
    for (size_t i = 0; manifest.kind == MANIFEST_LIST && i < manifest.count; i++)
        if (manifest.items[i].has_platform)
            write_platform(&w, manifest.items[i].platform.architecture, manifest.items[i].platform.os,
                           manifest.items[i].platform.variant);
    if (manifest.kind == MANIFEST_IMAGE)
        rc = ask_config_platform(registry, client, &manifest.config, &w, err);
    json_end_array(&w);
    if (rc == 0)
        rc = json_parse(platforms.data, platforms.size, &job->ret->platforms, err);
    job->ret->media_type = xstrdup(manifest.media_type);
    memcpy(job->ret->digest, document.digest, sizeof(job->ret->digest));
    job->ret->size = (int64_t)document.size;
    return rc;
}

int registry_distribution(const struct registry_config *config, const struct reference *ref,
                          const struct registry_auth *auth, struct registry_distribution *ret, struct error *err)
{
    struct registry_options options = {.ref = ref, .auth = auth, .plain = true};
    struct distribution_job job = {.ref = ref, .ret = ret};
    return ask_registry(config, ref->domain, &options, ask_manifest, &job, err);
}

/* ---- search ---- */

struct search_job {
    const char *term;
    int64_t limit;
    struct strbuf out;
};

/* The v1 endpoint, which Docker Hub has: its results under docker's names. */
static int ask_v1(struct registry *registry, struct http_client *client, struct search_job *job, int *ret_status,
                  struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_FREE char *limit = xasprintf("%lld", (long long)job->limit);
    strbuf_adds(&path, "/v1/search");
    http_add_parameter(&path, '?', "q", job->term);
    http_add_parameter(&path, '&', "n", limit);
    int rc = registry_get_json(registry, client, strbuf_str(&path), &tree, ret_status, err);
    const struct json *results = json_get(tree, "results");
    if (rc == 0 && (!results || results->kind != JSON_ARRAY))
        return error_set(err, ERROR_UNAVAILABLE, EPROTO, "the registry's answer to the search is none");
    if (rc == 0) {
        struct json_writer w;
        json_writer_init(&w, &job->out);
        json_put_value(&w, results);
    }
    return rc;
}

static int ask_catalog(struct registry *registry, struct http_client *client, struct search_job *job, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct json_writer w;
    int rc = registry_list_names(registry, client, "/v2/_catalog", "repositories", &names, err);
    if (rc < 0)
        return rc;
    json_writer_init(&w, &job->out);
    json_begin_array(&w);
    int64_t found = 0;
    for (size_t i = 0; i < names.count && found < job->limit; i++) {
        if (!strcasestr(names.items[i], job->term))
            continue;
        found++;
        json_begin_object(&w);
        json_member_string(&w, "name", names.items[i]);
        json_member_string(&w, "description", "");
        json_member_int(&w, "star_count", 0);
        json_member_bool(&w, "is_official", false);
        json_member_bool(&w, "is_automated", false);
        json_end_object(&w);
    }
    json_end_array(&w);
    return 0;
}

static int ask_search(struct registry *registry, struct http_client *client, void *data, struct error *err)
{
    struct error local = {0};
    int status = 0;
    int rc = ask_v1(registry, client, data, &status, &local);
    if (rc < 0 && status == 404)
        return ask_catalog(registry, client, data, err);
    return rc < 0 ? error_propagate(err, &local) : 0;
}

/* Docker Hub's search is not where its registry is. */
static int search_hub(const struct registry_auth *auth, struct search_job *job, struct error *err)
{
    const struct registry_endpoint endpoint = {.url = (char *)HUB_SEARCH};
    struct registry_options options = {.endpoint = &endpoint, .auth = auth};
    CLEANUP_REGISTRY struct registry *registry = NULL;
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    int status;
    int rc = registry_open(&options, &registry, err);
    if (rc == 0)
        rc = registry_connect(registry, &client, err);
    return rc < 0 ? rc : ask_v1(registry, client, job, &status, err);
}

int registry_search(const struct registry_config *config, const char *term, int64_t limit,
                    const struct registry_auth *auth, struct json **ret, struct error *err)
{
    size_t size = strcspn(term, "/");
    bool has_domain = term[size] == '/' && (memchr(term, '.', size) || memchr(term, ':', size) ||
                                            (size == 9 && memcmp(term, "localhost", 9) == 0));
    CLEANUP_FREE char *named = has_domain ? xstrndup(term, size) : xstrdup("");
    CLEANUP_FREE char *domain = domain_of(named);
    struct search_job job = {.term = has_domain ? term + size + 1 : term, .limit = limit > 0 ? limit : 25};
    struct registry_options options = {.auth = auth, .catalog = true};
    if (limit < 0 || limit > SEARCH_MAX)
        return error_set(err, ERROR_INVALID, 0, "Limit %lld is outside the range of [1, %d]", (long long)limit,
                         SEARCH_MAX);
    int rc = strcmp(domain, "docker.io") == 0 ? search_hub(auth, &job, err)
                                              : ask_registry(config, domain, &options, ask_search, &job, err);
    if (rc == 0)
        rc = json_parse(job.out.data, job.out.size, ret, err);
    strbuf_release(&job.out);
    return rc;
}
