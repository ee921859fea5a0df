/* compose events: what happens to the containers of a project. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/project.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/log_query.h"

#define LINE_LIMIT (1 << 20)
#define OWN_LABELS "com.docker.compose."

struct events_flags {
    bool json;
    char *since, *until;
};

#define AT(member) offsetof(struct events_flags, member)
static const struct option events_options[] = {
    {"json", 0, OPTION_BOOL, AT(json), NULL, "Output events as a stream of json objects", 0, 0, NULL},
    {"since", 0, OPTION_STRING, AT(since), "string", "Show all events created since timestamp", 0, 0, NULL},
    {"until", 0, OPTION_STRING, AT(until), "string", "Stream events until this timestamp", 0, 0, NULL},
    {0},
};

/* The attributes without the labels that are compose's own. */
static bool is_shown(const char *attribute)
{
    return strncmp(attribute, OWN_LABELS, strlen(OWN_LABELS)) != 0;
}

static size_t attribute_count(const struct json *attributes)
{
    return attributes && attributes->kind == JSON_OBJECT ? attributes->object.count : 0;
}

static void print_json(const struct json *event, const struct json *attributes)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char when[TIMESTAMP_MAX];
    timestamp_format(when, json_get_int(event, "timeNano", 0));
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "action", json_get_string(event, "Action"));
    json_key(&w, "attributes");
    json_begin_object(&w);
    for (size_t i = 0; i < attribute_count(attributes); i++) {
        if (is_shown(attributes->object.keys[i]))
            json_member_string(&w, attributes->object.keys[i], json_string(&attributes->object.values[i]));
    }
    json_end_object(&w);
    json_member_string(&w, "id", json_get_string(json_get(event, "Actor"), "ID"));
    json_member_string(&w, "service", json_get_string(attributes, COMPOSE_LABEL_SERVICE));
    json_member_string(&w, "time", when);
    json_member_string(&w, "type", "container");
    json_end_object(&w);
    printf("%s\n", strbuf_str(&text));
}

/* "2026-01-02 03:04:05.000006 container start ID (image=x, name=y)" in local time, and an empty line. */
static void print_text(const struct json *event, const struct json *attributes)
{
    int64_t ns = json_get_int(event, "timeNano", 0);
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm = {0};
    char when[64] = "";
    const char *separator = "";
    if (localtime_r(&seconds, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s.%06d container %s %s (", when, (int)(ns % 1000000000 / 1000), json_get_string(event, "Action"),
           json_get_string(json_get(event, "Actor"), "ID"));
    for (size_t i = 0; i < attribute_count(attributes); i++) {
        if (!is_shown(attributes->object.keys[i]))
            continue;
        printf("%s%s=%s", separator, attributes->object.keys[i], json_string(&attributes->object.values[i]));
        separator = ", ";
    }
    printf(")\n\n");
}

static int show(const char *line, const struct events_flags *flags, const struct strv *services, struct error *err)
{
    CLEANUP_JSON struct json *event = NULL;
    int r = json_parse(line, strlen(line), &event, err);
    if (r < 0)
        return r;
    const struct json *attributes = json_get(json_get(event, "Actor"), "Attributes");
    const char *oneoff = json_get_string(attributes, COMPOSE_LABEL_ONEOFF);
    const char *service = json_get_string(attributes, COMPOSE_LABEL_SERVICE);
    if ((oneoff && strcmp(oneoff, "True") == 0) ||
        (services->count > 0 && (!service || !strv_contains(services, service))))
        return 0;
    if (flags->json)
        print_json(event, attributes);
    else
        print_text(event, attributes);
    return fflush(stdout) != 0 ? error_errno(err, errno, "write") : 0;
}

static int open_events(struct cli *cli, const struct events_flags *flags, const char *project,
                       struct client_response **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    strv_add(&filters, "type=container");
    strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, project);
    strbuf_adds(&path, "/events");
    client_query_add(&path, "since", flags->since);
    client_query_add(&path, "until", flags->until);
    int r = filters_query_add(&path, &filters, err);
    return r < 0 ? r : client_send(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, ret, err);
}

static int run_events(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct events_flags *flags = data;
    CLEANUP_FREE char *project = NULL;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    const char *line = NULL;
    int r = log_query_check(&(struct log_query){.since = flags->since, .until = flags->until}, err);
    if (r == 0)
        r = compose_project_name(compose_options(cli), &project, err);
    if (r == 0)
        r = open_events(cli, flags, project, &response, err);
    while (r == 0 && (r = client_read_line(response, LINE_LIMIT, &line, err)) == 0 && line) {
        if (*line)
            r = show(line, flags, arguments, err);
    }
    return r;
}

const struct command command_compose_events = {
    .name = "compose events",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Receive real time events from containers",
    .options = events_options,
    .flags_size = sizeof(struct events_flags),
    .max_arguments = -1,
    .run = run_events,
};
