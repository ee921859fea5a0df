#include <string.h>
#include <time.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "cmd/dory/global_flags.h"
#include "cmd/dory/template.h"

#define CLIENT_API_VERSION "1.51"

struct version_flags {
    char *format;
};

static const struct option version_options[] = {
    {"format", 'f', OPTION_STRING, offsetof(struct version_flags, format), "string",
     "Format output using a custom template: 'json' or 'TEMPLATE'", 0, 0, NULL},
    {0},
};

#if defined(__x86_64__)
#define CLIENT_ARCH "amd64"
#elif defined(__aarch64__)
#define CLIENT_ARCH "arm64"
#else
#define CLIENT_ARCH "unknown"
#endif

void version_put_build(struct json_writer *w, const struct cli *cli)
{
    json_member_string(w, "DefaultAPIVersion", CLIENT_API_VERSION);
    json_member_string(w, "GitCommit", cli_git_commit());
    json_member_string(w, "GoVersion", "");
    json_member_string(w, "Os", "linux");
    json_member_string(w, "Arch", CLIENT_ARCH);
    json_member_string(w, "BuildTime", cli_build_time());
    json_member_string(w, "Context", cli->context);
}

/* {"Client":{...},"Server":{...}}, the object that --format sees. A server that is not there is null. */
static void write_versions(const struct cli *cli, struct strbuf *out, const struct json *server)
{
    const char *api = json_get_string(server, "ApiVersion");
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "Client");
    json_begin_object(&w);
    json_member_string(&w, "Version", DORY_VERSION);
    json_member_string(&w, "ApiVersion", api && strverscmp(api, CLIENT_API_VERSION) < 0 ? api : CLIENT_API_VERSION);
    version_put_build(&w, cli);
    json_end_object(&w);
    json_key(&w, "Server");
    json_put_value(&w, server);
    json_end_object(&w);
}

static void print_client_line(const char *name, const char *value)
{
    printf(" %-18s %s\n", name, value ? value : "");
}

static void print_server_line(const char *name, const char *value)
{
    printf("  %-17s %s\n", name, value ? value : "");
}

static void print_client(const struct json *client)
{
    const char *api = json_get_string(client, "ApiVersion"), *newest = json_get_string(client, "DefaultAPIVersion");
    CLEANUP_FREE char *shown =
        strcmp(api, newest) == 0 ? xstrdup(api) : xasprintf("%s (downgraded from %s)", api, newest);
    CLEANUP_FREE char *platform = xasprintf("%s/%s", json_get_string(client, "Os"), json_get_string(client, "Arch"));
    printf("Client:\n");
    print_client_line("Version:", json_get_string(client, "Version"));
    print_client_line("API version:", shown);
    print_client_line("Git commit:", json_get_string(client, "GitCommit"));
    print_client_line("Built:", json_get_string(client, "BuildTime"));
    print_client_line("OS/Arch:", platform);
    print_client_line("Context:", json_get_string(client, "Context"));
}

static const char *detail(const struct json *server, const char *name, const char *fallback)
{
    const char *value = json_get_string(json_get(json_at(json_get(server, "Components"), 0), "Details"), name);
    return value ? value : fallback;
}

static void print_server(const struct json *server)
{
    const char *name = json_get_string(json_get(server, "Platform"), "Name");
    CLEANUP_FREE char *api = xasprintf("%s (minimum version %s)", json_get_string(server, "ApiVersion"),
                                       json_get_string(server, "MinAPIVersion"));
    CLEANUP_FREE char *platform = xasprintf("%s/%s", json_get_string(server, "Os"), json_get_string(server, "Arch"));
    const char *built = json_get_string(server, "BuildTime");
    char text[64];
    int64_t ns;
    if (built && timestamp_parse(built, &ns) == 0) {
        time_t t = (time_t)(ns / 1000000000);
        struct tm tm;
        if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm) > 0)
            built = text;
    }
    printf("\nServer: %s\n Engine:\n", name ? name : "");
    print_server_line("Version:", json_get_string(server, "Version"));
    print_server_line("API version:", api);
    print_server_line("Git commit:", json_get_string(server, "GitCommit"));
    print_server_line("Built:", built);
    print_server_line("OS/Arch:", platform);
    print_server_line("Experimental:", detail(server, "Experimental", "false"));
}

static int run_version(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct version_flags *flags = data;
    CLEANUP_JSON struct json *server = NULL, *versions = NULL;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
    struct error unreachable = {0};
    struct template *t = NULL;
    bool custom = flags->format && *flags->format;
    if (custom && template_parse(strcmp(flags->format, "json") == 0 ? "{{json .}}" : flags->format, &t, err) < 0) {
        fprintf(stderr, "%s\n", err->message);
        return EXIT_TEMPLATE;
    }
    int status = client_json(cli_client(cli), &(struct client_request){.path = "/version"}, &server, &unreachable);
    static const struct json null = {.kind = JSON_NULL};
    write_versions(cli, &text, server ? server : &null);
    int r = json_parse(strbuf_str(&text), text.size, &versions, err);
    if (r == 0 && custom) {
        struct template_options options = {.typed = true, .type_name = "system.versionInfo"};
        r = template_execute_with(t, versions, &options, &out, err);
        printf("%s\n", r == 0 ? strbuf_str(&out) : "");
    } else if (r == 0) {
        print_client(json_get(versions, "Client"));
        if (server)
            print_server(server);
    }
    template_free(t);
    fflush(stdout);
    if (r < 0)
        return r;
    return status < 0 ? error_propagate(err, &unreachable) : 0;
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
