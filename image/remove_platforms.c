/* Removing what names stand for beside their first choice: the other platforms of an index. */
#include <errno.h>

#include "base/memory.h"
#include "image/remove.h"

int removal_list_platforms(struct removal *removal, const char *name, struct strv *images, struct error *err)
{
    return removal_run(removal,
                       "SELECT image FROM image_name WHERE name = ?1 UNION SELECT m.image FROM name_index n"
                       " JOIN index_image m ON m.idx = n.idx WHERE n.name = ?1",
                       name, images, err);
}

int removal_check_platforms(struct removal *removal, const char *id, unsigned mask, struct error *err)
{
    struct strv CLEANUP_STRV others = STRV_INIT;
    bool used;
    int r = removal_run(removal,
                        "SELECT DISTINCT m.image FROM image_name i JOIN name_index n ON n.name = i.name"
                        " JOIN index_image m ON m.idx = n.idx WHERE i.image = ?1 AND m.image <> ?1"
                        " AND m.image NOT IN (SELECT image FROM image_name)",
                        id, &others, err);
    for (size_t i = 0; r == 0 && i < others.count; i++) {
        r = removal_check_conflicts(removal, others.items[i], mask & (CONFLICT_RUNNING | CONFLICT_STOPPED), &used, err);
    }
    return r;
}

int removal_name_used_by(struct removal *removal, const char *key, char **ret_container, char ret_id[DIGEST_TEXT_MAX],
                         struct error *err)
{
    struct strv CLEANUP_STRV images = STRV_INIT;
    bool running;
    int r = removal_list_platforms(removal, key, &images, err);
    *ret_container = NULL;
    for (size_t i = 0; r == 0 && *ret_container == NULL && i < images.count; i++) {
        *ret_container = removal_used_by(removal, images.items[i], &running);
        snprintf(ret_id, DIGEST_TEXT_MAX, "%s", images.items[i]);
    }
    return r;
}

int removal_has_names(struct removal *removal, const char *id, bool *ret, struct error *err)
{
    struct strv CLEANUP_STRV found = STRV_INIT;
    int r = removal_run(removal,
                        "SELECT name FROM image_name WHERE image = ?1 UNION ALL SELECT n.name FROM index_image m"
                        " JOIN name_index n ON n.idx = m.idx WHERE m.image = ?1 LIMIT 1",
                        id, &found, err);
    *ret = found.count > 0;
    return r;
}

int removal_sweep_platforms(struct removal *removal, struct error *err)
{
    bool spare = !removal->options->force || removal->options->spare_used;
    unsigned mask = CONFLICT_HARD | (spare ? CONFLICT_STOPPED : 0);
    int r = 0;
    for (size_t i = 0; r == 0 && i < removal->platforms.count; i++) {
        const char *id = removal->platforms.items[i];
        struct strv CLEANUP_STRV there = STRV_INIT;
        struct error why = {0};
        bool named = false, used;
        r = removal_run(removal, "SELECT id FROM image WHERE id = ?", id, &there, err);
        if (r == 0) {
            r = removal_has_names(removal, id, &named, err);
        }
        if (r < 0 || named || there.count == 0) {
            continue;
        }
        int conflict = removal_check_conflicts(removal, id, mask, &used, &why);
        if (conflict == 0) {
            r = removal_delete_image(removal, id, err);
        } else if (why.kind != ERROR_CONFLICT) {
            r = error_propagate(err, &why);
        }
    }
    return r;
}

/* One platform of the index that a name stands for, while there are others. */
static int remove_platform(struct removal *removal, const struct image_target *target, const char *image,
                           struct error *err)
{
    bool used;
    int r = removal_check_conflicts(removal, image, CONFLICT_HARD | (removal->options->force ? 0 : CONFLICT_STOPPED),
                                    &used, err);
    if (r == 0) {
        r = index_lose(removal->store, target->index, image, err);
    }
    if (r == 0) {
        strv_add(&removal->platforms, image);
    }
    return r;
}

int removal_lose_platforms(struct removal *removal, const char *name, bool *ret_done, struct error *err)
{
    const struct strv *asked = removal->options->platforms;
    *ret_done = false;
    for (size_t i = 0; asked != NULL && i < asked->count; i++) {
        struct index_members CLEANUP_INDEX_MEMBERS members = {0};
        CLEANUP_IMAGE struct image *image = NULL;
        struct image_target target;
        int r = image_lookup_platform(removal->store, name, asked->items[i], true, &image, err);
        if (r == 0) {
            r = image_find_target(removal->store, name, &target, err);
        }
        if (r == 0) {
            r = index_members(removal->store, target.index, &members, err);
        }
        if (r < 0) {
            return r;
        }
        *ret_done = false;
        for (size_t k = 0; k < members.count; k++) {
            *ret_done = *ret_done || strcmp(members.items[k].image, image->id) != 0;
        }
        if (*ret_done) {
            r = remove_platform(removal, &target, image->id, err);
            store_cache_clear(removal->store);
        }
        if (r < 0 || !*ret_done) {
            return r;
        }
    }
    return 0;
}
