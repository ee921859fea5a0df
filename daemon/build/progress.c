#include "daemon/build/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

enum event_kind { EVENT_STARTED, EVENT_CACHED, EVENT_CONTAINER, EVENT_LINE, EVENT_LOG, EVENT_DONE, EVENT_WARNING };

/* One call, whatever it is about. Unused members are zero. */
struct event_record {
    enum event_kind kind;
    const struct build_step_info *step;
    const char *id, *text;
    size_t text_size; /* of log */
    int number;       /* stream; removed; an error is there */
    int64_t current, total;
    struct error error;
};

void build_progress_init(struct build_progress *p, const struct build_events *events, int total, bool in_order,
                         int tmp_fd)
{
    *p = (struct build_progress){.events = events, .in_order = in_order, .tmp_fd = tmp_fd, .turn = 1, .total = total};
    p->steps = xcalloc((size_t)total + 1, sizeof(*p->steps));
    for (int i = 0; i < total; i++)
        p->steps[i].spool_fd = -1;
    pthread_mutex_init(&p->lock, NULL);
}

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

/* ---- What waits for its turn ---- */

struct spool_header {
    uint32_t kind;
    int32_t number;
    int64_t current, total;
    uint32_t id_size, text_size; /* + 1; 0: NULL */
    const struct build_step_info *step;
};

static int spool_write(struct build_progress *p, struct build_progress_step *s, const struct event_record *r)
{
    size_t text = r->kind == EVENT_DONE && r->number != 0 ? sizeof(r->error)
                  : r->kind == EVENT_LOG                  ? r->text_size
                  : r->text != NULL                       ? strlen(r->text)
                                                          : 0;
    const void *bytes = r->kind == EVENT_DONE && r->number != 0 ? (const void *)&r->error : r->text;
    struct spool_header header = {.kind = r->kind,
                                  .number = r->number,
                                  .current = r->current,
                                  .total = r->total,
                                  .id_size = r->id != NULL ? (uint32_t)strlen(r->id) + 1 : 0,
                                  .text_size = bytes != NULL ? (uint32_t)text + 1 : 0,
                                  .step = r->step};
    if (s->spool_fd < 0)
        s->spool_fd = openat(p->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->spool_fd < 0)
        return -errno;
    int w = fd_write_all(s->spool_fd, &header, sizeof(header));
    if (w == 0 && r->id != NULL)
        w = fd_write_all(s->spool_fd, r->id, header.id_size - 1);
    if (w == 0 && bytes != NULL)
        w = fd_write_all(s->spool_fd, bytes, text);
    return w;
}

static char *spool_text(int fd, uint32_t size)
{
    if (size == 0)
        return NULL;
    char *text = xcalloc(1, (size_t)size + 1);
    if (fd_read_full(fd, text, size - 1) != (ssize_t)size - 1)
        text[0] = 0;
    return text;
}

/* Tells all of it. *ret_done: the step's end was among it. */
static void spool_replay(struct build_progress *p, struct build_progress_step *s, bool *ret_done)
{
    struct spool_header header;
    CLEANUP_CLOSE int fd = TAKE_FD(s->spool_fd);
    if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return;
    while (fd_read_full(fd, &header, sizeof(header)) == sizeof(header)) {
        CLEANUP_FREE char *id = spool_text(fd, header.id_size);
        CLEANUP_FREE char *text = spool_text(fd, header.text_size);
        struct event_record r = {.kind = (enum event_kind)header.kind,
                                 .step = header.step,
                                 .id = id,
                                 .text = text,
                                 .text_size = header.text_size > 0 ? header.text_size - 1 : 0,
                                 .number = header.number,
                                 .current = header.current,
                                 .total = header.total};
        if (r.kind == EVENT_DONE && r.number != 0 && text != NULL)
            memcpy(&r.error, text, sizeof(r.error));
        tell(p, &r);
        *ret_done = *ret_done || (r.kind == EVENT_DONE && r.step->first_line != 0);
    }
}

/* Lock held: the step whose turn it is has ended. */
static void next_turn(struct build_progress *p)
{
    bool done = true;
    while (done && ++p->turn <= p->total) {
        done = false;
        spool_replay(p, &p->steps[p->turn - 1], &done);
    }
}

static void event(struct build_progress *p, const struct event_record *r)
{
    pthread_mutex_lock(&p->lock);
    int number = r->step != NULL ? r->step->number : 0;
    if (p->in_order && number > p->turn) {
        int failed = spool_write(p, &p->steps[number - 1], r);
        if (failed < 0)
            log_warn("build: what step %d says is lost: %s", number, strerror(-failed));
    } else {
        tell(p, r);
        if (r->kind == EVENT_DONE && r->step->first_line != 0 && number == p->turn)
            next_turn(p);
    }
    pthread_mutex_unlock(&p->lock);
}

void build_progress_release(struct build_progress *p)
{
    bool done;
    for (int i = p->turn; i <= p->total; i++)
        spool_replay(p, &p->steps[i - 1], &done);
    free(p->steps);
    pthread_mutex_destroy(&p->lock);
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
