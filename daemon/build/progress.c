#include "daemon/build/progress.h"

#include "base/condition.h"
#include "base/log.h"
#include "base/timestamp.h"

#define TELLER_STACK ((size_t)256 * 1024)
/* Bytes that wait of the output of commands; what a listener takes in some seconds is awaited, then it is clipped. */
#define WAITING_MAX ((int64_t)64 << 20)
#define PATIENCE_NS 5000000000
#define CLIPPED "[output clipped: it is not read]\n"

/* ---- To the listener ---- */

static void tell(struct build_progress *p, const struct event_record *r)
{
    const struct build_events *e = p->events;
    switch (r->kind) {
    case EVENT_STARTED:
        return e->started != NULL ? e->started(r->step, e->data) : (void)0;
    case EVENT_CACHED:
        return e->cached != NULL ? e->cached(r->step, e->data) : (void)0;
    case EVENT_CONTAINER:
        return e->container != NULL ? e->container(r->step, r->id, r->number != 0, e->data) : (void)0;
    case EVENT_LINE:
        return e->progress != NULL ? e->progress(r->step, r->id, r->text, r->current, r->total, e->data) : (void)0;
    case EVENT_LOG:
        return e->log != NULL ? e->log(r->step, r->number, r->text, r->text_size, e->data) : (void)0;
    case EVENT_DONE:
        return e->done != NULL ? e->done(r->step, r->id, r->number != 0 ? &r->error : NULL, e->data) : (void)0;
    case EVENT_WARNING:
        return e->warning != NULL ? e->warning(r->step, r->text, e->data) : (void)0;
    }
}

/* What is not complete stays in it. */
static void tell_all(struct build_progress *p, struct strbuf *bytes)
{
    struct event_record record;
    size_t used = 0, n;
    while ((n = event_record_read(bytes->data + used, bytes->size - used, &record)) > 0) {
        tell(p, &record);
        __atomic_store_n(&p->heard, timestamp_monotonic(), __ATOMIC_RELAXED);
        used += n;
    }
    memmove(bytes->data, bytes->data + used, bytes->size - used);
    bytes->size -= used;
}

/* Lock held. Adds some of what waits; what cannot be read is lost, and the log says so. */
static void take(struct event_spool *spool, struct strbuf *bytes)
{
    int failed = event_spool_take(spool, bytes);
    if (failed == 0)
        return;
    log_warn("build: what its steps say is lost: %s", strerror(-failed));
    event_spool_release(spool);
    strbuf_clear(bytes);
}

/* Until all is told and nothing comes any more. */
static void *teller_main(void *data)
{
    struct build_progress *p = data;
    CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
    pthread_setname_np(pthread_self(), "build-teller");
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (event_spool_size(&p->waiting) == 0 && !p->ending)
            pthread_cond_wait(&p->changed, &p->lock);
        if (event_spool_size(&p->waiting) == 0)
            break;
        take(&p->waiting, &bytes);
        pthread_mutex_unlock(&p->lock);
        tell_all(p, &bytes);
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Lock held. */
static void put(struct build_progress *p, struct event_spool *spool, const struct event_record *r)
{
    CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
    event_record_write(r, &bytes);
    int failed = event_spool_put(spool, p->tmp_fd, bytes.data, bytes.size);
    if (failed < 0)
        log_warn("build: what step %d says is lost: %s", r->step != NULL ? r->step->number : 0, strerror(-failed));
}

/* Lock held. */
static void pass(struct build_progress *p, const struct event_record *r)
{
    if (!p->threaded)
        return tell(p, r);
    if (event_spool_size(&p->waiting) == 0) /* nobody has had to take anything */
        __atomic_store_n(&p->heard, timestamp_monotonic(), __ATOMIC_RELAXED);
    put(p, &p->waiting, r);
    pthread_cond_broadcast(&p->changed);
}

void build_progress_init(struct build_progress *p, const struct build_events *events, int total, bool in_order,
                         int tmp_fd)
{
    *p = (struct build_progress){.events = events,
                                 .in_order = in_order,
                                 .tmp_fd = tmp_fd,
                                 .turn = 1,
                                 .total = total,
                                 .waiting = EVENT_SPOOL_INIT,
                                 .heard = timestamp_monotonic()};
    p->steps = xcalloc((size_t)total + 1, sizeof(*p->steps));
    for (int i = 0; i < total; i++)
        p->steps[i].spool = (struct event_spool)EVENT_SPOOL_INIT;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, TELLER_STACK);
    p->threaded = pthread_create(&p->teller, &attributes, teller_main, p) == 0;
    pthread_attr_destroy(&attributes);
}

/* ---- What waits for its turn ---- */

/* Lock held. True: the step's end was among it. */
static bool replay(struct build_progress *p, struct build_progress_step *s)
{
    CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct event_record record;
    bool done = false;
    while (event_spool_size(&s->spool) > 0) {
        size_t used = 0, n;
        take(&s->spool, &bytes);
        while ((n = event_record_read(bytes.data + used, bytes.size - used, &record)) > 0) {
            pass(p, &record);
            done = done || (record.kind == EVENT_DONE && record.step->first_line != 0);
            used += n;
        }
        memmove(bytes.data, bytes.data + used, bytes.size - used);
        bytes.size -= used;
    }
    event_spool_release(&s->spool);
    return done;
}

/* Lock held: the step whose turn it is has ended. */
static void next_turn(struct build_progress *p)
{
    bool done = true;
    while (done && ++p->turn <= p->total)
        done = replay(p, &p->steps[p->turn - 1]);
}

/* Lock held. Waits for a listener who does take something, but not for one who does not. */
static bool is_full(struct build_progress *p)
{
    for (;;) {
        int64_t until = __atomic_load_n(&p->heard, __ATOMIC_RELAXED) + PATIENCE_NS;
        if (!p->threaded || event_spool_size(&p->waiting) <= WAITING_MAX)
            return false;
        if (until <= timestamp_monotonic())
            return true;
        condition_wait_until(&p->changed, &p->lock, until);
    }
}

/* Lock held. Is this output left out? */
static bool is_clipped(struct build_progress *p, const struct event_record *r, bool early)
{
    struct build_progress_step *s = &p->steps[r->step->number - 1];
    bool full = early ? event_spool_size(&s->spool) > WAITING_MAX : is_full(p);
    if (full && !s->clipped) {
        const struct event_record note = {
            .kind = EVENT_LOG, .step = r->step, .text = CLIPPED, .text_size = strlen(CLIPPED), .number = 2};
        s->clipped = true;
        if (early)
            put(p, &s->spool, &note);
        else
            pass(p, &note);
    }
    return full;
}

static void event(struct build_progress *p, const struct event_record *r)
{
    pthread_mutex_lock(&p->lock);
    int number = r->step != NULL ? r->step->number : 0;
    bool log = r->kind == EVENT_LOG;
    if (log && is_clipped(p, r, p->in_order && number > p->turn)) {
        pthread_mutex_unlock(&p->lock);
        return;
    }
    if (p->in_order && number > p->turn) {
        put(p, &p->steps[number - 1].spool, r);
    } else {
        pass(p, r);
        if (r->kind == EVENT_DONE && r->step->first_line != 0 && number == p->turn)
            next_turn(p);
    }
    pthread_mutex_unlock(&p->lock);
}

void build_progress_release(struct build_progress *p)
{
    pthread_mutex_lock(&p->lock);
    for (int i = p->turn; i <= p->total; i++)
        replay(p, &p->steps[i - 1]);
    p->ending = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (p->threaded)
        pthread_join(p->teller, NULL);
    for (int i = 0; i < p->total; i++)
        event_spool_release(&p->steps[i].spool);
    event_spool_release(&p->waiting);
    free(p->steps);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
}

/* ---- The calls ---- */

void build_progress_started(struct build_progress *p, const struct build_step_info *step)
{
    event(p, &(struct event_record){.kind = EVENT_STARTED, .step = step});
}

void build_progress_cached(struct build_progress *p, const struct build_step_info *step)
{
    event(p, &(struct event_record){.kind = EVENT_CACHED, .step = step});
}

void build_progress_container(struct build_progress *p, const struct build_step_info *step, const char *id,
                              bool removed)
{
    event(p, &(struct event_record){.kind = EVENT_CONTAINER, .step = step, .id = id, .number = removed});
}

void build_progress_line(struct build_progress *p, const struct build_step_info *step, const char *id,
                         const char *status, int64_t current, int64_t total)
{
    event(p, &(struct event_record){
                 .kind = EVENT_LINE, .step = step, .id = id, .text = status, .current = current, .total = total});
}

void build_progress_log(struct build_progress *p, const struct build_step_info *step, int stream, const char *bytes,
                        size_t size)
{
    event(p,
          &(struct event_record){.kind = EVENT_LOG, .step = step, .text = bytes, .text_size = size, .number = stream});
}

void build_progress_done(struct build_progress *p, const struct build_step_info *step, const char *id,
                         const struct error *error)
{
    struct event_record r = {.kind = EVENT_DONE, .step = step, .id = id, .number = error != NULL};
    if (error != NULL)
        r.error = *error;
    event(p, &r);
}

void build_progress_warning(struct build_progress *p, const struct build_step_info *step, const char *text)
{
    __atomic_add_fetch(&p->warnings, 1, __ATOMIC_RELAXED);
    event(p, &(struct event_record){.kind = EVENT_WARNING, .step = step, .text = text});
}
