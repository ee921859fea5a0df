/* The cache, as Control/DiskUsage and Control/Prune tell of it. */
#include <errno.h>
#include <string.h>

#include "api/buildkit/filter.h"
#include "api/buildkit/service.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/events.h"

/* A record of the cache as a message, with what it points to. */
struct row {
    Bk__UsageRecord record;
    Bk__Timestamp created, used;
    char *parents[1];
};

static void fill_row(struct row *row, const struct build_cache_record *from)
{
    bk__usage_record__init(&row->record);
    row->created = solve_timestamp(from->created);
    row->used = solve_timestamp(from->last_used);
    row->record.id = from->id;
    row->record.mutable_ = strcmp(from->type, "exec.cachemount") == 0;
    row->record.in_use = from->in_use;
    row->record.size = from->size;
    row->record.created_at = &row->created;
    row->record.last_used_at = from->last_used > 0 ? &row->used : NULL;
    row->record.usage_count = from->use_count;
    row->record.description = from->description;
    row->record.record_type = from->type;
    row->record.shared = from->shared;
    if (*from->parent) {
        row->parents[0] = from->parent;
        row->record.parents = row->parents;
        row->record.n_parents = 1;
    }
}

static const struct filter_field usage_fields[] = {
    {"id", FILTER_TEXT},     {"parents", FILTER_TEXT}, {"parent", FILTER_TEXT},  {"description", FILTER_TEXT},
    {"type", FILTER_TEXT},   {"inuse", FILTER_FLAG},   {"mutable", FILTER_FLAG}, {"immutable", FILTER_FLAG},
    {"shared", FILTER_FLAG}, {"private", FILTER_FLAG}, {NULL, FILTER_TEXT},
};
static void usage_value(const void *data, size_t i, struct filter_value *ret)
{
    const struct build_cache_record *record = data;
    const bool mutable = strcmp(record->type, "exec.cachemount") == 0;
    const char *const texts[] = {record->id, record->parent, record->parent, record->description, record->type};
    const bool flags[] = {record->in_use, mutable, !mutable, record->shared, !record->shared};
    if (i < ARRAY_SIZE(texts))
        ret->text = texts[i];
    else
        ret->flag = flags[i - ARRAY_SIZE(texts)];
}

int control_disk_usage(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__DiskUsageRequest *request = NULL;
    Bk__DiskUsageResponse response = BK__DISK_USAGE_RESPONSE__INIT;
    struct build_cache_record *records = NULL;
    size_t count = 0;
    int r = SERVICE_RECEIVE(call, disk_usage_request, &request, err);
    CLEANUP_FILTER struct filter filter = {0};
    if (r == 0)
        r = filter_parse(request->filter, request->n_filter, usage_fields, timestamp_now(), &filter, err);
    int64_t age = request ? request->age_limit : 0; /* ns: what was used since does not count */
    if (request)
        bk__disk_usage_request__free_unpacked(request, NULL);
    if (r == 0)
        r = build_cache_list(service->engine, &records, &count, err);
    CLEANUP_FREE struct row *rows = xcalloc(count + 1, sizeof(*rows));
    CLEANUP_FREE Bk__UsageRecord **list = xcalloc(count + 1, sizeof(Bk__UsageRecord *));
    for (size_t i = 0; i < count; i++) {
        int64_t used = records[i].last_used > 0 ? records[i].last_used : records[i].created;
        if ((age > 0 && used > timestamp_now() - age) || !filter_match(&filter, usage_value, &records[i]))
            continue;
        fill_row(&rows[i], &records[i]);
        list[response.n_record++] = &rows[i].record;
    }
    response.record = list;
    if (r == 0)
        r = service_reply(call, &response.base, err);
    build_cache_records_free(records, count);
    return r;
}

/* "key==value" and "key=value" are the builder's filters; so is "key~=value" of those that match a part anyhow. Adds
 * name and value to the two lists. */
static int add_filter(const char *text, struct strv *names, struct strv *values, struct error *err)
{
    static const char *const partial[] = {"id", "parent", "description"};
    const char *equals = strchr(text, '=');
    size_t size = equals ? (size_t)(equals - text) : 0;
    bool part = size > 0 && text[size - 1] == '~', known = !part;
    CLEANUP_FREE char *name = xstrndup(text, size - part);
    for (size_t i = 0; i < ARRAY_SIZE(partial); i++)
        known = known || strcmp(name, partial[i]) == 0;
    if (!*name || !known)
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s", text);
    strv_add_take(names, TAKE_PTR(name));
    strv_add(values, equals + (equals[1] == '=' ? 2 : 1));
    return 0;
}

/* {"name":["value",...]} */
static int join_filters(const struct strv *names, const struct strv *values, struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t i = 0; i < names->count; i++) {
        size_t first = 0;
        while (strcmp(names->items[first], names->items[i]) != 0)
            first++;
        if (first < i)
            continue;
        json_key(&w, names->items[i]);
        json_begin_array(&w);
        for (size_t k = i; k < names->count; k++) {
            if (strcmp(names->items[k], names->items[i]) == 0)
                json_put_string(&w, values->items[k]);
        }
        json_end_array(&w);
    }
    json_end_object(&w);
    return json_parse(text.data, text.size, ret, err);
}

static int make_filters(const Bk__PruneRequest *request, struct json **ret, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT, values = STRV_INIT;
    int r = 0;
    for (size_t i = 0; i < request->n_filter && r == 0; i++) {
        if (*request->filter[i])
            r = add_filter(request->filter[i], &names, &values, err);
    }
    if (request->keep_duration > 0) {
        strv_add(&names, "until");
        strv_addf(&values, "%llds", (long long)(request->keep_duration / 1000000000));
    }
    return r < 0 ? r : join_filters(&names, &values, ret, err);
}

static int send_pruned(struct grpc_call *call, const struct build_cache_record *records, size_t count,
                       const struct strv *ids, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        struct row row = {0};
        if (!strv_contains(ids, records[i].id))
            continue;
        fill_row(&row, &records[i]);
        r = service_reply(call, &row.record.base, err);
    }
    return r;
}

int control_prune(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__PruneRequest *request = NULL;
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRV struct strv ids = STRV_INIT;
    struct build_cache_record *records = NULL;
    size_t count = 0;
    int64_t bytes = 0;
    int r = SERVICE_RECEIVE(call, prune_request, &request, err);
    if (r < 0)
        return r;
    struct build_prune how = {.all = request->all,
                              .keep_storage = request->reserved_space,
                              .max_used = request->max_used_space,
                              .min_free = request->min_free_space};
    r = make_filters(request, &filters, err);
    how.filters = filters;
    bk__prune_request__free_unpacked(request, NULL);
    if (r == 0)
        r = build_cache_list(service->engine, &records, &count, err);
    if (r == 0)
        r = build_prune(service->engine, &how, &ids, &bytes, err);
    if (r == 0) {
        events_publish_prune(engine_events(service->engine), "builder", bytes);
        r = send_pruned(call, records, count, &ids, err);
    }
    build_cache_records_free(records, count);
    return r;
}
