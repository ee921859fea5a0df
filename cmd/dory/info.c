#include <inttypes.h>
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "base/units.h"
#include "cmd/dory/global_flags.h"
#include "cmd/dory/plugins.h"
#include "cmd/dory/template.h"

struct info_flags {
    char *format;
};

static const struct option info_options[] = {
    {"format", 'f', OPTION_STRING, offsetof(struct info_flags, format), "string",
     "Format output using a custom template: 'json' or 'TEMPLATE'", 0, 0, NULL},
    {0},
};

static void line(const struct json *info, const char *title, const char *key)
{
    const struct json *v = json_get(info, key);
    if (!v || v->kind == JSON_NULL)
        return;
    if (v->kind == JSON_STRING)
        printf(" %s: %s\n", title, v->string.data);
    else if (v->kind == JSON_INTEGER)
        printf(" %s: %" PRId64 "\n", title, v->integer);
    else if (v->kind == JSON_BOOL)
        printf(" %s: %s\n", title, v->boolean ? "true" : "false");
}

/* The same for a text that is left out when it is empty. */
static void text_line(const struct json *info, const char *title, const char *key)
{
    const char *text = json_get_string(info, key);
    if (text && *text)
        printf(" %s: %s\n", title, text);
}

static void print_list(const char *title, const struct json *list)
{
    if (json_count(list) == 0)
        return;
    printf(" %s:\n", title);
    for (size_t i = 0; i < json_count(list); i++)
        printf("  %s\n", json_string(json_at(list, i)));
}

static void print_joined(const char *title, const struct json *list)
{
    if (json_count(list) == 0)
        return;
    printf("  %s:", title);
    for (size_t i = 0; i < json_count(list); i++)
        printf(" %s", json_string(json_at(list, i)));
    printf("\n");
}

static void print_client(const struct cli *cli)
{
    struct plugin *plugins;
    size_t count, broken = 0;
    plugins_list(cli, &plugins, &count);
    printf("Client:\n Version:    %s\n Context:    %s\n Debug Mode: %s\n", DORY_VERSION, cli->context,
           cli->debug ? "true" : "false");
    for (size_t i = 0; i < count; i++) {
        const struct plugin *p = &plugins[i];
        broken += p->problem != NULL;
        if (p->problem)
            continue;
        printf("%s  %s: %s (%s)\n", i == broken ? " Plugins:\n" : "", p->name, p->summary ? p->summary : "", p->vendor);
        if (p->version)
            printf("    Version:  %s\n", p->version);
        printf("    Path:     %s\n", p->path);
    }
    for (size_t i = 0; i < count; i++)
        if (plugins[i].problem)
            printf("WARNING: Plugin \"%s\" is not valid: %s\n", plugins[i].path, plugins[i].problem);
    plugins_free(plugins, count);
    printf("\nServer:\n");
}

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    if (value)
        json_member_string(w, key, value);
}

/* What the program itself knows, beside the daemon's answer, as docker shows it to templates. */
static int add_client(const struct cli *cli, struct json *info, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json *client = NULL;
    struct plugin *plugins;
    struct json_writer w;
    size_t count;
    plugins_list(cli, &plugins, &count);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_bool(&w, "Debug", cli->debug);
    json_member_string(&w, "Version", DORY_VERSION);
    version_put_build(&w, cli);
    json_key(&w, "Plugins");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&w);
        put_text(&w, "SchemaVersion", plugins[i].schema);
        put_text(&w, "Vendor", plugins[i].vendor);
        put_text(&w, "Version", plugins[i].version);
        put_text(&w, "ShortDescription", plugins[i].summary);
        put_text(&w, "URL", plugins[i].url);
        json_member_string(&w, "Name", plugins[i].name);
        json_member_string(&w, "Path", plugins[i].path);
        put_text(&w, "Err", plugins[i].problem);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_member_null(&w, "Warnings");
    json_end_object(&w);
    plugins_free(plugins, count);
    int r = json_parse(text.data, text.size, &client, err);
    if (r == 0)
        json_set(info, "ClientInfo", client);
    return r;
}

static void print_plugins(const struct json *plugins)
{
    printf(" Plugins:\n");
    print_joined("Volume", json_get(plugins, "Volume"));
    print_joined("Network", json_get(plugins, "Network"));
    print_joined("Authorization", json_get(plugins, "Authorization"));
    print_joined("Log", json_get(plugins, "Log"));
}

static void print_runtimes(const struct json *info)
{
    const struct json *runtimes = json_get(info, "Runtimes");
    const char *state = json_get_string(json_get(info, "Swarm"), "LocalNodeState");
    printf(" Swarm: %s\n", state ? state : "");
    if (runtimes && runtimes->kind == JSON_OBJECT && runtimes->object.count > 0) {
        printf(" Runtimes:");
        for (size_t i = 0; i < runtimes->object.count; i++)
            printf(" %s", runtimes->object.keys[i]);
        printf("\n");
    }
    line(info, "Default Runtime", "DefaultRuntime");
    line(info, "Init Binary", "InitBinary");
    static const struct {
        const char *title, *member;
    } commits[] = {{"containerd", "ContainerdCommit"}, {"runc", "RuncCommit"}, {"init", "InitCommit"}};
    for (size_t i = 0; i < ARRAY_SIZE(commits); i++) {
        const char *id = json_get_string(json_get(info, commits[i].member), "ID");
        if (id)
            printf(" %s version: %s\n", commits[i].title, id);
    }
}

/* "name=seccomp,profile=builtin": the name, and what else is said of it below it. */
static void print_security(const struct json *options)
{
    if (json_count(options) == 0)
        return;
    printf(" Security Options:\n");
    for (size_t i = 0; i < json_count(options); i++) {
        CLEANUP_STRV struct strv parts = STRV_INIT;
        const char *name = json_string(json_at(options, i));
        strv_split(&parts, strncmp(name, "name=", 5) == 0 ? name + 5 : name, ',');
        printf("  %s\n", parts.items[0]);
        for (size_t n = 1; n < parts.count; n++) {
            char *equals = strchr(parts.items[n], '=');
            if (equals && strncmp(parts.items[n], "profile=", 8) == 0)
                printf("   Profile: %s\n", equals + 1);
            else
                printf("   %s\n", parts.items[n]);
        }
    }
}

static void print_registries(const struct json *info)
{
    const struct json *config = json_get(info, "RegistryConfig"), *cidrs = json_get(config, "InsecureRegistryCIDRs"),
                      *indexes = json_get(config, "IndexConfigs");
    size_t count = indexes && indexes->kind == JSON_OBJECT ? indexes->object.count : 0;
    if (json_count(cidrs) > 0 || count > 0)
        printf(" Insecure Registries:\n");
    for (size_t i = 0; i < count; i++) {
        if (!json_get_bool(&indexes->object.values[i], "Secure", true))
            printf("  %s\n", indexes->object.keys[i]);
    }
    for (size_t i = 0; i < json_count(cidrs); i++)
        printf("  %s\n", json_string(json_at(cidrs, i)));
    print_list("Registry Mirrors", json_get(config, "Mirrors"));
}

static void print_engine(const struct json *info)
{
    line(info, "Containers", "Containers");
    line(info, " Running", "ContainersRunning");
    line(info, " Paused", "ContainersPaused");
    line(info, " Stopped", "ContainersStopped");
    line(info, "Images", "Images");
    text_line(info, "Server Version", "ServerVersion");
    line(info, "Storage Driver", "Driver");
    const struct json *status = json_get(info, "DriverStatus");
    for (size_t i = 0; i < json_count(status); i++)
        printf("  %s: %s\n", json_string(json_at(json_at(status, i), 0)), json_string(json_at(json_at(status, i), 1)));
    text_line(info, "Logging Driver", "LoggingDriver");
    text_line(info, "Cgroup Driver", "CgroupDriver");
    text_line(info, "Cgroup Version", "CgroupVersion");
    print_plugins(json_get(info, "Plugins"));
    print_runtimes(info);
    print_security(json_get(info, "SecurityOptions"));
}

static void print_host(const struct json *info)
{
    char memory[32];
    text_line(info, "Kernel Version", "KernelVersion");
    text_line(info, "Operating System", "OperatingSystem");
    text_line(info, "OSType", "OSType");
    text_line(info, "Architecture", "Architecture");
    line(info, "CPUs", "NCPU");
    units_bytes_size(memory, sizeof(memory), (double)json_get_int(info, "MemTotal", 0));
    printf(" Total Memory: %s\n", memory);
    text_line(info, "Name", "Name");
    text_line(info, "ID", "ID");
    line(info, "Docker Root Dir", "DockerRootDir");
    line(info, "Debug Mode", "Debug");
    if (json_get_bool(info, "Debug", false)) {
        line(info, " File Descriptors", "NFd");
        line(info, " Goroutines", "NGoroutines");
        text_line(info, " System Time", "SystemTime");
        line(info, " EventsListeners", "NEventsListener");
    }
    text_line(info, "HTTP Proxy", "HttpProxy");
    text_line(info, "HTTPS Proxy", "HttpsProxy");
    text_line(info, "No Proxy", "NoProxy");
    print_list("Labels", json_get(info, "Labels"));
    line(info, "Experimental", "ExperimentalBuild");
    print_registries(info);
    line(info, "Live Restore Enabled", "LiveRestoreEnabled");
    text_line(info, "Product License", "ProductLicense");
    printf("\n");
}

static int run_info(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct info_flags *flags = data;
    CLEANUP_JSON struct json *info = NULL;
    bool custom = flags->format && *flags->format;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct template *t = NULL;
    if (custom && template_parse(strcmp(flags->format, "json") == 0 ? "{{json .}}" : flags->format, &t, err) < 0) {
        fprintf(stderr, "%s\n", err->message);
        return EXIT_TEMPLATE;
    }
    if (!custom)
        print_client(cli);
    fflush(stdout);
    int r = client_json(cli_client(cli), &(struct client_request){.path = "/info"}, &info, err);
    if (r == 0 && custom)
        r = add_client(cli, info, err);
    if (r == 0 && custom) {
        struct template_options options = {.typed = true, .type_name = "system.dockerInfo"};
        r = template_execute_with(t, info, &options, &out, err);
        printf("%s\n", r == 0 ? strbuf_str(&out) : "");
    }
    template_free(t);
    if (r < 0 || custom)
        return r;
    print_engine(info);
    print_host(info);
    fflush(stdout);
    const struct json *warnings = json_get(info, "Warnings");
    for (size_t i = 0; i < json_count(warnings); i++)
        fprintf(stderr, "%s\n", json_string(json_at(warnings, i)));
    return 0;
}

const struct command command_info = {
    .name = "info",
    .place = PLACE_COMMON,
    .aliases = "system info",
    .usage = "[OPTIONS]",
    .summary = "Display system-wide information",
    .options = info_options,
    .flags_size = sizeof(struct info_flags),
    .run = run_info,
};
