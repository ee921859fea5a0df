/* How an image came to be: SLSA provenance 0.2 (https://slsa.dev/spec/v0.2/provenance) in an in-toto statement, with
 * what BuildKit says there (moby/buildkit docs/attestations/slsa-provenance.md): with mode=min what the build was of,
 * with mode=max also the arguments it was given, as the Dockerfile itself. */
#include <string.h>

#include "api/buildkit/solve_bundle.h"
#include "base/base64.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "daemon/engine.h"

#define BUILD_TYPE "https://mobyproject.org/buildkit@v1"

/* "pkg:docker/NAME@TAG?platform=linux%2Famd64" (https://github.com/package-url/purl-spec). */
static void put_purl(struct json_writer *w, const char *key, const struct reference *ref,
                     const struct platform *platform)
{
    char text[PLATFORM_TEXT_MAX];
    CLEANUP_STRBUF struct strbuf purl = STRBUF_INIT;
    CLEANUP_FREE char *name = reference_familiar_name(ref);
    platform_format(platform, text);
    strbuf_addf(&purl, "pkg:docker/%s@%s?platform=", name, ref->tag ? ref->tag : "latest");
    for (const char *p = text; *p; p++)
        strbuf_adds(&purl, *p == '/' ? "%2F" : (char[]){*p, 0});
    json_member_string(w, key, strbuf_str(&purl));
}

static void put_digest(struct json_writer *w, const char *digest)
{
    json_key(w, "digest");
    json_begin_object(w);
    json_member_string(w, "sha256", digest + strlen("sha256:"));
    json_end_object(w);
}

static void put_subject(struct json_writer *w, const struct reference *name, const struct platform *platform,
                        const char *digest)
{
    json_key(w, "subject");
    json_begin_array(w);
    json_begin_object(w);
    if (name)
        put_purl(w, "name", name, platform);
    else
        json_member_string(w, "name", "_");
    put_digest(w, digest);
    json_end_object(w);
    json_end_array(w);
}

/* The base images, with the digests under which their registries know them; those that no registry knows are left
 * out, and the materials then are not complete. */
static void put_materials(struct json_writer *w, const struct solve *solve, const struct platform *platform)
{
    char text[PLATFORM_TEXT_MAX];
    platform_format(platform, text);
    json_key(w, "materials");
    json_begin_array(w);
    for (size_t i = 0; i < solve->bases.count; i++) {
        CLEANUP_IMAGE struct image *image = NULL;
        struct reference ref = {0};
        const char *at = NULL;
        if (image_lookup_platform(engine_images(solve->engine), solve->bases.items[i], text, false, &image, NULL) ==
                0 &&
            image->repo_digests.count > 0)
            at = strstr(image->repo_digests.items[0], "@sha256:");
        if (at && reference_parse(solve->bases.items[i], &ref, NULL) == 0) {
            json_begin_object(w);
            put_purl(w, "uri", &ref, platform);
            put_digest(w, at + 1);
            json_end_object(w);
        }
        reference_release(&ref);
    }
    json_end_array(w);
}

/* An argument, without the name and password that the context's URL may have: everybody may read this. */
static void put_argument(struct json_writer *w, const char *key, const char *value)
{
    const char *scheme = strcmp(key, "context") == 0 ? strstr(value, "://") : NULL;
    const char *authority = scheme ? scheme + 3 : "";
    size_t size = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', size);
    if (!at) {
        json_member_string(w, key, value);
        return;
    }
    bool password = memchr(authority, ':', (size_t)(at - authority)) != NULL;
    CLEANUP_FREE char *masked =
        xasprintf("%.*sxxxxx%s%s", (int)(authority - value), value, password ? ":xxxxx" : "", at);
    json_member_string(w, key, masked);
}

static void put_parameters(struct json_writer *w, const struct solve *solve)
{
    json_key(w, "parameters");
    json_begin_object(w);
    json_member_string(w, "frontend", "dockerfile.v0");
    json_key(w, "args");
    json_begin_object(w);
    for (size_t i = 0; i < solve->arguments.count; i++)
        put_argument(w, solve->arguments.items[i].key, solve->arguments.items[i].value);
    json_end_object(w);
    json_key(w, "locals");
    json_begin_array(w);
    static const char *const locals[] = {"context", "dockerfile"};
    for (size_t i = 0; i < ARRAY_SIZE(locals); i++) {
        json_begin_object(w);
        json_member_string(w, "name", locals[i]);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void put_invocation(struct json_writer *w, const struct solve *solve)
{
    struct platform host;
    char text[PLATFORM_TEXT_MAX];
    platform_host(&host);
    platform_format(&host, text);
    json_key(w, "invocation");
    json_begin_object(w);
    json_key(w, "configSource");
    json_begin_object(w);
    if (solve->provenance->file)
        json_member_string(w, "entryPoint", solve->provenance->file);
    json_end_object(w);
    put_parameters(w, solve);
    json_key(w, "environment");
    json_begin_object(w);
    json_member_string(w, "platform", text);
    json_end_object(w);
    json_end_object(w);
}

static void put_dockerfile(struct json_writer *w, const struct solve *solve)
{
    CLEANUP_STRBUF struct strbuf data = STRBUF_INIT;
    if (!solve->provenance->max || !solve->provenance->text)
        return;
    base64_encode(solve->provenance->text, strlen(solve->provenance->text), false, &data);
    json_key(w, BUILD_TYPE "#metadata");
    json_begin_object(w);
    json_key(w, "source");
    json_begin_object(w);
    json_key(w, "infos");
    json_begin_array(w);
    json_begin_object(w);
    json_member_string(w, "filename", solve->provenance->file);
    json_member_string(w, "language", "Dockerfile");
    json_member_string(w, "data", strbuf_str(&data));
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
}

static void put_metadata(struct json_writer *w, const struct solve *solve, const struct solve_platform *platform)
{
    char started[TIMESTAMP_MAX], ended[TIMESTAMP_MAX];
    timestamp_format(started, platform->started);
    timestamp_format(ended, platform->ended);
    json_key(w, "metadata");
    json_begin_object(w);
    json_member_string(w, "buildInvocationID", solve->ref);
    json_member_string(w, "buildStartedOn", started);
    json_member_string(w, "buildFinishedOn", ended);
    json_key(w, "completeness");
    json_begin_object(w);
    json_member_bool(w, "parameters", solve->provenance->max);
    json_member_bool(w, "environment", true);
    json_member_bool(w, "materials", false);
    json_end_object(w);
    json_member_bool(w, "reproducible", false);
    put_dockerfile(w, solve);
    json_end_object(w);
}

void solve_provenance_write(const struct solve *solve, const struct solve_platform *platform,
                            const struct reference *name, const struct platform *what, const char *manifest_digest,
                            struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "_type", "https://in-toto.io/Statement/v0.1");
    json_member_string(&w, "predicateType", PROVENANCE_TYPE);
    put_subject(&w, name, what, manifest_digest);
    json_key(&w, "predicate");
    json_begin_object(&w);
    json_key(&w, "builder");
    json_begin_object(&w);
    json_member_string(&w, "id", solve->provenance->builder_id ? solve->provenance->builder_id : "");
    json_end_object(&w);
    json_member_string(&w, "buildType", BUILD_TYPE);
    put_materials(&w, solve, what);
    put_invocation(&w, solve);
    put_metadata(&w, solve, platform);
    json_end_object(&w);
    json_end_object(&w);
}
