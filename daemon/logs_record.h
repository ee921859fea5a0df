/* One line of a json-file log taken apart. Pure and bounded: the files may be damaged. */
#ifndef DORY_DAEMON_LOGS_RECORD_H
#define DORY_DAEMON_LOGS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strmap.h"

struct logs_record {
    char *text; /* inside the line that was parsed; may hold NULs */
    size_t text_size;
    bool is_stderr;
    int64_t time;
    const char *attrs; /* the JSON object as it stands in the line, or NULL */
    size_t attrs_size;
};

/*
 * Parses {"log":"...","stream":"...","attrs":{...},"time":"..."} with its members in any order; others are passed over.
 * The line (without its newline) is changed: strings are decoded in place. -EINVAL when it is no such record.
 */
int logs_record_parse(char *line, size_t size, struct logs_record *ret);

/* Docker's form of attributes for --details: "a=1,b=2", sorted, URL-encoded. Caller frees. */
char *logs_record_details(const struct logs_record *record);

#endif
