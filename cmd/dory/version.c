#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/template.h"

#define CLIENT_API_VERSION "1.47"

struct version_flags {
    char *format;
};

static const struct option version_options[] = {
    {"format", 'f', OPTION_STRING, offsetof(struct version_flags, format), "string",
     "Format output using a custom template: 'json' or 'TEMPLATE'", 0, 0, NULL},
    {0},
};

/* {"Client":{...},"Server":{...}}, the object that --format sees. */
static void write_versions(struct strbuf *out, const struct json *server)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "Client");
    json_begin_object(&w);
    json_member_string(&w, "Version", DORY_VERSION);
    json_member_string(&w, "ApiVersion", CLIENT_API_VERSION);
    json_member_string(&w, "DefaultAPIVersion", CLIENT_API_VERSION);
    json_member_string(&w, "Os", "linux");
#if defined(__x86_64__)
    json_member_string(&w, "Arch", "amd64");
#elif defined(__aarch64__)
    json_member_string(&w, "Arch", "arm64");
#else
    json_member_string(&w, "Arch", "unknown");
#endif
    json_member_string(&w, "Context", "default");
    json_end_object(&w);
    json_key(&w, "Server");
    json_put_value(&w, server);
    json_end_object(&w);
}

static void print_line(const char *name, const char *value)
{
    printf(" %-18s%s\n", name, value ? value : "");
}

static void print_text(const struct json *versions, const struct json *server)
{
    const struct json *client = json_get(versions, "Client");
    printf("Client:\n");
    print_line("Version:", json_get_string(client, "Version"));
    print_line("API version:", json_get_string(client, "ApiVersion"));
    CLEANUP_FREE char *platform = xasprintf("%s/%s", json_get_string(client, "Os"), json_get_string(client, "Arch"));
    print_line("OS/Arch:", platform);
    if (!server)
        return;
    const char *name = json_get_string(json_get(server, "Platform"), "Name");
    printf("\nServer: %s\n Engine:\n", name ? name : "");
    CLEANUP_FREE char *api = xasprintf("%s (minimum version %s)", json_get_string(server, "ApiVersion"),
                                       json_get_string(server, "MinAPIVersion"));
    CLEANUP_FREE char *server_platform =
        xasprintf("%s/%s", json_get_string(server, "Os"), json_get_string(server, "Arch"));
    printf("  %-17s%s\n", "Version:", json_get_string(server, "Version"));
    printf("  %-17s%s\n", "API version:", api);
    printf("  %-17s%s\n", "Git commit:", json_get_string(server, "GitCommit"));
    printf("  %-17s%s\n", "Built:", json_get_string(server, "BuildTime"));
    printf("  %-17s%s\n", "OS/Arch:", server_platform);
}

static int run_version(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct version_flags *flags = data;
    CLEANUP_JSON struct json *server = NULL, *versions = NULL;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
    struct error unreachable = {0};
    int server_status =
        client_json(cli_client(cli), &(struct client_request){.path = "/version"}, &server, &unreachable);
    struct json null = {.kind = JSON_NULL};
    write_versions(&text, server ? server : &null);
    int r = json_parse(strbuf_str(&text), text.size, &versions, err);
    if (r < 0)
        return r;
    if (flags->format && *flags->format) {
        struct template *t;
        r = template_parse(strcmp(flags->format, "json") == 0 ? "{{json .}}" : flags->format, &t, err);
        if (r == 0)
            r = template_execute(t, versions, &out, err);
        if (r < 0)
            return r;
        template_free(t);
        printf("%s\n", strbuf_str(&out));
    } else {
        print_text(versions, server);
    }
    fflush(stdout);
    return server_status < 0 ? error_propagate(err, &unreachable) : 0;
}

const struct command command_version = {
    .name = "version",
    .place = PLACE_COMMON,
    .usage = "[OPTIONS]",
    .summary = "Show the version information",
    .options = version_options,
    .flags_size = sizeof(struct version_flags),
    .run = run_version,
};
