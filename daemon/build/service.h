/*
 * What all builds of an engine share: layers that are being made, results that somebody is just working on, and the
 * limits of what runs at the same time. One per engine, made with it.
 */
#ifndef DORY_DAEMON_BUILD_SERVICE_H
#define DORY_DAEMON_BUILD_SERVICE_H

#include <pthread.h>

#include "base/strmap.h"
#include "daemon/build/cache.h"
#include "image/draft.h"

struct engine;
struct build;
struct build_layer;

struct build_service {
    struct engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* whatever is waited for: waiters look again */
    /* Under the lock: */
    struct map flights; /* cache key -> struct build_flight: results that are not in the cache yet */
    struct map used;    /* cache key -> count as a pointer: what builds under way have taken from the cache */
    struct map mounts;  /* cache mount's directory -> struct cache_mount_use (cache_mounts.c) */
    unsigned digesting; /* layers whose digest is being computed */
    unsigned threads;   /* detached ones of ours */
    unsigned digesting_max;
    struct build *builds; /* under way */
    bool closing;
};

/* Makes the tables, and removes what builds that a crash ended have left (containers, drafts go with their rows). After
 * engine_recover's other work. */
int build_service_open(struct engine *engine, struct build_service **ret, struct error *err);
/* Builds that are under way are given up; waits for their ends and for the last digests. NULL is fine. */
void build_service_free(struct build_service *service);

/* With the lock held: until something has changed, or some time has passed and the caller had better look whether it is
 * still wanted. */
void build_service_wait(struct build_service *service);

/* A container is about to be made for a step: after a crash it is removed. */
int build_container_note(struct build_service *service, const char *id, struct error *err);
void build_container_forget(struct build_service *service, const char *id);

/* ---- Layers under way (layer.c) ---- */

enum build_layer_status { BUILD_LAYER_OPEN, BUILD_LAYER_DIGESTING, BUILD_LAYER_READY, BUILD_LAYER_FAILED };

/* The directory of a step's result: a draft of ours, or a layer of the store. Reference counted. */
struct build_layer {
    int references; /* atomic */
    struct build_service *service;
    char dir[DRAFT_ID_MAX];
    bool draft;  /* the directory is to be removed with the object */
    bool pinned; /* info.diff_id */
    /* Under the service's lock: */
    enum build_layer_status status;
    int64_t created; /* ns; when the step ended */
    char nonce[CACHE_NONCE_MAX];
    struct draft_info info; /* READY */
    struct error error;     /* FAILED */
};

/* A new draft above these. */
int build_layer_new(struct build_service *service, const struct draft_base *base, struct build_layer **ret,
                    struct error *err);
/* One of the store. */
int build_layer_open(struct build_service *service, const char *diff_id, struct build_layer **ret, struct error *err);
struct build_layer *build_layer_ref(struct build_layer *layer);
void build_layer_unref(struct build_layer *layer); /* NULL is fine */
void build_layer_unref_ptr(struct build_layer **layer);
#define CLEANUP_BUILD_LAYER CLEANUP(build_layer_unref_ptr)

/* What is to happen with a layer that is finished. The rows (heap; may be NULL) are taken over. */
struct build_digest {
    struct cache_row *record, *second, *place; /* their layers and sizes are filled in */
    bool flying;                               /* others wait for the record's key */
    const int64_t *not_after;                  /* as image_draft_digest() */
};
/*
 * Nothing is written to it any more: a thread computes its digest, makes it a layer of the store and writes the cache's
 * records in the same transaction.
 */
void build_layer_digest(struct build_layer *layer, const struct build_digest *digest);
/* Waits until it is a layer. *ret is the layer's from then on. */
int build_layer_wait(struct build_layer *layer, const struct draft_info **ret, struct error *err);

/* A build has taken this record's result: it is not pruned. */
void build_key_hold(struct build_service *service, const char *key);
void build_key_unhold(struct build_service *service, const char *key);
bool build_key_is_held(struct build_service *service, const char *key);

/* ---- Results that somebody is working on (flight.c) ---- */

/*
 * Is anybody making the result of this key? If not, it is for the caller to make it: *ret_layer is NULL, and
 * build_flight_land() has to follow, whatever happens. Otherwise waits for it; `given_up` is asked now and then and
 * ends the waiting with ERROR_CANCELLED. A result that failed elsewhere is the caller's to make, too.
 */
int build_flight_enter(struct build_service *service, const char *key, bool (*given_up)(void *data), void *data,
                       struct build_layer **ret_layer, char **ret_content, struct error *err);
/* layer NULL: it failed. The layer (not taken over) is found under the key until it is in the cache. */
void build_flight_land(struct build_service *service, const char *key, struct build_layer *layer, const char *content);
/* The result is in the cache, or will never be. */
void build_flight_end(struct build_service *service, const char *key);

#endif
