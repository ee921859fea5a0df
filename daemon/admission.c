#include "daemon/admission.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/timestamp.h"

enum { MILLISECOND = 1000000 };
/* When nobody has left for so long, those inside wait for something else than a processor (a slow disk, a server). */
#define PATIENCE_MS 250
/* So many times as long a removal gives way. */
#define REMOVAL_PATIENCE 10

struct waiter {
    pthread_cond_t admitted;
    bool inside;
    uint64_t pass; /* once inside */
    struct waiter *next;
};

struct admission {
    pthread_mutex_t lock;
    size_t inside, limit;
    int64_t patience;
    struct waiter *queues[ADMISSION_KINDS]; /* first come, first */
    int64_t moved;                          /* when somebody left last; monotonic */
    /* Of those who are counted in `inside`. When they stall they are counted no more, and a new one begins. */
    uint64_t generation;
};

/* One more than there are processors, because a start also waits: for its shim, and for the kernel's grace periods. */
static size_t limit_for_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (size_t)count + 1 : 2;
}

struct admission *admission_new(const struct admission_options *options)
{
    struct admission *a = xcalloc(1, sizeof(*a));
    pthread_mutex_init(&a->lock, NULL);
    a->limit = options->limit > 0 ? options->limit : limit_for_processors();
    a->patience = (options->patience_ms > 0 ? options->patience_ms : PATIENCE_MS) * MILLISECOND;
    return a;
}

void admission_free(struct admission *a)
{
    if (a == NULL)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* May one of this kind go in without waiting? */
static bool is_free(const struct admission *a, enum admission_kind kind)
{
    for (int k = 0; k <= (int)kind; k++)
        if (a->queues[k] != NULL)
            return false;
    return a->inside < a->limit;
}

static void append(struct waiter **queue, struct waiter *w)
{
    while (*queue != NULL)
        queue = &(*queue)->next;
    *queue = w;
}

static void take_out(struct waiter **queue, struct waiter *w)
{
    while (*queue != w)
        queue = &(*queue)->next;
    *queue = w->next;
}

static void admit(struct admission *a, struct waiter *w)
{
    w->inside = true;
    w->pass = a->generation;
    a->inside++;
}

/* Lets in who is first, as long as there is room. */
static void let_in(struct admission *a)
{
    for (int kind = 0; kind < ADMISSION_KINDS; kind++)
        while (a->inside < a->limit && a->queues[kind] != NULL) {
            struct waiter *w = a->queues[kind];
            a->queues[kind] = w->next;
            admit(a, w);
            pthread_cond_signal(&w->admitted);
        }
}

static void pass_by(struct admission *a, int64_t now)
{
    a->generation++;
    a->inside = 0;
    a->moved = now;
    let_in(a);
}

static void wait_inside(struct admission *a, enum admission_kind kind, struct waiter *w)
{
    int64_t now = timestamp_monotonic();
    int64_t latest = kind == ADMISSION_REMOVAL ? now + REMOVAL_PATIENCE * a->patience : INT64_MAX;
    if (a->moved < now - a->patience)
        a->moved = now; /* of an earlier crowd */
    while (!w->inside) {
        int64_t deadline = a->moved + a->patience < latest ? a->moved + a->patience : latest;
        struct timespec at = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
        if (pthread_cond_timedwait(&w->admitted, &a->lock, &at) == 0 || w->inside)
            continue;
        now = timestamp_monotonic();
        if (now >= latest) {
            take_out(&a->queues[kind], w);
            admit(a, w);
        } else if (now >= a->moved + a->patience) {
            pass_by(a, now);
        }
    }
}

uint64_t admission_enter(struct admission *a, enum admission_kind kind)
{
    struct waiter w = {0};
    pthread_mutex_lock(&a->lock);
    if (is_free(a, kind)) {
        admit(a, &w);
    } else {
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&w.admitted, &attr);
        pthread_condattr_destroy(&attr);
        append(&a->queues[kind], &w);
        wait_inside(a, kind, &w);
        pthread_cond_destroy(&w.admitted);
    }
    pthread_mutex_unlock(&a->lock);
    return w.pass;
}

void admission_leave(struct admission *a, uint64_t pass)
{
    pthread_mutex_lock(&a->lock);
    if (pass == a->generation && a->inside > 0)
        a->inside--;
    a->moved = timestamp_monotonic();
    let_in(a);
    pthread_mutex_unlock(&a->lock);
}

size_t admission_waiting(struct admission *a)
{
    size_t count = 0;
    pthread_mutex_lock(&a->lock);
    for (int kind = 0; kind < ADMISSION_KINDS; kind++)
        for (const struct waiter *w = a->queues[kind]; w != NULL; w = w->next)
            count++;
    pthread_mutex_unlock(&a->lock);
    return count;
}
