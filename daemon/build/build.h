/*
 * Building an image from a Dockerfile. This is the whole interface of the builder: it knows nothing of its front doors
 * (POST /build, BuildKit's protocol), which bring the context into a directory, fill in struct build_options and write
 * down what struct build_events tells.
 *
 * The stages that the target needs form a graph; what does not depend on each other runs at the same time. A RUN is a
 * container of the engine whose upper directory becomes the layer without being copied. Results are kept in the build
 * cache (daemon/build/cache.h) under keys made of content, and outlive the daemon.
 */
#ifndef DORY_DAEMON_BUILD_BUILD_H
#define DORY_DAEMON_BUILD_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/tar_writer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strmap.h"
#include "base/strv.h"
#include "daemon/host_config.h"
#include "image/image.h"

struct cache_place;
struct cache_set;
struct check_finding;
struct engine;

/* A further source of files: COPY --from=NAME, RUN --mount=from=NAME, and FROM NAME where it is an image. Exactly one
 * of fd and image is set. */
struct build_context {
    const char *name;
    int fd;            /* a directory that nobody changes during the build; -1: none */
    const char *image; /* a reference or id; NULL: none */
};

/* Bytes of a secret. Released with free(data), which is overwritten before. */
struct build_secret {
    char *data;
    size_t size;
};

/* What the one who asked for the build supplies when a step needs it. Called from any thread, several at a time. Each
 * may be NULL: then there is none. */
struct build_suppliers {
    /* ERROR_NOT_FOUND: there is no such secret. */
    int (*secret)(const char *id, struct build_secret *ret, void *data, struct error *err);
    /* A new connection to the ssh agent of this id ("default" where the step names none): a descriptor that the caller
     * closes, or -errno with ERROR_NOT_FOUND where there is none. Asked once for each connection of the step. */
    int (*ssh_agent)(const char *id, void *data, struct error *err);
    /* Credentials for a registry ("docker.io", "host:5000"), owned by the supplier; NULL: none. */
    const struct registry_auth *(*credentials)(const char *registry, void *data);
    void *data;
};

/*
 * What happens, in the order in which it does. Steps are numbered from 1 to `total` as the Dockerfile has them, without
 * those of stages that the target does not need. Called from any thread, one call at a time; what they are given is the
 * callee's only during the call. Each may be NULL.
 *
 * Of every step: started, then any of cached, container, progress and log, then done, unless the build is cancelled.
 */
struct build_step_info {
    int number, total; /* 1-based */
    int id;            /* tells steps apart: number, and beyond total for those that ONBUILD brought */
    const char *stage; /* its name, or its number as text */
    const char *text;  /* the instruction as it was written, continuation lines joined; heredocs without the body */
    const char *file;  /* name of the Dockerfile */
    int first_line, last_line; /* there; 0 for steps that ONBUILD brought */
    bool is_from, is_trigger;  /* is_trigger: ONBUILD of the base brought it; number is that of FROM */
    const char *base;          /* of a FROM: the image's name in full; NULL: it is none of an image */
    bool only_stage;           /* the Dockerfile has no other */
    /* Its place among the steps of its stage that make files: FROM of an image, RUN, COPY, ADD and WORKDIR; and how
     * many these are; what ONBUILD brings counts from when it is known. place 0: it is none of them. */
    int place, places;
};
struct build_events {
    void (*started)(const struct build_step_info *step, void *data);
    /* Its result was there already. */
    void (*cached)(const struct build_step_info *step, void *data);
    /* A RUN begins in this container; and the container has gone. */
    void (*container)(const struct build_step_info *step, const char *container_id, bool removed, void *data);
    /* Of pulls and downloads: as image_progress_fn. */
    void (*progress)(const struct build_step_info *step, const char *id, const char *status, int64_t current,
                     int64_t total, void *data);
    /* Output of a RUN as it comes; stream is 1 or 2. */
    void (*log)(const struct build_step_info *step, int stream, const char *bytes, size_t size, void *data);
    /* error NULL: it succeeded, and id (64 hex digits) names its state: the image's id after the last step of the
     * target, a name that only serves to tell states apart for all others. */
    void (*done)(const struct build_step_info *step, const char *id, const struct error *error, void *data);
    /* One line; of the whole build where step is NULL ("[Warning] One or more build-args [x] were not consumed"). */
    void (*warning)(const struct build_step_info *step, const char *text, void *data);
    /* Each of what the checks find (check.h), before the first step. NULL: with check_only they are warnings, else
     * nothing is told of them. */
    void (*finding)(const struct check_finding *finding, void *data);
    /* Something that is no step, by its number (from 0): it begins, and ends; error: it failed, which does not matter
     * to the build. Before the first step, from the caller's thread. NULL: failures are warnings. */
    void (*task)(int number, const char *name, bool ended, const struct error *error, void *data);
    void *data;
};

/* A cache that is kept elsewhere, opened when it is its turn. */
struct build_cache_place {
    const char *name; /* for messages */
    struct cache_place *(*open)(void *data);
    void *data;
};

struct build_options {
    int context_fd; /* directory, which nobody else changes during the build; -1: there is none */
    const struct build_context *contexts;
    size_t context_count;
    const char *dockerfile; /* its text */
    size_t dockerfile_size;
    const char *dockerfile_name; /* for messages; NULL: "Dockerfile" */

    const char *target;           /* name or number of a stage; NULL or "": the last */
    const char *platform;         /* NULL or "": this machine's */
    struct strmap build_args;     /* --build-arg NAME=value */
    struct strmap labels;         /* on top of the image's */
    const struct reference *tags; /* names of the image */
    size_t tag_count;
    bool no_cache;
    struct strv no_cache_filter; /* stages that do not use the cache */
    bool pull;                   /* base images are pulled even when they are here */
    struct strv cache_from;      /* images whose layers serve as results when their history fits, and build caches in
                                    registries */
    /* Caches that are kept elsewhere besides those of cache_from: what `open` returns is a cache_place.h. */
    const struct build_cache_place *cache_places;
    size_t cache_place_count;
    struct cache_set *used; /* learns what this build has used and made (cache_export.h); may be NULL */
    bool cache_from_only;   /* where cache_from names some, this machine's results count only as far as they say */
    bool squash;            /* one layer above the base */

    /* Of the containers of RUN; only these members count, each as for a container: network_mode, extra_hosts, dns*,
     * shm_size, ulimits, memory, memory_swap, cpu_shares, cpu_period, cpu_quota, cpuset_*, cgroup_parent, security_opt,
     * isolation. What is not allowed is refused before the first step. */
    struct host_config host;
    bool allow_security_insecure; /* RUN --security=insecure may be used */
    bool allow_network_host;      /* RUN --network=host may be used */

    const int64_t *source_date_epoch; /* seconds: time of the config, the history, and the limit of times in layers */
    const struct registry_config *registries; /* may be NULL */
    struct build_suppliers suppliers;

    /* Besides the image in the store: the files of the result, which the caller finishes. NULL: not wanted. */
    struct tar_writer *tree;
    const char *tree_name; /* of a directory in it that has them; NULL: its top */
    bool no_image;         /* only the tree is wanted */

    bool check_only; /* the rules of --check are looked at and findings told of, nothing is built */
    bool in_order;   /* events of a step come after all of the steps before it */
    int cancel_fd;   /* readable or hung up: give up; -1: none */
};

struct build_result {
    char image_id[DIGEST_TEXT_MAX]; /* "sha256:...", "" with no_image */
    int exit_code;                  /* of the RUN that failed; 0: the failure is none of a command */
    size_t warnings;
};

/*
 * Builds. Takes as long as it takes; threads of its own run the steps. After a failure nothing is left: no container,
 * mount, layer or name; steps that succeeded stay in the cache. The message of a RUN that failed is docker's: "The
 * command '/bin/sh -c false' returned a non-zero code: 1". Cancelled: ERROR_CANCELLED. ret is filled in in every case.
 */
int build_run(struct engine *engine, const struct build_options *options, const struct build_events *events,
              struct build_result *ret, struct error *err);

/* The daemon is about to end: builds that are under way are given up, and no new one begins. Does not wait for them. */
void build_stop_all(struct engine *engine);

/* ---- The cache ---- */

struct build_cache_record {
    char *id, *parent; /* 64 hex digits; parent "" where there is none */
    char *type;        /* "regular", "source.local", "exec.cachemount", as the API names them */
    char *description;
    bool in_use, shared; /* a build works with it; an image has the layer, too */
    int64_t size;        /* bytes */
    int64_t created;     /* ns */
    int64_t last_used;   /* ns, 0: never again */
    int64_t use_count;
};
/* Everything, oldest first. build_cache_records_free() in every case. */
int build_cache_list(struct engine *engine, struct build_cache_record **ret, size_t *ret_count, struct error *err);
void build_cache_records_free(struct build_cache_record *records, size_t count);

struct build_prune {
    bool all; /* also what images share and what would still serve; else unused records only */
    /* Bytes, 0: not given. With any of them the least recently used go first, until the others are within the limits.
     */
    int64_t keep_storage;       /* so much may stay, whatever the others say */
    int64_t max_used;           /* not more may stay */
    int64_t min_free;           /* the disk is to have so much room */
    const struct json *filters; /* normalised as api/filters.h does: until, unused-for, id, parent, type, description,
                                   inuse, shared, private; may be NULL. Others are refused by name */
};
/* Is there a limit below which records stay? */
bool build_prune_is_limited(const struct build_prune *how);
/* Ids of what went are added to ret_ids, "contexts" for contexts that were kept. What a build is using stays. */
int build_prune(struct engine *engine, const struct build_prune *how, struct strv *ret_ids, int64_t *ret_bytes,
                struct error *err);

/* Contents of the cache mount of this id (RUN --mount=type=cache,id=...) as a tar, and back; import replaces it. While
 * a step uses it, ERROR_CONFLICT. */
int build_cache_mount_export(struct engine *engine, const char *id, tar_sink_fn sink, void *data, struct error *err);
int build_cache_mount_import(struct engine *engine, const char *id, int tar_fd, struct error *err);

#endif
