#include "api/client.h"
#include "base/timestamp.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/template.h"

#define LINE_LIMIT (1 << 20)

struct events_flags {
    char *since, *until, *format;
    struct strv filters;
};

#define AT(member) offsetof(struct events_flags, member)
static const struct option events_options[] = {
    {"filter", 'f', OPTION_LIST, AT(filters), "filter", "Filter output based on conditions provided", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string", "Format output using a custom template: 'json' or 'TEMPLATE'", 0,
     0, NULL},
    {"since", 0, OPTION_STRING, AT(since), "string", "Show all events created since timestamp", 0, 0, NULL},
    {"until", 0, OPTION_STRING, AT(until), "string", "Stream events until this timestamp", 0, 0, NULL},
    {0},
};

/* "2026-01-02T03:04:05.000000006Z container start ID (image=x, name=y)" */
static void print_event(const struct json *event)
{
    char when[TIMESTAMP_MAX];
    const struct json *actor = json_get(event, "Actor"), *attributes = json_get(actor, "Attributes");
    timestamp_format_fixed(when, json_get_int(event, "timeNano", 0));
    printf("%s %s %s %s", when, json_get_string(event, "Type"), json_get_string(event, "Action"),
           json_get_string(actor, "ID"));
    size_t count = attributes && attributes->kind == JSON_OBJECT ? attributes->object.count : 0;
    for (size_t i = 0; i < count; i++)
        printf("%s%s=%s%s", i ? ", " : " (", attributes->object.keys[i], json_string(&attributes->object.values[i]),
               i + 1 == count ? ")" : "");
    printf("\n");
}

static int show(const struct template *t, const char *text, struct error *err)
{
    CLEANUP_JSON struct json *event = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = json_parse(text, strlen(text), &event, err);
    if (r == 0 && t) {
        r = template_execute(t, event, &out, err);
        if (r == 0)
            printf("%s\n", strbuf_str(&out));
    } else if (r == 0) {
        print_event(event);
    }
    fflush(stdout);
    return r;
}

static int run_events(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct events_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    struct template *t = NULL;
    strbuf_adds(&path, "/events");
    client_query_add(&path, "since", flags->since);
    client_query_add(&path, "until", flags->until);
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0 && flags->format && *flags->format)
        r = template_parse(strcmp(flags->format, "json") == 0 ? "{{json .}}" : flags->format, &t, err);
    if (r == 0)
        r = client_send(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &response, err);
    const char *line = NULL;
    while (r == 0 && (r = client_read_line(response, LINE_LIMIT, &line, err)) == 0 && line)
        r = *line ? show(t, line, err) : 0;
    template_free(t);
    return r;
}

const struct command command_events = {
    .name = "events",
    .aliases = "system events",
    .usage = "[OPTIONS]",
    .summary = "Get real time events from the server",
    .options = events_options,
    .flags_size = sizeof(struct events_flags),
    .run = run_events,
};
