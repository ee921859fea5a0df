/* What the files about images share. Private to api/. */
#ifndef DORY_API_IMAGES_H
#define DORY_API_IMAGES_H

#include "api/server.h"
#include "base/json_table.h"
#include "image/manifests.h"

struct engine;

/* image_create.c */
int images_create(struct api_request *request, struct engine *engine, struct error *err);
int images_load(struct api_request *request, struct engine *engine, struct error *err);
/* A name with its tag (or digest) in a parameter of its own; "latest" when there is none. ret is released by the caller
 * in every case. */
int images_reference(const char *name, const char *tag, struct reference *ret, struct error *err);

/* The parameter "platform" as "os[/arch[/variant]]", from that form or, as clients send it since 1.46, a JSON object.
 * NULL when it is absent. The caller frees. */
int images_platform(const struct api_request *request, char **ret, struct error *err);

/* Every value of a parameter that may be there several times, likewise. */
int images_platforms(const struct api_request *request, const char *parameter, struct strv *ret, struct error *err);
/* The image that the path names, of the platform that the parameter "platform" asks for. */
int images_lookup(const struct api_request *request, struct engine *engine, struct image **ret, struct error *err);

/* A stream of progress lines that begins with its first one: what fails before is an ordinary error with its status. */
struct images_stream {
    struct api_request *request;
    bool begun, quiet;
    int client_fd; /* api_client_fd, for images_stream_gone */
};
/* image_gone_fn; data is the stream. */
bool images_stream_gone(void *data);
int images_stream_send(struct images_stream *stream, const struct strbuf *line);
/* image_progress_fn; data is the stream. */
int images_stream_progress(const char *id, const char *status, int64_t current, int64_t total, void *data);
/* The end of an operation that may have failed: told in the stream when there is one. */
int images_stream_end(struct images_stream *stream, int result, const struct error *error);

extern const struct json_table images_auth_table; /* struct registry_auth as clients send it */
/* X-Registry-Auth: JSON in base64url. What cannot be read is an error, where docker counts it as no credentials.
 * Released by the caller with images_auth_table in every case. */
int images_read_auth(const struct api_request *request, struct registry_auth *auth, struct error *err);
/* The settings as of now (SIGHUP may replace them meanwhile). Released by the caller with images_release_registries. */
void images_copy_registries(struct engine *engine, struct registry_config *ret);
void images_release_registries(struct registry_config *config);

/* image_push.c */
int images_push(struct api_request *request, struct engine *engine, struct error *err);

/* image_list.c */
int images_list(struct api_request *request, struct engine *engine, struct error *err);
/* Is the image an entry of the list, rather than a platform of another entry? Those of its names that the entry has. */
bool images_shown(const struct image *image, struct strv *tags, struct strv *digests);
/* One entry of the list. */
struct images_entry {
    const struct image *image;
    const struct strv *tags, *digests;
    const struct image_manifests *manifests;
    int64_t containers, shared_size; /* below 0: not counted */
    int version;                     /* of the API, its minor number */
    struct engine *engine;           /* not NULL: its manifests are asked for, too */
};
void images_write_summary(struct json_writer *w, const struct images_entry *entry);
/* Bytes of the image's layers that other images of the list have too. */
int64_t images_shared_size(const struct image *image, struct image *const *all, size_t count);
void images_free(struct image **images, size_t count);
/* images.c: bytes of all layers, each counted once. */
int64_t images_layers_size(struct image *const *images, size_t count);

/* image_manifests.c: image_manifests_get for showing an image. One whose manifests are damaged on the disk is an image
 * all the same: it is shown without them, and the log says why. */
int images_manifests(struct engine *engine, const struct image *image, const char *name, bool alone,
                     struct image_manifests *ret, struct error *err);
/* The member Descriptor, if there is one, and the member Manifests */
void images_write_descriptor(struct json_writer *w, const struct image_manifests *manifests);
/* What a push tells of an image that it sent in the place of an index. */
void images_write_instead(struct json_writer *w, const struct image_pushed_instead *what);
void images_write_manifests(struct json_writer *w, const struct image_manifests *manifests, struct engine *engine);
/* Of an image with all platforms of its index that are here: bytes of its layers, number of containers. */
int64_t images_whole_size(const struct image *image, const struct image_manifests *manifests);
int64_t images_whole_containers(struct engine *engine, const struct image *image,
                                const struct image_manifests *manifests);

/* image_inspect.c */
int images_inspect(struct api_request *request, struct engine *engine, struct error *err);
/* GET /images/{}/attestations: docker's answer of a store that does not keep them. */
int images_attestations(struct api_request *request, struct engine *engine, struct error *err);
int images_history(struct api_request *request, struct engine *engine, struct error *err);

#endif
