/* manifest create, annotate, rm: lists of manifests on this machine. */
#include <stdio.h>
#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/manifest_platform.h"
#include "cmd/dory/manifest_remote.h"

/* ---- create ---- */

struct create_flags {
    bool amend, insecure;
};

#define AT(member) offsetof(struct create_flags, member)
static const struct option create_options[] = {
    {"amend", 'a', OPTION_BOOL, AT(amend), NULL, "Amend an existing manifest list", 0, 0, NULL},
    {"insecure", 0, OPTION_BOOL, AT(insecure), NULL, "Allow communication with an insecure registry", 0, 0, NULL},
    {0},
};
#undef AT

/* One manifest: from the list if it is there already, with what was annotated; else from its registry. */
static int find_manifest(struct cli *cli, const struct reference *list, const struct reference *ref, bool insecure,
                         struct json **ret, struct error *err)
{
    CLEANUP_MANIFEST_REMOTE struct manifest_remote remote = {0};
    struct error failure = {0};
    int r = manifest_store_get(cli, list, ref, ret, &failure);
    if (r == 0)
        return 0;
    if (failure.kind != ERROR_NOT_FOUND)
        return error_propagate(err, &failure);
    r = manifest_remote_get(cli, ref, insecure, &remote, err);
    if (r < 0)
        return r;
    if (remote.is_list) {
        CLEANUP_FREE char *name = reference_full(ref);
        return error_set(err, ERROR_INVALID, 0, "%s is a manifest list", name);
    }
    *ret = TAKE_PTR(remote.entry);
    return 0;
}

/* All of them are found before the first is written. */
static int create_all(struct cli *cli, const struct reference *list, const struct strv *arguments, bool insecure,
                      struct error *err)
{
    size_t count = arguments->count - 1;
    struct reference *CLEANUP_FREE refs = xcalloc(count, sizeof(*refs));
    struct manifest_list CLEANUP_MANIFEST_LIST entries = {.items = xcalloc(count, sizeof(struct json *))};
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = manifest_reference(arguments->items[i + 1], &refs[i], err);
        if (r == 0)
            r = find_manifest(cli, list, &refs[i], insecure, &entries.items[i], err);
        entries.count += r == 0;
    }
    for (size_t i = 0; r == 0 && i < count; i++)
        r = manifest_store_put(cli, list, &refs[i], entries.items[i], err);
    for (size_t i = 0; i < count; i++)
        reference_release(&refs[i]);
    return r;
}

static int run_create(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct create_flags *flags = data;
    CLEANUP(reference_release) struct reference list = {0};
    CLEANUP_MANIFEST_LIST struct manifest_list existing = {0};
    struct error none = {0};
    if (manifest_reference(arguments->items[0], &list, err) < 0)
        return error_context(err, "error parsing name for manifest list %s", arguments->items[0]);
    int r = manifest_store_list(cli, &list, &existing, &none);
    if (r < 0 && none.kind != ERROR_NOT_FOUND)
        return error_propagate(err, &none);
    if (r == 0 && !flags->amend)
        return error_set(err, ERROR_CONFLICT, 0, "refusing to amend an existing manifest list with no --amend flag");
    r = create_all(cli, &list, arguments, flags->insecure, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *name = reference_full(&list);
    printf("Created manifest list %s\n", name);
    return 0;
}

const struct command command_manifest_create = {
    .name = "manifest create",
    .usage = "MANIFEST_LIST MANIFEST [MANIFEST...]",
    .summary = "Create a local manifest list for annotating and pushing to a registry",
    .options = create_options,
    .flags_size = sizeof(struct create_flags),
    .min_arguments = 2,
    .max_arguments = -1,
    .run = run_create,
};

/* ---- annotate ---- */

struct annotate_flags {
    char *arch, *os, *os_version, *variant;
    struct strv os_features;
};

#define AT(member) offsetof(struct annotate_flags, member)
static const struct option annotate_options[] = {
    {"arch", 0, OPTION_STRING, AT(arch), "string", "Set architecture", 0, 0, NULL},
    {"os", 0, OPTION_STRING, AT(os), "string", "Set operating system", 0, 0, NULL},
    {"os-features", 0, OPTION_LIST, AT(os_features), "strings", "Set operating system feature", 0, 0, NULL},
    {"os-version", 0, OPTION_STRING, AT(os_version), "string", "Set operating system version", 0, 0, NULL},
    {"variant", 0, OPTION_STRING, AT(variant), "string", "Set architecture variant", 0, 0, NULL},
    {0},
};

static int run_annotate(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct annotate_flags *flags = data;
    CLEANUP(reference_release) struct reference list = {0}, ref = {0};
    CLEANUP_JSON struct json *entry = NULL;
    struct error failure = {0};
    if (manifest_reference(arguments->items[0], &list, err) < 0)
        return error_context(err, "annotate: error parsing name for manifest list %s", arguments->items[0]);
    if (manifest_reference(arguments->items[1], &ref, err) < 0)
        return error_context(err, "annotate: error parsing name for manifest %s", arguments->items[1]);
    int r = manifest_store_get(cli, &list, &ref, &entry, &failure);
    if (r < 0 && failure.kind == ERROR_NOT_FOUND)
        return error_set(err, ERROR_NOT_FOUND, 0, "manifest for image %s does not exist in %s", arguments->items[1],
                         arguments->items[0]);
    if (r < 0)
        return error_propagate(err, &failure);
    const struct manifest_platform platform = {.os = flags->os,
                                               .architecture = flags->arch,
                                               .variant = flags->variant,
                                               .version = flags->os_version,
                                               .features = &flags->os_features};
    manifest_platform_set(entry, &platform);
    if (!manifest_platform_valid(entry))
        return error_set(err, ERROR_INVALID, 0, "manifest entry for image has unsupported os/arch combination: %s/%s",
                         flags->os ? flags->os : "", flags->arch ? flags->arch : "");
    return manifest_store_put(cli, &list, &ref, entry, err);
}

const struct command command_manifest_annotate = {
    .name = "manifest annotate",
    .usage = "[OPTIONS] MANIFEST_LIST MANIFEST",
    .summary = "Add additional information to a local image manifest",
    .options = annotate_options,
    .flags_size = sizeof(struct annotate_flags),
    .min_arguments = 2,
    .max_arguments = 2,
    .local = true,
    .run = run_annotate,
};

/* ---- rm ---- */

static int run_rm(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    CLEANUP_STRBUF struct strbuf failures = STRBUF_INIT;
    (void)flags;
    for (size_t i = 0; i < arguments->count; i++) {
        CLEANUP(reference_release) struct reference list = {0};
        struct error failure = {0};
        int r = manifest_reference(arguments->items[i], &list, &failure);
        if (r == 0)
            r = manifest_store_remove(cli, &list, &failure);
        if (r < 0)
            strbuf_addf(&failures, "%s%s", failures.size > 0 ? "\n" : "", failure.message);
    }
    return failures.size == 0 ? 0 : error_set(err, ERROR_NOT_FOUND, 0, "%s", strbuf_str(&failures));
}

const struct command command_manifest_rm = {
    .name = "manifest rm",
    .usage = "MANIFEST_LIST [MANIFEST_LIST...]",
    .summary = "Delete one or more manifest lists from local storage",
    .min_arguments = 1,
    .max_arguments = -1,
    .local = true,
    .run = run_rm,
};
