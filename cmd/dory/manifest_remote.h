/* Manifests in registries, asked for and sent through the daemon (GET and POST /distribution/NAME/manifest). */
#ifndef DORY_CMD_DORY_MANIFEST_REMOTE_H
#define DORY_CMD_DORY_MANIFEST_REMOTE_H

#include "cmd/dory/manifest_store.h"

struct manifest_remote {
    struct json *entry; /* as the store keeps it; of an image or a list */
    bool is_list;
    struct json *document; /* the manifest or list itself */
};
void manifest_remote_release(struct manifest_remote *remote);
#define CLEANUP_MANIFEST_REMOTE CLEANUP(manifest_remote_release)

/* Released in every case. None of that name is ERROR_NOT_FOUND: "no such manifest: X". */
int manifest_remote_get(struct cli *cli, const struct reference *ref, bool insecure, struct manifest_remote *ret,
                        struct error *err);
/* raw: base64. from: repository of the same registry that has the image's blobs, or NULL. *ret_digest: the caller
 * frees.
 */
int manifest_remote_put(struct cli *cli, const char *where, const char *media_type, const char *raw, const char *from,
                        bool insecure, char **ret_digest, struct error *err);

/* The manifest list of these manifests, compact or as docker prints it ("   "), which is also what is pushed. */
void manifest_list_write(const struct manifest_list *list, struct strbuf *out);

#endif
