#include "base/path_match.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/strv.h"
#include "base/utf8.h"

/* One character of a class, escapes taken off. NULL: the class does not go on. */
static const char *class_char(const char *p, uint32_t *ret)
{
    if (*p == '\0' || *p == '-' || *p == ']')
        return NULL;
    if (*p == '\\' && *++p == '\0')
        return NULL;
    size_t size = utf8_decode(p, strlen(p), ret);
    return size > 0 ? p + size : NULL;
}

/* p: behind the '['. Returns what follows the ']', NULL when the class is malformed. */
static const char *match_class(const char *p, uint32_t c, bool *ret)
{
    bool negated = *p == '^', matched = false;
    uint32_t low, high;
    p += negated;
    for (size_t ranges = 0; *p != ']' || ranges == 0; ranges++) {
        p = class_char(p, &low);
        if (p == NULL)
            return NULL;
        high = low;
        if (*p == '-' && (p = class_char(p + 1, &high)) == NULL)
            return NULL;
        matched |= low <= c && c <= high;
    }
    *ret = matched != negated;
    return p + 1;
}

/* One unit of the pattern that is no star against the start of path. The pattern is read on also when it cannot match.
 * *ret_used: bytes of path, 0: no match. NULL: malformed. */
static const char *match_unit(const char *pattern, const char *path, size_t *ret_used)
{
    uint32_t c = 0;
    size_t size = *path == '\0' ? 0 : utf8_decode(path, strlen(path), &c);
    bool matched = false;
    if (*path != '\0' && size == 0)
        size = 1;
    *ret_used = 0;
    if (*pattern == '[') {
        pattern = match_class(pattern + 1, c, &matched);
        if (pattern != NULL && matched && size > 0 && *path != '/')
            *ret_used = size;
        return pattern;
    }
    if (*pattern == '?') {
        *ret_used = *path != '/' ? size : 0;
        return pattern + 1;
    }
    if (*pattern == '\\' && *++pattern == '\0')
        return NULL;
    if (*path != '\0' && *pattern == *path)
        *ret_used = 1;
    return pattern + 1;
}

static int check_pattern(const char *pattern)
{
    size_t used;
    while (pattern != NULL && *pattern != '\0')
        pattern = *pattern == '*' ? pattern + 1 : match_unit(pattern, "", &used);
    return pattern == NULL ? -EINVAL : 0;
}

int path_match(const char *pattern, const char *path, bool *ret)
{
    const char *star = NULL, *star_path = NULL; /* where to try again with one more character for the last star */
    int r = check_pattern(pattern);
    if (r < 0)
        return r;
    while (*path != '\0' || *pattern != '\0') {
        size_t used = 0;
        if (*pattern == '*') {
            star = ++pattern;
            star_path = path;
            continue;
        }
        const char *next = *pattern != '\0' ? match_unit(pattern, path, &used) : pattern;
        if (used > 0) {
            pattern = next;
            path += used;
        } else if (star != NULL && *star_path != '\0' && *star_path != '/') {
            path = ++star_path;
            pattern = star;
        } else {
            *ret = false;
            return 0;
        }
    }
    *ret = true;
    return 0;
}

bool path_is_pattern(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' && text[1] != '\0')
            text++;
        else if (strchr("*?[", *text) != NULL)
            return true;
    }
    return false;
}

char *path_clean(const char *path)
{
    CLEANUP_STRV struct strv parts = STRV_INIT, out = STRV_INIT;
    bool rooted = path[0] == '/';
    strv_split(&parts, path, '/');
    for (size_t i = 0; i < parts.count; i++) {
        const char *part = parts.items[i];
        if (*part == '\0' || strcmp(part, ".") == 0)
            continue;
        bool up = strcmp(part, "..") == 0;
        if (up && out.count > 0 && strcmp(out.items[out.count - 1], "..") != 0)
            strv_remove(&out, out.count - 1);
        else if (!up || !rooted)
            strv_add(&out, part);
    }
    CLEANUP_FREE char *joined = strv_join(&out, "/");
    if (rooted)
        return xasprintf("/%s", joined);
    return xstrdup(*joined != '\0' ? joined : ".");
}
