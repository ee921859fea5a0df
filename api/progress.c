#include "api/progress.h"

#include <string.h>

#include "base/json.h"
#include "base/units.h"

#define BAR_WIDTH 50

static void end_line(struct strbuf *out)
{
    strbuf_adds(out, "\r\n"); /* docker's line end */
}

/* "[=====>      ]  1.2MB/3.4MB", for clients that print it as it is. */
static void write_bar(struct json_writer *w, int64_t current, int64_t total)
{
    CLEANUP_STRBUF struct strbuf bar = STRBUF_INIT;
    char now[32], all[32];
    int done;

    units_size(now, sizeof(now), (double)current);
    if (total <= 0) {
        strbuf_addf(&bar, "%8s", now);
    } else {
        done = (int)((double)current / (double)total * 100) / 2;
        done = done > BAR_WIDTH ? BAR_WIDTH : done;
        units_size(all, sizeof(all), (double)total);
        strbuf_addc(&bar, '[');
        for (int i = 0; i < done; i++)
            strbuf_addc(&bar, '=');
        strbuf_addc(&bar, '>');
        for (int i = done; i < BAR_WIDTH; i++)
            strbuf_addc(&bar, ' ');
        strbuf_addf(&bar, "] %8s", now);
        if (current <= total)
            strbuf_addf(&bar, "/%s", all);
    }
    json_member_string(w, "progress", strbuf_str(&bar));
}

/* Lines about the whole have no progressDetail in docker's stream, those about one layer always do. */
static bool is_about_layer(const char *id, const char *status)
{
    return id && strncmp(status, "Pulling from ", strlen("Pulling from ")) != 0;
}

void progress_line(struct strbuf *out, const char *id, const char *status, int64_t current, int64_t total)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "status", status);
    if (is_about_layer(id, status)) {
        json_key(&w, "progressDetail");
        json_begin_object(&w);
        if (current > 0)
            json_member_int(&w, "current", current);
        if (total > 0)
            json_member_int(&w, "total", total);
        json_end_object(&w);
    }
    if (current > 0 || total > 0)
        write_bar(&w, current > 0 ? current : 0, total);
    if (id)
        json_member_string(&w, "id", id);
    json_end_object(&w);
    end_line(out);
}

void progress_stream_line(struct strbuf *out, const char *text)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "stream", text);
    json_end_object(&w);
    end_line(out);
}

void progress_error_line(struct strbuf *out, const struct error *error)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "errorDetail");
    json_begin_object(&w);
    json_member_string(&w, "message", error->message);
    json_end_object(&w);
    json_member_string(&w, "error", error->message);
    json_end_object(&w);
    end_line(out);
}
