/*
 * Contexts as docker keeps them below its configuration directory: contexts/meta/ID/meta.json and the TLS files
 * contexts/tls/ID/docker/{ca,cert,key}.pem, ID being the SHA-256 of the name in hex. "default" is none of them: it is
 * what the environment says.
 */
#ifndef DORY_CMD_DORY_CONTEXT_STORE_H
#define DORY_CMD_DORY_CONTEXT_STORE_H

#include "base/json.h"
#include "cmd/dory/command.h"

#define CONTEXT_DEFAULT "default"

/* docker's rule for names. */
bool context_name_valid(const char *name);
/* {"Name","Metadata":{"Description"},"Endpoints":{"docker":{"Host","SkipTLSVerify"}}}. ERROR_NOT_FOUND with docker's
 * words when there is none. *ret: json_free. */
int context_read(const struct cli *cli, const char *name, struct json **ret, struct error *err);
bool context_exists(const struct cli *cli, const char *name);
/* Makes or replaces it. */
int context_write(const struct cli *cli, const char *name, const struct json *meta, struct error *err);
/* Removes it with its TLS files. */
int context_remove(const struct cli *cli, const char *name, struct error *err);
/* Names of all, sorted, without "default". */
int context_list(const struct cli *cli, struct strv *names, struct error *err);
/* Where things lie; the caller frees. `file` is "ca.pem", "cert.pem" or "key.pem"; NULL: their directory. */
char *context_meta_directory(const struct cli *cli, const char *name);
char *context_tls_path(const struct cli *cli, const char *name, const char *file);

#endif
