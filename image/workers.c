#include "image/workers.h"

#include "base/memory.h"
#include "image/store.h"

int workers_start(struct workers *workers, size_t count, void *(*run)(void *), void *data, struct error *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STORE_STACK);
    int rc = 0;
    while (rc == 0 && workers->count < count && workers->count < ARRAY_SIZE(workers->threads)) {
        rc = pthread_create(&workers->threads[workers->count], &attributes, run, data);
        workers->count += rc == 0;
    }
    pthread_attr_destroy(&attributes);
    return rc != 0 && workers->count == 0 ? error_errno(err, rc, "start a thread") : 0;
}

void workers_join(struct workers *workers)
{
    for (size_t i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    workers->count = 0;
}
