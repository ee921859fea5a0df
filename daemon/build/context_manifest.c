/* The text of a manifest. Whatever it says, only clean relative paths come out of it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/build/context_sync.h"

#define DEPTH_MAX 512

static int malformed(struct error *err, const char *path, const char *what)
{
    return error_set(err, ERROR_INVALID, 0, "build context: manifest entry \"%.200s\": %s", path, what);
}

/* A decimal number and the blank behind it. */
static bool take_number(const char **text, int base, int64_t *ret)
{
    char *end;
    if (**text != '-' && (**text < '0' || **text > '9'))
        return false;
    errno = 0;
    *ret = strtoll(*text, &end, base);
    if (errno != 0 || end == *text || (*end != ' ' && *end != '\0'))
        return false;
    *text = *end ? end + 1 : end;
    return true;
}

static int parse_head(struct context_entry *entry, struct error *err)
{
    const char *text = entry->head;
    int64_t mode, change, inode;
    entry->kind = *text;
    if (!*text || !strchr("fdlpcb", *text) || text[1] != ' ')
        return malformed(err, entry->path, "unknown kind");
    text += 2;
    if (!take_number(&text, 8, &mode) || !take_number(&text, 10, &entry->size) ||
        !take_number(&text, 10, &entry->mtime) || !take_number(&text, 10, &change) || !take_number(&text, 10, &inode) ||
        *text)
        return malformed(err, entry->path, "malformed numbers");
    if (mode < 0 || mode > 07777 || entry->size < 0)
        return malformed(err, entry->path, "number out of range");
    entry->mode = (unsigned)mode;
    return 0;
}

static int check_path(const char *path, struct error *err)
{
    size_t size = strlen(path);
    if (size == 0 || size >= PATH_MAX - 64)
        return malformed(err, path, "bad length of the path");
    for (const char *word = path; word; word = strchr(word, '/') ? strchr(word, '/') + 1 : NULL) {
        size_t n = strcspn(word, "/");
        if (n == 0 || n > NAME_MAX || (n == 1 && word[0] == '.') || (n == 2 && word[0] == '.' && word[1] == '.'))
            return malformed(err, path, "the path is not clean");
    }
    return 0;
}

/* '/' before everything else, so that what is in a directory follows it at once. */
static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '\0' ? 0 : *a == '/' ? 1 : (unsigned char)*a + 2;
    int y = *b == '\0' ? 0 : *b == '/' ? 1 : (unsigned char)*b + 2;
    return x - y;
}

int context_path_compare(const struct context_entry *a, const struct context_entry *b)
{
    return compare_paths(a->path, b->path);
}

/* The directories above the entry, outermost first. */
struct parents {
    const char *paths[DEPTH_MAX];
    size_t count;
};

static bool is_parent(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    return strncmp(directory, path, size) == 0 && path[size] == '/';
}

static int check_place(struct parents *parents, const struct context_entry *entry, struct error *err)
{
    const char *slash = strrchr(entry->path, '/');
    while (parents->count > 0 && !is_parent(parents->paths[parents->count - 1], entry->path))
        parents->count--;
    const char *parent = parents->count > 0 ? parents->paths[parents->count - 1] : NULL;
    if (slash ? !parent || strlen(parent) != (size_t)(slash - entry->path) : parent != NULL)
        return malformed(err, entry->path, "its directory is not listed");
    if (entry->kind == 'd') {
        if (parents->count == DEPTH_MAX)
            return malformed(err, entry->path, "too deep");
        parents->paths[parents->count++] = entry->path;
    }
    return 0;
}

/* The next string with its NUL. */
static const char *take_string(const char **text, const char *end)
{
    const char *start = *text, *nul = memchr(start, '\0', (size_t)(end - start));
    if (!nul)
        return NULL;
    *text = nul + 1;
    return start;
}

int context_manifest_parse(const char *text, size_t size, struct context_manifest *ret, struct error *err)
{
    const char *end = size > 0 ? text + size : text; /* NULL where there is nothing */
    size_t capacity = 0;
    CLEANUP_FREE struct parents *parents = xcalloc(1, sizeof(*parents));
    *ret = (struct context_manifest){0};
    while (text < end) {
        if (ret->count == CONTEXT_ENTRIES_MAX)
            return error_set(err, ERROR_INVALID, EFBIG, "build context: more than %zu files", CONTEXT_ENTRIES_MAX);
        xgrow((void **)&ret->items, ret->count, &capacity, sizeof(*ret->items));
        struct context_entry *entry = &ret->items[ret->count];
        *entry = (struct context_entry){0};
        entry->head = take_string(&text, end);
        entry->path = entry->head ? take_string(&text, end) : NULL;
        entry->extra = entry->path ? take_string(&text, end) : NULL;
        if (!entry->extra)
            return error_set(err, ERROR_INVALID, 0, "build context: the manifest is cut off");
        int r = check_path(entry->path, err);
        if (r == 0)
            r = parse_head(entry, err);
        if (r == 0 && ret->count > 0 && context_path_compare(&ret->items[ret->count - 1], entry) >= 0)
            r = malformed(err, entry->path, "not in order");
        if (r == 0)
            r = check_place(parents, entry, err);
        if (r < 0)
            return r;
        ret->count++;
    }
    return 0;
}
