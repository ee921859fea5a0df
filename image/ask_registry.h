/* Inside of ask_*.c: a question to the first endpoint of a registry that answers. */
#ifndef DORY_IMAGE_ASK_REGISTRY_H
#define DORY_IMAGE_ASK_REGISTRY_H

#include "image/registry.h"

typedef int (*ask_fn)(struct registry *registry, struct http_client *client, void *data, struct error *err);

/* Opens the registry of the domain with these options (their endpoint is set here) and asks. Mirrors are left out: it
 * is the registry itself that is asked. */
int ask_registry(const struct registry_config *config, const char *domain, struct registry_options *options, ask_fn ask,
                 void *data, struct error *err);

/* The platform of an image, as its config tells it, as an object of the OCI image index. */
int ask_config_platform(struct registry *registry, struct http_client *client, const struct descriptor *config,
                        struct json_writer *w, struct error *err);

#endif
