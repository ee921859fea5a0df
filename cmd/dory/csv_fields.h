/* The fields of options that docker reads as one line of CSV (--mount, --network, --output, --secret). */
#ifndef DORY_CMD_DORY_CSV_FIELDS_H
#define DORY_CMD_DORY_CSV_FIELDS_H

#include "base/strv.h"

/* Adds each field: one that begins with a quotation mark may hold commas, and "" for one mark. */
void csv_fields_split(const char *text, struct strv *ret);

#endif
