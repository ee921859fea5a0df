/* Swarm's objects, answered as docker answers on a node outside of a swarm. */
#include "api/server.h"

static int no_manager(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)request;
    (void)engine;
    return error_set(err, ERROR_UNAVAILABLE, 0,
                     "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
                     "this node to swarm and try again.");
}

static int not_in_swarm(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)request;
    (void)engine;
    return error_set(err, ERROR_UNAVAILABLE, 0, "This node is not part of a swarm");
}

static int no_swarm_mode(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)request;
    (void)engine;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "swarm mode is not implemented");
}

static int no_plugins(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

    (void)engine;
    (void)err;
    strbuf_adds(&out, "[]");
    return api_reply_json(request, 200, &out);
}

static int no_plugin(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)engine;
    return error_set(err, ERROR_NOT_FOUND, 0, "plugin \"%s\" not found", api_path(request, 0));
}

static int no_plugin_installation(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)request;
    (void)engine;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "plugins are not implemented");
}

#define OBJECTS(name)                                                                                                  \
    {"GET", "/" name, no_manager, 0}, {"POST", "/" name "/create", no_manager, API_BODY_JSON},                         \
        {"GET", "/" name "/{}", no_manager, 0}, {"DELETE", "/" name "/{}", no_manager, 0},                             \
        {"POST", "/" name "/{}/update", no_manager, API_BODY_JSON},                                                    \
    {                                                                                                                  \
        "GET", "/" name "/{}/logs", no_manager, 0                                                                      \
    }

const struct api_route api_swarm_routes[] = {
    {"GET", "/swarm", no_manager, 0},
    {"GET", "/swarm/unlockkey", no_manager, 0},
    {"POST", "/swarm/init", no_swarm_mode, API_BODY_JSON},
    {"POST", "/swarm/join", no_swarm_mode, API_BODY_JSON},
    {"POST", "/swarm/leave", not_in_swarm, 0},
    {"POST", "/swarm/update", no_manager, API_BODY_JSON},
    {"POST", "/swarm/unlock", not_in_swarm, API_BODY_JSON},
    OBJECTS("nodes"),
    OBJECTS("services"),
    OBJECTS("tasks"),
    OBJECTS("secrets"),
    OBJECTS("configs"),
    {"GET", "/plugins", no_plugins, 0},
    {"GET", "/plugins/{*}/json", no_plugin, 0},
    {"GET", "/plugins/privileges", no_plugin_installation, 0},
    {"POST", "/plugins/pull", no_plugin_installation, API_BODY_JSON},
    {"POST", "/plugins/create", no_plugin_installation, 0},
    {"POST", "/plugins/{*}/enable", no_plugin, 0},
    {"POST", "/plugins/{*}/disable", no_plugin, 0},
    {"POST", "/plugins/{*}/push", no_plugin, 0},
    {"POST", "/plugins/{*}/set", no_plugin, API_BODY_JSON},
    {"DELETE", "/plugins/{*}", no_plugin, 0},
    {0},
};
