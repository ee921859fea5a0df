/*
 * Authorization plugins (the setting authorization-plugins), as docker's documentation has them ("Access authorization
 * plugin"): each is asked before a request is handled (AuthZPlugin.AuthZReq) and before its answer goes out
 * (AuthZPlugin.AuthZRes). The first that does not allow it, or fails, ends it.
 */
#ifndef DORY_API_AUTHZ_H
#define DORY_API_AUTHZ_H

#include "api/server.h"

/* Every plugin is there and says that it authorizes. Blocks. */
int authz_check(const struct strv *plugins, struct error *err);
/* ERROR_FORBIDDEN: "authorization denied by plugin NAME: MESSAGE"; ERROR_SYSTEM: it cannot tell. */
int authz_request(const struct api_request *request, const struct strv *plugins, struct error *err);
/* The reply, which stands but for the sending; of one that is under way already (a stream, a connection that was taken
 * over) the status alone, and nothing can be taken back. */
int authz_response(const struct api_request *request, const struct strv *plugins, struct error *err);

#endif
