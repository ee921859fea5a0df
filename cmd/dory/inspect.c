/* inspect of containers, images, networks and volumes, with --format and --size. */
#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/each.h"
#include "cmd/dory/template.h"

struct inspect_flags {
    char *format, *type, *platform;
    bool size, verbose;
};

#define AT(member) offsetof(struct inspect_flags, member)
#define FORMAT_ROW                                                                                                     \
    {                                                                                                                  \
        "format", 'f', OPTION_STRING, AT(format), "string",                                                            \
            "Format output using a custom template: 'json' or 'TEMPLATE'", 0, 0, NULL                                  \
    }
#define SIZE_ROW(help)                                                                                                 \
    {                                                                                                                  \
        "size", 's', OPTION_BOOL, AT(size), NULL, help, 0, 0, NULL                                                     \
    }
static const struct option inspect_options[] = {
    FORMAT_ROW,
    SIZE_ROW("Display total file sizes if the type is container"),
    {"type", 0, OPTION_STRING, AT(type), "string", "Only inspect objects of the given type", 0, 0, NULL},
    {0},
};
static const struct option container_inspect_options[] = {FORMAT_ROW, SIZE_ROW("Display total file sizes"), {0}};
static const struct option image_inspect_options[] = {
    FORMAT_ROW,
    {"platform", 0, OPTION_STRING, AT(platform), "string",
     "Inspect a specific platform of the multi-platform image. If the image or the server is not multi-platform "
     "capable, "
     "the command will error out if the platform does not match. 'os[/arch[/variant]]': Explicit platform (eg. "
     "linux/amd64)",
     0, 0, NULL},
    {0},
};
static const struct option volume_inspect_options[] = {FORMAT_ROW, {0}};
static const struct option network_inspect_options[] = {
    FORMAT_ROW,
    {"verbose", 'v', OPTION_BOOL, AT(verbose), NULL, "Verbose output for diagnostics", 0, 0, NULL},
    {0},
};

/* What can be inspected: what docker tries, in its order, and what only --type asks for. */
static const struct kind {
    const char *type, *prefix, *suffix;
    bool only_by_type;
} kinds[] = {
    {"container", "/containers/", "/json", false},
    {"image", "/images/", "/json", false},
    {"network", "/networks/", "", false},
    {"volume", "/volumes/", "", false},
    {"config", "/configs/", "", true},
    {"node", "/nodes/", "", true},
    {"plugin", "/plugins/", "/json", true},
    {"secret", "/secrets/", "", true},
    {"service", "/services/", "", true},
    {"task", "/tasks/", "", true},
};

static int check_type(const char *type, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!type || !*type || strcmp(type, kinds[i].type) == 0)
            return 0;
    }
    return error_set(
        err, ERROR_INVALID, 0,
        "unknown type: \"%s\": must be one of \"config\", \"container\", \"image\", \"network\", \"node\", "
        "\"plugin\", \"secret\", \"service\", \"task\", \"volume\"",
        type);
}

static int fetch(struct cli *cli, const char *type, const char *name, const struct inspect_flags *flags,
                 struct json **ret, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        bool wanted = type && *type ? strcmp(type, kinds[i].type) == 0 : !kinds[i].only_by_type;
        if (!wanted)
            continue;
        CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
        strbuf_adds(&path, kinds[i].prefix);
        client_path_escape(&path, name);
        strbuf_adds(&path, kinds[i].suffix);
        client_query_add_bool(&path, "size", i == 0 && flags->size);
        client_query_add_bool(&path, "verbose", flags->verbose);
        client_query_add(&path, "platform", flags->platform);
        error_clear(err);
        int r = name_check(kinds[i].type, name, err);
        if (r == 0)
            r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, ret, err);
        if (r == 0 || err->kind != ERROR_NOT_FOUND)
            return r;
    }
    if (type && *type)
        return -err->errnum;
    return error_set(err, ERROR_NOT_FOUND, 0, "Error: No such object: %s", name);
}

/* One of the list that is printed without a template: on a line of its own or, for "json", all on one line. */
static void list_value(const struct json *value, bool first, bool one_line, struct strbuf *out)
{
    strbuf_adds(out, first ? "[" : ",");
    strbuf_adds(out, one_line ? "" : "\n    ");
    json_print(value, one_line ? "" : "    ", 1, out);
}

/* All that can be shown is; what could not be found is told behind it, in the order of the arguments. */
static int inspect_all(struct cli *cli, const char *type, const struct inspect_flags *flags,
                       const struct strv *arguments, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
    struct template *t = NULL;
    size_t shown = 0;
    int r = check_type(type, err);
    if (r < 0)
        return r;
    if (flags->size && type && *type && strcmp(type, "container") != 0)
        fprintf(stderr, "WARNING: --size ignored for %s\n", type);
    bool one_line = flags->format && strcmp(flags->format, "json") == 0;
    if (flags->format && *flags->format && !one_line && template_parse(flags->format, &t, err) < 0) {
        fprintf(stderr, "%s\n", err->message);
        return EXIT_TEMPLATE;
    }
    for (size_t i = 0; i < arguments->count; i++) {
        struct error failure = {0};
        CLEANUP_JSON struct json *value = NULL;
        r = fetch(cli, type, arguments->items[i], flags, &value, &failure);
        if (r == 0 && t) {
            r = template_execute_object(t, value, &out, &failure);
            if (r == 0)
                strbuf_addc(&out, '\n');
        } else if (r == 0) {
            list_value(value, shown++ == 0, one_line, &out);
        }
        if (r < 0)
            strbuf_addf(&errors, "%s\n", failure.message);
    }
    if (t && out.size == 0)
        strbuf_addc(&out, '\n');
    else if (!t)
        strbuf_adds(&out, !shown ? "[]\n" : one_line ? "]\n" : "\n]\n");
    template_free(t);
    fputs(strbuf_str(&out), stdout);
    fflush(stdout);
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

static int run_inspect(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct inspect_flags *flags = data;
    return inspect_all(cli, flags->type, flags, arguments, err);
}

#define TYPED_INSPECT(kind, title, argument)                                                                           \
    static int run_inspect_##kind(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)       \
    {                                                                                                                  \
        return inspect_all(cli, #kind, flags, arguments, err);                                                         \
    }                                                                                                                  \
    const struct command command_##kind##_inspect = {                                                                  \
        .name = #kind " inspect",                                                                                      \
        .usage = "[OPTIONS] " argument " [" argument "...]",                                                           \
        .summary = "Display detailed information on one or more " title,                                               \
        .options = kind##_inspect_options,                                                                             \
        .flags_size = sizeof(struct inspect_flags),                                                                    \
        .min_arguments = 1,                                                                                            \
        .max_arguments = -1,                                                                                           \
        .run = run_inspect_##kind,                                                                                     \
    }
TYPED_INSPECT(container, "containers", "CONTAINER");
TYPED_INSPECT(image, "images", "IMAGE");
TYPED_INSPECT(network, "networks", "NETWORK");
TYPED_INSPECT(volume, "volumes", "VOLUME");

const struct command command_inspect = {
    .name = "inspect",
    .usage = "[OPTIONS] NAME|ID [NAME|ID...]",
    .summary = "Return low-level information on objects",
    .options = inspect_options,
    .flags_size = sizeof(struct inspect_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_inspect,
};
