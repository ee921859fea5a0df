/* Upper and lower case of Latin, Greek and Cyrillic letters; the static program has no locale to ask. Pure. */
#ifndef DORY_CMD_DORY_TEMPLATE_LETTER_CASE_H
#define DORY_CMD_DORY_TEMPLATE_LETTER_CASE_H

#include "base/strbuf.h"

enum letter_case {
    CASE_LOWER,
    CASE_UPPER,
    CASE_TITLE, /* the first letter of each word, as Go's strings.Title */
};

/* Appends the text with its letters changed; bytes that are no UTF-8 are kept. */
void letter_case(const char *text, size_t size, enum letter_case to, struct strbuf *out);

#endif
