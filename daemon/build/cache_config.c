#include "daemon/build/cache_config.h"

#include "base/json_table.h"
#include "base/timestamp.h"

/* The member "dory". */
struct ours {
    char *parent, *description, *content, *diff_id, *nonce;
    int64_t created; /* ns */
    bool second;
};
#define AT(member) offsetof(struct ours, member)
static const struct json_field ours_fields[] = {
    {.name = "parent", .type = JSON_FIELD_STRING, .offset = AT(parent), .flags = JSON_OMIT_EMPTY},
    {.name = "description", .type = JSON_FIELD_STRING, .offset = AT(description), .flags = JSON_OMIT_EMPTY},
    {.name = "content", .type = JSON_FIELD_STRING, .offset = AT(content), .flags = JSON_OMIT_EMPTY},
    {.name = "diffID", .type = JSON_FIELD_STRING, .offset = AT(diff_id), .flags = JSON_OMIT_EMPTY},
    {.name = "nonce", .type = JSON_FIELD_STRING, .offset = AT(nonce), .flags = JSON_OMIT_EMPTY},
    {.name = "created", .type = JSON_FIELD_INT, .offset = AT(created), .flags = JSON_REQUIRED},
    {.name = "second", .type = JSON_FIELD_BOOL, .offset = AT(second), .flags = JSON_OMIT_EMPTY},
};
static const struct json_table ours_table = JSON_TABLE(struct ours, ours_fields);

void cache_config_add(struct cache_config *config, struct cache_row *row, const char *blob)
{
    xgrow((void **)&config->records, config->count, &config->capacity, sizeof(*config->records));
    struct cache_config_record *record = &config->records[config->count++];
    *record = (struct cache_config_record){.row = row};
    snprintf(record->blob, sizeof(record->blob), "%s", blob);
}

void cache_config_release(struct cache_config *config)
{
    for (size_t i = 0; i < config->count; i++)
        cache_row_free(config->records[i].row);
    free(config->records);
    *config = (struct cache_config){0};
}

/* ---- writing ---- */

/* A layer's place in "layers" + 1, by its blob. */
static void write_layers(const struct cache_config *config, struct map *places, struct json_writer *w)
{
    json_key(w, "layers");
    json_begin_array(w);
    for (size_t i = 0; i < config->count; i++) {
        const char *blob = config->records[i].blob;
        if (*blob == 0 || map_get(places, blob))
            continue;
        map_set(places, blob, (void *)(places->count + 1));
        json_begin_object(w);
        json_member_string(w, "blob", blob);
        json_member_int(w, "parent", -1);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_record(const struct cache_config_record *record, const struct map *places, struct json_writer *w)
{
    const struct cache_row *row = record->row;
    CLEANUP_FREE char *digest = xasprintf("sha256:%s", row->key);
    const struct ours ours = {.parent = (char *)row->parent,
                              .description = row->description,
                              .content = row->content,
                              .diff_id = (char *)row->diff_id,
                              .nonce = (char *)row->nonce,
                              .created = row->created,
                              .second = row->result_only};
    json_begin_object(w);
    if (record->blob[0] != 0) {
        char created[TIMESTAMP_MAX];
        timestamp_format(created, row->created);
        json_key(w, "layers");
        json_begin_array(w);
        json_begin_object(w);
        json_member_int(w, "layer", (int64_t)(uintptr_t)map_get(places, record->blob) - 1);
        json_member_string(w, "createdAt", created);
        json_end_object(w);
        json_end_array(w);
    }
    json_member_string(w, "digest", digest);
    json_key(w, "dory");
    json_table_encode(&ours_table, &ours, w);
    json_end_object(w);
}

void cache_config_write(const struct cache_config *config, struct strbuf *out)
{
    struct map places = MAP_INIT;
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    write_layers(config, &places, &w);
    json_key(&w, "records");
    json_begin_array(&w);
    for (size_t i = 0; i < config->count; i++)
        write_record(&config->records[i], &places, &w);
    json_end_array(&w);
    json_end_object(&w);
    map_release(&places);
}

/* ---- parsing ---- */

static bool is_key(const char *text)
{
    return text && strlen(text) == DIGEST_HEX_MAX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX_MAX - 1;
}

static bool is_nonce(const char *text)
{
    return strlen(text) < CACHE_NONCE_MAX && strspn(text, "0123456789abcdef") == strlen(text);
}

/* The blob of a record's result; NULL: it has none, or none that can be found. */
static const char *blob_of(const struct json *root, const struct json *record)
{
    const struct json *layers = json_get(root, "layers");
    int64_t place = json_get_int(json_at(json_get(record, "layers"), 0), "layer", -1);
    const struct json *layer =
        place >= 0 && (uint64_t)place < json_count(layers) ? json_at(layers, (size_t)place) : NULL;
    const char *blob = json_get_string(layer, "blob");
    return blob && digest_is_valid(blob) ? blob : NULL;
}

static int check_ours(const struct ours *ours, const char *key, const char *blob, size_t i, struct error *err)
{
    const char *wrong = !is_key(key)                                             ? "digest"
                        : ours->parent && *ours->parent && !is_key(ours->parent) ? "parent"
                        : ours->nonce && !is_nonce(ours->nonce)                  ? "nonce"
                        : ours->diff_id && !digest_is_valid(ours->diff_id)       ? "diffID"
                        : (ours->diff_id != NULL) != (blob != NULL)              ? "layers"
                        : ours->created <= 0                                     ? "created"
                                                                                 : NULL;
    return wrong ? error_set(err, ERROR_INVALID, 0, "build cache: records[%zu].%s is not valid", i, wrong) : 0;
}

static int parse_record(const struct json *root, size_t i, struct cache_config *ret, struct error *err)
{
    const struct json *record = json_at(json_get(root, "records"), i), *member = json_get(record, "dory");
    const char *digest = json_get_string(record, "digest"), *blob = blob_of(root, record);
    const char *key = digest && strncmp(digest, "sha256:", 7) == 0 ? digest + 7 : NULL;
    struct ours ours = {0};
    if (!member) {
        ret->foreign++;
        return 0;
    }
    int r = json_table_decode(&ours_table, member, &ours, err);
    if (r < 0)
        error_context(err, "build cache: records[%zu]", i);
    if (r == 0)
        r = check_ours(&ours, key, blob, i, err);
    if (r == 0) {
        struct cache_row *row = cache_row_new(key, ours.parent ? ours.parent : "", ours.description, ours.content);
        snprintf(row->diff_id, sizeof(row->diff_id), "%s", ours.diff_id ? ours.diff_id : "");
        snprintf(row->nonce, sizeof(row->nonce), "%s", ours.nonce ? ours.nonce : "");
        row->created = ours.created;
        row->result_only = ours.second;
        cache_config_add(ret, row, blob ? blob : "");
    }
    json_table_release(&ours_table, &ours);
    return r;
}

int cache_config_parse(const char *text, size_t size, struct cache_config *ret, struct error *err)
{
    CLEANUP_JSON struct json *root = NULL;
    if (size > CACHE_CONFIG_SIZE_MAX)
        return error_set(err, ERROR_INVALID, 0, "build cache: the config is larger than %zu bytes",
                         CACHE_CONFIG_SIZE_MAX);
    int r = json_parse(text, size, &root, err);
    if (r < 0)
        return error_context(err, "build cache");
    size_t count = json_count(json_get(root, "records"));
    if (root->kind != JSON_OBJECT || count > CACHE_CONFIG_RECORDS_MAX)
        return error_set(err, ERROR_INVALID, 0, "build cache: the config is no object of at most %d records",
                         CACHE_CONFIG_RECORDS_MAX);
    for (size_t i = 0; i < count && r == 0; i++)
        r = parse_record(root, i, ret, err);
    return r;
}
