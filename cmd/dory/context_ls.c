/* context ls, inspect. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/context.h"
#include "cmd/dory/context_store.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"
#include "cmd/dory/template.h"

#define DESCRIPTION_WIDTH 60

struct ls_flags {
    char *format;
    bool quiet;
};

#define AT(member) offsetof(struct ls_flags, member)
static const struct option ls_options[] = {
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only show context names", 0, 0, NULL},
    {0},
};

static const struct listing_header headers[] = {
    {"Current", ""},  {"Description", "DESCRIPTION"}, {"DockerEndpoint", "DOCKER ENDPOINT"}, {"Error", "ERROR"},
    {"Name", "NAME"},
};

/* A context that cannot be read is shown with what is wrong. */
static int add_row(const struct cli *cli, struct listing *listing, const char *name, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *context = NULL;
    struct json_writer w;
    struct error failure = {0};
    bool bad = context_load(cli, name, &context, &failure) < 0;
    const char *description = strcmp(name, CONTEXT_DEFAULT) == 0
                                  ? "Current DOCKER_HOST based configuration"
                                  : json_get_string(json_get(context, "Metadata"), "Description");
    CLEANUP_FREE char *shown = format_ellipsis(description ? description : "", DESCRIPTION_WIDTH);
    const char *host = context_host(context);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_bool(&w, "Current", strcmp(name, cli->context) == 0);
    json_member_string(&w, "Description", shown);
    json_member_string(&w, "DockerEndpoint", host ? host : "");
    json_member_string(&w, "Error", bad ? failure.message : "");
    json_member_string(&w, "Name", name);
    listing_put_no_labels(&w);
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static int run_ls(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct ls_flags *flags = data;
    CLEANUP_STRV struct strv names = STRV_INIT;
    struct listing listing = {.format = flags->quiet ? "{{.Name}}" : flags->format,
                              .default_table = "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t"
                                               "{{.DockerEndpoint}}\t{{.Error}}",
                              .type_name = "*formatter.clientContextContext",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    strv_add(&names, CONTEXT_DEFAULT);
    int r = context_list(cli, &names, err);
    strv_sort(&names);
    if (r == 0 && strcmp(cli->context, CONTEXT_DEFAULT) != 0 && !strv_contains(&names, cli->context)) {
        strv_add(&names, cli->context);
        strv_sort(&names);
    }
    for (size_t i = 0; i < names.count && r == 0; i++)
        r = add_row(cli, &listing, names.items[i], err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    fflush(stdout);
    if (r == 0 && !flags->quiet && !cli->host_flag && (!flags->format || strcmp(flags->format, "table") == 0))
        context_warn_of_environment(NULL);
    return r;
}

/* ---- inspect ---- */

struct inspect_flags {
    char *format;
};
static const struct option inspect_options[] = {
    {"format", 'f', OPTION_STRING, offsetof(struct inspect_flags, format), "string",
     "Format output using a custom template: 'json' or 'TEMPLATE'", 0, 0, NULL},
    {0},
};

/* Names of the TLS files it has, and where everything lies. */
static void add_storage(const struct cli *cli, const char *name, struct json *context)
{
    static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
    bool memory = strcmp(name, CONTEXT_DEFAULT) == 0;
    CLEANUP_STRBUF struct strbuf list = STRBUF_INIT;
    struct json *parsed;
    for (size_t i = 0; i < ARRAY_SIZE(files) && !memory; i++) {
        CLEANUP_FREE char *path = context_tls_path(cli, name, files[i]);
        if (access(path, F_OK) == 0)
            strbuf_addf(&list, "%s\"%s\"", list.size ? "," : "[", files[i]);
    }
    strbuf_adds(&list, list.size ? "]" : "");
    struct json *material = json_object_of(context, "TLSMaterial");
    if (list.size > 0 && json_parse(list.data, list.size, &parsed, NULL) == 0)
        json_set(material, "docker", parsed);
    struct json *storage = json_object_of(context, "Storage");
    CLEANUP_FREE char *meta = context_meta_directory(cli, name), *tls = context_tls_path(cli, name, NULL);
    *strrchr(tls, '/') = '\0';
    json_set(storage, "MetadataPath", json_new_string(memory ? "<IN MEMORY>" : meta));
    json_set(storage, "TLSPath", json_new_string(memory ? "<IN MEMORY>" : tls));
}

static int inspect_one(const struct cli *cli, const char *name, const struct template *t, size_t *shown,
                       struct strbuf *out, struct error *err)
{
    CLEANUP_JSON struct json *context = NULL;
    int r = context_load(cli, name, &context, err);
    if (r < 0)
        return r;
    add_storage(cli, name, context);
    if (t) {
        r = template_execute_object(t, context, out, err);
        strbuf_adds(out, r == 0 ? "\n" : "");
        return r;
    }
    strbuf_adds(out, (*shown)++ == 0 ? "[\n    " : ",\n    ");
    json_print(context, "    ", 1, out);
    return 0;
}

static int run_inspect(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct inspect_flags *flags = data;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
    struct template *t = NULL;
    size_t shown = 0;
    if (flags->format && *flags->format &&
        template_parse(strcmp(flags->format, "json") == 0 ? "{{json .}}" : flags->format, &t, err) < 0) {
        fprintf(stderr, "%s\n", err->message);
        return EXIT_TEMPLATE;
    }
    for (size_t i = 0; i < (arguments->count ? arguments->count : 1); i++) {
        const char *name = arguments->count ? arguments->items[i] : cli->context;
        if (inspect_one(cli, name, t, &shown, &out, err) < 0)
            strbuf_addf(&errors, "%s\n", err->message);
    }
    if (t && out.size == 0)
        strbuf_addc(&out, '\n');
    else if (!t)
        strbuf_adds(&out, shown ? "\n]\n" : "[]\n");
    template_free(t);
    fputs(strbuf_str(&out), stdout);
    fflush(stdout);
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

const struct command command_context_ls = {
    .name = "context ls",
    .aliases = "context list",
    .usage = "[OPTIONS]",
    .summary = "List contexts",
    .options = ls_options,
    .flags_size = sizeof(struct ls_flags),
    .local = true,
    .run = run_ls,
};
const struct command command_context_inspect = {
    .name = "context inspect",
    .usage = "[OPTIONS] [CONTEXT] [CONTEXT...]",
    .summary = "Display detailed information on one or more contexts",
    .options = inspect_options,
    .flags_size = sizeof(struct inspect_flags),
    .max_arguments = -1,
    .local = true,
    .run = run_inspect,
};
