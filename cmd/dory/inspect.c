/* inspect of containers, images, networks and volumes, with --format and --size. */
#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/template.h"

struct inspect_flags {
    char *format, *type;
    bool size;
};

#define AT(member) offsetof(struct inspect_flags, member)
static const struct option inspect_options[] = {
    {"format", 'f', OPTION_STRING, AT(format), "string", "Format output using a custom template: 'json' or 'TEMPLATE'",
     0, 0, NULL},
    {"size", 's', OPTION_BOOL, AT(size), NULL, "Display total file sizes if the type is container", 0, 0, NULL},
    {"type", 0, OPTION_STRING, AT(type), "string", "Only inspect objects of the given type", 0, 0, NULL},
    {0},
};

/* What can be inspected, in the order in which docker tries them. */
static const struct {
    const char *type, *prefix, *suffix;
} kinds[] = {
    {"container", "/containers/", "/json"},
    {"image", "/images/", "/json"},
    {"network", "/networks/", ""},
    {"volume", "/volumes/", ""},
};

static int fetch(struct cli *cli, const char *type, const char *name, bool size, struct json **ret, struct error *err)
{
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (type && *type && strcmp(type, kinds[i].type) != 0)
            continue;
        known = true;
        CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
        strbuf_adds(&path, kinds[i].prefix);
        client_path_escape(&path, name);
        strbuf_adds(&path, kinds[i].suffix);
        if (i == 0)
            client_query_add_bool(&path, "size", size);
        error_clear(err);
        int r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, ret, err);
        if (r == 0 || err->kind != ERROR_NOT_FOUND)
            return r;
    }
    if (!known)
        return error_set(err, ERROR_INVALID, 0, "unknown type: \"%s\"", type);
    if (type && *type)
        return -err->errnum;
    return error_set(err, ERROR_NOT_FOUND, 0, "error: no such object: %s", name);
}

static void indent(struct strbuf *out, unsigned depth)
{
    strbuf_addc(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        strbuf_adds(out, "    ");
}

/* Four blanks per level, as docker prints it. */
static void print_pretty(struct strbuf *out, const struct json *v, unsigned depth)
{
    struct json_writer w;
    size_t count = v->kind == JSON_ARRAY ? v->array.count : v->kind == JSON_OBJECT ? v->object.count : 0;
    if (count == 0) {
        json_writer_init(&w, out);
        json_put_value(&w, v);
        return;
    }
    bool object = v->kind == JSON_OBJECT;
    strbuf_addc(out, object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(out, i ? "," : "");
        indent(out, depth + 1);
        if (object) {
            json_quote(out, v->object.keys[i], strlen(v->object.keys[i]));
            strbuf_adds(out, ": ");
        }
        print_pretty(out, object ? &v->object.values[i] : &v->array.items[i], depth + 1);
    }
    indent(out, depth);
    strbuf_addc(out, object ? '}' : ']');
}

static int print_formatted(const struct json *value, const char *format, struct error *err)
{
    struct template *t;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = template_parse(strcmp(format, "json") == 0 ? "{{json .}}" : format, &t, err);
    if (r < 0)
        return r;
    r = template_execute(t, value, &out, err);
    template_free(t);
    if (r < 0)
        return error_context(err, "template parsing error");
    printf("%s\n", strbuf_str(&out));
    return 0;
}

static int inspect_all(struct cli *cli, const char *type, const struct inspect_flags *flags,
                       const struct strv *arguments)
{
    int status = 0;
    size_t shown = 0;
    bool formatted = flags->format && *flags->format;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
    strbuf_addc(&out, '[');
    for (size_t i = 0; i < arguments->count; i++) {
        struct error err = {0};
        CLEANUP_JSON struct json *value = NULL;
        int r = fetch(cli, type, arguments->items[i], flags->size, &value, &err);
        if (r == 0 && formatted) {
            r = print_formatted(value, flags->format, &err);
        } else if (r == 0) {
            strbuf_adds(&out, shown++ ? "," : "");
            indent(&out, 1);
            print_pretty(&out, value, 1);
        }
        if (r < 0) {
            strbuf_addf(&errors, "%s\n", err.message);
            status = 1;
        }
    }
    if (!formatted) {
        strbuf_adds(&out, shown ? "\n]" : "]");
        printf("%s\n", strbuf_str(&out));
    } else if (status) {
        printf("\n");
    }
    fflush(stdout);
    fputs(strbuf_str(&errors), stderr);
    return status;
}

static int run_inspect(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)err;
    const struct inspect_flags *flags = data;
    return inspect_all(cli, flags->type, flags, arguments);
}

#define TYPED_INSPECT(kind, title, argument)                                                                           \
    static int run_inspect_##kind(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)       \
    {                                                                                                                  \
        (void)err;                                                                                                     \
        return inspect_all(cli, #kind, flags, arguments);                                                              \
    }                                                                                                                  \
    const struct command command_##kind##_inspect = {                                                                  \
        .name = #kind " inspect",                                                                                      \
        .usage = "[OPTIONS] " argument " [" argument "...]",                                                           \
        .summary = "Display detailed information on one or more " title,                                               \
        .options = inspect_options,                                                                                    \
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
