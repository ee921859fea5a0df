/*
 * The containers of a project, found by the labels that every compose writes: what ps, logs, exec, stop, ... act on. No
 * Compose file is needed for that.
 */
#ifndef DORY_CMD_DORY_COMPOSE_CONTAINERS_H
#define DORY_CMD_DORY_COMPOSE_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "cmd/dory/compose/labels.h"

struct client; /* api/client.h */

/* One container. All texts live in `row`. */
struct compose_container {
    const char *id;
    const char *name;       /* without the slash: "shop-web-1" */
    const char *service;    /* "" when the label is missing */
    int64_t number;         /* among those of the service, from 1; 0 when the label says none */
    bool oneoff;            /* made by `compose run` */
    const char *state;      /* "running", "exited", ... */
    const char *image;      /* as it was asked for */
    const struct json *row; /* of GET /containers/json */
};

/* Sorted by service, number, name; those of `run` behind the others of their service. */
struct compose_containers {
    struct compose_container *items;
    size_t count;
    struct json *rows; /* private: owns the texts */
};
#define CLEANUP_COMPOSE_CONTAINERS CLEANUP(compose_containers_release)
void compose_containers_release(struct compose_containers *containers);

enum compose_oneoff { COMPOSE_ONEOFF_EXCLUDE, COMPOSE_ONEOFF_INCLUDE, COMPOSE_ONEOFF_ONLY };

/* Which ones; zero-initialised: the running ones of all services, without those of `run`. */
struct compose_query {
    bool all; /* also those that do not run */
    enum compose_oneoff oneoff;
    const struct strv *services; /* of these services only; NULL or empty: of all */
};

/* One request, whatever is asked for. */
int compose_containers_list(struct client *client, const char *project, const struct compose_query *query,
                            struct compose_containers *ret, struct error *err);
/* The same from rows of GET /containers/json that are there already; they are taken over in every case. */
int compose_containers_take(struct json *rows, const struct compose_query *query, struct compose_containers *ret,
                            struct error *err);

/* The container that `exec`, `port`, ... of a service mean: that of the number, or with index 0 the first one, those of
 * `run` last. NULL: there is none. */
const struct compose_container *compose_containers_find(const struct compose_containers *containers,
                                                        const char *service, int64_t index);
/*
 * Lists and finds in one: *ret is within *ret_list, which the caller releases in every case. ERROR_NOT_FOUND with
 * Compose's sentence when there is none: `service "web" is not running`, `... container #2`. `query` is that of the
 * list; its services are set here.
 */
int compose_container_of(struct client *client, const char *project, const char *service, int64_t index,
                         const struct compose_query *query, struct compose_containers *ret_list,
                         const struct compose_container **ret, struct error *err);

/* How logs name a container: its name without "PROJECT-" ("web-1"); a name that was chosen for it stays whole. */
const char *compose_container_short_name(const struct compose_container *container, const char *project);
/* A label's value, or NULL. */
const char *compose_container_label(const struct compose_container *container, const char *label);
/* For qsort: by name. */
int compose_container_compare_names(const void *a, const void *b);

#endif
