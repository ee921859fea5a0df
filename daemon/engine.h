/*
 * The engine: every container, volume and event of one daemon. It owns the database, the image store, the networks and
 * the supervisor; the API layer reaches them through the accessors. All functions are thread-safe.
 *
 * Locks, in the order in which they may be taken: a container's `busy` turn (container.h) > the index lock > a
 * container's state lock > the database. Nobody waits for a process while holding a lock.
 */
#ifndef DORY_DAEMON_ENGINE_H
#define DORY_DAEMON_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/db.h"
#include "base/error.h"
#include "daemon/options.h"
#include "image/image.h"

struct engine;
struct network_manager;
struct network_registry;
struct events;
struct volumes;
struct store_check;

/*
 * Opens everything below options->data_root and options->exec_root (made if missing; data_root 0710), brings the
 * containers in line with what the kernel has (running ones are found again, ended ones get their exit status, restart
 * policies are applied, leftovers of a crash are removed) and starts the engine's threads. `options` stays the
 * caller's and must outlive the engine.
 */
int engine_open(const struct daemon_options *options, struct engine **ret, struct error *err);
/* Containers go on, unless options->live_restore is false: then they are stopped first. */
void engine_close(struct engine *engine);

struct image_store *engine_images(struct engine *engine);
struct network_manager *engine_networks(struct engine *engine);
struct network_registry *engine_network_registry(struct engine *engine);
const struct daemon_options *engine_options(struct engine *engine);
struct db *engine_db(struct engine *engine);
struct events *engine_events(struct engine *engine);
struct volumes *engine_volumes(struct engine *engine);

/* Random and kept for the life of the data root: /info's ID. Owned by the engine. */
const char *engine_id(struct engine *engine);

struct engine_counts {
    int64_t containers, running, paused, stopped;
    /* since the daemon's start, but for the subscribers */
    int64_t events, event_subscribers, health_checks, failed_health_checks;
};
void engine_counts(struct engine *engine, struct engine_counts *ret);

/* image_remove() with the engine's knowledge of which containers use what (used_by is set here). No container is made
 * or removed meanwhile. */
int engine_image_remove(struct engine *engine, const char *name, const struct image_remove_options *how,
                        struct image_removed **ret, size_t *ret_count, struct error *err);
/* image_store_check(); what is found goes to the log, too. */
int engine_check(struct engine *engine, struct store_check *check, struct error *err);

/* How many containers were made from the image. */
int64_t engine_image_containers(struct engine *engine, const char *image_id);
/* Adds their ids. */
void engine_image_users(struct engine *engine, const char *image_id, struct strv *ret);
/* Publishes an image event: action is pull, tag, untag, delete, load, import, push; id is the image's ("sha256:...") or
 * for pull the reference; name goes to the attributes (may be NULL). */
void engine_image_event(struct engine *engine, const char *action, const char *id, const char *name);

#endif
