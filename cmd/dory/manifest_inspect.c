/* manifest inspect: of a list on this machine, of a manifest in it, of a manifest or list in a registry. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json_edit.h"
#include "cmd/dory/manifest_remote.h"

struct inspect_flags {
    bool insecure, verbose;
};

#define AT(member) offsetof(struct inspect_flags, member)
static const struct option inspect_options[] = {
    {"insecure", 0, OPTION_BOOL, AT(insecure), NULL, "Allow communication with an insecure registry", 0, 0, NULL},
    {"verbose", 'v', OPTION_BOOL, AT(verbose), NULL, "Output additional info including layers and platform", 0, 0,
     NULL},
    {0},
};

static void print_tree(const struct json *tree)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    json_print(tree, "\t", 0, &text);
    printf("%s\n", strbuf_str(&text));
}

static int print_manifest(const struct json *entry, bool verbose, struct error *err)
{
    CLEANUP_STRBUF struct strbuf raw = STRBUF_INIT;
    CLEANUP_JSON struct json *document = NULL;
    const char *text = json_get_string(entry, "Raw");
    if (verbose) {
        print_tree(entry);
        return 0;
    }
    if (!text || base64_decode(text, &raw) < 0)
        return error_set(err, ERROR_INVALID, 0, "the manifest is kept without its text");
    int r = json_parse(raw.data ? raw.data : "", raw.size, &document, err);
    if (r == 0)
        print_tree(document);
    return r;
}

static void print_list(const struct manifest_list *list, bool verbose)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (!verbose) {
        manifest_list_write(list, &text);
        printf("%s\n", strbuf_str(&text));
        return;
    }
    strbuf_adds(&text, "[");
    for (size_t i = 0; i < list->count; i++) {
        strbuf_adds(&text, i > 0 ? ",\n\t" : "\n\t");
        json_print(list->items[i], "\t", 1, &text);
    }
    strbuf_adds(&text, list->count > 0 ? "\n]" : "]");
    printf("%s\n", strbuf_str(&text));
}

/* The entry of a list's member: what its own registry says, with the platform that the list says. */
static int get_member(struct cli *cli, const struct reference *list, const struct json *member, bool insecure,
                      struct json **ret, struct error *err)
{
    CLEANUP_MANIFEST_REMOTE struct manifest_remote remote = {0};
    const char *digest = json_get_string(member, "digest");
    struct reference ref = {.domain = list->domain, .path = list->path, .digest = (char *)digest};
    CLEANUP_FREE char *name = reference_full(list);
    CLEANUP_FREE char *shown = xasprintf("%s@%s", name, digest ? digest : "");
    if (!digest || !digest_is_valid(digest))
        return error_set(err, ERROR_INVALID, 0, "manifest list %s: a member has no valid digest", name);
    int r = manifest_remote_get(cli, &ref, insecure, &remote, err);
    if (r < 0)
        return r;
    struct json *descriptor = json_copy(json_get(remote.entry, "Descriptor"));
    const struct json *platform = json_get(member, "platform");
    if (platform)
        json_set(descriptor, "platform", json_copy(platform));
    json_set(remote.entry, "Descriptor", descriptor);
    json_set(remote.entry, "Ref", json_new_string(shown));
    *ret = TAKE_PTR(remote.entry);
    return 0;
}

static int print_remote_list(struct cli *cli, const struct reference *ref, const struct json *document,
                             const struct inspect_flags *flags, struct error *err)
{
    const struct json *members = json_get(document, "manifests");
    CLEANUP_MANIFEST_LIST struct manifest_list list = {.items =
                                                           xcalloc(json_count(members) + 1, sizeof(struct json *))};
    for (size_t i = 0; i < json_count(members); i++) {
        const struct json *member = json_at(members, i);
        int r = 0;
        if (flags->verbose) {
            r = get_member(cli, ref, member, flags->insecure, &list.items[list.count], err);
        } else {
            list.items[list.count] = json_new_object();
            json_set(list.items[list.count], "Descriptor", json_copy(member));
        }
        if (r < 0)
            return r;
        list.count++;
    }
    print_list(&list, flags->verbose);
    return 0;
}

static int inspect_remote(struct cli *cli, const struct reference *ref, const struct inspect_flags *flags,
                          struct error *err)
{
    CLEANUP_MANIFEST_REMOTE struct manifest_remote remote = {0};
    int r = manifest_remote_get(cli, ref, flags->insecure, &remote, err);
    if (r < 0)
        return r;
    return remote.is_list ? print_remote_list(cli, ref, remote.document, flags, err)
                          : print_manifest(remote.entry, flags->verbose, err);
}

static int inspect_in_list(struct cli *cli, const struct strv *arguments, bool verbose, struct error *err)
{
    CLEANUP(reference_release) struct reference list = {0}, ref = {0};
    CLEANUP_JSON struct json *entry = NULL;
    int r = manifest_reference(arguments->items[0], &list, err);
    if (r == 0)
        r = manifest_reference(arguments->items[1], &ref, err);
    if (r == 0)
        r = manifest_store_get(cli, &list, &ref, &entry, err);
    return r < 0 ? r : print_manifest(entry, verbose, err);
}

static int run_inspect(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct inspect_flags *flags = data;
    CLEANUP(reference_release) struct reference ref = {0};
    CLEANUP_MANIFEST_LIST struct manifest_list list = {0};
    struct error failure = {0};
    if (arguments->count == 2)
        return inspect_in_list(cli, arguments, flags->verbose, err);
    int r = manifest_reference(arguments->items[0], &ref, err);
    if (r < 0)
        return r;
    r = manifest_store_list(cli, &ref, &list, &failure);
    if (r < 0)
        return failure.kind == ERROR_NOT_FOUND ? inspect_remote(cli, &ref, flags, err) : error_propagate(err, &failure);
    print_list(&list, flags->verbose);
    return 0;
}

const struct command command_manifest_inspect = {
    .name = "manifest inspect",
    .usage = "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    .summary = "Display an image manifest, or manifest list",
    .options = inspect_options,
    .flags_size = sizeof(struct inspect_flags),
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_inspect,
};
