#include "daemon/events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/fd.h"
#include "base/timestamp.h"

#define RECORD_SEPARATOR '\x1e'

/* One event, shared by the history and every queue that holds it. */
struct shared_event {
    int references; /* under events->lock */
    struct event event;
};

struct events {
    pthread_mutex_t lock;
    struct shared_event *kept[EVENTS_KEPT]; /* ring */
    size_t first, count;
    int64_t total;
    struct events_subscription *subscriptions;
};

struct events_subscription {
    struct events *events;
    struct events_subscription *next;
    int wake_fd;
    int64_t until;
    const struct json *filters;
    struct shared_event **queue;
    size_t count, capacity;
};

struct events *events_new(void)
{
    struct events *events = xcalloc(1, sizeof(*events));
    pthread_mutex_init(&events->lock, NULL);
    return events;
}

static void shared_unref(struct shared_event *e)
{
    if (--e->references > 0)
        return;
    free(e->event.action);
    free(e->event.id);
    strmap_release(&e->event.attributes);
    free(e);
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    for (size_t i = 0; i < events->count; i++)
        shared_unref(events->kept[(events->first + i) % EVENTS_KEPT]);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

static void keep(struct events *events, struct shared_event *e)
{
    if (events->count == EVENTS_KEPT) {
        shared_unref(events->kept[events->first]);
        events->first = (events->first + 1) % EVENTS_KEPT;
        events->count--;
    }
    events->kept[(events->first + events->count++) % EVENTS_KEPT] = e;
    e->references++;
}

static void enqueue(struct events_subscription *s, struct shared_event *e)
{
    if (s->count == EVENTS_QUEUE_MAX) {
        shared_unref(s->queue[0]);
        memmove(s->queue, s->queue + 1, (s->count - 1) * sizeof(*s->queue));
        s->count--;
    }
    xgrow((void **)&s->queue, s->count, &s->capacity, sizeof(*s->queue));
    s->queue[s->count++] = e;
    e->references++;
}

void events_publish(struct events *events, const char *type, const char *action, const char *id,
                    const struct strmap *attributes)
{
    struct shared_event *e = xcalloc(1, sizeof(*e));
    e->references = 1;
    e->event =
        (struct event){.time = timestamp_now(), .type = type, .action = xstrdup(action), .id = xstrdup(id ? id : "")};
    if (attributes != NULL)
        strmap_copy(&e->event.attributes, attributes);
    pthread_mutex_lock(&events->lock);
    keep(events, e);
    events->total++;
    for (struct events_subscription *s = events->subscriptions; s != NULL; s = s->next) {
        if (!event_matches(&e->event, s->filters))
            continue;
        enqueue(s, e);
        eventfd_write(s->wake_fd, 1);
    }
    shared_unref(e);
    pthread_mutex_unlock(&events->lock);
}

int64_t events_total(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    int64_t total = events->total;
    pthread_mutex_unlock(&events->lock);
    return total;
}

void events_publish_prune(struct events *events, const char *type, int64_t reclaimed)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    CLEANUP_FREE char *text = xasprintf("%lld", (long long)reclaimed);
    strmap_set(&attributes, "reclaimed", text);
    events_publish(events, type, "prune", "", &attributes);
}

/* "create", but also "exec_create: sh" for the filter "exec_create". */
static bool action_matches(const char *action, const char *wanted)
{
    size_t size = strlen(wanted);
    return strncmp(action, wanted, size) == 0 && (action[size] == '\0' || action[size] == ':');
}

static bool is_object(const struct event *e, const char *type, const char *wanted)
{
    if (strcmp(e->type, type) != 0)
        return false;
    const char *name = strmap_get(&e->attributes, "name");
    size_t size = strlen(wanted);
    return strcmp(e->id, wanted) == 0 || (name != NULL && strcmp(name, wanted) == 0) ||
           (size >= 4 && strncmp(e->id, wanted, size) == 0);
}

/* The image of a container, or an image itself, with or without its tag. */
static bool is_image(const struct event *e, const char *wanted)
{
    const char *image =
        strcmp(e->type, "image") == 0 ? strmap_get(&e->attributes, "name") : strmap_get(&e->attributes, "image");
    if (strcmp(e->type, "image") == 0 && strcmp(e->id, wanted) == 0)
        return true;
    if (image == NULL)
        return false;
    size_t size = strlen(wanted);
    return strncmp(image, wanted, size) == 0 && (image[size] == '\0' || image[size] == ':');
}

static bool has_label(const struct event *e, const char *wanted)
{
    const char *equals = strchr(wanted, '=');
    CLEANUP_FREE char *key = xstrndup(wanted, equals ? (size_t)(equals - wanted) : strlen(wanted));
    const char *value = strmap_get(&e->attributes, key);
    return value != NULL && (equals == NULL || strcmp(value, equals + 1) == 0);
}

static bool matches_one(const struct event *e, const char *name, const char *wanted)
{
    if (strcmp(name, "type") == 0)
        return strcmp(e->type, wanted) == 0;
    if (strcmp(name, "event") == 0)
        return action_matches(e->action, wanted);
    if (strcmp(name, "image") == 0)
        return is_image(e, wanted);
    if (strcmp(name, "label") == 0)
        return has_label(e, wanted);
    if (strcmp(name, "scope") == 0)
        return strcmp(wanted, "local") == 0;
    return is_object(e, name, wanted); /* container, volume, network, daemon, plugin... */
}

bool event_matches(const struct event *event, const struct json *filters)
{
    if (filters == NULL || filters->kind != JSON_OBJECT)
        return true;
    for (size_t i = 0; i < filters->object.count; i++) {
        const struct json *values = &filters->object.values[i];
        bool any = json_count(values) == 0, all = true;
        for (size_t j = 0; j < json_count(values); j++) {
            const char *wanted = json_string(json_at(values, j));
            bool match = wanted != NULL && matches_one(event, filters->object.keys[i], wanted);
            any = any || match;
            all = all && match;
        }
        if (strcmp(filters->object.keys[i], "label") == 0 ? !all : !any)
            return false;
    }
    return true;
}

void event_write_json(const struct event *e, unsigned form, struct strbuf *out)
{
    struct json_writer w;
    if (form & EVENT_SEPARATED)
        strbuf_addc(out, RECORD_SEPARATOR);
    json_writer_init(&w, out);
    json_begin_object(&w);
    bool container = strcmp(e->type, "container") == 0;
    if ((form & EVENT_OLD_MEMBERS) && (container || strcmp(e->type, "image") == 0)) {
        json_member_string(&w, "status", e->action);
        json_member_string(&w, "id", e->id);
        const char *from = strmap_get(&e->attributes, "image");
        if (container && from != NULL)
            json_member_string(&w, "from", from);
    }
    json_member_string(&w, "Type", e->type);
    json_member_string(&w, "Action", e->action);
    json_key(&w, "Actor");
    json_begin_object(&w);
    json_member_string(&w, "ID", e->id);
    json_key(&w, "Attributes");
    json_begin_object(&w);
    for (size_t i = 0; i < e->attributes.count; i++)
        json_member_string(&w, e->attributes.items[i].key, e->attributes.items[i].value);
    json_end_object(&w);
    json_end_object(&w);
    json_member_string(&w, "scope", "local");
    json_member_int(&w, "time", e->time / 1000000000);
    json_member_int(&w, "timeNano", e->time);
    json_end_object(&w);
    strbuf_addc(out, '\n');
}

struct events_subscription *events_subscribe(struct events *events, int64_t since, int64_t until,
                                             const struct json *filters)
{
    struct events_subscription *s = xcalloc(1, sizeof(*s));
    s->events = events;
    s->until = until;
    s->filters = filters;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_lock(&events->lock);
    for (size_t i = 0; i < events->count && (since != 0 || until != 0); i++) {
        struct shared_event *e = events->kept[(events->first + i) % EVENTS_KEPT];
        if (since != 0 && e->event.time >= since && event_matches(&e->event, filters))
            enqueue(s, e);
    }
    s->next = events->subscriptions;
    events->subscriptions = s;
    pthread_mutex_unlock(&events->lock);
    return s;
}

size_t events_subscribers(struct events *events)
{
    size_t count = 0;
    pthread_mutex_lock(&events->lock);
    for (const struct events_subscription *s = events->subscriptions; s != NULL; s = s->next)
        count++;
    pthread_mutex_unlock(&events->lock);
    return count;
}

void events_unsubscribe(struct events_subscription *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->events->lock);
    struct events_subscription **at = &s->events->subscriptions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    for (size_t i = 0; i < s->count; i++)
        shared_unref(s->queue[i]);
    pthread_mutex_unlock(&s->events->lock);
    fd_close(s->wake_fd);
    free(s->queue);
    free(s);
}

static bool is_hidden(const struct event *e, unsigned form)
{
    return (form & EVENT_NO_IMAGE_CREATE) && strcmp(e->type, "image") == 0 && strcmp(e->action, "create") == 0;
}

/* 1: written, 0: nothing queued, -1: the event lies beyond `until` */
static int take_queued(struct events_subscription *s, unsigned form, struct strbuf *out)
{
    pthread_mutex_lock(&s->events->lock);
    int result = 0;
    while (result == 0 && s->count > 0) {
        struct shared_event *e = s->queue[0];
        s->count--;
        memmove(s->queue, s->queue + 1, s->count * sizeof(*s->queue));
        if (s->until != 0 && e->event.time > s->until)
            result = -1;
        else if (!is_hidden(&e->event, form))
            result = 1;
        if (result > 0)
            event_write_json(&e->event, form, out);
        shared_unref(e);
    }
    pthread_mutex_unlock(&s->events->lock);
    return result;
}

int events_next(struct events_subscription *s, int cancel_fd, unsigned form, struct strbuf *out)
{
    for (;;) {
        int taken = take_queued(s, form, out);
        if (taken != 0)
            return taken > 0;
        struct timespec wait = {0}, *timeout = NULL;
        if (s->until != 0) {
            int64_t left = s->until - timestamp_now();
            if (left <= 0)
                return 0;
            wait = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
            timeout = &wait;
        }
        struct pollfd fds[2] = {{.fd = s->wake_fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN | POLLRDHUP}};
        int r = ppoll(fds, 2, timeout, NULL);
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0 && fds[1].revents != 0)
            return -ECANCELED;
        eventfd_t drained;
        eventfd_read(s->wake_fd, &drained);
    }
}
