/* Media types that a client accepts (RFC 9110, 12.5.1). Pure. */
#ifndef DORY_API_MEDIA_TYPE_H
#define DORY_API_MEDIA_TYPE_H

/* Records that each begin with a record separator (RFC 7464). */
#define MEDIA_TYPE_JSON_SEQUENCE "application/json-seq"

/*
 * The offer (NULL ends the list) that the Accept header names with the greatest weight, of several the first of the
 * list. NULL when it names none: wildcards name nothing, and neither does a weight of zero or one that is no number.
 * accept may be NULL.
 */
const char *media_type_accepted(const char *accept, const char *const *offers);

#endif
