/* Questions about a Dockerfile (moby/buildkit frontend/subrequests): answers are JSON in result.json and text in
 * result.txt. */
#include <string.h>

#include "api/buildkit/subrequest.h"
#include "base/base64.h"
#include "base/json_edit.h"
#include "base/memory.h"
#include "daemon/build/stages.h"

#define VERSION "1.0.0"

/* ---- parts of answers ---- */

int subrequest_answer(struct solve *solve, const char *json, const char *text, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf printed = STRBUF_INIT;
    int r = json_parse(json, strlen(json), &tree, err);
    if (r < 0)
        return r;
    json_print(tree, "  ", 0, &printed);
    strmap_set(&solve->metadata, "result.json", strbuf_str(&printed));
    strmap_set(&solve->metadata, "result.txt", text);
    strmap_set(&solve->metadata, "version", VERSION);
    return 0;
}

static void put_line(struct json_writer *w, const char *key, int line)
{
    json_key(w, key);
    json_begin_object(w);
    json_member_int(w, "line", line);
    json_end_object(w);
}

void subrequest_put_location(struct json_writer *w, int first_line, int last_line)
{
    json_key(w, "location");
    json_begin_object(w);
    if (first_line > 0) {
        json_key(w, "ranges");
        json_begin_array(w);
        json_begin_object(w);
        put_line(w, "start", first_line);
        put_line(w, "end", last_line);
        json_end_object(w);
        json_end_array(w);
    }
    json_end_object(w);
}

void subrequest_put_optional(struct json_writer *w, const char *key, const char *text)
{
    if (text && *text)
        json_member_string(w, key, text);
}

void subrequest_put_base64(struct json_writer *w, const char *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    base64_encode(data, size, false, &text);
    json_put_string(w, strbuf_str(&text));
}

void subrequest_table(struct strbuf *out, const struct strv *cells, size_t columns, unsigned gap)
{
    CLEANUP_FREE size_t *widths = xcalloc(columns, sizeof(*widths));
    for (size_t i = 0; i < cells->count; i++) {
        size_t size = strlen(cells->items[i]);
        if (size > widths[i % columns])
            widths[i % columns] = size;
    }
    for (size_t i = 0; i < cells->count; i++) {
        if (i % columns == columns - 1)
            strbuf_addf(out, "%s\n", cells->items[i]);
        else
            strbuf_addf(out, "%-*s", (int)(widths[i % columns] + gap), cells->items[i]);
    }
}

/* ---- frontend.targets ---- */

static void put_target(struct json_writer *w, struct strv *cells, const struct dockerfile *file,
                       const struct stages *stages, const struct stage *stage)
{
    bool is_default = stage->index == stages->count - 1;
    const char *name = stage->name ? stage->name : "";
    const char *description = stage->name ? instruction_description(file, stage->from, name) : NULL;
    json_begin_object(w);
    subrequest_put_optional(w, "name", name);
    if (is_default)
        json_member_bool(w, "default", true);
    subrequest_put_optional(w, "description", description);
    subrequest_put_optional(w, "base", stage->from->words.items[0]);
    subrequest_put_optional(w, "platform", instruction_flag(stage->from, "platform"));
    subrequest_put_location(w, stage->from->first_line, stage->from->last_line);
    json_end_object(w);
    strv_addf(cells, "%s%s%s", name, *name && is_default ? " " : "", is_default ? "(default)" : "");
    strv_add(cells, description ? description : "");
}

static int answer_targets(struct solve *solve, const struct build_options *options, struct error *err)
{
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_STRV struct strv cells = STRV_INIT;
    struct json_writer w;
    const struct stages_options how = {.build_args = &options->build_args, .platform = options->platform};
    int r = dockerfile_parse(options->dockerfile_name, options->dockerfile, options->dockerfile_size, &file, err);
    if (r == 0)
        r = stages_collect(&file, &how, &stages, err);
    if (r < 0)
        return r;
    strv_add(&cells, "TARGET");
    strv_add(&cells, "DESCRIPTION");
    json_writer_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "targets");
    json_begin_array(&w);
    for (size_t i = 0; i < stages.count; i++)
        put_target(&w, &cells, &file, &stages, &stages.items[i]);
    json_end_array(&w);
    json_key(&w, "sources");
    json_begin_array(&w);
    subrequest_put_base64(&w, options->dockerfile, options->dockerfile_size);
    json_end_array(&w);
    json_end_object(&w);
    subrequest_table(&text, &cells, 2, 1);
    return subrequest_answer(solve, strbuf_str(&json), strbuf_str(&text), err);
}

/* ---- all ---- */

static int answer_describe(struct solve *solve, const struct build_options *options, struct error *err);

static const struct {
    const char *name, *description;
    const char *results[4]; /* of the metadata */
    const char *option;     /* that it heeds: name and what it is; NULL */
    const char *option_description;
    int (*answer)(struct solve *solve, const struct build_options *options, struct error *err);
} requests[] = {
    {"frontend.outline",
     "List all parameters current build target supports",
     {"result.json", "result.txt"},
     "target",
     "Target build stage",
     subrequest_outline},
    {"frontend.targets",
     "List all targets current build supports",
     {"result.json", "result.txt"},
     NULL,
     NULL,
     answer_targets},
    {"frontend.lint",
     "Lint a Dockerfile",
     {"result.json", "result.txt", "result.statuscode"},
     NULL,
     NULL,
     subrequest_lint},
    {"frontend.subrequests.describe",
     "List available subrequest types",
     {"result.json", "result.txt"},
     NULL,
     NULL,
     answer_describe},
};

static void put_request(struct json_writer *w, size_t i)
{
    json_begin_object(w);
    json_member_string(w, "name", requests[i].name);
    json_member_string(w, "version", VERSION);
    json_member_string(w, "type", "rpc");
    json_member_string(w, "description", requests[i].description);
    json_key(w, "opts");
    json_begin_array(w);
    if (requests[i].option) {
        json_begin_object(w);
        json_member_string(w, "name", requests[i].option);
        json_member_string(w, "description", requests[i].option_description);
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "metadata");
    json_begin_array(w);
    for (size_t j = 0; j < ARRAY_SIZE(requests[i].results) && requests[i].results[j]; j++) {
        json_begin_object(w);
        json_member_string(w, "name", requests[i].results[j]);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static int answer_describe(struct solve *solve, const struct build_options *options, struct error *err)
{
    CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_STRV struct strv cells = STRV_INIT;
    struct json_writer w;
    (void)options;
    strv_add(&cells, "NAME");
    strv_add(&cells, "VERSION");
    strv_add(&cells, "DESCRIPTION");
    json_writer_init(&w, &json);
    json_begin_array(&w);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        put_request(&w, i);
        strv_add(&cells, requests[i].name + strlen("frontend."));
        strv_add(&cells, VERSION);
        strv_add(&cells, requests[i].description);
    }
    json_end_array(&w);
    subrequest_table(&text, &cells, 3, 1);
    return subrequest_answer(solve, strbuf_str(&json), strbuf_str(&text), err);
}

int solve_subrequest(struct solve *solve, const char *name, const struct build_options *options, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        if (strcmp(requests[i].name, name) == 0)
            return requests[i].answer(solve, options, err);
    }
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "the request %.100s about a Dockerfile is not supported", name);
}
