/*
 * Credentials of registries: config.json ("auths" in base64), or the programs docker-credential-NAME that "credsStore"
 * and "credHelpers" name (the protocol of docker-credential-helpers: a verb as argument, JSON on standard input and
 * output).
 */
#ifndef DORY_CMD_DORY_CREDENTIALS_H
#define DORY_CMD_DORY_CREDENTIALS_H

#include "base/strbuf.h"
#include "cmd/dory/command.h"

/* Key of Docker Hub. */
#define CREDENTIALS_HUB "https://index.docker.io/v1/"

struct credentials {
    char *server, *username, *password, *token; /* token: identity token in place of the password */
};
#define CLEANUP_CREDENTIALS CLEANUP(credentials_release)
void credentials_release(struct credentials *credentials);

/* The key of a registry given by the user: without scheme and path, Docker Hub under its old URL. The caller frees. */
char *credentials_key(const char *server);
/* Fills ret; without credentials only its server. An error is a store that failed. */
int credentials_get(const struct cli *cli, const char *server, struct credentials *ret, struct error *err);
/* *ret_file is set when they went into config.json unencrypted. */
int credentials_store(const struct cli *cli, const struct credentials *credentials, bool *ret_file, struct error *err);
/* Nothing to erase is a success. */
int credentials_erase(const struct cli *cli, const char *server, struct error *err);
/* As the daemon takes them: JSON, appended to out. */
void credentials_write(const struct credentials *credentials, struct strbuf *out);

#endif
