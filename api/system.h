/* Handlers of system.c that have a file of their own. Private to api/. */
#ifndef DORY_API_SYSTEM_H
#define DORY_API_SYSTEM_H

#include "api/server.h"

int system_version(struct api_request *request, struct engine *engine, struct error *err);
int system_info(struct api_request *request, struct engine *engine, struct error *err);
int system_check(struct api_request *request, struct engine *engine, struct error *err);
int system_events(struct api_request *request, struct engine *engine, struct error *err);
int system_disk_usage(struct api_request *request, struct engine *engine, struct error *err);

extern const char api_git_commit[]; /* that the daemon was built from */

/* "amd64" for "x86_64": Go's name of a machine as uname(2) has it; the machine itself when there is none. */
const char *system_architecture(const char *machine);

#endif
