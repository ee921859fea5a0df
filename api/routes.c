#include <string.h>

#include "api/request.h"

static const struct api_route *const tables[] = {
    api_system_routes,
    api_container_routes,
    api_archive_routes,
    api_exec_routes,
    api_stream_routes,
    api_registry_routes,
    api_registry_manifest_routes,
    api_image_routes,
    api_volume_routes,
    api_network_routes,
    api_swarm_routes,
    api_build_routes,
    api_missing_routes,
};

/* As docker's: every path may be asked, and nothing is told. */
static int options(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)engine;
    (void)err;
    return api_reply_empty(request, 200);
}

static const struct api_route options_route = {"OPTIONS", "/", options, 0};

const struct api_route *api_find_route(const char *method, const char *path, struct strv *values, struct error *err)
{
    if (strcmp(method, "OPTIONS") == 0)
        return &options_route;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        for (const struct api_route *route = tables[i]; route->method; route++) {
            int r;

            if (strcmp(route->method, method) != 0)
                continue;
            r = target_match(path, route->pattern, values);
            if (r > 0)
                return route;
            if (r < 0) {
                error_set(err, ERROR_INVALID, 0, "invalid URL escape in the path");
                return NULL;
            }
            strv_clear(values);
        }
    }
    /* A method that a path does not have is docker's 404 too. */
    error_set(err, ERROR_NOT_FOUND, 0, "page not found");
    return NULL;
}
