/*
 * BuildKit's front door: what `docker build` with buildx, `docker buildx bake` and Compose 2.x open instead of POST
 * /build in its classic form. The client takes POST /grpc for calls to the daemon (control.c, gateway.c) and POST
 * /session for those that the daemon makes to it: files, secrets, credentials, agents, results (session*.c). Both are
 * HTTP/2 with gRPC. The work is the builder's own (daemon/build/build.h); LLB and frontends other than the Dockerfile's
 * are refused.
 *
 * Private to api/. The protocol's messages: buildkit.proto; facts from github.com/moby/buildkit.
 */
#ifndef DORY_API_BUILDKIT_BUILDKIT_H
#define DORY_API_BUILDKIT_BUILDKIT_H

#include "api/server.h"

/* What the connections of one daemon share: sessions and builds. */
struct buildkit;
struct buildkit *buildkit_new(void);
void buildkit_free(struct buildkit *buildkit);
/* Breaks all connections, and every one that comes later. */
void buildkit_stop(struct buildkit *buildkit);

/* The version of BuildKit whose behaviour is offered. */
#define BUILDKIT_VERSION "v0.13.0"

/* Handlers of POST /session and POST /grpc; they return when the connection has ended. */
int buildkit_handle_session(struct api_request *request, struct engine *engine, struct error *err);
int buildkit_handle_grpc(struct api_request *request, struct engine *engine, struct error *err);

/* build_request.c: POST /build?version=2, the older front door: the BuildKit inside docker's CLI before 23. Files,
 * secrets and credentials come from the session that the request names, the context also as its body, or as that of
 * another request for the same build; the answer is a stream of JSON with BuildKit's messages. */
int buildkit_handle_build(struct api_request *request, struct engine *engine, struct error *err);
/* POST /build/cancel: the build that gave this id, if there is one. */
void buildkit_cancel(struct buildkit *buildkit, const char *build_id);

#endif
