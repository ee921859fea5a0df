#include "daemon/admission.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/condition.h"
#include "base/memory.h"
#include "base/timestamp.h"

enum { MILLISECOND = 1000000 };
/* When nobody has left for so long, those inside wait for something else than a processor (a slow disk, a server). */
#define PATIENCE_MS 250
/* So many times as long a removal gives way. */
#define REMOVAL_PATIENCE 10
/* About what a start takes, and longer than a client needs to remove one container and create the next. */
#define VACANCY_MS 10

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
    int64_t started;                        /* when a start came last */
    /* Places that removals left and that only starts may have, counted in `inside`: until when, the oldest first. */
    int64_t *vacancies;
    size_t vacant;
    int64_t vacancy;
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
    a->vacancy = (options->vacancy_ms > 0 ? options->vacancy_ms : VACANCY_MS) * MILLISECOND;
    a->vacancies = xcalloc(a->limit, sizeof(*a->vacancies));
    a->started = INT64_MIN / 2; /* long ago */
    return a;
}

void admission_free(struct admission *a)
{
    if (a == NULL)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a->vacancies);
    free(a);
}

/* Gives up the oldest of the places that are kept. */
static void end_vacancy(struct admission *a)
{
    a->vacant--;
    a->inside--;
    memmove(a->vacancies, a->vacancies + 1, a->vacant * sizeof(*a->vacancies));
}

/* May one of this kind go in without waiting? */
static bool is_free(const struct admission *a, enum admission_kind kind)
{
    for (int k = 0; k <= (int)kind; k++)
        if (a->queues[k] != NULL)
            return false;
    return a->inside < a->limit || (kind == ADMISSION_START && a->vacant > 0);
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

static uint64_t make_pass(const struct admission *a, enum admission_kind kind)
{
    return a->generation * ADMISSION_KINDS + kind;
}

static void admit(struct admission *a, enum admission_kind kind, struct waiter *w)
{
    if (kind == ADMISSION_START && a->vacant > 0)
        end_vacancy(a);
    w->inside = true;
    w->pass = make_pass(a, kind);
    a->inside++;
}

/* Lets in who is first, as long as there is room. */
static void let_in(struct admission *a)
{
    for (int kind = 0; kind < ADMISSION_KINDS; kind++)
        while (a->inside < a->limit && a->queues[kind] != NULL) {
            struct waiter *w = a->queues[kind];
            a->queues[kind] = w->next;
            admit(a, kind, w);
            pthread_cond_signal(&w->admitted);
        }
    /* The first removal is the one that watches the places that are kept. */
    if (a->vacant > 0 && a->queues[ADMISSION_REMOVAL] != NULL)
        pthread_cond_signal(&a->queues[ADMISSION_REMOVAL]->admitted);
}

static void pass_by(struct admission *a, int64_t now)
{
    a->generation++;
    a->inside = 0;
    a->vacant = 0;
    a->moved = now;
    let_in(a);
}

static void end_vacancies(struct admission *a, int64_t now)
{
    size_t before = a->vacant;
    while (a->vacant > 0 && a->vacancies[0] <= now)
        end_vacancy(a);
    if (a->vacant < before)
        let_in(a);
}

static int64_t next_look(const struct admission *a, enum admission_kind kind, const struct waiter *w, int64_t latest)
{
    int64_t at = a->moved + a->patience < latest ? a->moved + a->patience : latest;
    bool watches = kind == ADMISSION_REMOVAL && a->queues[kind] == w && a->vacant > 0;
    return watches && a->vacancies[0] < at ? a->vacancies[0] : at;
}

static void wait_inside(struct admission *a, enum admission_kind kind, struct waiter *w)
{
    int64_t now = timestamp_monotonic();
    int64_t latest = kind == ADMISSION_REMOVAL ? now + REMOVAL_PATIENCE * a->patience : INT64_MAX;
    if (a->moved < now - a->patience)
        a->moved = now; /* of an earlier crowd */
    while (!w->inside) {
        int64_t deadline = next_look(a, kind, w, latest);
        if (condition_wait_until(&w->admitted, &a->lock, deadline) == 0 || w->inside)
            continue;
        now = timestamp_monotonic();
        end_vacancies(a, now);
        if (w->inside)
            continue;
        if (now >= latest) {
            take_out(&a->queues[kind], w);
            admit(a, kind, w);
        } else if (now >= a->moved + a->patience) {
            pass_by(a, now);
        }
    }
}

uint64_t admission_enter(struct admission *a, enum admission_kind kind)
{
    struct waiter w = {0};
    pthread_mutex_lock(&a->lock);
    if (kind == ADMISSION_START)
        a->started = timestamp_monotonic();
    if (is_free(a, kind)) {
        admit(a, kind, &w);
    } else {
        pthread_cond_init(&w.admitted, NULL);
        append(&a->queues[kind], &w);
        wait_inside(a, kind, &w);
        pthread_cond_destroy(&w.admitted);
    }
    pthread_mutex_unlock(&a->lock);
    return w.pass;
}

/* Is the place of a removal that leaves kept? Among starts, and where others wait to remove, too. */
static bool is_kept(const struct admission *a, uint64_t pass)
{
    return pass % ADMISSION_KINDS == ADMISSION_REMOVAL && a->queues[ADMISSION_START] == NULL &&
           a->queues[ADMISSION_REMOVAL] != NULL && a->inside <= a->limit && a->vacant < a->limit &&
           a->moved - a->started < a->patience;
}

void admission_leave(struct admission *a, uint64_t pass)
{
    pthread_mutex_lock(&a->lock);
    a->moved = timestamp_monotonic();
    if (pass / ADMISSION_KINDS == a->generation && a->inside > 0) {
        if (is_kept(a, pass))
            a->vacancies[a->vacant++] = a->moved + a->vacancy;
        else
            a->inside--;
    }
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
