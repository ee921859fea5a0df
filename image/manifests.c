#include "image/manifests.h"

#include "base/memory.h"
#include "image/digest.h"
#include "image/index.h"

void image_manifests_release(struct image_manifests *manifests)
{
    for (size_t i = 0; i < manifests->count; i++) {
        free(manifests->items[i].media_type);
        image_unref(manifests->items[i].image);
    }
    free(manifests->items);
    free(manifests->media_type);
    json_free(manifests->index);
    *manifests = (struct image_manifests){0};
}

/* First column of the first row for an image's id; "" when there is none. */
static int select_first(struct image_store *store, const char *sql, const char *id, char ret[DIGEST_TEXT_MAX],
                        struct error *err)
{
    struct db_statement *s;
    bool row = false;
    ret[0] = 0;
    int r = db_query(store->db, sql, &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, id);
    r = db_step(s, &row, err);
    if (r == 0 && row) {
        snprintf(ret, DIGEST_TEXT_MAX, "%s", db_text(s, 0));
        db_reset(s);
    }
    return r;
}

static int find_index(struct image_store *store, const struct image *image, const char *name, char ret[DIGEST_TEXT_MAX],
                      struct error *err)
{
    struct image_target target = {.index = ""};
    int r = name != NULL ? image_find_target(store, name, &target, err) : 0;
    memcpy(ret, target.index, sizeof(target.index));
    return r < 0 || target.named
               ? r
               : select_first(store,
                              "SELECT n.idx FROM image_name i JOIN name_index n ON n.name = i.name WHERE i.image = ?"
                              " ORDER BY i.name",
                              image->id, ret, err);
}

static void set_content(struct image_manifest *item)
{
    item->content = item->image != NULL ? item->size + (int64_t)strlen(item->image->config_text) : 0;
}

/* ---- An index ---- */

static struct image_manifest *add(struct image_manifests *manifests, const struct descriptor *d)
{
    manifests->items = xreallocarray(manifests->items, manifests->count + 1, sizeof(*manifests->items));
    struct image_manifest *item = &manifests->items[manifests->count++];
    *item = (struct image_manifest){.media_type = xstrdup(d->media_type), .size = d->size};
    memcpy(item->digest, d->digest, sizeof(item->digest));
    return item;
}

/* Which of them are here. */
static int set_images(struct image_store *store, const char *index, struct image_manifests *manifests,
                      struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, "SELECT position, image, os, architecture, variant FROM index_image WHERE idx = ?", &s,
                     err);
    if (r == 0) {
        db_bind_text(s, 1, index);
    }
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        size_t position = (size_t)db_int(s, 0);
        CLEANUP_FREE char *id = xstrdup(db_text(s, 1));
        if (position < manifests->count) {
            struct image_manifest *item = &manifests->items[position];
            platform_set(&item->platform, db_text(s, 2), db_text(s, 3), db_text(s, 4));
            r = image_get(store, id, &item->image, err);
            set_content(item);
        }
    }
    return r;
}

static int from_index(struct image_store *store, const char *digest, struct image_manifests *ret, struct error *err)
{
    struct manifest CLEANUP_MANIFEST parsed = {0};
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = store_read_blob(store, digest, &text, &size, err);
    if (r == 0) {
        r = index_parse(text, size, &parsed, err);
    }
    if (r == 0) {
        r = json_parse(text, size, &ret->index, err);
    }
    if (r < 0) {
        return r;
    }
    memcpy(ret->digest, digest, sizeof(ret->digest));
    ret->media_type = xstrdup(parsed.media_type);
    ret->size = (int64_t)size;
    for (size_t i = 0; i < parsed.count; i++) {
        add(ret, &parsed.items[i])->item = json_at(json_get(ret->index, "manifests"), i);
    }
    return set_images(store, digest, ret, err);
}

/* ---- A manifest alone ---- */

/* The one that a name is made of comes first: a push may have given the image others. */
static int find_own(struct image_store *store, const struct image *image, char ret[DIGEST_TEXT_MAX], struct error *err)
{
    return select_first(store,
                        "SELECT digest FROM image_blob b WHERE image = ?1 ORDER BY NOT EXISTS (SELECT 1 FROM image_name"
                        " n WHERE n.image = ?1 AND n.name LIKE '%@' || b.digest), digest LIMIT 1",
                        image->id, ret, err);
}

static int from_manifest(struct image_store *store, const struct image *image, struct image_manifests *ret,
                         struct error *err)
{
    struct manifest CLEANUP_MANIFEST parsed = {0};
    struct descriptor self = {0};
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = find_own(store, image, self.digest, err);
    if (r < 0 || self.digest[0] == 0) {
        return r;
    }
    r = store_read_blob(store, self.digest, &text, &size, err);
    if (r == 0 && manifest_parse(NULL, text, size, &parsed, NULL) < 0) {
        r = manifest_parse(MEDIA_OCI_MANIFEST, text, size, &parsed, err);
    }
    if (r < 0) {
        return r;
    }
    self.media_type = parsed.media_type;
    self.size = (int64_t)size;
    memcpy(ret->digest, self.digest, sizeof(ret->digest));
    ret->media_type = xstrdup(parsed.media_type);
    ret->size = self.size;
    struct image_manifest *item = add(ret, &self);
    item->image = image_ref((struct image *)image);
    platform_set(&item->platform, image->os, image->architecture, image->variant);
    set_content(item);
    return 0;
}

/* ---- Both ---- */

/* Only the image's own entry is left, and is what is described. */
static void keep_own(struct image_manifests *manifests, const struct image *image)
{
    size_t kept = 0;
    for (size_t i = 0; i < manifests->count; i++) {
        struct image_manifest *item = &manifests->items[i];
        if (kept == 0 && item->image != NULL && strcmp(item->image->id, image->id) == 0) {
            manifests->items[kept++] = *item;
        } else {
            free(item->media_type);
            image_unref(item->image);
        }
    }
    manifests->count = kept;
    if (kept > 0) {
        memcpy(manifests->digest, manifests->items[0].digest, sizeof(manifests->digest));
        xstrset(&manifests->media_type, manifests->items[0].media_type);
        manifests->size = manifests->items[0].size;
    }
}

int image_manifests_get(struct image_store *store, const struct image *image, const char *name, bool alone,
                        struct image_manifests *ret, struct error *err)
{
    char index[DIGEST_TEXT_MAX];
    db_lock(store->db);
    int r = find_index(store, image, name, index, err);
    if (r == 0) {
        r = index[0] != 0 ? from_index(store, index, ret, err) : from_manifest(store, image, ret, err);
    }
    db_unlock(store->db);
    if (r == 0 && alone && index[0] != 0) {
        keep_own(ret, image);
    }
    return r;
}
