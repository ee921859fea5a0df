#include "cmd/dory/compose/log_printer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"

/* Of ECMA-48's "select graphic rendition", in the order in which Compose gives them to containers. */
static const char *const colours[] = {"36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1"};

struct log_source {
    char *name;
    const char *colour; /* NULL: none */
};

struct log_printer {
    struct log_source *items;
    size_t count, capacity;
    int width; /* of the longest name */
    bool colour, prefix, timestamps, terminal;
};

static bool wants_colour(const struct compose_options *options)
{
    const char *none = getenv("NO_COLOR");
    if (none && *none)
        return false;
    if (options->ansi && strcmp(options->ansi, "auto") != 0)
        return strcmp(options->ansi, "always") == 0;
    return isatty(STDOUT_FILENO);
}

struct log_printer *log_printer_new(const struct compose_options *options, const struct log_printer_options *own)
{
    struct log_printer *printer = xcalloc(1, sizeof(*printer));
    printer->colour = !own->no_colour && wants_colour(options);
    printer->prefix = !own->no_prefix;
    printer->timestamps = own->timestamps;
    printer->terminal = isatty(STDOUT_FILENO);
    return printer;
}

void log_printer_free(struct log_printer *printer)
{
    if (!printer)
        return;
    for (size_t i = 0; i < printer->count; i++)
        free(printer->items[i].name);
    free(printer->items);
    free(printer);
}

size_t log_printer_source(struct log_printer *printer, const char *name)
{
    for (size_t i = 0; i < printer->count; i++) {
        if (strcmp(printer->items[i].name, name) == 0)
            return i;
    }
    xgrow((void **)&printer->items, printer->count, &printer->capacity, sizeof(*printer->items));
    printer->items[printer->count] = (struct log_source){
        .name = xstrdup(name), .colour = printer->colour ? colours[printer->count % ARRAY_SIZE(colours)] : NULL};
    int width = (int)strlen(name);
    printer->width = width > printer->width ? width : printer->width;
    return printer->count++;
}

static void print_line(struct log_printer *printer, FILE *out, size_t source, const char *line, size_t size)
{
    const struct log_source *from = &printer->items[source];
    char when[TIMESTAMP_MAX];
    if (printer->prefix && from->colour)
        fprintf(out, "\033[%sm%-*s  | \033[0m", from->colour, printer->width, from->name);
    else if (printer->prefix)
        fprintf(out, "%-*s  | ", printer->width, from->name);
    if (printer->timestamps) {
        timestamp_format_fixed(when, timestamp_now());
        fprintf(out, "%s ", when);
    }
    fwrite(line, 1, size, out);
    putc('\n', out);
}

void log_printer_line(struct log_printer *printer, size_t source, const char *line, size_t size)
{
    print_line(printer, stdout, source, line, size);
}

void log_printer_line_to(struct log_printer *printer, FILE *out, size_t source, const char *line, size_t size)
{
    CLEANUP_FREE char *text = NULL;
    size_t length;
    FILE *whole = open_memstream(&text, &length); /* one write a line, as standard error has no buffer */
    if (!whole)
        return;
    print_line(printer, whole, source, line, size);
    fclose(whole);
    fwrite(text, 1, length, out);
    fflush(out);
}

void log_printer_status(struct log_printer *printer, size_t source, const char *text)
{
    const struct log_source *from = &printer->items[source];
    const char *clear = printer->terminal ? "\r\033[K" : "";
    if (from->colour)
        printf("\033[%sm%s%s %s\033[0m\n", from->colour, clear, from->name, text);
    else
        printf("%s%s %s\n", clear, from->name, text);
}
