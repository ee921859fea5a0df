/*
 * Manifest lists that are being made, as docker keeps them below its configuration directory: one directory for each
 * list, manifests/LIST, with one file for each manifest in it. A file holds
 * {"Ref","Descriptor":{"mediaType","digest","size", "platform"},"Raw","SchemaV2Manifest" or "OCIManifest"}.
 */
#ifndef DORY_CMD_DORY_MANIFEST_STORE_H
#define DORY_CMD_DORY_MANIFEST_STORE_H

#include "base/json.h"
#include "cmd/dory/command.h"
#include "image/reference.h"

/* The manifests of one list, in the order of their files' names. */
struct manifest_list {
    struct json **items;
    size_t count;
};
void manifest_list_release(struct manifest_list *list);
#define CLEANUP_MANIFEST_LIST CLEANUP(manifest_list_release)

/* A name as a user gives it, with ":latest" when it has neither tag nor digest. Released in every case. */
int manifest_reference(const char *text, struct reference *ret, struct error *err);

/* No such list is ERROR_NOT_FOUND, in docker's words. */
int manifest_store_list(const struct cli *cli, const struct reference *list, struct manifest_list *ret,
                        struct error *err);
/* One manifest of a list; ERROR_NOT_FOUND likewise. *ret: json_free. */
int manifest_store_get(const struct cli *cli, const struct reference *list, const struct reference *manifest,
                       struct json **ret, struct error *err);
/* Adds it to the list, which is made if need be; replaces one of the same name. */
int manifest_store_put(const struct cli *cli, const struct reference *list, const struct reference *manifest,
                       const struct json *entry, struct error *err);
int manifest_store_remove(const struct cli *cli, const struct reference *list, struct error *err);

#endif
