/* The daemon as a whole: ping, version, info, events, disk usage, log-in. */
#include "api/system.h"

#include <errno.h>

#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/events.h"

static int ping(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)engine;
    (void)err;
    api_reply_header(request, "Builder-Version", "2");
    api_reply_header(request, "Cache-Control", "no-cache, no-store, must-revalidate");
    api_reply_header(request, "Pragma", "no-cache");
    api_reply_header(request, "Swarm", "inactive");
    return api_reply_text(request, 200, "text/plain; charset=utf-8", "OK");
}

static const char *const event_filters[] = {"config", "container", "daemon", "event",  "image",
                                            "label",  "network",   "node",   "plugin", "scope",
                                            "secret", "service",   "type",   "volume", NULL};

/* "since" and "until"; absent is 0. */
static int event_time(const struct api_request *request, const char *name, int64_t *ret, struct error *err)
{
    const char *text = api_query(request, name);

    *ret = 0;
    if (!text || !*text)
        return 0;
    if (timestamp_parse_human(text, timestamp_now(), ret) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value for '%s': %.100s is no point in time", name, text);
    if (*ret <= 0)
        *ret = 1; /* the epoch: since ever */
    return 0;
}

static int events(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct events_subscription *subscription;
    int64_t since, until;
    int r = api_filters(request, event_filters, &filters, err);

    if (r == 0)
        r = event_time(request, "since", &since, err);
    if (r == 0)
        r = event_time(request, "until", &until, err);
    if (r < 0)
        return r;
    if (until > 0 && since > until)
        return error_set(err, ERROR_INVALID, 0, "`since` time (%s) cannot be after `until` time (%s)",
                         api_query(request, "since"), api_query(request, "until"));
    subscription = events_subscribe(engine_events(engine), since, until, filters);
    r = api_stream_begin(request, 200, "application/json");
    while (r == 0 && events_next(subscription, api_client_fd(request), &out) > 0) {
        r = api_stream_write(request, out.data, out.size);
        strbuf_clear(&out);
    }
    events_unsubscribe(subscription);
    return 0;
}

const struct api_route api_system_routes[] = {
    {"GET", "/_ping", ping, 0},
    {"GET", "/version", system_version, 0},
    {"GET", "/info", system_info, 0},
    {"GET", "/events", events, API_STREAM},
    {"GET", "/system/df", system_disk_usage, 0},
    {"POST", "/system/check", system_check, 0},
    {0},
};
