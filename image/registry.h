/*
 * A client of the distribution API (v2), bound to one repository at one endpoint. The registry object holds what is
 * shared (the challenge, the tokens) and may be used by several threads; each thread brings its own http_client.
 */
#ifndef DORY_IMAGE_REGISTRY_H
#define DORY_IMAGE_REGISTRY_H

#include "base/json.h"
#include "image/http.h"
#include "image/image.h"
#include "image/manifest.h"
#include "image/registry_endpoint.h"

struct registry;

struct registry_options {
    const struct registry_endpoint *endpoint;
    const struct reference *ref;      /* NULL: no repository, the registry itself */
    bool catalog;                     /* without a ref: its list of repositories is wanted */
    const struct registry_auth *auth; /* may be NULL; never sent to mirrors */
    bool plain;                       /* a manifest's failures in the registry's own words, not in those of a pull */
    bool push;                        /* may write, too */
    bool offline;                     /* ask the token server for a token that can be kept (registry_refresh_token) */
    const struct strv *mount_from;    /* other repositories there that blobs may be mounted from; may be NULL */
    int attempts;                     /* per request, for failures that may pass; 0: 6 */
    /* Asked about once a second and between attempts, from any thread; true ends everything. May be NULL. */
    bool (*cancelled)(void *data);
    void *data;
};

/*
 * Asks the endpoint for /v2/ and remembers how it wants to be authenticated. Failing to reach it is ERROR_UNAVAILABLE.
 * The options' pointers stay the caller's and must outlive the registry.
 */
int registry_open(const struct registry_options *options, struct registry **ret, struct error *err);
void registry_free(struct registry *registry);
void registry_free_ptr(struct registry **registry);
#define CLEANUP_REGISTRY CLEANUP(registry_free_ptr)

/* What the token server gave to be kept in the place of the password; NULL: nothing. Owned by the registry, valid until
 * the next request. */
const char *registry_refresh_token(const struct registry *registry);

/* One thread's connection. */
int registry_connect(struct registry *registry, struct http_client **ret, struct error *err);

struct registry_manifest {
    char *text; /* byte for byte */
    size_t size;
    char *content_type;
    char digest[DIGEST_TEXT_MAX]; /* computed from the text */
};
void registry_manifest_release(struct registry_manifest *manifest);
#define CLEANUP_REGISTRY_MANIFEST CLEANUP(registry_manifest_release)

/* By tag or digest; by digest it is verified. Errors as docker words them. */
int registry_get_manifest(struct registry *registry, struct http_client *client, const char *tag_or_digest,
                          struct registry_manifest *ret, struct error *err);

struct registry_blob {
    const struct descriptor *descriptor;
    int64_t offset;   /* bytes that the sink has from before: only the rest is fetched */
    const char *what; /* "filesystem layer", "image config": for "... verification failed for digest ..." */
    /* Gets the bytes in order, each once, never more than descriptor->size. A failure ends the download. */
    int (*sink)(const void *data, size_t size, void *sink_data, struct error *err);
    void *sink_data;
    /* Told before each wait of at least a second (docker's "Retrying in 2 seconds"). May be NULL. */
    void (*retrying)(int seconds, void *sink_data);
};

/*
 * Streams a blob into the sink. A connection that breaks is taken up again where it broke (Range), so the sink sees one
 * unbroken stream. Success means that the server has no more bytes: whether they are the right ones is for the sink's
 * owner to verify. Foreign layers that the registry does not have come from their urls, without credentials.
 */
int registry_get_blob(struct registry *registry, struct http_client *client, const struct registry_blob *blob,
                      struct error *err);

#define REGISTRY_NAMES_MAX 100000

/* GET of the endpoint's URL with `path` behind it: a JSON document of at most MANIFEST_SIZE_MAX bytes. *ret_status is
 * set once there is an answer. */
int registry_get_json(struct registry *registry, struct http_client *client, const char *path, struct json **ret,
                      int *ret_status, struct error *err);
/* Every name of a list that comes in pages ("/v2/X/tags/list" with "tags", "/v2/_catalog" with "repositories"), added
 * to ret, which is empty before. */
int registry_list_names(struct registry *registry, struct http_client *client, const char *path, const char *member,
                        struct strv *ret, struct error *err);

/* ---- Uploading (image/registry_upload.c) ---- */

/* 1: the repository has the blob, of *ret_size bytes; 0: it has not; or -errno. */
int registry_has_blob(struct registry *registry, struct http_client *client, const char *digest, int64_t *ret_size,
                      struct error *err);
/* 1: the blob was mounted from the other repository of the same registry; 0: it was not; or -errno. */
int registry_mount_blob(struct registry *registry, struct http_client *client, const char *digest, const char *from,
                        struct error *err);

struct registry_upload {
    /* The bytes: text with its size, or what `source` gives (http_request.source; it is read once). */
    const void *text;
    size_t size;
    ssize_t (*source)(void *buffer, size_t size, void *data, struct error *err);
    void *data;
    /* With a source: the digest, asked for when everything was read. */
    void (*digest)(void *data, char ret[DIGEST_TEXT_MAX]);
};
/* Text goes in one piece (monolithic), a source as one chunk of unknown size. */
int registry_put_blob(struct registry *registry, struct http_client *client, const struct registry_upload *upload,
                      struct error *err);
int registry_put_manifest(struct registry *registry, struct http_client *client, const char *tag_or_digest,
                          const char *media_type, const char *text, size_t size, struct error *err);

#endif
