/* Inside of registry*.c: one authenticated request, and waiting between attempts. */
#ifndef DORY_IMAGE_REGISTRY_SESSION_H
#define DORY_IMAGE_REGISTRY_SESSION_H

#include <pthread.h>

#include "image/http.h"
#include "image/registry.h"
#include "image/registry_auth.h"

struct registry {
    struct registry_options options;
    struct strv scopes; /* "repository:library/busybox:pull" */
    pthread_mutex_t mutex;
    /* Under the mutex: */
    struct http_client *idle; /* with the connection that the registry answered on; the first one who connects has it */
    struct registry_challenge challenge;
    struct registry_token token; /* bearer token for the scopes; empty when none was fetched */
};

/* As http_perform, with the credentials that the registry asked for: a 401 is answered once. The request's
 * authorization and cancelled members are set here. */
int registry_request(struct registry *registry, struct http_client *client, const struct http_request *request,
                     struct http_response *response, struct error *err);

/*
 * After attempt number `attempt` (from 0) failed: true when another one makes sense, after having waited for it.
 * `rc` is what registry_request returned with `err`; 5xx and 429 with a Retry-After count as passing failures. False
 * with ERROR_CANCELLED in err when cancelled while waiting. `retrying` may be NULL.
 */
bool registry_wait_for_retry(struct registry *registry, int attempt, int rc, const struct http_response *response,
                             void (*retrying)(int seconds, void *data), void *data, struct error *err);

/* What an answer that is no success says (registry_failure_parse). Release it. */
void registry_failure_of(const struct http_response *response, struct registry_failure *ret);

bool registry_cancelled(const struct registry *registry);

#endif
