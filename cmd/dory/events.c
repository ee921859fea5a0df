#include <errno.h>
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
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

/* The names that docker's type has beside those of the API, for templates: ID, Status, From, Time, TimeNano, Scope. */
static void add_names(struct json *event)
{
    static const struct {
        const char *name, *member;
        bool number;
    } names[] = {{"ID", "id", false},    {"Status", "status", false},    {"From", "from", false},
                 {"Time", "time", true}, {"TimeNano", "timeNano", true}, {"Scope", "scope", false}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct json *value = json_get(event, names[i].member);
        json_set(event, names[i].name, value ? json_copy(value) : json_new_string(""));
    }
}

static int show(const struct template *t, const char *text, struct error *err)
{
    CLEANUP_JSON struct json *event = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = json_parse(text, strlen(text), &event, err);
    if (r == 0 && t) {
        add_names(event);
        /* Attributes are strings by name: one that is not there is no value. */
        struct template_options options = {.typed = true, .type_name = "*events.Message"};
        r = template_execute_with(t, event, &options, &out, err);
        if (r < 0) {
            fprintf(stderr, "Error parsing format: %s\n", err->message);
            return EXIT_TEMPLATE;
        }
        printf("%s\n", strbuf_str(&out));
    } else if (r == 0) {
        print_event(event);
    }
    fflush(stdout);
    return r;
}

static int show_all(struct client_response *response, const struct template *t, bool raw, struct error *err)
{
    const char *line = NULL;
    int r = 0;
    while (r == 0 && (r = client_read_line(response, LINE_LIMIT, &line, err)) == 0 && line) {
        if (*line && raw)
            r = printf("%s\n", line) < 0 || fflush(stdout) != 0 ? error_errno(err, errno, "write") : 0;
        else if (*line)
            r = show(t, line, err);
    }
    return r;
}

/* Refused before the daemon is asked. */
static int check_time(const char *value, struct error *err)
{
    int64_t ns;
    if (value && *value && timestamp_parse_human(value, timestamp_now(), &ns) < 0)
        return error_set(err, ERROR_INVALID, 0, "failed to parse value as time or duration: \"%s\"", value);
    return 0;
}

static int run_events(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct events_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    struct template *t = NULL;
    bool custom = flags->format && *flags->format, raw = custom && strcmp(flags->format, "json") == 0;
    if (custom && !raw && template_parse(flags->format, &t, err) < 0) {
        fprintf(stderr, "Error parsing format%s\n", err->message + strlen("template parsing error"));
        return EXIT_TEMPLATE;
    }
    strbuf_adds(&path, "/events");
    client_query_add(&path, "since", flags->since);
    client_query_add(&path, "until", flags->until);
    int r = check_time(flags->since, err);
    if (r == 0)
        r = check_time(flags->until, err);
    if (r == 0)
        r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_send(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &response, err);
    if (r == 0)
        r = show_all(response, t, raw, err);
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
