/*
 * A build's context that comes as the body of another request: docker's CLI before 23 posts a tar from its standard
 * input as /build?buildid=upload-request:ID, and at the same time asks for the build ID with remote=upload-request. The
 * two find each other here. Private to api/buildkit/.
 */
#ifndef DORY_API_BUILDKIT_UPLOAD_H
#define DORY_API_BUILDKIT_UPLOAD_H

#include <pthread.h>

#include "base/error.h"

/* How long one waits for the other. */
#define UPLOAD_PATIENCE_S 10

struct upload;
struct upload_list {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct upload *first;
};
void upload_list_init(struct upload_list *list);
void upload_list_release(struct upload_list *list);

/* Offers fd, which stays the caller's, to the build of this id, and blocks until that has done with it.
 * ERROR_NOT_FOUND: no build wants it; ERROR_CONFLICT: there is an offer already. */
int upload_offer(struct upload_list *list, const char *build_id, int fd, struct error *err);
/* Waits for the offer. *ret_fd may be read until upload_done(). ERROR_NOT_FOUND: there is none. */
int upload_take(struct upload_list *list, const char *build_id, struct upload **ret, int *ret_fd, struct error *err);
/* NULL is fine. */
void upload_done(struct upload_list *list, struct upload *upload);

#endif
