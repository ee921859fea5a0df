/* Reading the canonical model (project.h): numbers that may be texts, what a service is called, whom it needs. Pure. */
#ifndef DORY_CMD_DORY_COMPOSE_MODEL_H
#define DORY_CMD_DORY_COMPOSE_MODEL_H

#include "base/json.h"
#include "base/strv.h"
#include "cmd/dory/compose/project.h"

/* A number that may be written as a text, also with a unit ("64m"); `fallback` when it is absent or no number. */
int64_t model_int(const struct json *object, const char *key, int64_t fallback);
/* A number with a fraction, in billionths ("cpus": 0.5 or "0.5"). */
int64_t model_nano(const struct json *object, const char *key);
/* true also where the text says so. */
bool model_bool(const struct json *object, const char *key, bool fallback);
/* A duration in nanoseconds; -1 when it is absent or none. */
int64_t model_duration(const struct json *object, const char *key);
/* Walks the members of an object; 0 members for everything else. */
size_t model_members(const struct json *object);
/* The entries of an object of texts as "key=value", or of a list as they are. A null value is the key alone. */
void model_entries(const struct json *value, struct strv *out);
/* A list of texts, for json_set(). */
struct json *model_list(const struct strv *words);

/* "PROJECT-SERVICE" (or what compose_separator() says), unless the service names an image. The caller frees. */
char *model_image(const struct compose_project *project, const char *service);
/* The container's name: container_name, else "PROJECT-SERVICE-NUMBER". The caller frees. */
char *model_container_name(const struct compose_project *project, const char *service, int number);
/* How many containers it is to have: scale, deploy.replicas, 1. */
int64_t model_scale(const struct json *service);
/* Keys of its networks, those of high priority first, then by name. */
void model_networks(const struct json *service, struct strv *out);
/* The name of the service in "service:NAME" of network_mode, ipc or pid, or NULL. */
const char *model_shared_service(const struct json *service, const char *key);

/* What it waits for, each once: depends_on, links, volumes_from, and namespaces of other services. */
void model_dependencies(const struct json *service, struct strv *out);
/* Is `other` among what `service` needs, directly or not? */
bool model_depends(const struct compose_project *project, const char *service, const char *other);

/*
 * Leaves in `names` what they name and, with `dependencies`, what that needs; all services when it was empty. The order
 * is the model's. Names are known to exist.
 */
void model_select(const struct compose_project *project, struct strv *names, bool dependencies);

#endif
