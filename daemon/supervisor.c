#include "daemon/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "base/file.h"
#include "daemon/supervisor_internal.h"

#define THREAD_STACK (256 * 1024)
#define EVENTS 16

static void on_socket(struct shim *shim)
{
    CLEANUP_SHIM_MESSAGE struct shim_message message = {0};
    char packet[SHIM_MESSAGE_SMALL];

    if (shim_message_receive(shim->socket_fd, packet, sizeof(packet), &message) == 1)
        shim_on_message(shim, &message);
    else
        shim_on_hangup(shim);
}

static void drain_counter(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return; /* nothing was there: as well */
}

static void on_event(struct supervisor *s, struct watch *watch)
{
    switch (watch->kind) {
    case WATCH_WAKE:
        drain_counter(s->wake_fd);
        break;
    case WATCH_REFILL:
        drain_counter(s->refill_fd);
        supervisor_refill(s);
        break;
    case WATCH_SOCKET:
        on_socket(watch->shim);
        break;
    case WATCH_PROCESS:
        supervisor_reap(watch->shim);
        break;
    }
}

static bool is_closing(struct supervisor *s)
{
    bool closing;

    pthread_mutex_lock(&s->lock);
    closing = s->closing;
    pthread_mutex_unlock(&s->lock);
    return closing;
}

static void *run_thread(void *data)
{
    struct supervisor *s = data;
    struct epoll_event events[EVENTS];

    pthread_setname_np(pthread_self(), "supervisor");
    while (!is_closing(s)) {
        int n = epoll_wait(s->epoll_fd, events, EVENTS, -1);

        /* A watch is only ever taken away by its own event, so that none of this batch is stale. */
        for (int i = 0; i < n; i++)
            on_event(s, events[i].data.ptr);
    }
    return NULL;
}

static int start_thread(struct supervisor *s, struct error *err)
{
    pthread_attr_t attributes;
    sigset_t all, former;
    int r;

    /* Signals are for whoever handles them in the daemon, never for this thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    r = pthread_create(&s->thread, &attributes, run_thread, s);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (r != 0)
        return error_errno(err, r, "start the supervisor's thread");
    s->thread_runs = true;
    return 0;
}

static int add_watch(struct supervisor *s, struct watch *watch, enum watch_kind kind, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};

    watch->kind = kind;
    watch->active = true;
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_loop(struct supervisor *s, struct error *err)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->refill_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (s->epoll_fd < 0 || s->wake_fd < 0 || s->refill_fd < 0 ||
        add_watch(s, &s->wake_watch, WATCH_WAKE, s->wake_fd) < 0 ||
        add_watch(s, &s->refill_watch, WATCH_REFILL, s->refill_fd) < 0)
        return error_errno(err, errno, "open the supervisor");
    return 0;
}

static int open_root(struct supervisor *s, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/shim", s->options.exec_root);
    /* The directories of containers below say who may see more: with another runtime the root of a user namespace. */
    int r = file_mkdirs(path, 0711, err);

    if (r < 0)
        return r;
    if (chmod(path, 0711) < 0)
        return error_errno(err, errno, "%s", path);
    s->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root_fd < 0)
        return error_errno(err, errno, "open %s", path);
    file_spread(s->root_fd);
    return 0;
}

int supervisor_open(const struct supervisor_options *options, struct supervisor **ret, struct error *err)
{
    struct supervisor *s = xcalloc(1, sizeof(*s));
    int r;

    s->options = *options;
    s->options.exec_root = xstrdup(options->exec_root);
    s->options.shim_path = xstrdup(options->shim_path);
    s->root_fd = s->image_fd = s->epoll_fd = s->wake_fd = s->refill_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    r = open_root(s, err);
    if (r >= 0)
        r = supervisor_copy_image(options->shim_path, &s->image_fd, err);
    if (r >= 0)
        r = open_loop(s, err);
    if (r >= 0)
        r = start_thread(s, err);
    if (r < 0) {
        supervisor_close(s);
        return r;
    }
    supervisor_refill_soon(s);
    *ret = s;
    return 0;
}

void supervisor_stop(struct supervisor *s)
{
    uint64_t one = 1;

    if (!s || !s->thread_runs)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_mutex_unlock(&s->lock);
    /* The counter cannot be full: nobody else adds to it. */
    while (write(s->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(s->thread, NULL);
    s->thread_runs = false;
}

void supervisor_close(struct supervisor *s)
{
    if (!s)
        return;
    supervisor_stop(s);
    if (s->warm) {
        /* It goes when its connection does. */
        fd_close_ptr(&s->warm->socket_fd);
        supervisor_reap(s->warm);
        shim_unref(s->warm);
    }
    while (s->shims) {
        struct shim *shim = shim_ref(s->shims);

        shim_set_gone(shim);
        shim_unwatch(&shim->socket_watch, &shim->socket_fd);
        shim_unwatch(&shim->process_watch, &shim->process_fd);
        shim->supervisor = NULL;
        shim_unref(shim);
    }
    fd_close(s->refill_fd);
    fd_close(s->wake_fd);
    fd_close(s->epoll_fd);
    fd_close(s->image_fd);
    fd_close(s->root_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free((char *)s->options.exec_root);
    free((char *)s->options.shim_path);
    free(s);
}
