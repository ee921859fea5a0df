/*
 * Endpoints of the API that dory does not have yet. They say so, by name, instead of looking like a wrong address. The
 * table is the last one that is searched, so a row here ends when another table gets it.
 */
#include "api/request.h"

static int missing(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)engine;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "%s %s is not implemented", request->route->method,
                     request->route->pattern);
}

const struct api_route api_missing_routes[] = {
    {"PUT", "/volumes/{}", missing, 0},
    {0},
};
