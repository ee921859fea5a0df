#include <errno.h>

#include "base/id.h"
#include "base/memory.h"
#include "image/digest.h"
#include "image/remove.h"

static struct image_removed *add_row(struct removal *removal, char *untagged, char *deleted)
{
    xgrow((void **)&removal->rows, removal->count, &removal->capacity, sizeof(*removal->rows));
    removal->rows[removal->count] = (struct image_removed){.untagged = untagged, .deleted = deleted};
    return &removal->rows[removal->count++];
}

void image_removed_free(struct image_removed *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].untagged);
        free(rows[i].deleted);
    }
    free(rows);
}

static const char *short_id(const char *id)
{
    return id + strlen(DIGEST_PREFIX);
}

/* ---- Rows ---- */

int removal_run(struct removal *removal, const char *sql, const char *argument, struct strv *list, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(removal->store->db, sql, &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, argument);
    while ((r = db_step(s, &row, err)) == 0 && row) {
        if (list != NULL) {
            strv_add(list, db_text(s, 0));
        }
    }
    db_reset(s);
    return r;
}

static int list_names(struct removal *removal, const char *id, struct strv *names, struct error *err)
{
    return removal_run(removal, "SELECT name FROM image_name WHERE image = ? ORDER BY name", id, names, err);
}

static int remove_name(struct removal *removal, const char *name, struct error *err)
{
    struct reference ref = {0};
    int r = removal_list_platforms(removal, name, &removal->platforms, err);
    if (r == 0) {
        r = removal_run(removal, "DELETE FROM image_name WHERE name = ?", name, NULL, err);
    }
    if (r == 0) {
        r = reference_parse(name, &ref, err);
    }
    if (r == 0) {
        add_row(removal, reference_familiar(&ref), NULL);
        reference_release(&ref);
    }
    return r;
}

static bool is_canonical(const char *name)
{
    return strchr(name, '@') != NULL;
}

/* Without tag or digest: a full name has a '/' before either. */
static size_t repository_size(const char *name)
{
    const char *last = strrchr(name, '/');
    const char *start = last != NULL ? last : name;
    return (size_t)(start - name) + strcspn(start, ":@");
}

static bool same_repository(const char *a, const char *b)
{
    return repository_size(a) == repository_size(b) && strncmp(a, b, repository_size(a)) == 0;
}

/* At most one tag, and digests of the same repository only. */
static bool is_single_reference(const struct strv *names)
{
    const char *single = NULL;
    if (names->count <= 1) {
        return true;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (!is_canonical(names->items[i])) {
            if (single != NULL) {
                return false;
            }
            single = names->items[i];
        }
    }
    single = single != NULL ? single : names->items[0];
    for (size_t i = 0; i < names->count; i++) {
        if (!same_repository(single, names->items[i])) {
            return false;
        }
    }
    return true;
}

/* ---- Conflicts ---- */

char *removal_used_by(const struct removal *removal, const char *id, bool *ret_running)
{
    *ret_running = false;
    return removal->options->used_by != NULL ? removal->options->used_by(id, ret_running, removal->options->data)
                                             : NULL;
}

static int conflict(const char *id, bool hard, struct error *err, const char *what, const char *who)
{
    return error_set(err, ERROR_CONFLICT, EEXIST, "conflict: unable to delete %.*s (%s) - %s%s", ID_SHORT_SIZE,
                     short_id(id), hard ? "cannot be forced" : "must be forced", what, who);
}

int removal_check_conflicts(struct removal *removal, const char *id, unsigned mask, bool *ret_used, struct error *err)
{
    struct strv CLEANUP_STRV list = STRV_INIT;
    bool running = false;
    *ret_used = false;
    if (mask & CONFLICT_CHILD) {
        int r = removal_run(removal, "SELECT id FROM image WHERE parent = ?", id, &list, err);
        if (r < 0 || list.count > 0) {
            return r < 0 ? r : conflict(id, true, err, "image has dependent child images", "");
        }
    }
    CLEANUP_FREE char *container = removal_used_by(removal, id, &running);
    *ret_used = container != NULL;
    if ((mask & CONFLICT_RUNNING) && container != NULL && running) {
        return conflict(id, true, err, "image is being used by running ", container);
    }
    if (mask & CONFLICT_REFERENCE) {
        int r = list_names(removal, id, &list, err);
        if (r < 0 || list.count > 0) {
            *ret_used = false;
            return r < 0 ? r : conflict(id, false, err, "image is referenced in multiple repositories", "");
        }
    }
    if ((mask & CONFLICT_STOPPED) && container != NULL) {
        return conflict(id, false, err, "image is being used by stopped ", container);
    }
    *ret_used = false;
    return 0;
}

/* ---- Layers ---- */

/* ChainIDs, by which docker reports layers (OCI image-spec, config.md). */
static void chain_ids(const struct strv *diff_ids, struct strv *ret)
{
    for (size_t i = 0; i < diff_ids->count; i++) {
        char id[DIGEST_TEXT_MAX];
        if (i == 0) {
            strv_add(ret, diff_ids->items[0]);
            continue;
        }
        CLEANUP_FREE char *text = xasprintf("%s %s", ret->items[i - 1], diff_ids->items[i]);
        digest_of(text, strlen(text), id);
        strv_add(ret, id);
    }
}

/* How many of the first layers another image has, too: those stay, and are not reported. */
static int shared_layers(struct removal *removal, const struct strv *diff_ids, size_t *ret, struct error *err)
{
    struct strv CLEANUP_STRV others = STRV_INIT;
    *ret = 0;
    if (diff_ids->count == 0) {
        return 0;
    }
    int r = removal_run(removal, "SELECT image FROM image_layer WHERE position = 0 AND diff_id = ?", diff_ids->items[0],
                        &others, err);
    for (size_t i = 0; r == 0 && i < others.count; i++) {
        struct strv CLEANUP_STRV layers = STRV_INIT;
        r = removal_run(removal, "SELECT diff_id FROM image_layer WHERE image = ? ORDER BY position", others.items[i],
                        &layers, err);
        size_t same = 0;
        while (same < layers.count && same < diff_ids->count &&
               strcmp(layers.items[same], diff_ids->items[same]) == 0) {
            same++;
        }
        *ret = same > *ret ? same : *ret;
    }
    return r;
}

/* A container that outlives its image keeps all of its layers. */
static int used_layers(struct removal *removal, const char *id, size_t count, size_t *ret, struct error *err)
{
    struct strv CLEANUP_STRV roots = STRV_INIT;
    int r = removal_run(removal, "SELECT id FROM rootfs WHERE image = ? LIMIT 1", id, &roots, err);
    if (r == 0 && roots.count > 0) {
        *ret = count;
    }
    return r;
}

int store_drop_unused_layer(struct image_store *store, const char *diff_id, struct strv *dirs, struct error *err)
{
    struct db_statement *s;
    bool row = false;
    if (map_get(&store->pins, diff_id) != NULL) {
        return 0; /* an image that has it is on its way; image_layer_unpin asks again */
    }
    int r = db_query(store->db,
                     "SELECT dir FROM layer WHERE diff_id = ?1"
                     " AND NOT EXISTS (SELECT 1 FROM image_layer WHERE diff_id = ?1)"
                     " AND NOT EXISTS (SELECT 1 FROM layer_use WHERE diff_id = ?1)"
                     " AND NOT EXISTS (SELECT 1 FROM rootfs WHERE instr(lowers, layer.dir) > 0)",
                     &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, diff_id);
    r = db_step(s, &row, err);
    if (r < 0 || !row) {
        return r;
    }
    strv_add(dirs, db_text(s, 0));
    db_reset(s);
    r = db_query(store->db, "DELETE FROM layer WHERE diff_id = ?", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, diff_id);
    return db_run(s, err);
}

static int remove_blobs(struct removal *removal, const char *id, struct error *err)
{
    struct strv CLEANUP_STRV blobs = STRV_INIT;
    int r = removal_run(removal,
                        "SELECT digest FROM image_blob WHERE image = ?1 AND digest NOT IN"
                        " (SELECT digest FROM image_blob WHERE image <> ?1)",
                        id, &blobs, err);
    strv_add(&blobs, id);
    for (size_t i = 0; i < blobs.count; i++) {
        strv_add(&removal->blobs, digest_hex(blobs.items[i]));
    }
    return r;
}

int removal_delete_image(struct removal *removal, const char *id, struct error *err)
{
    struct strv CLEANUP_STRV diff_ids = STRV_INIT;
    struct strv CLEANUP_STRV chain = STRV_INIT;
    size_t shared = 0;
    int r =
        removal_run(removal, "SELECT diff_id FROM image_layer WHERE image = ? ORDER BY position", id, &diff_ids, err);
    if (r == 0) {
        r = remove_blobs(removal, id, err);
    }
    if (r == 0) {
        r = removal_run(removal, "DELETE FROM image WHERE id = ?", id, NULL, err);
    }
    if (r == 0) {
        r = shared_layers(removal, &diff_ids, &shared, err);
    }
    if (r == 0) {
        r = used_layers(removal, id, diff_ids.count, &shared, err);
    }
    for (size_t i = 0; r == 0 && i < diff_ids.count; i++) {
        r = store_drop_unused_layer(removal->store, diff_ids.items[i], &removal->layer_dirs, err);
    }
    if (r == 0) {
        r = init_layer_drop_unused(removal->store, &removal->layer_dirs, err);
    }
    if (r < 0) {
        return r;
    }
    add_row(removal, NULL, xstrdup(id))->image = true;
    chain_ids(&diff_ids, &chain);
    for (size_t i = chain.count; i > shared; i--) {
        add_row(removal, NULL, xstrdup(chain.items[i - 1]));
    }
    return 0;
}

/* ---- Docker's order of things ---- */

/* Deletes the image, and those it was built upon while nothing else needs them. quiet: a conflict only ends it, unless
 * it is one the user should hear of. */
static int delete_image(struct removal *removal, const char *image_id, bool quiet, struct error *err)
{
    char id[DIGEST_TEXT_MAX];
    bool force = removal->options->force;
    snprintf(id, sizeof(id), "%s", image_id);
    for (;;) {
        struct strv CLEANUP_STRV names = STRV_INIT;
        struct strv CLEANUP_STRV parents = STRV_INIT;
        struct error why = {0};
        bool used;
        int r = removal_check_conflicts(removal, id, CONFLICT_HARD | (force ? 0 : CONFLICT_SOFT), &used, &why);
        if (r < 0 && why.kind == ERROR_CONFLICT && quiet) {
            r = list_names(removal, id, &names, err);
            if (r < 0 || names.count > 0 || used) {
                return r;
            }
            return error_propagate(err, &why);
        }
        if (r < 0) {
            return error_propagate(err, &why);
        }
        r = removal_run(removal, "SELECT parent FROM image WHERE id = ? AND parent IS NOT NULL", id, &parents, err);
        if (r == 0) {
            r = list_names(removal, id, &names, err);
        }
        for (size_t i = 0; r == 0 && i < names.count; i++) {
            r = remove_name(removal, names.items[i], err);
        }
        if (r == 0) {
            r = removal_delete_image(removal, id, err);
        }
        if (r < 0 || parents.count == 0 || removal->options->no_prune) {
            return r;
        }
        snprintf(id, sizeof(id), "%s", parents.items[0]);
        force = false;
        quiet = true;
    }
}

/* After the last tag of a repository, digests of the same repository go, too. */
static int remove_digests(struct removal *removal, const char *id, const char *name, struct error *err)
{
    struct strv CLEANUP_STRV names = STRV_INIT;
    int r = is_canonical(name) ? 0 : list_names(removal, id, &names, err);
    for (size_t i = 0; i < names.count; i++) {
        if (!is_canonical(names.items[i]) && same_repository(names.items[i], name)) {
            return r;
        }
    }
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        if (is_canonical(names.items[i]) && same_repository(names.items[i], name)) {
            r = remove_name(removal, names.items[i], err);
        }
    }
    return r;
}

static int remove_by_name(struct removal *removal, const char *given, const char *id, const char *key,
                          struct error *err)
{
    struct strv CLEANUP_STRV names = STRV_INIT;
    bool named = false;
    CLEANUP_FREE char *container = NULL;
    char used[DIGEST_TEXT_MAX];
    int r = list_names(removal, id, &names, err);
    if (r == 0 && !removal->options->force && is_single_reference(&names)) {
        r = removal_name_used_by(removal, key, &container, used, err);
    }
    if (r == 0 && container != NULL) {
        return error_set(err, ERROR_CONFLICT, EEXIST,
                         "conflict: unable to remove repository reference \"%s\" (must force) - %s is using its"
                         " referenced image %.*s",
                         given, container, ID_SHORT_SIZE, short_id(used));
    }
    if (r == 0) {
        r = remove_name(removal, key, err);
    }
    if (r == 0) {
        r = remove_digests(removal, id, key, err);
    }
    if (r == 0) {
        r = removal_has_names(removal, id, &named, err);
    }
    return r < 0 || named ? r : delete_image(removal, id, true, err);
}

static int remove_by_id(struct removal *removal, const char *id, struct error *err)
{
    struct strv CLEANUP_STRV names = STRV_INIT;
    bool used, spare = removal->options->spare_used;
    int r = list_names(removal, id, &names, err);
    bool single = r == 0 && is_single_reference(&names);
    if (single || (r == 0 && spare)) {
        unsigned mask = CONFLICT_HARD | (spare || !removal->options->force ? CONFLICT_STOPPED : 0);
        r = removal_check_conflicts(removal, id, mask, &used, err);
        if (r == 0) {
            r = removal_check_platforms(removal, id, mask, err);
        }
    }
    for (size_t i = 0; r == 0 && single && i < names.count; i++) {
        r = remove_name(removal, names.items[i], err);
    }
    return r < 0 ? r : delete_image(removal, id, false, err);
}

/* ---- All of it ---- */

static int remove_target(struct removal *removal, const char *name, struct error *err)
{
    char id[DIGEST_TEXT_MAX];
    int r = image_find(removal->store, name, id, err);
    if (r < 0) {
        return r;
    }
    if (strncmp(id, name, strlen(name)) == 0 || strncmp(short_id(id), name, strlen(name)) == 0) {
        return remove_by_id(removal, id, err);
    }
    struct reference ref = {0};
    r = reference_parse(name, &ref, err);
    if (r < 0) {
        return r;
    }
    reference_default_tag(&ref);
    CLEANUP_FREE char *key = image_name_key(&ref);
    reference_release(&ref);
    return remove_by_name(removal, name, id, key, err);
}

static int remove_rows(struct removal *removal, const char *name, struct error *err)
{
    bool done;
    int r = removal_lose_platforms(removal, name, &done, err);
    if (r == 0 && !done) {
        r = remove_target(removal, name, err);
    }
    if (r == 0) {
        r = removal_sweep_platforms(removal, err);
    }
    return r < 0 ? r : index_drop_unused(removal->store, &removal->blobs, err);
}

/* The rows are gone for good: now the files. What cannot be renamed goes at the next start. */
static void remove_files(struct removal *removal)
{
    for (size_t i = 0; i < removal->layer_dirs.count; i++) {
        (void)store_trash(removal->store, removal->store->overlay_fd, removal->layer_dirs.items[i]);
    }
    store_trash_blobs(removal->store, &removal->blobs);
}

int image_remove(struct image_store *store, const char *name, const struct image_remove_options *options,
                 struct image_removed **ret, size_t *ret_count, struct error *err)
{
    struct removal removal = {.store = store, .options = options};
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    /* The lock stays with us until the files are gone from their places, so that no commit meets half of it. */
    db_lock(store->db);
    r = remove_rows(&removal, name, err);
    store_cache_clear(store);
    if (r < 0) {
        db_rollback(store->db);
    } else {
        r = db_commit(store->db, err);
    }
    if (r == 0) {
        rootfs_pool_clear(store);
        remove_files(&removal);
        *ret = TAKE_PTR(removal.rows);
        *ret_count = removal.count;
    } else {
        image_removed_free(removal.rows, removal.count);
    }
    db_unlock(store->db);
    strv_release(&removal.layer_dirs);
    strv_release(&removal.blobs);
    strv_release(&removal.platforms);
    return r;
}
