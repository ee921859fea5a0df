#include <errno.h>

#include "base/memory.h"
#include "base/timestamp.h"
#include "image/digest.h"
#include "image/index.h"
#include "image/store.h"

/* Looked-up images that are kept; a host with more of them in daily use starts over now and then. */
#define CACHE_MAX 32

/* ---- The config blob ---- */

static void history_free(struct image_history *history, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(history[i].created_by);
        free(history[i].author);
        free(history[i].comment);
    }
    free(history);
}

struct image *image_ref(struct image *image)
{
    ((struct image_object *)image)->references++;
    return image;
}

void image_unref(struct image *image)
{
    struct image_object *object = (struct image_object *)image;
    if (image == NULL || --object->references > 0) {
        return;
    }
    free(image->config_text);
    free(image->parent);
    free(image->author);
    free(image->architecture);
    free(image->variant);
    free(image->os);
    free(image->docker_version);
    free(image->comment);
    container_config_release(&image->config);
    strv_release(&image->diff_ids);
    history_free(image->history, image->history_count);
    strv_release(&image->layer_dirs);
    free(image->layer_sizes);
    strv_release(&image->repo_tags);
    strv_release(&image->repo_digests);
    strv_release(&image->second_names);
    free(object->lowers);
    free(object);
}

void image_unref_ptr(struct image **image)
{
    image_unref(*image);
    *image = NULL;
}

/* Times that cannot be read are no reason to refuse an image; they are the zero time then, as docker shows it. */
static int64_t config_time(const struct json *object, const char *key)
{
    const char *text = json_get_string(object, key);
    int64_t ns = 0;
    return text != NULL && timestamp_parse(text, &ns) == 0 ? ns : 0;
}

static void parse_history(struct image *image, const struct json *list)
{
    size_t count = json_count(list);
    image->history = count > 0 ? xcalloc(count, sizeof(*image->history)) : NULL;
    image->history_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_at(list, i);
        image->history[i] = (struct image_history){
            .created = config_time(item, "created"),
            .created_by = xstrdup(json_get_string(item, "created_by")),
            .author = xstrdup(json_get_string(item, "author")),
            .comment = xstrdup(json_get_string(item, "comment")),
            .empty_layer = json_get_bool(item, "empty_layer", false),
        };
    }
}

static int parse_rootfs(struct image *image, const struct json *rootfs, struct error *err)
{
    const struct json *list = json_get(rootfs, "diff_ids");
    for (size_t i = 0; i < json_count(list); i++) {
        const char *id = json_string(json_at(list, i));
        if (id == NULL || !digest_is_valid(id)) {
            return error_set(err, ERROR_INVALID, EINVAL, "invalid image config: rootfs.diff_ids[%zu] is no digest", i);
        }
        strv_add(&image->diff_ids, id);
    }
    return 0;
}

static int parse_fields(struct image *image, const struct json *tree, struct error *err)
{
    if (tree->kind != JSON_OBJECT || json_get(tree, "rootfs") == NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid image JSON, no RootFS key");
    }
    image->created = config_time(tree, "created");
    image->author = xstrdup(json_get_string(tree, "author"));
    image->architecture = xstrdup(json_get_string(tree, "architecture"));
    image->variant = xstrdup(json_get_string(tree, "variant"));
    image->os = xstrdup(json_get_string(tree, "os"));
    image->docker_version = xstrdup(json_get_string(tree, "docker_version"));
    image->comment = xstrdup(json_get_string(tree, "comment"));
    parse_history(image, json_get(tree, "history"));
    const struct json *config = json_get(tree, "config");
    if (config != NULL && config->kind != JSON_NULL &&
        json_table_decode(&container_config_table, config, &image->config, err) < 0) {
        return error_context(err, "invalid image config");
    }
    return parse_rootfs(image, json_get(tree, "rootfs"), err);
}

int image_parse_config(const char *text, size_t size, struct image_object **ret, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    if (size > STORE_CONFIG_MAX) {
        return error_set(err, ERROR_INVALID, EFBIG, "invalid image config: too large");
    }
    int r = json_parse(text, size, &tree, err);
    if (r < 0) {
        return error_context(err, "invalid image config");
    }
    struct image_object *object = xcalloc(1, sizeof(*object));
    object->references = 1;
    r = parse_fields(&object->image, tree, err);
    if (r < 0) {
        image_unref(&object->image);
        return r;
    }
    digest_of(text, size, object->image.id);
    object->image.config_text = xstrndup(text, size);
    *ret = object;
    return 0;
}

/* ---- From the database ---- */

void store_cache_clear(struct image_store *store)
{
    size_t i = 0;
    const char *key;
    void *value;
    while (map_next(&store->cache, &i, &key, &value)) {
        image_unref(value);
    }
    map_release(&store->cache);
    store->cache = (struct map)MAP_INIT;
}

char *image_name_key(const struct reference *ref)
{
    CLEANUP_FREE char *name = reference_full_name(ref);
    return ref->digest != NULL ? xasprintf("%s@%s", name, ref->digest)
                               : xasprintf("%s:%s", name, ref->tag != NULL ? ref->tag : "latest");
}

/* All names: those that mean this image first, and those that mean it for its platform. */
static int load_names(struct image_store *store, struct image *image, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db,
                     "SELECT name, 0 FROM image_name WHERE image = ?1 UNION ALL"
                     " SELECT name, 1 FROM image_name WHERE image <> ?1 AND name IN (SELECT n.name FROM index_image m"
                     " JOIN name_index n ON n.idx = m.idx WHERE m.image = ?1) ORDER BY 1",
                     &s, err);
    if (r == 0) {
        db_bind_text(s, 1, image->id);
    }
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        struct reference ref = {0};
        r = reference_parse(db_text(s, 0), &ref, err);
        if (r == 0) {
            char *text = reference_familiar(&ref);
            strv_add_take(ref.digest != NULL ? &image->repo_digests : &image->repo_tags, text);
            if (db_int(s, 1) != 0) {
                strv_add(&image->second_names, text);
            }
            reference_release(&ref);
        }
    }
    return r;
}

static int load_naming(struct image_store *store, struct image *image, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, "SELECT time FROM image_tagged WHERE image = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, image->id);
    }
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        image->tagged = db_int(s, 0);
    }
    return r;
}

/* Directories of the layers, and what overlayfs gets: top first, nothing twice (it refuses that, and the upper of two
 * equal layers hides the lower one entirely), nothing beneath a layer whose root is opaque. */
static int load_layers(struct image_store *store, struct image_object *object, struct error *err)
{
    struct strbuf CLEANUP_STRBUF lowers = STRBUF_INIT;
    struct map seen = MAP_INIT;
    struct db_statement *s;
    bool row = true, hidden = false;
    int r =
        db_query(store->db,
                 "SELECT l.dir, l.size, l.opaque, i.position FROM image_layer i JOIN layer l ON l.diff_id = i.diff_id"
                 " WHERE i.image = ? ORDER BY i.position DESC",
                 &s, err);
    if (r == 0) {
        db_bind_text(s, 1, object->image.id);
    }
    struct strv CLEANUP_STRV top_first = STRV_INIT;
    object->image.layer_sizes = xcalloc(object->image.diff_ids.count + 1, sizeof(int64_t));
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        const char *dir = db_text(s, 0);
        strv_add(&top_first, dir);
        object->image.size += db_int(s, 1);
        object->image.layer_sizes[db_int(s, 3)] = db_int(s, 1); /* as many rows as diff_ids: see commit.c */
        if (!hidden && map_get(&seen, dir) == NULL) {
            map_set(&seen, dir, store);
            strbuf_addf(&lowers, "%s%s", lowers.size > 0 ? " " : "", dir);
        }
        hidden = hidden || db_int(s, 2) != 0;
    }
    map_release(&seen);
    for (size_t i = top_first.count; i > 0; i--) {
        strv_addf(&object->image.layer_dirs, "overlay/%s/diff", top_first.items[i - 1]);
    }
    object->lowers = strbuf_take(&lowers);
    return r;
}

static int load_parent(struct image_store *store, struct image *image, struct error *err)
{
    struct db_statement *s;
    bool row = false;
    int r = db_query(store->db, "SELECT parent FROM image WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, image->id);
        r = db_step(s, &row, err);
    }
    if (r == 0 && row) {
        image->parent = xstrdup(db_text(s, 0));
        db_reset(s);
    }
    return r;
}

static int image_load_object(struct image_store *store, const char *id, struct image_object **ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    struct image_object *object = NULL;
    int r = store_read_blob(store, id, &text, &size, err);
    if (r == 0) {
        r = image_parse_config(text, size, &object, err);
    }
    if (r < 0) {
        return error_context(err, "image %s", id);
    }
    r = load_parent(store, &object->image, err);
    if (r == 0) {
        r = load_names(store, &object->image, err);
    }
    if (r == 0) {
        r = load_naming(store, &object->image, err);
    }
    if (r == 0) {
        r = load_layers(store, object, err);
    }
    if (r < 0) {
        image_unref(&object->image);
        return r;
    }
    *ret = object;
    return 0;
}

int image_get(struct image_store *store, const char *id, struct image **ret, struct error *err)
{
    struct image *image = map_get(&store->cache, id);
    if (image == NULL) {
        struct image_object *object = NULL;
        int r = image_load_object(store, id, &object, err);
        if (r < 0) {
            return r;
        }
        if (store->cache.count >= CACHE_MAX) {
            store_cache_clear(store);
        }
        image = &object->image;
        map_set(&store->cache, id, image);
    }
    *ret = image_ref(image);
    return 0;
}

/* ---- What a user gave ---- */

static int find_name(struct image_store *store, const char *name, char ret_id[DIGEST_TEXT_MAX], bool *ret_found,
                     struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, "SELECT image FROM image_name WHERE name = ?", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, name);
    r = db_step(s, ret_found, err);
    if (r == 0 && *ret_found) {
        snprintf(ret_id, DIGEST_TEXT_MAX, "%s", db_text(s, 0));
        db_reset(s);
    }
    return r;
}

/* A prefix of an id, in hex digits. More than one image with it is an error: which one was meant? */
static int find_prefix(struct image_store *store, const char *hex, char ret_id[DIGEST_TEXT_MAX], bool *ret_found,
                       struct error *err)
{
    struct db_statement *s;
    size_t size = strlen(hex);
    *ret_found = false;
    if (size == 0 || size > 64 || strspn(hex, "0123456789abcdef") != size) {
        return 0;
    }
    CLEANUP_FREE char *low = xasprintf(DIGEST_PREFIX "%s", hex);
    CLEANUP_FREE char *high = xasprintf(DIGEST_PREFIX "%sg", hex);
    int r = db_query(store->db, "SELECT id FROM image WHERE id >= ? AND id < ? LIMIT 2", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, low);
    db_bind_text(s, 2, high);
    r = db_step(s, ret_found, err);
    if (r < 0 || !*ret_found) {
        return r;
    }
    snprintf(ret_id, DIGEST_TEXT_MAX, "%s", db_text(s, 0));
    bool more = false;
    r = db_step(s, &more, err);
    db_reset(s);
    if (r == 0 && more) {
        r = error_set(err, ERROR_INVALID, EINVAL, "ambiguous image id prefix: %s", hex);
    }
    return r;
}

static bool is_id(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* *ret_name: the name's key, when it was one; the caller frees. */
static int find(struct image_store *store, const char *name_or_id, char ret_id[DIGEST_TEXT_MAX], char **ret_name,
                struct error *err)
{
    bool found = false;
    const char *hex = strncmp(name_or_id, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) == 0
                          ? name_or_id + strlen(DIGEST_PREFIX)
                          : name_or_id;
    /* Only a whole id is never a name. */
    if (is_id(hex)) {
        int r = find_prefix(store, hex, ret_id, &found, err);
        return r < 0 || found ? r : error_set(err, ERROR_NOT_FOUND, 0, "No such image: " DIGEST_PREFIX "%s", hex);
    }
    struct reference ref = {0};
    int r = reference_parse(name_or_id, &ref, err);
    if (r < 0) {
        return r;
    }
    reference_default_tag(&ref);
    CLEANUP_FREE char *key = image_name_key(&ref);
    CLEANUP_FREE char *familiar = reference_familiar(&ref);
    reference_release(&ref);
    r = find_name(store, key, ret_id, &found, err);
    if (r == 0 && found) {
        *ret_name = TAKE_PTR(key);
    } else if (r == 0) {
        r = find_prefix(store, hex, ret_id, &found, err);
    }
    return r < 0 || found ? r : error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", familiar);
}

int image_find_target(struct image_store *store, const char *name_or_id, struct image_target *ret, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    ret->index[0] = 0;
    int r = find(store, name_or_id, ret->id, &name, err);
    ret->named = name != NULL;
    return r < 0 || name == NULL ? r : index_of_name(store, name, ret->index, err);
}

int image_find(struct image_store *store, const char *name_or_id, char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    return find(store, name_or_id, ret_id, &name, err);
}

int image_lookup(struct image_store *store, const char *name_or_id, struct image **ret, struct error *err)
{
    char id[DIGEST_TEXT_MAX];
    db_lock(store->db);
    int r = image_find(store, name_or_id, id, err);
    if (r == 0) {
        r = image_get(store, id, ret, err);
    }
    db_unlock(store->db);
    return r;
}

static int no_platform(const char *name, const struct image *image, const char *wanted, struct error *err)
{
    return image != NULL
               ? error_set(err, ERROR_NOT_FOUND, 0,
                           "image with reference %s was found but its platform (%s/%s) does not match the "
                           "specified platform (%s)",
                           name, image->os ? image->os : "", image->architecture ? image->architecture : "", wanted)
               : error_set(err, ERROR_NOT_FOUND, 0,
                           "image with reference %s was found but does not provide the specified platform "
                           "(%s)",
                           name, wanted);
}

static bool suits(const struct image *image, const struct platform *want, bool exact)
{
    struct platform have = {0};
    platform_set(&have, image->os, image->architecture, image->variant);
    int distance = platform_distance(want, &have);
    return exact ? distance == 0 : distance >= 0;
}

/* Lock held. */
static int lookup_member(struct image_store *store, const char *name_or_id, const char *wanted, bool exact,
                         const struct platform *want, struct image **ret, struct error *err)
{
    struct image_target target;
    struct index_members CLEANUP_INDEX_MEMBERS members = {0};
    CLEANUP_IMAGE struct image *image = NULL;
    int r = image_find_target(store, name_or_id, &target, err);
    if (r == 0) {
        r = index_members(store, target.index, &members, err);
    }
    const struct index_member *member = index_choose(&members, want, exact);
    if (r == 0 && members.count > 1 && member == NULL) {
        return no_platform(name_or_id, NULL, wanted, err);
    }
    if (r == 0) {
        r = image_get(store, member != NULL ? member->image : target.id, &image, err);
    }
    if (r == 0 && member == NULL && !suits(image, want, exact)) {
        return no_platform(name_or_id, image, wanted, err);
    }
    *ret = TAKE_PTR(image);
    return r;
}

int image_lookup_platform(struct image_store *store, const char *name_or_id, const char *platform, bool exact,
                          struct image **ret, struct error *err)
{
    struct platform want;
    if (platform == NULL || platform[0] == 0) {
        return image_lookup(store, name_or_id, ret, err);
    }
    int r = platform_parse(platform, &want, err);
    if (r < 0) {
        return r;
    }
    db_lock(store->db);
    r = lookup_member(store, name_or_id, platform, exact, &want, ret, err);
    db_unlock(store->db);
    return r;
}

bool image_resolve(struct image_store *store, const struct reference *ref, char ret_id[DIGEST_TEXT_MAX])
{
    CLEANUP_FREE char *key = image_name_key(ref);
    bool found = false;
    db_lock(store->db);
    int r = find_name(store, key, ret_id, &found, NULL);
    db_unlock(store->db);
    return r == 0 && found;
}

static int list_ids(struct image_store *store, struct strv *ids, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, "SELECT id FROM image ORDER BY created DESC, id", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        strv_add(ids, db_text(s, 0));
    }
    return r;
}

int image_list(struct image_store *store, struct image ***ret, size_t *ret_count, struct error *err)
{
    struct strv CLEANUP_STRV ids = STRV_INIT;
    size_t count = 0;
    db_lock(store->db);
    int r = list_ids(store, &ids, err);
    struct image **images = xcalloc(ids.count + 1, sizeof(*images));
    for (; r == 0 && count < ids.count; count += r == 0) {
        r = image_get(store, ids.items[count], &images[count], err);
    }
    db_unlock(store->db);
    if (r < 0) {
        for (size_t i = 0; i < count; i++) {
            image_unref(images[i]);
        }
        free(images);
        return r;
    }
    *ret = images;
    *ret_count = count;
    return 0;
}

int image_has_platform(const struct image *image, const char *wanted, bool *ret, struct error *err)
{
    struct platform want, have = {0};
    *ret = true;
    if (wanted == NULL || *wanted == 0) {
        return 0;
    }
    int r = platform_parse(wanted, &want, err);
    if (r == 0) {
        platform_set(&have, image->os, image->architecture, image->variant);
        *ret = platform_distance(&want, &have) == 0;
    }
    return r;
}
