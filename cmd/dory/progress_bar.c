#include "cmd/dory/progress_bar.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"

/* Columns of the bar itself, and of a terminal that has room for one. */
#define BAR_WIDTH 50
#define WIDTH_FOR_BAR 110

static void add_bar(int64_t current, int64_t total, struct strbuf *out)
{
    int64_t filled = current >= total ? BAR_WIDTH : (int64_t)((double)current / (double)total * BAR_WIDTH);
    strbuf_addc(out, '[');
    for (int64_t i = 0; i < filled; i++)
        strbuf_addc(out, '=');
    strbuf_addc(out, '>');
    for (int64_t i = filled; i < BAR_WIDTH; i++)
        strbuf_addc(out, ' ');
    strbuf_adds(out, "] ");
}

static void add_numbers(int64_t current, int64_t total, const char *units, struct strbuf *out)
{
    char done[32], all[32];
    if (*units) {
        strbuf_addf(out, "%" PRId64 "/%" PRId64 " %s", current, total, units);
        return;
    }
    units_size(done, sizeof(done), (double)current);
    units_size(all, sizeof(all), (double)total);
    if (current <= total)
        strbuf_addf(out, "%8s/%s", done, all);
    else
        strbuf_addf(out, "%8s", done); /* the total was wrong */
}

void progress_bar(const struct json *detail, int width, struct strbuf *out)
{
    int64_t current = json_get_int(detail, "current", 0), total = json_get_int(detail, "total", 0);
    const char *units = json_get_string(detail, "units");
    char done[32];
    if (current <= 0 && total <= 0)
        return;
    units = units ? units : "";
    if (total <= 0) {
        units_size(done, sizeof(done), (double)current);
        if (*units)
            strbuf_addf(out, "%" PRId64 " %s", current, units);
        else
            strbuf_addf(out, "%8s", done);
        return;
    }
    if (width > WIDTH_FOR_BAR)
        add_bar(current, total, out);
    if (!json_get_bool(detail, "hidecounts", false))
        add_numbers(current, total, units, out);
}
