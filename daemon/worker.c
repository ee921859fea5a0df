#include "daemon/worker.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/condition.h"
#include "base/memory.h"
#include "base/timestamp.h"

struct job {
    int64_t due; /* monotonic ns */
    worker_fn fn, drop;
    void *data;
    struct job *next;
};

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t changed, idle;
    pthread_t thread;
    struct job *jobs; /* by due time */
    bool running;     /* a job is being run */
    bool ending;
    size_t beside; /* threads of worker_run_beside() */
    char name[16];
};

static void run_first(struct worker *w)
{
    struct job *job = w->jobs;
    w->jobs = job->next;
    w->running = true;
    pthread_mutex_unlock(&w->lock);
    job->fn(job->data);
    free(job);
    pthread_mutex_lock(&w->lock);
    w->running = false;
    pthread_cond_broadcast(&w->idle);
}

static void *worker_main(void *data)
{
    struct worker *w = data;
    pthread_setname_np(pthread_self(), w->name);
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (w->jobs == NULL) {
            if (w->ending)
                break;
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        if (w->jobs->due <= timestamp_monotonic()) {
            run_first(w);
            continue;
        }
        if (w->ending)
            break;
        condition_wait_until(&w->changed, &w->lock, w->jobs->due);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int worker_new(const char *name, struct worker **ret, struct error *err)
{
    struct worker *w = xcalloc(1, sizeof(*w));
    snprintf(w->name, sizeof(w->name), "%s", name);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_cond_init(&w->idle, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DAEMON_STACK_SIZE);
    int r = pthread_create(&w->thread, &attributes, worker_main, w);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        free(w);
        return error_errno(err, r, "starting a thread");
    }
    *ret = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_lock(&w->lock);
    while (w->beside > 0)
        pthread_cond_wait(&w->idle, &w->lock);
    pthread_mutex_unlock(&w->lock);
    while (w->jobs != NULL) {
        struct job *job = w->jobs;
        w->jobs = job->next;
        if (job->drop != NULL)
            job->drop(job->data);
        free(job);
    }
    pthread_cond_destroy(&w->changed);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void worker_add(struct worker *w, int64_t delay_ms, worker_fn fn, worker_fn drop, void *data)
{
    struct job *job = xcalloc(1, sizeof(*job));
    *job = (struct job){.due = timestamp_monotonic() + delay_ms * 1000000, .fn = fn, .drop = drop, .data = data};
    pthread_mutex_lock(&w->lock);
    struct job **at = &w->jobs;
    while (*at != NULL && (*at)->due <= job->due)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

struct beside {
    struct worker *worker;
    worker_fn fn;
    void *data;
};

static void *beside_main(void *data)
{
    struct beside *b = data;
    struct worker *w = b->worker;
    pthread_setname_np(pthread_self(), w->name);
    b->fn(b->data);
    free(b);
    pthread_mutex_lock(&w->lock);
    w->beside--;
    pthread_cond_broadcast(&w->idle);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int worker_run_beside(struct worker *w, worker_fn fn, void *data)
{
    struct beside *b = xcalloc(1, sizeof(*b));
    *b = (struct beside){.worker = w, .fn = fn, .data = data};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DAEMON_STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&w->lock);
    w->beside++;
    pthread_t thread;
    int r = pthread_create(&thread, &attributes, beside_main, b);
    if (r != 0)
        w->beside--;
    pthread_mutex_unlock(&w->lock);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        free(b);
    return -r;
}

void worker_drain(struct worker *w)
{
    int64_t now = timestamp_monotonic();
    pthread_mutex_lock(&w->lock);
    while (w->running || (w->jobs != NULL && w->jobs->due <= now))
        pthread_cond_wait(&w->idle, &w->lock);
    pthread_mutex_unlock(&w->lock);
}
