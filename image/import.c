#include <errno.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "image/config_write.h"
#include "image/http.h"
#include "image/platform.h"
#include "image/store.h"

#define READ_SIZE (64 * 1024)
#define ANSWER_MAX (64 * 1024)

static int import_layer(struct layer_ingest *ingest, int fd, struct error *err)
{
    CLEANUP_FREE char *buffer = xmalloc(READ_SIZE);
    ssize_t n;
    while ((n = read(fd, buffer, READ_SIZE)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        int r =
            n < 0 ? error_errno(err, errno, "read the archive") : layer_ingest_write(ingest, buffer, (size_t)n, err);
        if (r < 0) {
            return r;
        }
    }
    return layer_ingest_finish(ingest, err);
}

/* ---- From a URL ---- */

struct download {
    struct layer_ingest *ingest;
    const struct image_import_options *options;
    int64_t received;
};

static int on_bytes(const struct http_response *response, const void *bytes, size_t size, void *data, struct error *err)
{
    struct download *download = data;
    const struct image_import_options *options = download->options;
    download->received += (int64_t)size;
    if (options->progress != NULL &&
        options->progress(NULL, "Importing", download->received, response->content_length, options->data) != 0) {
        return error_set(err, ERROR_CANCELLED, ECANCELED, "context canceled");
    }
    return layer_ingest_write(download->ingest, bytes, size, err);
}

static int import_url(struct layer_ingest *ingest, const struct image_import_options *options, struct error *err)
{
    static const struct http_trust trust = {0};
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    CLEANUP_FREE char *url =
        strstr(options->url, "://") != NULL ? xstrdup(options->url) : xasprintf("http://%s", options->url);
    struct download download = {.ingest = ingest, .options = options};
    struct http_request request = {.url = url, .limit = ANSWER_MAX, .sink = on_bytes, .sink_data = &download};
    int r = http_client_new(&trust, &client, err);
    if (r == 0) {
        r = http_perform(client, &request, &response, err);
    }
    if (r == 0 && response.status != 200) {
        r = error_set(err, response.status == 404 ? ERROR_NOT_FOUND : ERROR_UNAVAILABLE, 0,
                      "Get \"%s\": the server answered with status %d", url, response.status);
    }
    return r < 0 ? r : layer_ingest_finish(ingest, err);
}

static int import_config(const struct image_import_options *options, struct container_config *config,
                         struct platform *platform, struct error *err)
{
    platform_host(platform);
    if (options->platform != NULL && options->platform[0] != 0) {
        int r = platform_parse(options->platform, platform, err);
        if (r < 0) {
            return r;
        }
    }
    int r = 0;
    for (size_t i = 0; r == 0 && options->changes != NULL && i < options->changes->count; i++) {
        r = options->change(config, options->changes->items[i], err);
    }
    return r;
}

static int import_commit(struct image_store *store, struct layer_ingest *ingest, const struct strbuf *config,
                         const struct reference *ref, char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    struct image_commit_layer layer = {.ingest = ingest};
    struct image_commit commit = {
        .config = config->data,
        .config_size = config->size,
        .layers = &layer,
        .layer_count = 1,
        .refs = ref,
        .ref_count = ref != NULL,
    };
    return image_commit(store, &commit, ret_id, err);
}

int image_import(struct image_store *store, int fd, const struct image_import_options *options,
                 char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    struct strbuf CLEANUP_STRBUF text = STRBUF_INIT;
    struct container_config config = {0};
    struct platform platform;
    CLEANUP_FREE char *from = xasprintf("Imported from %s", options->url != NULL ? options->url : "-");
    const char *message = options->message != NULL && options->message[0] != 0 ? options->message : from;
    if (options->ref != NULL && options->ref->digest != NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "cannot import digest reference");
    }
    int r = import_config(options, &config, &platform, err);
    if (r == 0) {
        r = layer_ingest_open(store, NULL, &ingest, err);
    }
    if (r == 0) {
        r = options->url != NULL ? import_url(ingest, options, err) : import_layer(ingest, fd, err);
    }
    if (r == 0) {
        const struct config_write what = {.platform = &platform,
                                          .comment = message,
                                          .config = &config,
                                          .diff_id = layer_ingest_info(ingest)->diff_id};
        r = config_write(&what, &text, err);
    }
    if (r == 0) {
        r = import_commit(store, ingest, &text, options->ref, ret_id, err);
    }
    container_config_release(&config);
    return r;
}
