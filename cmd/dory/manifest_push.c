/* manifest push: the manifests of a list by their digests, and then the list. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "cmd/dory/manifest_platform.h"
#include "cmd/dory/manifest_remote.h"

#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"

struct push_flags {
    bool insecure, purge;
};

#define AT(member) offsetof(struct push_flags, member)
static const struct option push_options[] = {
    {"insecure", 0, OPTION_BOOL, AT(insecure), NULL, "Allow push to an insecure registry", 0, 0, NULL},
    {"purge", 'p', OPTION_BOOL, AT(purge), NULL, "Remove the local manifest list after push", 0, 0, NULL},
    {0},
};

/* What can be refused is, before anything is sent. */
static int check_entry(const struct json *entry, const struct reference *list, struct error *err)
{
    CLEANUP(reference_release) struct reference ref = {0};
    const char *name = json_get_string(entry, "Ref");
    int r = reference_parse(name ? name : "", &ref, err);
    if (r < 0)
        return error_context(err, "manifest \"%s\" in the list", name ? name : "");
    if (!manifest_platform_valid(entry))
        return error_set(err, ERROR_INVALID, 0,
                         "manifest %s must have an OS and Architecture to be pushed to a registry", name);
    if (strcmp(ref.domain, list->domain) != 0)
        return error_set(err, ERROR_INVALID, 0,
                         "cannot use source images from a different registry than the target image: %s != %s",
                         ref.domain, list->domain);
    return 0;
}

static int push_entry(struct cli *cli, const struct json *entry, const struct reference *list, bool insecure,
                      struct error *err)
{
    CLEANUP(reference_release) struct reference ref = {0};
    const struct json *descriptor = json_get(entry, "Descriptor");
    const char *digest = json_get_string(descriptor, "digest"), *raw = json_get_string(entry, "Raw");
    CLEANUP_FREE char *name = reference_full_name(list);
    CLEANUP_FREE char *where = xasprintf("%s@%s", name, digest ? digest : "");
    CLEANUP_FREE char *pushed = NULL;
    int r = reference_parse(json_get_string(entry, "Ref"), &ref, err);
    if (r == 0 && !raw)
        r = error_set(err, ERROR_INVALID, 0, "the manifest %s is kept without its text", json_get_string(entry, "Ref"));
    if (r == 0)
        r = manifest_remote_put(cli, where, json_get_string(descriptor, "mediaType"), raw,
                                strcmp(ref.path, list->path) == 0 ? NULL : ref.path, insecure, &pushed, err);
    if (r == 0)
        printf("Pushed ref %s with digest: %s\n", where, pushed);
    fflush(stdout);
    return r;
}

static int push_list(struct cli *cli, const struct manifest_list *entries, const struct reference *list, bool insecure,
                     struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, raw = STRBUF_INIT;
    CLEANUP_FREE char *where = reference_full(list);
    CLEANUP_FREE char *pushed = NULL;
    manifest_list_write(entries, &text);
    base64_encode(text.data, text.size, false, &raw);
    int r = manifest_remote_put(cli, where, MEDIA_DOCKER_LIST, strbuf_str(&raw), NULL, insecure, &pushed, err);
    if (r == 0)
        printf("%s\n", pushed);
    return r;
}

static int run_push(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct push_flags *flags = data;
    CLEANUP(reference_release) struct reference list = {0};
    CLEANUP_MANIFEST_LIST struct manifest_list entries = {0};
    int r = manifest_reference(arguments->items[0], &list, err);
    if (r == 0)
        r = manifest_store_list(cli, &list, &entries, err);
    if (r == 0 && entries.count == 0)
        r = error_set(err, ERROR_NOT_FOUND, 0, "%s not found", arguments->items[0]);
    for (size_t i = 0; r == 0 && i < entries.count; i++)
        r = check_entry(entries.items[i], &list, err);
    for (size_t i = 0; r == 0 && i < entries.count; i++)
        r = push_entry(cli, entries.items[i], &list, flags->insecure, err);
    if (r == 0)
        r = push_list(cli, &entries, &list, flags->insecure, err);
    return r == 0 && flags->purge ? manifest_store_remove(cli, &list, err) : r;
}

const struct command command_manifest_push = {
    .name = "manifest push",
    .usage = "[OPTIONS] MANIFEST_LIST",
    .summary = "Push a manifest list to a repository",
    .options = push_options,
    .flags_size = sizeof(struct push_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_push,
};
