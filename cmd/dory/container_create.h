/* POST /containers/create as run and create do it: with the image pulled when it is missing. */
#ifndef DORY_CMD_DORY_CONTAINER_CREATE_H
#define DORY_CMD_DORY_CONTAINER_CREATE_H

#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/container_flags.h"

/* *ret_id (the caller frees) is the new container's id; warnings are printed; --cidfile is written. */
int container_create(struct cli *cli, const struct container_flags *flags, const struct strv *arguments, char **ret_id,
                     struct error *err);

/* Did it fail for the command line, or (false) because of the daemon? */
bool container_create_is_usage_error(const struct error *err);

/* Pulls with the progress shown on `output` (stderr for run, stdout for pull); quiet shows none. */
struct pull_options {
    const char *reference, *platform;
    bool quiet, all_tags;
    int output_fd;
};
int image_pull_command(struct cli *cli, const struct pull_options *options, struct error *err);

/*
 * Shows a JSON progress stream the way docker does: one line per layer rewritten in place on a terminal, plain lines
 * otherwise. An {"error"} line becomes the error.
 */
int progress_show(struct client_response *response, int output_fd, bool quiet, struct error *err);

/* The same for streams that carry more. */
struct progress_stream {
    int output_fd;
    bool quiet; /* nothing is shown */
    /* Of every {"aux": ...}; may be NULL. */
    void (*aux)(const struct json *aux, void *data);
    void *data;
    int error_code; /* out: errorDetail.code of the error line; 0: it had none */
};
int progress_follow(struct client_response *response, struct progress_stream *stream, struct error *err);

/* Pushes NAME[:TAG] and shows how it goes. */
int image_push_command(struct cli *cli, const char *reference, bool quiet, struct error *err);

/* The X-Registry-Auth header line for a registry from config.json ("auths", credsStore, credHelpers), or NULL when
 * there are no credentials. The caller frees. */
char *registry_auth_header(const struct cli *cli, const char *reference);

#endif
