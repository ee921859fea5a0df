/* The daemon as a whole: ping, version, info, events, disk usage. */
#include "api/system.h"

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

const struct api_route api_system_routes[] = {
    {"GET", "/_ping", ping, 0},
    {"GET", "/version", system_version, 0},
    {"GET", "/info", system_info, 0},
    {"GET", "/events", system_events, API_STREAM},
    {"GET", "/system/df", system_disk_usage, 0},
    {"POST", "/system/check", system_check, 0},
    {0},
};
