#include "cmd/dory/reference_check.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

#define NAME_MAX_SIZE 255
#define TAG_MAX_SIZE 128

static bool is_alnum(char c)
{
    return islower((unsigned char)c) || isdigit((unsigned char)c);
}

/* Lower-case letters and digits, with ".", "_", "__" or any number of "-" between them. */
static bool is_component(const char *p, size_t size)
{
    size_t i = 0;
    while (i < size) {
        size_t start = i;
        while (i < size && is_alnum(p[i]))
            i++;
        if (i == start)
            return false;
        if (i == size)
            return true;
        size_t separator = i;
        while (i < size && p[i] == p[separator] && strchr("._-", p[i]))
            i++;
        size_t n = i - separator;
        if (n == 0 || (p[separator] == '.' && n > 1) || (p[separator] == '_' && n > 2))
            return false;
    }
    return false;
}

static bool is_path(const char *path)
{
    while (true) {
        size_t size = strcspn(path, "/");
        if (!is_component(path, size))
            return false;
        if (!path[size])
            return true;
        path += size + 1;
    }
}

/* Is what stands in front of the first slash a host? */
static bool is_domain(const char *name, size_t size)
{
    bool upper = false;
    for (size_t i = 0; i < size; i++)
        upper = upper || isupper((unsigned char)name[i]);
    return memchr(name, '.', size) || memchr(name, ':', size) || upper ||
           (size == 9 && memcmp(name, "localhost", 9) == 0);
}

static bool is_tag(const char *tag)
{
    size_t size = strlen(tag);
    if (size == 0 || size > TAG_MAX_SIZE || tag[0] == '.' || tag[0] == '-')
        return false;
    for (; *tag; tag++) {
        if (!isalnum((unsigned char)*tag) && !strchr("_.-", *tag))
            return false;
    }
    return true;
}

static bool is_digest(const char *digest)
{
    size_t algorithm = strcspn(digest, ":");
    const char *hex = digest + algorithm + 1;
    return digest[algorithm] && algorithm > 0 && strlen(hex) >= 32 &&
           strspn(hex, "0123456789abcdefABCDEF") == strlen(hex);
}

int reference_check(const char *reference, struct error *err)
{
    CLEANUP_FREE char *name = xstrdup(reference);
    char *digest = strchr(name, '@');
    if (digest)
        *digest++ = '\0';
    char *slash = strrchr(name, '/'), *tag = strchr(slash ? slash : name, ':');
    if (tag)
        *tag++ = '\0';
    size_t first = strcspn(name, "/");
    bool domain = name[first] == '/' && is_domain(name, first);
    const char *path = domain ? name + first + 1 : name;
    for (const char *p = path; *p; p++) {
        if (isupper((unsigned char)*p))
            return error_set(err, ERROR_INVALID, 0,
                             "invalid reference format: repository name (%s%s) must be lowercase",
                             domain || strchr(path, '/') ? "" : "library/", path);
    }
    if (!is_path(path) || strlen(path) > NAME_MAX_SIZE || (tag && !is_tag(tag)) || (digest && !is_digest(digest)))
        return error_set(err, ERROR_INVALID, 0, "invalid reference format");
    return 0;
}
