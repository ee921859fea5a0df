/*
 * Lists as docker prints them: rows of named values, shown through a Go template, as an aligned table with headers, or
 * as JSON lines.
 */
#ifndef DORY_CMD_DORY_LISTING_H
#define DORY_CMD_DORY_LISTING_H

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "cmd/dory/command.h"

struct listing_header {
    const char *field, *title; /* "ID", "CONTAINER ID" */
};

struct listing {
    const char *format;        /* --format, or the default of config.json; NULL or "": the default table */
    const char *default_table; /* "table {{.ID}}\t{{.Names}}" */
    const char *raw;           /* the template of --format raw; NULL: "raw" is a template like others */
    const char *type_name;     /* Go's name of the rows, for errors: "*formatter.ContainerContext" */
    /* What stands in front of an error about the template; NULL: "template parsing error". */
    const char *parse_error, *execute_error;
    const struct listing_header *headers;
    size_t header_count;
    /* private */
    struct json **rows;
    size_t row_count, row_capacity;
};

/* The format that a list command uses: --format; else, unless `quiet`, the member of config.json ("psFormat"); else
 * NULL. With both --format and quiet: quiet wins and docker's warning is printed. The caller frees. */
char *listing_format(const struct cli *cli, const char *flag, bool quiet, const char *member);
/* Rows are written as JSON objects: begin, members with json_member_*, end. The row's text must be a complete object;
 * "LabelMap" (an object) answers {{.Label "x"}} and is not shown by the json format. */
int listing_add(struct listing *listing, const struct strbuf *object, struct error *err);
/* How a row is written: the same for all kinds of rows. */
struct row_options {
    bool no_trunc;
    bool first_name; /* of several names of an image, the first only */
    bool no_virtual; /* sizes of containers without their images */
};

/* A row that has no labels. */
void listing_put_no_labels(struct json_writer *w);
/* Members "Labels" (text) and "LabelMap" of a row; labels may be NULL or null. */
void listing_put_labels(struct json_writer *w, const struct json *labels);
/* "2026-01-02 03:04:05 +0000 UTC" of Unix seconds, in the local time zone, as Go prints a time. */
void listing_put_time(struct json_writer *w, const char *key, int64_t seconds);
/* Prints everything to standard output and frees the rows. */
int listing_print(struct listing *listing, struct error *err);
/* Appends the rows as a JSON array, without what is only there for `.Label`. */
void listing_print_rows(const struct listing *listing, struct strbuf *out);
void listing_release(struct listing *listing);

#endif
