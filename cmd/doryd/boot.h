/* Bringing the daemon up and down: named steps, each with its undo. */
#ifndef DORY_CMD_DORYD_BOOT_H
#define DORY_CMD_DORYD_BOOT_H

#include "api/listen_tls.h"
#include "base/error.h"
#include "daemon/options.h"

struct engine;
struct api_server;
struct userns_remap;

/* What the steps make. Zero-initialised but for options and the descriptors, which are -1. */
struct boot {
    struct daemon_options *options;
    int root_lock, pid_lock;
    struct server_tls tls;
    char *connect_path; /* of dory-connect */
    struct userns_remap *remap;
    struct engine *engine;
    struct api_server *server;
    size_t done; /* steps that stand */
};

/* Runs all steps; after a failure those that stood are undone. */
int boot_up(struct boot *boot, struct error *err);
/* Undoes everything, last step first. */
void boot_down(struct boot *boot);
/* sd_notify(3): "READY=1" and so on, when a service manager listens. */
void boot_notify(const char *state);

#endif
