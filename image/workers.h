/* Threads that do one piece of work together: the layers of a pull or a push. Private to image/. */
#ifndef DORY_IMAGE_WORKERS_H
#define DORY_IMAGE_WORKERS_H

#include <pthread.h>

#include "base/error.h"

#define WORKERS_MAX 16

struct workers {
    pthread_t threads[WORKERS_MAX];
    size_t count;
};

/* At most `count` threads (and WORKERS_MAX) that run `run(data)` on stacks of STORE_STACK. Fewer than wished do the
 * same work; that none could be started is an error. Zero is none. */
int workers_start(struct workers *workers, size_t count, void *(*run)(void *), void *data, struct error *err);
/* Waits for all of them. Twice is fine. */
void workers_join(struct workers *workers);

#endif
