/*
 * What happened, as `docker events` shows it: the last EVENTS_KEPT events in memory and any number of subscribers.
 * Nothing here is written to disk; a restart of the daemon begins a new history, as docker's does.
 */
#ifndef DORY_DAEMON_EVENTS_H
#define DORY_DAEMON_EVENTS_H

#include <stdint.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/strmap.h"

#define EVENTS_KEPT 256
/* A subscriber that is so far behind loses the oldest events it has not read. */
#define EVENTS_QUEUE_MAX 4096

struct event {
    int64_t time;     /* ns since the epoch */
    const char *type; /* "container" "image" "volume" "network": a literal */
    char *action;
    char *id;
    struct strmap attributes;
};

struct events;
struct events *events_new(void);
void events_free(struct events *events); /* no subscriber may be left */

/* Publishes; everything is copied except type, which must be a literal. attributes may be NULL. Never blocks on a
 * subscriber. */
void events_publish(struct events *events, const char *type, const char *action, const char *id,
                    const struct strmap *attributes);

/* "prune" of a type (a literal), with the bytes that became free. */
void events_publish_prune(struct events *events, const char *type, int64_t reclaimed);

/* The filters of GET /events ({"type":["container"],"event":[...],"container":[...],"image":[...],"label":[...],
 * "volume":[...],"network":[...],"daemon":..., "scope":...}); NULL matches everything. */
bool event_matches(const struct event *event, const struct json *filters);
/* How a client wants them. */
enum event_form {
    EVENT_OLD_MEMBERS = 1 << 0,     /* with status, id and from, as before API 1.52 */
    EVENT_NO_IMAGE_CREATE = 1 << 1, /* without "create" of images, as before API 1.46 */
    EVENT_SEPARATED = 1 << 2,       /* each begins with a record separator (RFC 7464) */
};
/* One line of the API's stream in docker's JSON, with newline. */
void event_write_json(const struct event *event, unsigned form, struct strbuf *out);

struct events_subscription;
/* since/until: ns since the epoch, 0 for none. With since, kept events from then on are delivered first. filters is
 * borrowed until events_unsubscribe. */
struct events_subscription *events_subscribe(struct events *events, int64_t since, int64_t until,
                                             const struct json *filters);
/* How many were published. */
int64_t events_total(struct events *events);
/* How many there are. */
size_t events_subscribers(struct events *events);
void events_unsubscribe(struct events_subscription *subscription);
/*
 * Waits for the next event that matches. 1: its JSON line was appended to out; 0: `until` is reached; -ECANCELED:
 * cancel_fd (may be -1) became readable or hung up.
 */
int events_next(struct events_subscription *subscription, int cancel_fd, unsigned form, struct strbuf *out);

#endif
