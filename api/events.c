/* GET /events */
#include <errno.h>
#include <string.h>

#include "api/media_type.h"
#include "api/system.h"
#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/events.h"

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

/* How events are written, with what the client's version and its Accept header want of it. */
static unsigned stream_form(const struct api_request *request, const char **ret_type)
{
    static const char *const offers[] = {"application/jsonl", "application/x-ndjson", MEDIA_TYPE_JSON_SEQUENCE, NULL};
    unsigned form = 0;

    *ret_type = media_type_accepted(api_header(request, "Accept"), offers);
    if (!*ret_type) /* it never was one JSON text, but was called so */
        *ret_type = api_version(request) < 52 ? "application/json" : offers[0];
    if (api_version(request) < 52)
        form |= EVENT_OLD_MEMBERS;
    if (api_version(request) < 46)
        form |= EVENT_NO_IMAGE_CREATE;
    if (strcmp(*ret_type, MEDIA_TYPE_JSON_SEQUENCE) == 0)
        form |= EVENT_SEPARATED;
    return form;
}

int system_events(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct events_subscription *subscription;
    const char *type;
    unsigned form;
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
    form = stream_form(request, &type);
    subscription = events_subscribe(engine_events(engine), since, until, filters);
    r = api_stream_begin(request, 200, type);
    while (r == 0 && events_next(subscription, api_client_fd(request), form, &out) > 0) {
        r = api_stream_write(request, out.data, out.size);
        strbuf_clear(&out);
    }
    events_unsubscribe(subscription);
    return 0;
}
