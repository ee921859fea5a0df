/* GET /images/json */
#include "api/images.h"

#include <fnmatch.h>
#include <string.h>

#include "base/timestamp.h"
#include "daemon/engine.h"

#define NS_PER_S INT64_C(1000000000)

static const char *const list_filters[] = {"dangling", "label", "before", "since", "reference", "until", NULL};

void images_free(struct image **images, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image_unref(images[i]);
    free(images);
}

/* ---- sizes ---- */

static bool has_layer(const struct image *image, const char *diff_id)
{
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        if (strcmp(image->diff_ids.items[i], diff_id) == 0)
            return true;
    }
    return false;
}

int64_t images_shared_size(const struct image *image, struct image *const *all, size_t count)
{
    int64_t shared = 0;

    for (size_t i = 0; i < image->diff_ids.count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (strcmp(all[k]->id, image->id) != 0 && has_layer(all[k], image->diff_ids.items[i])) {
                shared += image->layer_sizes[i];
                break;
            }
        }
    }
    return shared;
}

/* ---- filters ---- */

/* What the filters ask, looked up once. */
struct query {
    const struct json *labels, *references;
    const char *dangling;         /* "true", "false" or NULL */
    int64_t before, since, until; /* ns; 0: none */
};

/* Creation time of an image that "before" and "since" name. */
static int created_of(struct engine *engine, const struct json *names, int64_t *ret, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    int r;

    *ret = 0;
    if (json_count(names) == 0)
        return 0;
    r = image_lookup(engine_images(engine), json_string(json_at(names, 0)), &image, err);
    if (r == 0)
        *ret = image->created;
    return r;
}

static int prepare(struct engine *engine, const struct json *filters, struct query *ret, struct error *err)
{
    const struct json *dangling = json_get(filters, "dangling"), *until = json_get(filters, "until");
    int r;

    *ret = (struct query){.labels = json_get(filters, "label"), .references = json_get(filters, "reference")};
    if (json_count(dangling) > 0) {
        const char *text = json_string(json_at(dangling, 0));

        if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
            ret->dangling = "true";
        else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
            ret->dangling = "false";
        else
            return error_set(err, ERROR_INVALID, 0, "invalid filter 'dangling=[%s]'", text);
    }
    for (size_t i = 0; i < json_count(until); i++) { /* the earliest counts */
        int64_t at;
        if (timestamp_parse_human(json_string(json_at(until, i)), timestamp_now(), &at) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid filter 'until=[%s]'", json_string(json_at(until, i)));
        ret->until = i == 0 || at < ret->until ? at : ret->until;
    }
    r = created_of(engine, json_get(filters, "before"), &ret->before, err);
    return r < 0 ? r : created_of(engine, json_get(filters, "since"), &ret->since, err);
}

/* Every "label" filter: "name" or "name=value". */
static bool labels_match(const struct image *image, const struct json *wanted)
{
    for (size_t i = 0; i < json_count(wanted); i++) {
        const char *text = json_string(json_at(wanted, i)), *equals = strchr(text, '=');
        CLEANUP_FREE char *name = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
        const char *value = strmap_get(&image->config.labels, name);

        if (!value || (equals && strcmp(value, equals + 1) != 0))
            return false;
    }
    return true;
}

/* As docker: the whole familiar name, or the name without its tag, against a shell pattern in which * stops at /. */
static bool reference_matches(const char *name, const struct json *patterns)
{
    struct reference ref = {0};
    CLEANUP_FREE char *name_only = NULL;
    bool match = json_count(patterns) == 0;

    if (reference_parse(name, &ref, NULL) == 0)
        name_only = reference_familiar_name(&ref);
    reference_release(&ref);
    for (size_t i = 0; !match && i < json_count(patterns); i++) {
        const char *pattern = json_string(json_at(patterns, i));

        match =
            fnmatch(pattern, name, FNM_PATHNAME) == 0 || (name_only && fnmatch(pattern, name_only, FNM_PATHNAME) == 0);
    }
    return match;
}

/* Names that mean another image first are that one's. */
static void add_first_names(const struct image *image, const struct strv *names, struct strv *ret)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!strv_contains(&image->second_names, names->items[i]))
            strv_add(ret, names->items[i]);
    }
}

bool images_shown(const struct image *image, struct strv *tags, struct strv *digests)
{
    add_first_names(image, &image->repo_tags, tags);
    add_first_names(image, &image->repo_digests, digests);
    return tags->count > 0 || digests->count > 0 || image->second_names.count == 0;
}

static void matching_names(const struct strv *names, const struct json *patterns, struct strv *ret)
{
    for (size_t i = 0; i < names->count; i++) {
        if (reference_matches(names->items[i], patterns))
            strv_add(ret, names->items[i]);
    }
}

static bool image_matches(const struct image *image, const struct query *query)
{
    bool dangling = image->repo_tags.count == 0 && image->repo_digests.count == 0;

    if (query->dangling && (strcmp(query->dangling, "true") == 0) != (image->repo_tags.count == 0))
        return false;
    if (json_count(query->references) > 0 && dangling)
        return false;
    if ((query->before > 0 && image->created >= query->before) || (query->since > 0 && image->created <= query->since))
        return false;
    if (query->until > 0 && image->created >= query->until)
        return false;
    return labels_match(image, query->labels);
}

/* ---- the answer ---- */

static void write_names(struct json_writer *w, const char *key, const struct strv *names)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < names->count; i++)
        json_put_string(w, names->items[i]);
    json_end_array(w);
}

static void write_labels(struct json_writer *w, const struct strmap *labels)
{
    json_key(w, "Labels");
    if (labels->count == 0) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < labels->count; i++)
        json_member_string(w, labels->items[i].key, labels->items[i].value);
    json_end_object(w);
}

void images_write_summary(struct json_writer *w, const struct images_entry *entry)
{
    const struct image *image = entry->image;
    const struct strv *tags = entry->tags;
    CLEANUP_STRV struct strv old_tags = STRV_INIT;
    int64_t size = images_whole_size(image, entry->manifests);

    json_begin_object(w);
    json_member_int(w, "Containers", entry->containers);
    json_member_int(w, "Created", image->created / NS_PER_S);
    json_member_string(w, "Id", image->id);
    write_labels(w, &image->config.labels);
    json_member_string(w, "ParentId", image->parent);
    if (entry->version >= 48)
        images_write_descriptor(w, entry->manifests);
    if (entry->engine)
        images_write_manifests(w, entry->manifests, entry->engine);
    write_names(w, "RepoDigests", entry->digests);
    if (tags->count == 0 && entry->version < 43) {
        strv_add(&old_tags, "<none>:<none>");
        tags = &old_tags;
    }
    write_names(w, "RepoTags", tags);
    json_member_int(w, "SharedSize", entry->shared_size);
    json_member_int(w, "Size", size);
    if (entry->version < 44)
        json_member_int(w, "VirtualSize", size);
    json_end_object(w);
}

/* An image of the list, if it matches. */
static int write_match(struct json_writer *w, const struct images_entry *what, const struct query *query,
                       struct engine *engine, struct error *err)
{
    CLEANUP_STRV struct strv all_tags = STRV_INIT, all_digests = STRV_INIT, tags = STRV_INIT, digests = STRV_INIT;
    CLEANUP_IMAGE_MANIFESTS struct image_manifests manifests = {0};
    struct images_entry entry = *what;

    if (!images_shown(entry.image, &all_tags, &all_digests) || !image_matches(entry.image, query))
        return 0;
    matching_names(&all_tags, query->references, &tags);
    matching_names(&all_digests, query->references, &digests);
    if (json_count(query->references) > 0 && tags.count == 0 && digests.count == 0)
        return 0;
    int r = images_manifests(engine, entry.image, NULL, false, &manifests, err);
    if (r < 0)
        return r;
    entry.tags = &tags;
    entry.digests = &digests;
    entry.manifests = &manifests;
    if (entry.version >= 51)
        entry.containers = images_whole_containers(engine, entry.image, &manifests);
    images_write_summary(w, &entry);
    return 0;
}

int images_list(struct api_request *request, struct engine *engine, struct error *err)
{
    bool with_shared = api_query_bool(request, "shared-size", false);
    bool with_manifests = api_version(request) >= 47 && api_query_bool(request, "manifests", false);
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct image **images = NULL;
    struct json_writer w;
    struct query query;
    size_t count = 0;
    int r = api_filters(request, list_filters, &filters, err);

    if (r == 0 && api_version(request) >= 54 && api_query_bool(request, "identity", false) &&
        !api_query_bool(request, "manifests", false))
        r = error_set(err, ERROR_INVALID, 0, "conflicting options: identity requires manifests=1");
    if (r == 0)
        r = prepare(engine, filters, &query, err);
    if (r == 0)
        r = image_list(engine_images(engine), &images, &count, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct images_entry entry = {.image = images[i],
                                           .containers = -1,
                                           .shared_size =
                                               with_shared ? images_shared_size(images[i], images, count) : -1,
                                           .version = api_version(request),
                                           .engine = with_manifests ? engine : NULL};

        r = write_match(&w, &entry, &query, engine, err);
    }
    json_end_array(&w);
    images_free(images, count);
    return r < 0 ? r : api_reply_json(request, 200, &out);
}
