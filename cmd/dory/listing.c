#include "cmd/dory/listing.h"

#include <errno.h>
#include <time.h>

#include "base/json_edit.h"
#include "base/strv.h"
#include "cmd/dory/columns.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/template.h"

/* docker's tabwriter: cells at least 10 wide, 3 blanks between. */
#define CELL_MIN 10
#define CELL_PADDING 3

int listing_add(struct listing *listing, const struct strbuf *object, struct error *err)
{
    struct json *row;
    int r = json_parse(strbuf_str(object), object->size, &row, err);
    if (r < 0)
        return r;
    xgrow((void **)&listing->rows, listing->row_count, &listing->row_capacity, sizeof(*listing->rows));
    listing->rows[listing->row_count++] = row;
    return 0;
}

void listing_release(struct listing *listing)
{
    for (size_t i = 0; i < listing->row_count; i++)
        json_free(listing->rows[i]);
    free(listing->rows);
    listing->rows = NULL;
    listing->row_count = 0;
}

/* "\t" and "\n" typed literally by the user's shell mean tab and newline, as in docker. */
static char *unescape(const char *format)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (const char *p = format; *p; p++) {
        if (p[0] == '\\' && (p[1] == 't' || p[1] == 'n')) {
            strbuf_addc(&out, p[1] == 't' ? '\t' : '\n');
            p++;
        } else {
            strbuf_addc(&out, *p);
        }
    }
    return strbuf_take(&out);
}

void listing_put_labels(struct json_writer *w, const struct json *labels)
{
    CLEANUP_FREE char *text = format_labels(labels);
    json_member_string(w, "Labels", text);
    json_key(w, "LabelMap");
    if (labels && labels->kind == JSON_OBJECT) {
        json_put_value(w, labels);
    } else {
        json_begin_object(w);
        json_end_object(w);
    }
}

void listing_put_no_labels(struct json_writer *w)
{
    json_key(w, "LabelMap");
    json_begin_object(w);
    json_end_object(w);
}

void listing_put_time(struct json_writer *w, const char *key, int64_t seconds)
{
    char text[64] = "";
    time_t t = (time_t)seconds;
    struct tm tm;
    if (localtime_r(&t, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
    json_member_string(w, key, text);
}

char *listing_format(const struct cli *cli, const char *flag, bool quiet, const char *member)
{
    bool given = flag && *flag;
    if (quiet && given)
        fprintf(stderr, "WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    if (quiet)
        return NULL;
    return given ? xstrdup(flag) : config_file_string(cli, member);
}

static int header_line(const struct listing *listing, const struct template *t, struct strv *lines, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
    CLEANUP_JSON struct json *titles = NULL;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t i = 0; i < listing->header_count; i++)
        json_member_string(&w, listing->headers[i].field, listing->headers[i].title);
    json_key(&w, "LabelMap");
    json_begin_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    int r = json_parse(strbuf_str(&text), text.size, &titles, err);
    if (r == 0)
        r = template_execute_with(t, titles, &(struct template_options){.header = true}, &line, err);
    if (r == 0)
        strv_add(lines, strbuf_str(&line));
    return r;
}

static int print_template(struct listing *listing, const char *format, bool table, struct error *err)
{
    CLEANUP_STRV struct strv rows = STRV_INIT;
    struct template_options options = {.type_name = listing->type_name};
    struct template *t;
    int r = template_parse(format, &t, err);
    if (r < 0) {
        if (listing->parse_error)
            return error_set(err, ERROR_INVALID, 0, "%s%s", listing->parse_error,
                             err->message + strlen("template parsing error"));
        return r;
    }
    for (size_t i = 0; i < listing->row_count && r == 0; i++) {
        CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
        r = template_execute_with(t, listing->rows[i], &options, &line, err);
        if (r == 0)
            strv_add(&rows, strbuf_str(&line));
    }
    CLEANUP_STRV struct strv lines = STRV_INIT;
    if (r == 0 && table)
        r = header_line(listing, t, &lines, err);
    template_free(t);
    if (r < 0)
        return error_context(err, "%s", listing->execute_error ? listing->execute_error : "template parsing error");
    strv_add_all(&lines, &rows);
    if (table)
        columns_print(&lines, CELL_MIN, CELL_PADDING);
    for (size_t i = 0; !table && i < lines.count; i++)
        printf("%s\n", lines.items[i]);
    return 0;
}

int listing_print(struct listing *listing, struct error *err)
{
    const char *format = listing->format && *listing->format ? listing->format : "table";
    if (strcmp(format, "json") == 0)
        format = "{{json .}}";
    else if (strcmp(format, "raw") == 0 && listing->raw)
        format = listing->raw;
    else if (strcmp(format, "table") == 0)
        format = listing->default_table;
    CLEANUP_FREE char *text = unescape(format);
    bool table = strncmp(text, "table ", 6) == 0;
    int r = print_template(listing, table ? text + 6 : text, table, err);
    listing_release(listing);
    return r;
}

void listing_print_rows(const struct listing *listing, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < listing->row_count; i++) {
        CLEANUP_JSON struct json *row = json_copy(listing->rows[i]);
        json_remove(row, "LabelMap");
        json_put_value(&w, row);
    }
    json_end_array(&w);
}
