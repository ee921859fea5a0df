/* POST /containers/ID/wait in two halves: the request goes out before the container is started (so that an end that
 * comes at once is not missed), the answer is read when its streams have ended. */
#ifndef DORY_CMD_DORY_CONTAINER_WAIT_H
#define DORY_CMD_DORY_CONTAINER_WAIT_H

#include "api/client.h"

struct container_wait {
    struct client_response *response;
};

/* condition: "not-running", "next-exit", "removed". Returns once the daemon has registered the wait: it sends its
 * header at once. */
int container_wait_begin(struct client *client, const char *id, const char *condition, struct container_wait *ret,
                         struct error *err);
/* Blocks; *ret_status is the container's exit status. */
int container_wait_end(struct container_wait *wait, int *ret_status, struct error *err);
/* The same for a session that has ended: when the daemon went meanwhile, which a session survives, the next one is
 * asked for the status of `id`, if it comes in the next 20 seconds. */
int container_wait_end_session(struct client *client, const char *id, struct container_wait *wait, int *ret_status,
                               struct error *err);
void container_wait_release(struct container_wait *wait);

#endif
