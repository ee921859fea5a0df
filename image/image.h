/*
 * The image store: images (config + layers) under their content digests, names pointing at them, layers unpacked in
 * overlay form. All metadata is in SQLite; nothing appears under a digest that was not computed from its bytes.
 *
 * Below the data root (0710):
 *   image/blobs/sha256/HEX      configs and manifests (compressed layers are not kept)
 *   overlay/ID/diff             one unpacked layer; ID is a short random name, l/ID not needed
 *   overlay/ID/{diff,work}      a container's upper layer (ID is chosen by image_rootfs_create)
 *   tmp/                        work in progress; emptied at start
 */
#ifndef DORY_IMAGE_IMAGE_H
#define DORY_IMAGE_IMAGE_H

#include "archive/tar_writer.h"
#include "base/db.h"
#include "base/error.h"
#include "base/strmap.h"
#include "image/container_config.h"
#include "image/reference.h"

struct image_store;

struct image_history {
    int64_t created;
    char *created_by, *author, *comment;
    bool empty_layer;
};

/* The OCI image config plus what the store knows. Immutable, reference counted. */
struct image {
    char id[DIGEST_TEXT_MAX]; /* digest of the config */
    char *config_text;        /* the config blob, byte for byte */
    char *parent;             /* id of the image it was committed from, NULL: none */
    int64_t created;          /* ns */
    char *author, *architecture, *variant, *os, *docker_version, *comment;
    struct container_config config;
    struct strv diff_ids;
    struct image_history *history;
    size_t history_count;
    struct strv layer_dirs;   /* "overlay/ID/diff" of each layer, base first */
    int64_t *layer_sizes;     /* of each layer, base first, as many as diff_ids */
    int64_t size;             /* bytes of all unpacked layers */
    struct strv repo_tags;    /* familiar form, as of the look-up */
    int64_t tagged;           /* ns, when it was given a name last, as of the look-up; 0: never */
    struct strv repo_digests; /* "name@sha256:..." */
    /* Those of both lists that mean another image of their index first, and this one where its platform is asked for:
     * an image that has only such names is a part of what they stand for. */
    struct strv second_names;
};

/* Opens below data_root (made if missing, 0710) and locks it against other daemons; finishes or undoes what a crash
 * left. `db` stays the caller's and open longer than the store. */
int image_store_open(const char *data_root, struct db *db, struct image_store **ret, struct error *err);
void image_store_close(struct image_store *store);
/*
 * What one layer may unpack to, however small it came: a bomb is ERROR_INVALID, and leaves nothing. Set before the
 * first layer comes; until then the defaults hold.
 */
struct image_limits {
    int64_t layer_bytes;   /* of its tar */
    int64_t layer_entries; /* files, directories, links... */
};
#define IMAGE_LAYER_BYTES_DEFAULT ((int64_t)256 << 30)
#define IMAGE_LAYER_ENTRIES_DEFAULT 5000000
void image_store_set_limits(struct image_store *store, const struct image_limits *limits);
/* Can containers' own layers be limited (image_rootfs_options.size)? */
bool image_store_has_quota(struct image_store *store);
/*
 * From now on files can be shown with the ids of a user namespace (ROOTFS_MAPPED): what belongs to 33 on the disk
 * belongs there to what that namespace has as 33, and the other way round for what is written. Layers stay what they
 * are, shared by all. The namespace has to have an id for the root of the host as well, whom overlayfs works as.
 * ERROR_NOT_IMPLEMENTED if the file system or the kernel cannot (Linux 6.15). Before the first root is made.
 */
int image_store_map_ids(struct image_store *store, int userns_fd, struct error *err);
/* What the opening had to remove because its files were gone: sentences for the daemon's log; owned by the store. */
const struct strv *image_store_repairs(struct image_store *store);
/* Directory descriptor of the data root, owned by the store. */
int image_store_root_fd(struct image_store *store);

/* By name, name@digest, full id or unique id prefix (with or without sha256:). Not found: docker's
 * "No such image: NAME:TAG" (ERROR_NOT_FOUND). The caller unrefs. */
int image_lookup(struct image_store *store, const char *name_or_id, struct image **ret, struct error *err);
/* Of one platform ("linux/arm64/v8"; NULL or "": as image_lookup): exactly this one, or the best that runs there. A
 * name may stand for images of several, an id is of one. None: ERROR_NOT_FOUND in docker's words. */
int image_lookup_platform(struct image_store *store, const char *name_or_id, const char *platform, bool exact,
                          struct image **ret, struct error *err);
/* Is the image of exactly this platform ("linux/arm64/v8")? NULL or "": it is. An invalid text is an error. */
int image_has_platform(const struct image *image, const char *wanted, bool *ret, struct error *err);
struct image *image_ref(struct image *image);
void image_unref(struct image *image); /* NULL is fine */
#define CLEANUP_IMAGE CLEANUP(image_unref_ptr)
void image_unref_ptr(struct image **image);

/* Every image, of every platform, newest first; an array of references (each to unref; free the array). */
int image_list(struct image_store *store, struct image ***ret, size_t *ret_count, struct error *err);

int image_tag(struct image_store *store, const char *image, const struct reference *ref, struct error *err);

/* One line of the answer to DELETE /images: exactly one of the two is set. */
struct image_removed {
    char *untagged, *deleted;
    bool image; /* what was deleted is an image, not one of its layers */
};
struct image_remove_options {
    bool force, no_prune;
    bool spare_used; /* force is for names alone: what any container uses, of whatever platform, is a conflict */
    /* May be NULL or empty: of the index that the name stands for these go ("linux/arm64"), exactly as asked. The name
     * goes with the last one. */
    const struct strv *platforms;
    /* Tells which container uses the image: a message part such as "container 0123456789ab" (caller frees) or NULL.
     * `running` says whether it runs. Asked before anything is changed. */
    char *(*used_by)(const char *image_id, bool *ret_running, void *data);
    void *data;
};
/* Docker's order: untag; delete when the last name is gone; conflicts worded as docker's. The caller frees the rows
 * with image_removed_free. */
int image_remove(struct image_store *store, const char *name, const struct image_remove_options *options,
                 struct image_removed **ret, size_t *ret_count, struct error *err);
void image_removed_free(struct image_removed *rows, size_t count);

/* Progress of long operations, as the JSON stream of the API has it: {"id","status","progressDetail":{current,total}}.
 * Any pointer may be NULL, current/total < 0 mean none. Called from any thread, one call at a time. Returns non-zero to
 * cancel (the client went away). */
typedef int (*image_progress_fn)(const char *id, const char *status, int64_t current, int64_t total, void *data);
/* Has the client gone away? Asked about ten times a second while there is nothing to tell it, from any thread. */
typedef bool (*image_gone_fn)(void *data);

struct image_load_options {
    /* Which of the archive's platforms: each must be there, else ERROR_NOT_FOUND. NULL or empty: all of them. */
    const struct strv *platforms;
    struct strv *ids; /* the id of each image is added once it is in the store; may be NULL */
    image_progress_fn progress;
    void *data;
};
/* A docker-archive or OCI-archive tar read from fd (plain, gzip, bzip2, xz or zstd). Progress carries "Loaded image:
 * X".
 */
int image_load(struct image_store *store, int fd, const struct image_load_options *options, struct error *err);

struct image_save_options {
    const struct strv *names; /* a name without a tag means all its tags; an id is saved without names */
    /* Of what the names stand for; each must be there, else ERROR_NOT_FOUND. NULL or empty: all that is here. */
    const struct strv *platforms;
    struct strv *ids;           /* the ids of what is saved are added, before the first byte; may be NULL */
    const struct reference *as; /* with a tag each: what a single image is called in the archive besides */
    size_t as_count;
};
/* Writes an OCI layout that is a docker-archive, too. Whatever can be refused is before the first byte. */
int image_save(struct image_store *store, const struct image_save_options *options, tar_sink_fn sink, void *data,
               struct error *err);

struct image_import_options {
    const struct reference *ref; /* may be NULL */
    const char *message;         /* history comment */
    const struct strv *changes;  /* Dockerfile instructions: CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER
                                    VOLUME WORKDIR HEALTHCHECK SHELL */
    /* Applies one of them; the language is the daemon's (daemon/build/changes.h). */
    int (*change)(struct container_config *config, const char *instruction, struct error *err);
    const char *platform;       /* "linux/amd64", NULL: this machine's */
    const char *url;            /* http or https: where the archive comes from; NULL: from the descriptor */
    image_progress_fn progress; /* of a download; may be NULL */
    void *data;
};
/* A root filesystem tar (plain, gzip, bzip2, xz or zstd) becomes a one-layer image. ret_id: "sha256:..." */
int image_import(struct image_store *store, int fd, const struct image_import_options *options,
                 char ret_id[DIGEST_TEXT_MAX], struct error *err);

/* An image of a container's layer on top of the image that it was made from (docker commit). */
struct image_snapshot_options {
    const struct image *parent; /* NULL: the container has no image */
    const char *author, *comment;
    const char *container_id;
    const struct container_config *container_config; /* as the container has it */
    const struct container_config *config;           /* of the new image */
    const struct reference *ref;                     /* may be NULL */
};
/* upper_fd: the container's own layer, in overlay form (ROOTFS_UPPER); nothing may change it meanwhile. A layer without
 * anything in it becomes an empty step of the history. Recurses with the depth of the tree: needs a large stack. */
int image_snapshot(struct image_store *store, int upper_fd, const struct image_snapshot_options *options,
                   char ret_id[DIGEST_TEXT_MAX], struct error *err);

/* Credentials of one registry; any may be NULL. identity_token wins over the password. */
struct registry_auth {
    char *username, *password, *identity_token, *registry_token;
};
struct registry_config {
    struct strv insecure; /* host[:port] or CIDR: plain HTTP and unverified TLS allowed; 127.0.0.0/8 always is */
    struct strv mirrors;  /* URLs tried first for docker.io */
    /* The same for other registries: host[:port] -> URLs with commas between. */
    struct strmap mirrors_of;
    struct strv certs_dirs; /* with directories HOST[:PORT]; empty: /etc/dory/certs.d, /etc/docker/certs.d */
};
struct image_pull_options {
    const struct reference *ref;
    const struct registry_auth *auth; /* may be NULL */
    const struct registry_config *registries;
    const char *platform;     /* NULL: this machine's */
    bool all_tags;            /* every tag of the repository; ref has none */
    int concurrent_downloads; /* of layers; 0: 3 */
    int attempts;             /* per request, for failures that may pass; 0: those of struct registry_options */
    int64_t keep_seconds;     /* what came before the client or the connection went is kept so long for another pull */
    struct strbuf *config;    /* not NULL: the image's config is all that is wanted, and nothing is stored */
    image_progress_fn progress;
    image_gone_fn gone; /* may be NULL */
    void *data;
};
/* Pulls that want the same layers share their downloads. Docker's progress lines: "Pulling from library/busybox",
 * "Pulling fs layer", "Downloading", "Pull complete", "Digest: sha256:...", "Status: Downloaded newer image for X" /
 * "Status: Image is up to date for X". */
int image_pull(struct image_store *store, const struct image_pull_options *options, struct error *err);

/* Forgets what is kept of pulls that were broken off. */
void image_forget_downloads(struct image_store *store);
/* What a former daemon was in the middle of is kept so long since its last byte. Before the first pull. */
void image_restore_downloads(struct image_store *store, int64_t keep_seconds);

/* ---- What a registry says (image/ask_registry.c) ---- */

/* Are the credentials good? `server` is a host[:port] or a URL; NULL or "": Docker Hub. Refused ones are
 * ERROR_UNAUTHORIZED. *ret_identity: the identity token that the registry wants to be used instead of the password from
 * now on (the caller frees), NULL when it gave none. */
int registry_login(const struct registry_config *config, const char *server, const struct registry_auth *auth,
                   char **ret_identity, struct error *err);

struct registry_distribution {
    char *media_type;
    char digest[DIGEST_TEXT_MAX];
    int64_t size;
    struct json *platforms; /* an array of platform objects */
};
/* The manifest or list that a name stands for in its registry. Released in every case. */
int registry_distribution(const struct registry_config *config, const struct reference *ref,
                          const struct registry_auth *auth, struct registry_distribution *ret, struct error *err);
void registry_distribution_release(struct registry_distribution *distribution);

/* A manifest or a list byte for byte (image/ask_manifest.c). Released in every case. */
struct registry_document {
    char *media_type;
    char digest[DIGEST_TEXT_MAX];
    char *text;
    size_t size;
    bool is_list;
    struct json *platform; /* of an image, from its config */
};
int registry_get_document(const struct registry_config *config, const struct reference *ref,
                          const struct registry_auth *auth, struct registry_document *ret, struct error *err);
void registry_document_release(struct registry_document *document);

struct registry_put {
    const char *media_type, *text;
    size_t size;
    const char *from; /* repository of the same registry that has the blobs of an image, or NULL */
};
/* Puts it under the reference's digest (which must be its own) or tag. Blobs that the repository lacks are mounted. */
int registry_put_document(const struct registry_config *config, const struct reference *ref,
                          const struct registry_auth *auth, const struct registry_put *put,
                          char ret_digest[DIGEST_TEXT_MAX], struct error *err);

/* The answer to a search, as docker's API has it: an array. The term may begin with a registry's name. Registries
 * without a search have their catalog searched for the term. */
int registry_search(const struct registry_config *config, const char *term, int64_t limit,
                    const struct registry_auth *auth, struct json **ret, struct error *err);

struct bundle;
struct image_manifests;
/* Of an index not all is here or there, and one image of it was pushed. */
struct image_pushed_instead {
    const struct image_manifests *index;
    const struct json *item; /* what it says of the image */
    const char *media_type, *digest;
    int64_t size;
};
struct image_push_options {
    const struct reference *ref;      /* without a tag: all tags of the repository */
    const struct registry_auth *auth; /* may be NULL */
    const struct registry_config *registries;
    const char *platform; /* NULL or "": any. An image of another one is ERROR_NOT_FOUND; needs a tag */
    /* These instead of the image that has the name in the store (image/bundle.h), whose documents are made, as an index
     * where they need one. NULL: none. */
    struct bundle *bundle;
    int concurrent_uploads; /* of layers; 0: 5 */
    image_progress_fn progress;
    image_gone_fn gone; /* may be NULL */
    /* A tag is there, under this digest; size of the manifest. May be NULL. */
    void (*pushed)(const char *tag, const char *digest, int64_t size, void *data);
    void (*instead)(const struct image_pushed_instead *what, void *data); /* after that; may be NULL */
    void *data;
};
/* Docker's progress lines: "The push refers to repository [X]", "Preparing", "Pushing", "Pushed", "Layer already
 * exists", "Mounted from X", "TAG: digest: sha256:... size: N". Nothing to push: "An image does not exist locally with
 * the tag: X" (ERROR_NOT_FOUND), before the first line. */
int image_push(struct image_store *store, const struct image_push_options *options, struct error *err);

/* ---- A container's root filesystem ---- */

/* Makes the upper and work directories for a container over the image's layers. *ret_id (caller frees) names it; the
 * row in the database keeps the layers from being removed. image may be NULL only for an empty root. */
struct image_rootfs_options {
    /* It will be mounted with ROOTFS_ONCE; then it may come from a small pool, and one is made for the
     * next. */
    bool once;
    /* At most so many bytes in the container's own layer; 0: no limit. ERROR_INVALID where the store's file system has
     * no project quotas. */
    uint64_t size;
    bool mapped; /* it will be mounted with ROOTFS_MAPPED */
};
int image_rootfs_create(struct image_store *store, const struct image *image,
                        const struct image_rootfs_options *options, char **ret_id, struct error *err);
/* The image's own files and nothing else, to be looked at with image_rootfs_view(ROOTFS_READ) and removed with
 * image_rootfs_remove(); the row keeps the layers likewise. */
int image_rootfs_create_view(struct image_store *store, const struct image *image, char **ret_id, struct error *err);
enum rootfs_flags {
    /* The root goes with its container (run --rm): nothing of it is written back to the disk when the mount ends
     * (overlayfs's "volatile"; without it the last close waits until all of the host's filesystem is written). */
    ROOTFS_ONCE = 1,
    /* With the ids of image_store_map_ids(). */
    ROOTFS_MAPPED = 2,
};
/* A detached overlay mount (fsopen/fsmount; nothing appears in any mount namespace) of the container's root, writable.
 * Every call makes a new one. Returns the mount descriptor or -errno. At most one at a time may be writable by the
 * container itself; others (cp, export) share the kernel's upper-dir semantics, so use /proc/PID/root of a running
 * container instead. flags: enum rootfs_flags. */
int image_rootfs_mount(struct image_store *store, const char *rootfs_id, unsigned flags, struct error *err);
/*
 * A detached mount for looking at the files of a container from outside. ROOTFS_READ: all layers, read-only, nothing of
 * it in anybody's way (what a running container changes meanwhile may show or not); ROOTFS_LOWER: the same without the
 * container's own layer, ENODATA when there is nothing beneath it; ROOTFS_WRITE: for a container that does not run, and
 * is kept from starting; ROOTFS_UPPER: no mount but the container's own layer itself, in overlay form. mapped: see
 * ROOTFS_MAPPED; not with ROOTFS_UPPER.
 */
enum rootfs_view { ROOTFS_READ, ROOTFS_LOWER, ROOTFS_WRITE, ROOTFS_UPPER };
int image_rootfs_view(struct image_store *store, const char *rootfs_id, enum rootfs_view view, bool mapped,
                      struct error *err);
/* O_PATH|O_DIRECTORY descriptor of the upper directory (size, diff), or -errno. */
int image_rootfs_upper(struct image_store *store, const char *rootfs_id, struct error *err);
/* Forgets the row and renames the directory away; the bytes are deleted by the store's own cleaner thread. */
int image_rootfs_remove(struct image_store *store, const char *rootfs_id, struct error *err);
/* Every rootfs id known to the store (for reconciliation). */
int image_rootfs_list(struct image_store *store, struct strv *ret, struct error *err);

#endif
