#include "api/target.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"

static int parse_query(const char *query, struct target *target, struct error *err)
{
    while (*query) {
        size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        size_t name_length = equals ? (size_t)(equals - query) : length;

        if (length > 0) {
            char *name = parse_escapes(query, name_length, true);
            char *value = equals ? parse_escapes(equals + 1, length - name_length - 1, true) : xstrdup("");

            if (!name || !value || target->names.count >= TARGET_PARAMETERS_MAX) {
                free(name);
                free(value);
                return error_set(err, ERROR_INVALID, 0, "invalid query: %s",
                                 name && value ? "too many parameters" : "invalid URL escape");
            }
            strv_add_take(&target->names, name);
            strv_add_take(&target->values, value);
        }
        query += length;
        if (*query == '&')
            query++;
    }
    return 0;
}

/* "/v1.43/..." as docker's router sees it: digits and dots only; anything else is an ordinary path. *ret_length is the
 * length of the prefix ("/v1.43"), 0 when there is none. */
static int parse_version(const char *path, int minimum, int maximum, size_t *ret_length, int *ret_version,
                         struct error *err)
{
    size_t length;
    CLEANUP_FREE char *text = NULL;
    uint64_t minor = 0;

    *ret_length = 0;
    if (strncmp(path, "/v", 2) != 0)
        return 0;
    length = strspn(path + 2, "0123456789.");
    if (length == 0 || length > 16 || path[2 + length] != '/')
        return 0;
    text = xstrndup(path + 2, length);
    if (strncmp(text, "1.", 2) != 0 || parse_uint64(text + 2, 100000, &minor) < 0) {
        /* Other major versions order before and after ours. */
        minor = text[0] == '0' ? 0 : 100000;
    }
    if (minor > (uint64_t)maximum)
        return error_set(err, ERROR_INVALID, 0, "client version %s is too new. Maximum supported API version is 1.%d",
                         text, maximum);
    if (minor < (uint64_t)minimum)
        return error_set(err, ERROR_INVALID, 0,
                         "client version %s is too old. Minimum supported API version is 1.%d, please upgrade your "
                         "client to a newer version",
                         text, minimum);
    *ret_length = 2 + length;
    *ret_version = (int)minor;
    return 0;
}

int target_parse(const char *text, int minimum, int maximum, struct target *ret, struct error *err)
{
    size_t path_length = strcspn(text, "?#");
    size_t prefix = 0;
    CLEANUP_FREE char *path = xstrndup(text, path_length);
    int r;

    ret->version = -1;
    if (path[0] != '/')
        return error_set(err, ERROR_INVALID, 0, "invalid request target");
    r = parse_version(path, minimum, maximum, &prefix, &ret->version, err);
    if (r < 0)
        return r;
    ret->path = xstrdup(path + prefix);
    if (text[path_length] == '?') {
        CLEANUP_FREE char *query = xstrndup(text + path_length + 1, strcspn(text + path_length + 1, "#"));

        return parse_query(query, ret, err);
    }
    return 0;
}

void target_release(struct target *target)
{
    free(target->path);
    target->path = NULL;
    strv_release(&target->names);
    strv_release(&target->values);
}

const char *target_query(const struct target *target, const char *name)
{
    for (size_t i = 0; i < target->names.count; i++) {
        if (strcmp(target->names.items[i], name) == 0)
            return target->values.items[i];
    }
    return NULL;
}

static int add_value(struct strv *values, const char *text, size_t size)
{
    char *value = parse_escapes(text, size, false);

    if (!value)
        return -EINVAL;
    strv_add_take(values, value);
    return 1;
}

int target_match(const char *path, const char *pattern, struct strv *values)
{
    while (*pattern) {
        size_t length;

        if (strncmp(pattern, "{}", 2) == 0) {
            length = strcspn(path, "/");
            pattern += 2;
        } else if (strncmp(pattern, "{*}", 3) == 0) {
            size_t rest;

            pattern += 3;
            rest = strlen(pattern);
            length = strlen(path);
            if (length < rest || strcmp(path + length - rest, pattern) != 0)
                return 0;
            length -= rest;
        } else {
            if (*path++ != *pattern++)
                return 0;
            continue;
        }
        if (length == 0)
            return 0;
        if (add_value(values, path, length) < 0)
            return -EINVAL;
        path += length;
    }
    return *path == '\0';
}
