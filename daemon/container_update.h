/*
 * An update of a container (container_update()) as a transaction of steps: limits, ports, mounts and the row. All steps
 * are planned before the first one is applied, and when one fails those that were applied are undone, so that an
 * update happens whole or not at all. Everything here is called with the container's turn held.
 */
#ifndef DORY_DAEMON_CONTAINER_UPDATE_H
#define DORY_DAEMON_CONTAINER_UPDATE_H

#include <sys/types.h>

#include "daemon/container.h"

/* Mounts that are added. */
struct update_mounts {
    struct mount_point *items;
    size_t count;
    size_t held, mounted;  /* of how many, from the first, volume_unhold() and volume_unmount() are due */
    struct strv made;      /* volumes that did not exist */
    struct json_array all; /* of struct mount_point: with those that the container has; the members are theirs */
};

struct container_update {
    struct engine *engine;
    struct container *container;
    const struct json *body;  /* the request's */
    int api_version;          /* as well */
    struct host_config asked; /* its members of HostConfig */
    struct host_config next;  /* HostConfig as it will be; a plan changes its part, and an adoption moves it out */
    struct strv *warnings;    /* what docker warns of is added */
    pid_t pid;                /* of the container as the update began; 0: it does not run */
    bool limits;              /* are there limits or a restart policy in it? */
    bool ports_changed, ports_applied;
    struct network_port *ports; /* all that are published then */
    size_t port_count;
    struct update_mounts mounts;
};

struct update_step {
    /* Checks what is asked and completes `next`; changes nothing else. NULL: nothing to plan. */
    int (*plan)(struct container_update *u, struct error *err);
    int (*apply)(struct container_update *u, struct error *err);
    /* Puts back what apply changed, also as far as a failed apply came; what cannot be put back is logged. NULL: apply
     * does it itself, and is the last that can fail. */
    void (*undo)(struct container_update *u);
    /* The container's own memory: cannot fail. Before it the kernel and the row have everything already. NULL: none. */
    void (*adopt)(struct container_update *u);
};

/* container_update_limits.c: limits and restart policy */
extern const struct update_step update_limits;
/* container_update_ports.c: the members PortBindingsAdd and PortBindingsRemove */
extern const struct update_step update_ports;
/* container_update_mounts.c: the member MountsAdd. What is to be there before the row names it (volumes), and the
 * mounts in the container's namespace, which come after the row: a crash in between is made good by the next start. */
extern const struct update_step update_volumes, update_mounts;
void update_mounts_release(struct update_mounts *mounts);

#endif
