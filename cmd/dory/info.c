#include <inttypes.h>

#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/command.h"
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

static void print_list(const char *title, const struct json *list)
{
    if (json_count(list) == 0)
        return;
    printf(" %s:\n", title);
    for (size_t i = 0; i < json_count(list); i++)
        printf("  %s\n", json_string(json_at(list, i)));
}

static void print_text(const struct json *info)
{
    printf("Client:\n Version:    %s\n\nServer:\n", DORY_VERSION);
    line(info, "Containers", "Containers");
    line(info, " Running", "ContainersRunning");
    line(info, " Paused", "ContainersPaused");
    line(info, " Stopped", "ContainersStopped");
    line(info, "Images", "Images");
    line(info, "Server Version", "ServerVersion");
    line(info, "Storage Driver", "Driver");
    const struct json *status = json_get(info, "DriverStatus");
    for (size_t i = 0; i < json_count(status); i++)
        printf("  %s: %s\n", json_string(json_at(json_at(status, i), 0)), json_string(json_at(json_at(status, i), 1)));
    line(info, "Logging Driver", "LoggingDriver");
    line(info, "Cgroup Driver", "CgroupDriver");
    line(info, "Cgroup Version", "CgroupVersion");
    line(info, "Default Runtime", "DefaultRuntime");
    line(info, "Init Binary", "InitBinary");
    print_list("Security Options", json_get(info, "SecurityOptions"));
    line(info, "Kernel Version", "KernelVersion");
    line(info, "Operating System", "OperatingSystem");
    line(info, "OSType", "OSType");
    line(info, "Architecture", "Architecture");
    line(info, "CPUs", "NCPU");
    char memory[32];
    units_bytes_size(memory, sizeof(memory), (double)json_get_int(info, "MemTotal", 0));
    printf(" Total Memory: %s\n", memory);
    line(info, "Name", "Name");
    line(info, "ID", "ID");
    line(info, "Docker Root Dir", "DockerRootDir");
    line(info, "Debug Mode", "Debug");
    print_list("Labels", json_get(info, "Labels"));
    line(info, "Experimental", "ExperimentalBuild");
    print_list("Registry Mirrors", json_get(json_get(info, "RegistryConfig"), "Mirrors"));
    line(info, "Live Restore Enabled", "LiveRestoreEnabled");
}

static int run_info(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct info_flags *flags = data;
    CLEANUP_JSON struct json *info = NULL;
    int r = client_json(cli_client(cli), &(struct client_request){.path = "/info"}, &info, err);
    if (r < 0)
        return r;
    if (flags->format && *flags->format) {
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
        struct template *t;
        r = template_parse(strcmp(flags->format, "json") == 0 ? "{{json .}}" : flags->format, &t, err);
        if (r < 0)
            return r;
        r = template_execute(t, info, &out, err);
        template_free(t);
        if (r == 0)
            printf("%s\n", strbuf_str(&out));
        return r;
    }
    print_text(info);
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
