#include <errno.h>

#include "base/memory.h"
#include "image/registry.h"
#include "image/registry_session.h"

#define ERROR_BODY_MAX (64 * 1024)
/* A connection that brought at least so much was a good one: the count of attempts begins anew. */
#define PROGRESS_MIN (1 << 20)

struct blob_download {
    struct registry *registry;
    struct http_client *client;
    const struct registry_blob *blob;
    int64_t offset; /* bytes that the sink has */
    int64_t skip;   /* bytes to drop: the server began again from the start */
    bool begun;     /* this answer's first bytes were seen */
    bool no_range;  /* the server gets ranges wrong: begin anew and drop what is there */
};

static int begin_answer(struct blob_download *d, const struct http_response *response, struct error *err)
{
    d->begun = true;
    d->skip = response->status == 200 ? d->offset : 0;
    d->no_range = response->status == 206 && response->range_start != d->offset;
    if (d->no_range)
        return error_set(err, ERROR_UNAVAILABLE, EIO, "%s: the server sent another range than was asked for",
                         d->blob->descriptor->digest);
    return 0;
}

static int on_data(const struct http_response *response, const void *data, size_t size, void *arg, struct error *err)
{
    struct blob_download *d = arg;
    const char *bytes = data;
    if (!d->begun) {
        int rc = begin_answer(d, response, err);
        if (rc < 0)
            return rc;
    }
    if (d->skip > 0) {
        size_t n = (int64_t)size < d->skip ? size : (size_t)d->skip;
        d->skip -= (int64_t)n;
        bytes += n;
        size -= n;
    }
    if (size == 0)
        return 0;
    if ((int64_t)size > d->blob->descriptor->size - d->offset)
        return error_set(err, ERROR_INVALID, 0, "%s verification failed for digest %s", d->blob->what,
                         d->blob->descriptor->digest);
    int rc = d->blob->sink(bytes, size, d->blob->sink_data, err);
    if (rc == 0)
        d->offset += (int64_t)size;
    return rc;
}

static int answer_failure(const struct http_response *response, struct error *err)
{
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure = {0};
    registry_failure_of(response, &failure);
    enum error_kind kind = response->status == 404   ? ERROR_NOT_FOUND
                           : response->status == 401 ? ERROR_UNAUTHORIZED
                                                     : ERROR_UNAVAILABLE;
    return error_set(err, kind, 0, "%s", failure.message);
}

/* Once, from where the last one broke. *ret_done: the server has nothing more for us. */
static int attempt_once(struct blob_download *d, const char *url, bool authenticated, struct http_response *response,
                        bool *ret_done, struct error *err)
{
    struct http_request request = {
        .url = url,
        .offset = d->no_range ? 0 : d->offset,
        .limit = ERROR_BODY_MAX,
        .sink = on_data,
        .sink_data = d,
        .cancelled = d->registry->options.cancelled,
        .cancel_data = d->registry->options.data,
    };
    d->begun = false;
    http_response_release(response);
    int rc = authenticated ? registry_request(d->registry, d->client, &request, response, err)
                           : http_perform(d->client, &request, response, err);
    bool data = response->status == 200 || response->status == 206;
    *ret_done = rc == 0 && ((data && d->offset == d->blob->descriptor->size) || response->status == 416);
    if (rc == 0 && data && !*ret_done)
        return error_set(err, ERROR_UNAVAILABLE, EIO, "Get \"%s\": unexpected EOF", url);
    return rc;
}

static int download_from(struct blob_download *d, const char *url, bool authenticated, struct error *err)
{
    int attempts = 0;
    for (int attempt = 0;; attempt++) {
        CLEANUP_HTTP_RESPONSE struct http_response response = {0};
        struct error failure = {0};
        int64_t before = d->offset;
        bool done = false;
        int rc = attempt_once(d, url, authenticated, &response, &done, &failure);
        if (done)
            return 0;
        attempts++;
        if (d->offset - before >= PROGRESS_MIN)
            attempt = 0;
        if (registry_wait_for_retry(d->registry, attempt, rc, &response, d->blob->retrying, d->blob->sink_data,
                                    &failure))
            continue;
        if (failure.kind == ERROR_CANCELLED)
            return error_propagate(err, &failure);
        rc = rc < 0 ? error_propagate(err, &failure) : answer_failure(&response, err);
        bool gave_up = attempts > 1 && err && err->kind == ERROR_UNAVAILABLE;
        return gave_up ? error_context(err, "download failed after attempts=%d", attempts) : rc;
    }
}

/* The places a foreign layer names, one after the other, as anybody would fetch them. */
static int download_foreign(struct blob_download *d, struct error *err)
{
    static const struct http_trust strangers = {0};
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    int rc = http_client_new(&strangers, &client, err);
    const struct strv *urls = &d->blob->descriptor->urls;
    if (rc < 0)
        return rc;
    struct blob_download foreign = *d;
    foreign.client = client;
    for (size_t i = 0; i < urls->count; i++) {
        rc = download_from(&foreign, urls->items[i], false, err);
        if (rc == 0 || (err && err->kind == ERROR_CANCELLED))
            break;
    }
    return rc;
}

int registry_get_blob(struct registry *registry, struct http_client *client, const struct registry_blob *blob,
                      struct error *err)
{
    struct blob_download d = {.registry = registry, .client = client, .blob = blob, .offset = blob->offset};
    CLEANUP_FREE char *url = xasprintf("%s/v2/%s/blobs/%s", registry->options.endpoint->url,
                                       registry->options.ref->path, blob->descriptor->digest);
    struct error failure = {0};
    int rc = download_from(&d, url, true, &failure);
    if (rc == 0)
        return 0;
    bool elsewhere = failure.kind == ERROR_NOT_FOUND && d.offset == blob->offset &&
                     descriptor_is_foreign(blob->descriptor) && blob->descriptor->urls.count > 0;
    return elsewhere ? download_foreign(&d, err) : error_propagate(err, &failure);
}
