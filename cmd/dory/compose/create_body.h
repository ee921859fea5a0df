/*
 * The body of POST /containers/create for a container of a service: what docker's plugin makes of the same canonical
 * model. Pure but for seccomp profiles, which are read.
 */
#ifndef DORY_CMD_DORY_COMPOSE_CREATE_BODY_H
#define DORY_CMD_DORY_COMPOSE_CREATE_BODY_H

#include "base/json.h"
#include "base/strmap.h"
#include "base/strv.h"
#include "cmd/dory/compose/project.h"

struct create_input {
    const struct compose_project *project;
    const char *service;         /* name */
    const struct json *config;   /* the service; what `run` changes is changed in it */
    const char *container_name;  /* the first alias */
    const struct strmap *labels; /* all of them, those of the service included */
    /* What refers to other containers, resolved to them. NULL where the config says it. */
    const char *network_mode, *ipc, *pid;
    struct strv volumes_from, links;
    /* The container that this one replaces, from the list of containers, and its image's configuration; NULL: none.
     * Its anonymous volumes are kept. */
    const struct json *replaced, *image_config;
    bool auto_remove, attach_stdin, use_aliases;
};

/* Appends the body. Sentences about what cannot be honoured are added to warnings. */
int create_body_write(const struct create_input *input, struct strbuf *body, struct strv *warnings, struct error *err);

/* The parts; each writes members into an object that is open. */
void create_body_resources(const struct json *service, struct json_writer *w); /* create_resources.c */
int create_body_mounts(const struct create_input *input, struct json_writer *w, struct strv *warnings,
                       struct error *err); /* create_mounts.c */
/* NetworkingConfig, behind HostConfig. */
void create_body_endpoints(const struct create_input *input, struct json_writer *w); /* create_networks.c */
/* HostConfig.NetworkMode. The caller frees. */
char *create_body_network_mode(const struct create_input *input);

/* The file of a secret or config inside the container ("/run/secrets/NAME"). kind: "secrets" or "configs". The caller
 * frees. */
char *create_file_target(const char *kind, const struct json *reference);
/* Is its contents given in the model or the environment (content, environment), so that it is copied into the
 * container? */
bool create_file_is_inline(const struct json *definition);

#endif
