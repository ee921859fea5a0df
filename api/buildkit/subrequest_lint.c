/* frontend.lint: what docker's build checks find, as `docker build --check` shows it. A Dockerfile that cannot be built
 * is part of the answer. */
#include <stdlib.h>
#include <string.h>

#include "api/buildkit/subrequest.h"
#include "daemon/build/check.h"

struct lint {
    const char *file_name;
    struct strv lines;
    struct json_writer w;
    struct strbuf *text;
    size_t count;
};

/* Lines around those that it is about: */
static void print_lines(const struct lint *lint, int first_line, int last_line)
{
    int around = first_line == last_line ? 2 : 1, count = (int)lint->lines.count;
    if (first_line < 1 || first_line > count)
        return;
    int from = first_line > around ? first_line - around : 1;
    int to = last_line + around < count ? last_line + around : count;
    strbuf_addf(lint->text, "%s:%d\n--------------------\n", lint->file_name, first_line);
    for (int i = from; i <= to; i++)
        strbuf_addf(lint->text, " %3d | %s %s\n", i, i >= first_line && i <= last_line ? ">>>" : "   ",
                    lint->lines.items[i - 1]);
    strbuf_adds(lint->text, "--------------------\n");
}

static void on_finding(const struct check_finding *finding, void *data)
{
    struct lint *lint = data;
    json_begin_object(&lint->w);
    json_member_string(&lint->w, "ruleName", finding->rule);
    json_member_string(&lint->w, "description", finding->description);
    json_member_string(&lint->w, "url", finding->url);
    json_member_string(&lint->w, "detail", finding->text);
    subrequest_put_location(&lint->w, finding->first_line, finding->last_line);
    json_end_object(&lint->w);
    strbuf_addf(lint->text, "\nWARNING: %s - %s\n%s\n", finding->rule, finding->url, finding->text);
    print_lines(lint, finding->first_line, finding->last_line);
    lint->count++;
}

static void put_error(struct lint *lint, const struct error *failed)
{
    static const char begin[] = "dockerfile parse error on line ";
    bool placed = strncmp(failed->message, begin, strlen(begin)) == 0;
    int line = placed ? (int)strtol(failed->message + strlen(begin), NULL, 10) : 0;
    /* Where there is a line, those who show the message show what is around it. */
    CLEANUP_FREE char *message =
        xstrndup(failed->message, placed ? strcspn(failed->message, "\n") : strlen(failed->message));
    json_key(&lint->w, "buildError");
    json_begin_object(&lint->w);
    json_member_string(&lint->w, "message", message);
    subrequest_put_location(&lint->w, line, line);
    json_end_object(&lint->w);
}

static void put_source(struct lint *lint, const struct build_options *options)
{
    json_key(&lint->w, "sources");
    json_begin_array(&lint->w);
    json_begin_object(&lint->w);
    json_member_string(&lint->w, "filename", lint->file_name);
    json_key(&lint->w, "data");
    subrequest_put_base64(&lint->w, options->dockerfile, options->dockerfile_size);
    json_member_string(&lint->w, "language", "Dockerfile");
    json_end_object(&lint->w);
    json_end_array(&lint->w);
}

static void split_lines(const struct build_options *options, struct strv *ret)
{
    const char *line = options->dockerfile, *end = line + options->dockerfile_size;
    while (line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        strv_add_take(ret, xstrndup(line, (size_t)((next ? next : end) - line)));
        line = next ? next + 1 : end;
    }
}

int subrequest_lint(struct solve *solve, const struct build_options *options, struct error *err)
{
    struct build_options check = *options; /* borrows all of it */
    CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct lint lint = {.file_name = options->dockerfile_name, .text = &text};
    const struct build_events events = {.finding = on_finding, .data = &lint};
    struct build_result result;
    struct error failed = {0};
    check.check_only = true;
    json_writer_init(&lint.w, &json);
    split_lines(options, &lint.lines);
    json_begin_object(&lint.w);
    json_key(&lint.w, "warnings");
    json_begin_array(&lint.w);
    int r = build_run(solve->engine, &check, &events, &result, &failed);
    json_end_array(&lint.w);
    put_source(&lint, options);
    if (failed.kind == ERROR_INVALID)
        put_error(&lint, &failed);
    json_end_object(&lint.w);
    strv_release(&lint.lines);
    if (r < 0 && failed.kind != ERROR_INVALID)
        return error_propagate(err, &failed);
    strmap_set(&solve->metadata, "result.statuscode", r < 0 || lint.count > 0 ? "1" : "0");
    error_clear(&failed);
    return subrequest_answer(solve, strbuf_str(&json), strbuf_str(&text), err);
}
