#include "api/buildkit/buildkit.h"

#include <string.h>

#include "api/buildkit/service.h"
#include "api/request.h"
#include "api/server_private.h"
#include "base/memory.h"

struct buildkit *buildkit_new(void)
{
    struct buildkit *buildkit = xcalloc(1, sizeof(*buildkit));
    session_list_init(&buildkit->sessions);
    solve_list_init(&buildkit->solves);
    upload_list_init(&buildkit->uploads);
    pthread_mutex_init(&buildkit->lock, NULL);
    return buildkit;
}

void buildkit_free(struct buildkit *buildkit)
{
    if (!buildkit)
        return;
    solve_list_release(&buildkit->solves);
    upload_list_release(&buildkit->uploads);
    session_list_release(&buildkit->sessions);
    pthread_mutex_destroy(&buildkit->lock);
    free(buildkit);
}

/* ---- connections, so that the daemon can end ---- */

struct buildkit_connection {
    struct http2 *connection;
    struct buildkit_connection *next;
};

void buildkit_stop(struct buildkit *buildkit)
{
    pthread_mutex_lock(&buildkit->lock);
    buildkit->stopping = true;
    for (struct buildkit_connection *c = buildkit->connections; c; c = c->next)
        http2_close(c->connection);
    pthread_mutex_unlock(&buildkit->lock);
}

/* Waits for the end of the connection. */
static void stay(struct buildkit *buildkit, struct http2 *connection)
{
    struct buildkit_connection own = {.connection = connection};
    pthread_mutex_lock(&buildkit->lock);
    own.next = buildkit->connections;
    buildkit->connections = &own;
    if (buildkit->stopping)
        http2_close(connection);
    pthread_mutex_unlock(&buildkit->lock);
    http2_wait(connection);
    pthread_mutex_lock(&buildkit->lock);
    struct buildkit_connection **place = &buildkit->connections;
    while (*place != &own)
        place = &(*place)->next;
    *place = own.next;
    pthread_mutex_unlock(&buildkit->lock);
}

#define CONTROL "/moby.buildkit.v1.Control/"
#define GATEWAY "/moby.buildkit.v1.frontend.LLBBridge/"
static const struct grpc_method methods[] = {
    {CONTROL "Info", control_info},
    {CONTROL "ListWorkers", control_list_workers},
    {CONTROL "Solve", control_solve},
    {CONTROL "Status", control_status},
    {CONTROL "Session", control_session},
    {CONTROL "DiskUsage", control_disk_usage},
    {CONTROL "Prune", control_prune},
    {CONTROL "ListenBuildHistory", control_listen_history},
    {CONTROL "UpdateBuildHistory", control_update_history},
    {GATEWAY "Ping", gateway_ping},
    {GATEWAY "Solve", gateway_solve},
    {GATEWAY "Evaluate", gateway_evaluate},
    {GATEWAY "Return", gateway_return},
    {0},
};

static void serve(struct http2_stream *stream, void *data)
{
    grpc_serve(stream, methods, data);
}

static int check_upgrade(struct api_request *request, struct error *err)
{
    const char *protocol = api_header(request, "Upgrade");
    if (!request_wants_upgrade(request) || !protocol)
        return error_set(err, ERROR_INVALID, 0, "no upgrade proto in request");
    if (strcasecmp(protocol, "h2c") != 0)
        return error_set(err, ERROR_INVALID, 0, "protocol %.100s not supported", protocol);
    request->hijack_protocol = "h2c";
    return 0;
}

int buildkit_handle_grpc(struct api_request *request, struct engine *engine, struct error *err)
{
    struct service service = {.buildkit = api_server_buildkit(request->server), .engine = engine};
    CLEANUP_HTTP2 struct http2 *connection = NULL;
    int fd;
    int r = check_upgrade(request, err);
    if (r == 0)
        r = api_hijack(request, "application/grpc", &fd, err);
    if (r == 0)
        r = http2_new(fd, serve, &service, &connection, err);
    if (r == 0)
        stay(service.buildkit, connection);
    return r;
}

int buildkit_handle_session(struct api_request *request, struct engine *engine, struct error *err)
{
    struct buildkit *buildkit = api_server_buildkit(request->server);
    struct session_list *list = &buildkit->sessions;
    const char *id = api_header(request, "X-Docker-Expose-Session-Uuid");
    const char *shared_key = api_header(request, "X-Docker-Expose-Session-Sharedkey");
    struct http2 *connection = NULL;
    int fd;
    (void)engine;
    int r = check_upgrade(request, err);
    if (r == 0 && (!id || !*id || strlen(id) > SESSION_ID_MAX))
        r = error_set(err, ERROR_INVALID, 0, "a session needs an id (X-Docker-Expose-Session-Uuid)");
    if (r == 0)
        r = api_hijack(request, "application/grpc", &fd, err);
    if (r == 0)
        r = http2_new(fd, NULL, NULL, &connection, err);
    if (r < 0)
        return r;
    struct session *session = session_add(list, id, shared_key, http2_ref(connection));
    stay(buildkit, connection);
    session_remove(list, session);
    http2_unref(connection);
    return 0;
}
