/* What is saved, and the documents that say so. */
#include <errno.h>

#include "base/memory.h"
#include "image/save.h"

void save_entries_release(struct save *save)
{
    for (size_t i = 0; i < save->part_count; i++) {
        image_unref(save->parts[i].image);
        strbuf_release(&save->parts[i].manifest);
        free(save->parts[i].media_type);
    }
    free(save->parts);
    for (size_t i = 0; i < save->count; i++) {
        struct save_entry *entry = &save->entries[i];
        strv_release(&entry->names);
        if (entry->of != NULL) {
            image_manifests_release(entry->of);
        }
        free(entry->of);
        free(entry->parts);
        free(entry->positions);
        strbuf_release(&entry->index);
        free(entry->media_type);
    }
    free(save->entries);
}

/* ---- Entries ---- */

static size_t add_part(struct save *save, struct image *image, const char *known)
{
    for (size_t i = 0; i < save->part_count; i++) {
        if (strcmp(save->parts[i].image->id, image->id) == 0) {
            return i;
        }
    }
    xgrow((void **)&save->parts, save->part_count, &save->part_capacity, sizeof(*save->parts));
    struct save_part *part = &save->parts[save->part_count];
    *part = (struct save_part){.image = image_ref(image)};
    snprintf(part->known, sizeof(part->known), "%s", known);
    return save->part_count++;
}

static void entry_add(struct save_entry *entry, size_t part, size_t position)
{
    entry->parts = xreallocarray(entry->parts, entry->part_count + 1, sizeof(*entry->parts));
    entry->positions = xreallocarray(entry->positions, entry->part_count + 1, sizeof(*entry->positions));
    entry->parts[entry->part_count] = part;
    entry->positions[entry->part_count++] = position;
}

void save_add_name(struct save_entry *entry, const struct reference *ref)
{
    CLEANUP_FREE char *name = reference_full(ref);
    if (ref->tag != NULL && ref->digest == NULL && !strv_contains(&entry->names, name)) {
        strv_add(&entry->names, name);
    }
}

static struct save_entry *new_entry(struct save *save)
{
    xgrow((void **)&save->entries, save->count, &save->capacity, sizeof(*save->entries));
    save->entries[save->count] = (struct save_entry){.names = STRV_INIT};
    return &save->entries[save->count++];
}

/* One image; another name of it adds to the entry that is there. */
static struct save_entry *add_image(struct save *save, struct image *image, const char *known)
{
    size_t part = add_part(save, image, known);
    for (size_t i = 0; i < save->count; i++) {
        if (save->entries[i].of == NULL && save->entries[i].parts[0] == part) {
            return &save->entries[i];
        }
    }
    struct save_entry *entry = new_entry(save);
    entry_add(entry, part, 0);
    return entry;
}

static bool is_wanted(const struct save *save, const struct image_manifest *item, struct strv *found)
{
    const struct strv *platforms = save->options->platforms;
    bool wanted = platforms == NULL || platforms->count == 0;
    for (size_t i = 0; platforms != NULL && i < platforms->count; i++) {
        struct platform want;
        if (platform_parse(platforms->items[i], &want, NULL) == 0 && platform_distance(&want, &item->platform) == 0) {
            wanted = true;
            strv_add(found, platforms->items[i]);
        }
    }
    return wanted;
}

/* Every platform that was asked for must be among those that were found. */
static int check_found(const struct save *save, const char *name, const struct strv *found, struct error *err)
{
    const struct strv *platforms = save->options->platforms;
    for (size_t i = 0; platforms != NULL && i < platforms->count; i++) {
        struct platform unused;
        int r = platform_parse(platforms->items[i], &unused, err);
        if (r < 0) {
            return r;
        }
        if (!strv_contains(found, platforms->items[i])) {
            return error_set(err, ERROR_NOT_FOUND, 0,
                             "image with reference %s was found but does not provide the specified platform (%s)", name,
                             platforms->items[i]);
        }
    }
    return 0;
}

/* The entry of an index; another name of it adds to the one that is there. Takes the manifests over. */
static struct save_entry *index_entry(struct save *save, struct image_manifests *manifests, bool *ret_new)
{
    *ret_new = false;
    for (size_t i = 0; i < save->count; i++) {
        if (save->entries[i].of != NULL && strcmp(save->entries[i].of->digest, manifests->digest) == 0) {
            return &save->entries[i];
        }
    }
    struct save_entry *entry = new_entry(save);
    entry->of = xcalloc(1, sizeof(*entry->of));
    *entry->of = *manifests;
    *manifests = (struct image_manifests){0};
    *ret_new = true;
    return entry;
}

/* The platforms of an index that are wanted. Where one is asked for it is saved as an image. */
static int add_index(struct save *save, const char *name, const struct image *first, struct image_manifests *manifests,
                     struct save_entry **ret, struct error *err)
{
    struct strv CLEANUP_STRV found = STRV_INIT;
    CLEANUP_FREE size_t *wanted = xcalloc(manifests->count + 1, sizeof(*wanted));
    size_t count = 0;
    bool is_new;
    for (size_t i = 0; i < manifests->count; i++) {
        if (manifests->items[i].image != NULL && is_wanted(save, &manifests->items[i], &found)) {
            wanted[count++] = i;
        }
    }
    int r = check_found(save, name, &found, err);
    if (r < 0) {
        return r;
    }
    if (count == 0) {
        return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", name);
    }
    if (save->options->platforms != NULL && save->options->platforms->count == 1) {
        *ret = add_image(save, manifests->items[wanted[0]].image, manifests->items[wanted[0]].digest);
        return 0;
    }
    *ret = index_entry(save, manifests, &is_new);
    for (size_t i = 0; is_new && i < count; i++) {
        const struct image_manifest *item = &(*ret)->of->items[wanted[i]];
        (*ret)->first = strcmp(item->image->id, first->id) == 0 ? i : (*ret)->first;
        entry_add(*ret, add_part(save, item->image, item->digest), wanted[i]);
    }
    return 0;
}

/* By a name or an id. */
static int add_target(struct save *save, const char *name, struct save_entry **ret, struct error *err)
{
    CLEANUP_IMAGE_MANIFESTS struct image_manifests manifests = {0};
    CLEANUP_IMAGE struct image *image = NULL;
    struct image_target target = {.index = ""};
    db_lock(save->store->db);
    int r = image_find_target(save->store, name, &target, err);
    if (r == 0) {
        r = image_get(save->store, target.id, &image, err);
    }
    if (r == 0) {
        r = image_manifests_get(save->store, image, name, target.index[0] == 0, &manifests, err);
    }
    db_unlock(save->store->db);
    if (r == 0 && target.index[0] != 0) {
        return add_index(save, name, image, &manifests, ret, err);
    }
    struct strv CLEANUP_STRV found = STRV_INIT;
    struct image_manifest self = {0};
    if (r == 0) {
        platform_set(&self.platform, image->os, image->architecture, image->variant);
        (void)is_wanted(save, &self, &found);
        r = check_found(save, name, &found, err);
    }
    if (r == 0) {
        *ret = add_image(save, image, manifests.count == 1 ? manifests.items[0].digest : "");
    }
    return r;
}

/* Every tag of a repository. *ret_found: there is one at all. */
static int add_repository(struct save *save, const struct reference *ref, bool *ret_found, struct error *err)
{
    struct image **images = NULL;
    size_t count = 0;
    int r = image_list(save->store, &images, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        for (size_t k = 0; r == 0 && k < images[i]->repo_tags.count; k++) {
            const char *name = images[i]->repo_tags.items[k];
            struct save_entry *entry = NULL;
            struct reference tag = {0};
            if (!strv_contains(&images[i]->second_names, name) && reference_parse(name, &tag, NULL) == 0 &&
                strcmp(tag.domain, ref->domain) == 0 && strcmp(tag.path, ref->path) == 0) {
                r = add_target(save, name, &entry, err);
                if (r == 0) {
                    save_add_name(entry, &tag);
                }
                *ret_found = true;
            }
            reference_release(&tag);
        }
    }
    for (size_t i = 0; i < count; i++) {
        image_unref(images[i]);
    }
    free(images);
    return r;
}

/* As docker: a name without tag means all of its tags; an id brings no names along. */
int save_add(struct save *save, const char *name, struct error *err)
{
    struct save_entry *entry = NULL;
    struct reference ref = {0};
    char id[DIGEST_TEXT_MAX];
    bool found = false, parsed = reference_parse(name, &ref, NULL) == 0;
    int r = parsed && ref.tag == NULL && ref.digest == NULL ? add_repository(save, &ref, &found, err) : 0;
    if (r == 0 && !found) {
        r = add_target(save, name, &entry, err);
    }
    if (r == 0 && !found && parsed && ref.tag != NULL && image_resolve(save->store, &ref, id)) {
        save_add_name(entry, &ref);
    }
    reference_release(&ref);
    return r;
}

/* ---- Manifests ---- */

int64_t save_layer_size(const struct save *save, const char *diff_id)
{
    return *(const int64_t *)map_get(&save->layers, diff_id);
}

void save_write_descriptor(struct json_writer *w, const char *media_type, const char *digest, int64_t size)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", media_type);
    json_member_string(w, "digest", digest);
    json_member_int(w, "size", size);
    json_end_object(w);
}

/* The archive has the layers as plain tars: so must a manifest have that is kept as it is. */
static bool fits(const struct save *save, const struct manifest *manifest, const struct image *image)
{
    bool same = manifest->kind == MANIFEST_IMAGE && strcmp(manifest->config.digest, image->id) == 0 &&
                manifest->count == image->diff_ids.count;
    for (size_t i = 0; same && i < manifest->count; i++) {
        same = strcmp(manifest->items[i].digest, image->diff_ids.items[i]) == 0 &&
               manifest->items[i].size == save_layer_size(save, image->diff_ids.items[i]);
    }
    return same;
}

/* The manifest that it came with. *ret: it is that one. */
static int take_known(const struct save *save, struct save_part *part, bool *ret, struct error *err)
{
    struct manifest CLEANUP_MANIFEST manifest = {0};
    CLEANUP_FREE char *text = NULL;
    size_t size;
    *ret = false;
    if (part->known[0] == 0) {
        return 0;
    }
    int r = store_read_blob(save->store, part->known, &text, &size, err);
    if (r < 0) {
        return r;
    }
    if ((manifest_parse(NULL, text, size, &manifest, NULL) == 0 ||
         manifest_parse(MEDIA_OCI_MANIFEST, text, size, &manifest, NULL) == 0) &&
        fits(save, &manifest, part->image)) {
        strbuf_add(&part->manifest, text, size);
        part->media_type = TAKE_PTR(manifest.media_type);
        *ret = true;
    }
    return 0;
}

static void make_manifest(const struct save *save, struct save_part *part)
{
    const struct image *image = part->image;
    struct json_writer w;
    json_writer_init(&w, &part->manifest);
    json_begin_object(&w);
    json_key(&w, "schemaVersion");
    json_put_int(&w, 2);
    json_member_string(&w, "mediaType", MEDIA_OCI_MANIFEST);
    json_key(&w, "config");
    save_write_descriptor(&w, MEDIA_OCI_CONFIG, image->id, (int64_t)strlen(image->config_text));
    json_key(&w, "layers");
    json_begin_array(&w);
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        const char *diff_id = image->diff_ids.items[i];
        save_write_descriptor(&w, MEDIA_OCI_LAYER, diff_id, save_layer_size(save, diff_id));
    }
    json_end_array(&w);
    json_end_object(&w);
    part->media_type = xstrdup(MEDIA_OCI_MANIFEST);
}

/* ---- Indexes ---- */

static void new_index_entry(struct json_writer *w, const struct save_part *part, const struct json *item)
{
    static const char *const kept[] = {"annotations", "platform"};
    json_begin_object(w);
    json_member_string(w, "mediaType", part->media_type);
    json_member_string(w, "digest", part->digest);
    json_member_int(w, "size", (int64_t)part->manifest.size);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (json_get(item, kept[i]) != NULL) {
            json_key(w, kept[i]);
            json_put_value(w, json_get(item, kept[i]));
        }
    }
    json_end_object(w);
}

/* Of the parts alone, since not all of their manifests are what the index says. */
static void make_index(const struct save *save, struct save_entry *entry)
{
    const struct json *annotations = json_get(entry->of->index, "annotations");
    struct json_writer w;
    json_writer_init(&w, &entry->index);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", MEDIA_OCI_INDEX);
    json_key(&w, "manifests");
    json_begin_array(&w);
    for (size_t i = 0; i < entry->part_count; i++) {
        new_index_entry(&w, &save->parts[entry->parts[i]], entry->of->items[entry->positions[i]].item);
    }
    json_end_array(&w);
    if (annotations != NULL) {
        json_key(&w, "annotations");
        json_put_value(&w, annotations);
    }
    json_end_object(&w);
    entry->media_type = xstrdup(MEDIA_OCI_INDEX);
}

static int make_entry(const struct save *save, struct save_entry *entry, struct error *err)
{
    const struct save_part *part = &save->parts[entry->parts[0]];
    bool known = entry->of != NULL;
    for (size_t i = 0; i < entry->part_count; i++) {
        known = known && strcmp(save->parts[entry->parts[i]].digest, entry->of->items[entry->positions[i]].digest) == 0;
    }
    if (entry->of == NULL || (!known && entry->part_count == 1)) {
        entry->media_type = xstrdup(part->media_type);
        memcpy(entry->digest, part->digest, sizeof(entry->digest));
        entry->size = (int64_t)part->manifest.size;
        return 0;
    }
    if (known) {
        CLEANUP_FREE char *text = NULL;
        size_t size;
        int r = store_read_blob(save->store, entry->of->digest, &text, &size, err);
        if (r < 0) {
            return r;
        }
        strbuf_add(&entry->index, text, size);
        entry->media_type = xstrdup(entry->of->media_type);
    } else {
        make_index(save, entry);
    }
    digest_of(entry->index.data, entry->index.size, entry->digest);
    entry->size = (int64_t)entry->index.size;
    return 0;
}

int save_make_documents(struct save *save, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < save->part_count; i++) {
        struct save_part *part = &save->parts[i];
        bool known;
        r = take_known(save, part, &known, err);
        if (r == 0 && !known) {
            make_manifest(save, part);
        }
        if (r == 0) {
            digest_of(part->manifest.data, part->manifest.size, part->digest);
        }
    }
    for (size_t i = 0; r == 0 && i < save->count; i++) {
        r = make_entry(save, &save->entries[i], err);
    }
    return r;
}
