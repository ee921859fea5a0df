#include "api/media_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "0.25" in thousandths; -1: it is no weight. */
static int parse_weight(const char *text, size_t size)
{
    int weight, unit = 100;

    if (size == 0 || (text[0] != '0' && text[0] != '1') || (size > 1 && text[1] != '.') || size > strlen("0.000"))
        return -1;
    weight = (text[0] - '0') * 1000;
    for (size_t i = 2; i < size; i++, unit /= 10) {
        if (!is_digit(text[i]))
            return -1;
        weight += (text[i] - '0') * unit;
    }
    return weight <= 1000 ? weight : -1;
}

/* The weight among the parameters behind a type (";a=b;q=0.5"). */
static int find_weight(const char *parameters, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t length;

        at += strspn(parameters + at, ";" BLANKS);
        length = strcspn(parameters + at, ";," BLANKS);
        if (at < size && length >= 2 && strncasecmp(parameters + at, "q=", 2) == 0)
            return parse_weight(parameters + at + 2, length - 2);
        at += length > 0 ? length : 1;
    }
    return 1000;
}

const char *media_type_accepted(const char *accept, const char *const *offers)
{
    const char *best = NULL;
    int best_weight = 0;

    for (const char *const *offer = offers; accept && *offer; offer++) {
        for (const char *at = accept; *at;) {
            size_t item = strcspn(at, ","), blanks = strspn(at, BLANKS);
            size_t type = strcspn(at + blanks, ";," BLANKS);

            if (type == strlen(*offer) && strncasecmp(at + blanks, *offer, type) == 0) {
                int weight = find_weight(at + blanks + type, item - blanks - type);

                if (weight > best_weight) {
                    best_weight = weight;
                    best = *offer;
                }
            }
            at += item + (at[item] == ',');
        }
    }
    return best;
}
