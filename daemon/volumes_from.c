#include "daemon/volumes_from.h"

#include "daemon/engine_internal.h"

void mount_points_release(struct json_array *mounts)
{
    mounts_free(mounts->items, mounts->count);
    *mounts = (struct json_array){0};
}

/* A copy without what concerned its making; *read_only replaces the mode of the original when it is there. */
static void add_copy(struct json_array *ret, const struct mount_point *from, const bool *read_only)
{
    struct mount_point copy = {0};
    json_table_copy(&mount_point_table, &copy, from);
    copy.no_copy = true; /* it is filled already */
    if (read_only != NULL)
        copy.read_only = *read_only;
    if (from->mode == NULL)
        copy.mode = xstrdup("");
    struct mount_point *items = ret->items;
    for (size_t i = 0; i < ret->count; i++) {
        if (strcmp(items[i].destination, copy.destination) == 0) {
            json_table_release(&mount_point_table, &items[i]);
            items[i] = copy;
            return;
        }
    }
    items = xreallocarray(items, ret->count + 1, sizeof(*items));
    items[ret->count++] = copy;
    ret->items = items;
}

/* *ret: NULL for the mode of the original. */
static int parse_mode(const char *mode, bool *read_only, const bool **ret, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    *ret = NULL;
    strv_split(&words, mode, ',');
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i];
        if (strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0) {
            *read_only = word[1] == 'o';
            *ret = read_only;
        } else if (strcmp(word, "z") != 0 && strcmp(word, "Z") != 0) {
            return error_set(err, ERROR_INVALID, 0, "invalid mode: %s", mode);
        }
    }
    return 0;
}

int volumes_from_collect(struct engine *engine, const struct container *c, struct json_array *ret, struct error *err)
{
    for (size_t i = 0; i < c->host.volumes_from.count; i++) {
        const char *spec = c->host.volumes_from.items[i], *colon = strchr(spec, ':');
        CLEANUP_FREE char *name = colon ? xstrndup(spec, (size_t)(colon - spec)) : xstrdup(spec);
        CLEANUP_CONTAINER struct container *peer = NULL;
        bool read_only = false;
        const bool *mode = NULL;
        if (*name == '\0')
            return error_set(err, ERROR_INVALID, 0, "invalid volumes-from specification: %s", spec);
        int r = colon ? parse_mode(colon + 1, &read_only, &mode, err) : 0;
        if (r == 0)
            r = container_find(engine, name, &peer, err);
        if (r < 0)
            return r;
        /* What was writable there stays read-only if it is so there: a borrower gets no more than the owner has. */
        for (size_t j = 0; j < peer->mount_count; j++) {
            const struct mount_point *m = &peer->mounts[j];
            bool both = read_only || m->read_only;
            if (m->type != MOUNT_TMPFS)
                add_copy(ret, m, mode != NULL ? &both : NULL);
        }
    }
    return 0;
}
