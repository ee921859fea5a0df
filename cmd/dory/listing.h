/*
 * Lists as docker prints them: rows of named values, shown through a Go template, as an aligned table with headers, or
 * as JSON lines.
 */
#ifndef DORY_CMD_DORY_LISTING_H
#define DORY_CMD_DORY_LISTING_H

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

struct listing_header {
    const char *field, *title; /* "ID", "CONTAINER ID" */
};

struct listing {
    const char *format;        /* --format; NULL or "": the default table */
    const char *default_table; /* "table {{.ID}}\t{{.Names}}" */
    const struct listing_header *headers;
    size_t header_count;
    /* private */
    struct json **rows;
    size_t row_count, row_capacity;
};

/* Rows are written as JSON objects: begin, members with json_member_*, end. The row's text must be a complete object;
 * "LabelMap" (an object) answers {{.Label "x"}} and is not shown by the json format. */
int listing_add(struct listing *listing, const struct strbuf *object, struct error *err);
/* Prints everything to standard output and frees the rows. */
int listing_print(struct listing *listing, struct error *err);
void listing_release(struct listing *listing);

#endif
