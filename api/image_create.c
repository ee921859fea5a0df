/* Images on their way in: pull, import, load. */
#include "api/images.h"

#include <poll.h>
#include <string.h>

#include "api/progress.h"
#include "base/base64.h"
#include "base/json_table.h"
#include "base/timestamp.h"
#include "daemon/build/changes.h"
#include "daemon/engine.h"

#define AUTH_HEADER_MAX ((size_t)64 * 1024)

int images_stream_send(struct images_stream *stream, const struct strbuf *line)
{
    int r = 0;

    if (!stream->begun) {
        stream->begun = true;
        r = api_stream_begin(stream->request, 200, "application/json");
    }
    return r < 0 ? r : api_stream_write(stream->request, line->data, line->size);
}

int images_stream_end(struct images_stream *stream, int result, const struct error *error)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

    if (result >= 0 || !stream->begun)
        return result;
    progress_error_line(&line, error);
    images_stream_send(stream, &line);
    return 0;
}

bool images_stream_gone(void *data)
{
    const struct images_stream *stream = data;
    struct pollfd fd = {.fd = stream->client_fd, .events = POLLIN};

    return stream->client_fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* ---- pull ---- */

int images_stream_progress(const char *id, const char *status, int64_t current, int64_t total, void *data)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

    progress_line(&line, id, status, current, total);
    return images_stream_send(data, &line);
}

static const struct json_field auth_fields[] = {
    {.name = "username", .type = JSON_FIELD_STRING, .offset = offsetof(struct registry_auth, username)},
    {.name = "password", .type = JSON_FIELD_STRING, .offset = offsetof(struct registry_auth, password)},
    {.name = "identitytoken", .type = JSON_FIELD_STRING, .offset = offsetof(struct registry_auth, identity_token)},
    {.name = "registrytoken", .type = JSON_FIELD_STRING, .offset = offsetof(struct registry_auth, registry_token)},
};
const struct json_table images_auth_table = JSON_TABLE(struct registry_auth, auth_fields);

int images_read_auth(const struct api_request *request, struct registry_auth *auth, struct error *err)
{
    const char *header = api_header(request, "X-Registry-Auth");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int r;

    if (!header || !*header)
        return 0;
    if (strlen(header) > AUTH_HEADER_MAX || base64_decode(header, &text) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid X-Registry-Auth header: not base64");
    if (text.size == 0)
        return 0;
    r = json_table_decode_text(&images_auth_table, text.data, text.size, auth, err);
    if (r < 0 && err)
        err->kind = ERROR_INVALID;
    return r < 0 ? error_context(err, "invalid X-Registry-Auth header") : 0;
}

void images_copy_registries(struct engine *engine, struct registry_config *ret)
{
    const struct daemon_options *options = engine_options(engine);
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&options->reload;

    pthread_rwlock_rdlock(lock);
    strv_copy(&ret->insecure, &options->insecure_registries);
    strv_copy(&ret->mirrors, &options->registry_mirrors);
    strmap_copy(&ret->mirrors_of, &options->mirrors);
    pthread_rwlock_unlock(lock);
}

void images_release_registries(struct registry_config *config)
{
    strv_release(&config->insecure);
    strv_release(&config->mirrors);
    strmap_release(&config->mirrors_of);
    strv_release(&config->certs_dirs);
}

int images_reference(const char *name, const char *tag, struct reference *ret, struct error *err)
{
    int r = reference_parse(name, ret, err);

    if (r < 0)
        return r;
    if (tag && *tag) {
        /* "tag" may hold a digest, as clients before 1.21 sent it. */
        CLEANUP_FREE char *name_only = reference_full_name(ret);
        CLEANUP_FREE char *text = xasprintf("%s%c%s", name_only, strchr(tag, ':') ? '@' : ':', tag);
        struct reference with_tag = {0};

        r = reference_parse(text, &with_tag, err);
        if (r < 0)
            return r;
        reference_release(ret);
        *ret = with_tag;
    }
    reference_default_tag(ret);
    return 0;
}

static int platform_text(const char *text, char **ret, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;

    if (*text != '{') {
        *ret = xstrdup(text);
        return 0;
    }
    if (json_parse(text, strlen(text), &tree, err) < 0)
        return error_context(err, "failed to parse platform");

    const char *os = json_get_string(tree, "os"), *architecture = json_get_string(tree, "architecture");
    const char *variant = json_get_string(tree, "variant");

    if (!os || !*os || !architecture || !*architecture)
        return error_set(err, ERROR_INVALID, 0, "both OS and Architecture must be provided");
    *ret = xasprintf("%s/%s%s%s", os, architecture, variant && *variant ? "/" : "", variant ? variant : "");
    return 0;
}

int images_platform(const struct api_request *request, char **ret, struct error *err)
{
    const char *text = api_query(request, "platform");

    *ret = NULL;
    return text && *text ? platform_text(text, ret, err) : 0;
}

int images_platforms(const struct api_request *request, const char *parameter, struct strv *ret, struct error *err)
{
    CLEANUP_STRV struct strv asked = STRV_INIT;
    int r = 0;

    api_query_all(request, parameter, &asked);
    for (size_t i = 0; r == 0 && i < asked.count; i++) {
        CLEANUP_FREE char *text = NULL;

        r = *asked.items[i] ? platform_text(asked.items[i], &text, err) : 0;
        if (r == 0 && text)
            strv_add(ret, text);
    }
    return r;
}

int images_lookup(const struct api_request *request, struct engine *engine, struct image **ret, struct error *err)
{
    CLEANUP_FREE char *platform = NULL;
    int r = images_platform(request, &platform, err);

    return r < 0 ? r : image_lookup_platform(engine_images(engine), api_path(request, 0), platform, true, ret, err);
}

static int pull(struct api_request *request, struct engine *engine, struct error *err)
{
    struct images_stream stream = {.request = request, .client_fd = api_client_fd(request)};
    struct registry_config registries = {0};
    struct registry_auth auth = {0};
    struct reference ref = {0};
    struct error error = {0};
    const char *platform = api_query(request, "platform"), *tag = api_query(request, "tag");
    const char *name_given = api_query(request, "fromImage");
    int r = reference_parse(name_given, &ref, &error);
    /* A name without any tag means all of them, as clients rely on. */
    bool all = r == 0 && !ref.tag && !ref.digest && (!tag || !*tag);

    if (r == 0 && !all) {
        reference_release(&ref);
        r = images_reference(name_given, tag, &ref, &error);
    }

    if (r == 0)
        r = images_read_auth(request, &auth, &error);
    if (r == 0) {
        struct image_pull_options pull = {
            .ref = &ref,
            .auth = &auth,
            .registries = &registries,
            .platform = platform && *platform ? platform : NULL,
            .all_tags = all,
            .progress = images_stream_progress,
            .gone = images_stream_gone,
            .data = &stream,
            .concurrent_downloads = (int)engine_options(engine)->max_concurrent_downloads,
            .attempts = (int)engine_options(engine)->max_download_attempts,
            .keep_seconds = engine_options(engine)->keep_downloads,
        };
        CLEANUP_FREE char *name = all ? reference_familiar_name(&ref) : reference_familiar(&ref);
        CLEANUP_FREE char *name_only = reference_familiar_name(&ref);

        images_copy_registries(engine, &registries);
        r = image_pull(engine_images(engine), &pull, &error);
        if (r == 0)
            engine_image_event(engine, "pull", name, name_only);
    }
    images_release_registries(&registries);
    json_table_release(&images_auth_table, &auth);
    reference_release(&ref);
    error_propagate(err, &error);
    return images_stream_end(&stream, r, &error);
}

/* ---- import ---- */

static int import(struct api_request *request, struct engine *engine, struct error *err)
{
    struct images_stream stream = {.request = request};
    const char *repo = api_query(request, "repo"), *platform = api_query(request, "platform");
    CLEANUP_STRV struct strv changes = STRV_INIT;
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    CLEANUP_FREE char *name = NULL;
    const char *source = api_query(request, "fromSrc");
    struct reference ref = {0};
    struct error error = {0};
    char id[DIGEST_TEXT_MAX];
    int r = 0;

    if (repo && *repo)
        r = images_reference(repo, api_query(request, "tag"), &ref, &error);
    if (r == 0) {
        struct image_import_options import = {.ref = repo && *repo ? &ref : NULL,
                                              .message = api_query(request, "message"),
                                              .changes = &changes,
                                              .change = container_config_change,
                                              .platform = platform && *platform ? platform : NULL,
                                              .url = strcmp(source, "-") != 0 ? source : NULL,
                                              .progress = images_stream_progress,
                                              .data = &stream};

        api_query_all(request, "changes", &changes);
        r = image_import(engine_images(engine), api_body_fd(request), &import, id, &error);
        name = import.ref ? reference_familiar(&ref) : NULL;
    }
    reference_release(&ref);
    if (r == 0) {
        engine_image_event(engine, "import", id, name ? name : id);
        progress_line(&line, NULL, id, -1, -1);
        images_stream_send(&stream, &line);
    }
    error_propagate(err, &error);
    return images_stream_end(&stream, r, &error);
}

int images_create(struct api_request *request, struct engine *engine, struct error *err)
{
    const char *from_image = api_query(request, "fromImage"), *from_source = api_query(request, "fromSrc");

    if (from_image && *from_image)
        return pull(request, engine, err);
    if (from_source && *from_source)
        return import(request, engine, err);
    return error_set(err, ERROR_INVALID, 0, "one of fromImage and fromSrc is needed");
}

/* ---- load ---- */

/* "Loaded image: X" is what clients print as it is; the rest is a progress display. */
static int load_progress(const char *id, const char *status, int64_t current, int64_t total, void *data)
{
    struct images_stream *stream = data;
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

    if (strncmp(status, "Loaded image", strlen("Loaded image")) == 0) {
        CLEANUP_FREE char *text = xasprintf("%s\n", status);

        progress_stream_line(&line, text);
    } else if (stream->quiet) {
        return 0;
    } else {
        progress_line(&line, id, status, current, total);
    }
    return images_stream_send(stream, &line);
}

int images_load(struct api_request *request, struct engine *engine, struct error *err)
{
    struct images_stream stream = {.request = request, .quiet = api_query_bool(request, "quiet", false)};
    CLEANUP_STRV struct strv ids = STRV_INIT, platforms = STRV_INIT;
    struct error error = {0};
    int r = images_platforms(request, "platform", &platforms, &error);
    const struct image_load_options options = {
        .platforms = &platforms, .ids = &ids, .progress = load_progress, .data = &stream};

    if (r == 0) {
        r = image_load(engine_images(engine), api_body_fd(request), &options, &error);
        /* Those before one that fails stay. */
        for (size_t i = 0; i < ids.count; i++)
            engine_image_event(engine, "load", ids.items[i], ids.items[i]);
        /* As with docker an archive that cannot be loaded is told in the stream, where clients look for it. */
        if (r < 0 && !stream.begun) {
            CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

            progress_error_line(&line, &error);
            return images_stream_send(&stream, &line);
        }
    }
    error_propagate(err, &error);
    return images_stream_end(&stream, r, &error);
}
