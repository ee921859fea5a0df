#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/timestamp.h"

enum source_kind { SOURCE_IO, SOURCE_ALWAYS, SOURCE_TIMER, SOURCE_SIGNALS };

/* Every source is in exactly one of the loop's lists. */
struct loop_source {
    struct loop *loop;
    struct loop_source *previous;
    struct loop_source *next;
    struct loop_source **list;
    enum source_kind kind;
    bool removed;
    int fd;
    uint32_t events;
    int64_t due_ns; /* of a timer; CLOCK_MONOTONIC */
    void *data;
    union {
        loop_io_fn io;
        loop_timer_fn timer;
        loop_signal_fn signal;
    } fn;
};

struct loop {
    int epoll_fd;
    struct loop_source *polled;  /* known to epoll */
    struct loop_source *always;  /* files that epoll refuses */
    struct loop_source *timers;  /* the next one first */
    struct loop_source *garbage; /* removed while callbacks run: one of them may still be on the stack */
    bool dispatching;
    bool quit;
    int code;
};

static void unlink_source(struct loop_source *s)
{
    if (s->previous)
        s->previous->next = s->next;
    else
        *s->list = s->next;
    if (s->next)
        s->next->previous = s->previous;
}

/* Puts s into the list, after `after` or first. */
static void link_source(struct loop_source *s, struct loop_source **list, struct loop_source *after)
{
    s->list = list;
    s->previous = after;
    s->next = after ? after->next : *list;
    if (s->next)
        s->next->previous = s;
    if (after)
        after->next = s;
    else
        *list = s;
}

static void free_list(struct loop_source **list)
{
    while (*list) {
        struct loop_source *s = *list;
        unlink_source(s);
        if (s->kind == SOURCE_SIGNALS && !s->removed)
            fd_close(s->fd);
        free(s);
    }
}

int loop_new(struct loop **ret, struct error *err)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "epoll_create1");
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->epoll_fd = fd;
    *ret = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    free_list(&loop->polled);
    free_list(&loop->always);
    free_list(&loop->timers);
    free_list(&loop->garbage);
    fd_close(loop->epoll_fd);
    free(loop);
}

static struct loop_source *new_source(struct loop *loop, enum source_kind kind, void *data)
{
    struct loop_source *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->kind = kind;
    s->fd = -1;
    s->data = data;
    return s;
}

static int watch(struct loop_source *s, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    return epoll_ctl(s->loop->epoll_fd, operation, s->fd, &e) == 0 ? 0 : -errno;
}

static void give(struct loop_source *s, struct loop_source **ret)
{
    if (ret)
        *ret = s;
}

int loop_add_io(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *data, struct loop_source **ret)
{
    struct loop_source *s = new_source(loop, SOURCE_IO, data);
    s->fd = fd;
    s->events = events;
    s->fn.io = fn;
    int r = watch(s, EPOLL_CTL_ADD, events);
    if (r == -EPERM) {
        s->kind = SOURCE_ALWAYS;
        link_source(s, &loop->always, NULL);
    } else if (r < 0) {
        free(s);
        return r;
    } else {
        link_source(s, &loop->polled, NULL);
    }
    give(s, ret);
    return 0;
}

int loop_source_set_events(struct loop_source *source, uint32_t events)
{
    if (source->events == events)
        return 0;
    int r = source->kind == SOURCE_IO ? watch(source, EPOLL_CTL_MOD, events) : 0;
    if (r == 0)
        source->events = events;
    return r;
}

int loop_add_timer(struct loop *loop, int64_t ms, loop_timer_fn fn, void *data, struct loop_source **ret)
{
    struct loop_source *s = new_source(loop, SOURCE_TIMER, data);
    s->fn.timer = fn;
    int64_t delay;
    if (__builtin_mul_overflow(ms > 0 ? ms : 0, 1000000, &delay) ||
        __builtin_add_overflow(timestamp_monotonic(), delay, &s->due_ns))
        s->due_ns = INT64_MAX;
    /* Those due at the same time fire in the order in which they were added. */
    struct loop_source *after = NULL;
    for (struct loop_source *t = loop->timers; t && t->due_ns <= s->due_ns; t = t->next)
        after = t;
    link_source(s, &loop->timers, after);
    give(s, ret);
    return 0;
}

int loop_add_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *data, struct loop_source **ret)
{
    int r = pthread_sigmask(SIG_BLOCK, set, NULL);
    if (r != 0)
        return -r;
    CLEANUP_CLOSE int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct loop_source *s = new_source(loop, SOURCE_SIGNALS, data);
    s->fd = fd;
    s->fn.signal = fn;
    r = watch(s, EPOLL_CTL_ADD, EPOLLIN);
    if (r < 0) {
        free(s);
        return r;
    }
    TAKE_FD(fd);
    link_source(s, &loop->polled, NULL);
    give(s, ret);
    return 0;
}

void loop_remove(struct loop_source *source)
{
    if (!source || source->removed)
        return;
    if (source->kind == SOURCE_IO || source->kind == SOURCE_SIGNALS)
        watch(source, EPOLL_CTL_DEL, 0); /* fails, harmlessly, when the owner has closed the descriptor before */
    if (source->kind == SOURCE_SIGNALS)
        fd_close(source->fd);
    source->removed = true;
    unlink_source(source);
    if (source->loop->dispatching)
        link_source(source, &source->loop->garbage, NULL);
    else
        free(source);
}

static void dispatch_signals(struct loop_source *s)
{
    struct signalfd_siginfo info;
    while (!s->removed && !s->loop->quit && read(s->fd, &info, sizeof info) == (ssize_t)sizeof info)
        s->fn.signal(s, (int)info.ssi_signo, s->data);
}

static void dispatch_event(struct loop_source *s, uint32_t events)
{
    if (s->removed)
        return;
    if (s->kind == SOURCE_SIGNALS)
        dispatch_signals(s);
    else
        s->fn.io(s, s->fd, events, s->data);
}

static void dispatch_always(struct loop *loop)
{
    struct loop_source *next;
    for (struct loop_source *s = loop->always; s && !loop->quit; s = next) {
        uint32_t ready = s->events & (EPOLLIN | EPOLLOUT);
        if (ready)
            s->fn.io(s, s->fd, ready, s->data);
        /* A removed one has gone to another list, and its neighbours may have too: the next turn sees the rest. */
        next = s->removed ? NULL : s->next;
    }
}

static void dispatch_timers(struct loop *loop)
{
    if (!loop->timers)
        return;
    /* A timer that is added with 0 ms from a callback waits for the next turn: descriptors do not starve. */
    int64_t now = timestamp_monotonic();
    while (!loop->quit && loop->timers && loop->timers->due_ns <= now) {
        struct loop_source *s = loop->timers;
        loop_timer_fn fn = s->fn.timer;
        loop_remove(s);
        fn(s, s->data);
    }
}

/* Milliseconds until something is due, for epoll_wait. */
static int timeout(const struct loop *loop)
{
    for (const struct loop_source *s = loop->always; s; s = s->next)
        if (s->events & (EPOLLIN | EPOLLOUT))
            return 0;
    if (!loop->timers)
        return -1;
    int64_t left = loop->timers->due_ns - timestamp_monotonic();
    if (left <= 0)
        return 0;
    /* Rounded up: waking a little early would only mean to wait once more. */
    left = left / 1000000 + 1;
    return left < INT_MAX ? (int)left : INT_MAX;
}

static int turn(struct loop *loop)
{
    struct epoll_event events[32];
    int n = epoll_wait(loop->epoll_fd, events, ARRAY_SIZE(events), timeout(loop));
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    loop->dispatching = true;
    for (int i = 0; i < n && !loop->quit; i++)
        dispatch_event(events[i].data.ptr, events[i].events);
    dispatch_always(loop);
    dispatch_timers(loop);
    loop->dispatching = false;
    free_list(&loop->garbage);
    return 0;
}

int loop_run(struct loop *loop)
{
    int r = 0;
    while (r == 0 && !loop->quit)
        r = turn(loop);
    loop->quit = false;
    return r < 0 ? r : loop->code;
}

void loop_quit(struct loop *loop, int code)
{
    loop->quit = true;
    loop->code = code;
}
