/* "linux.resources.rdma" of config.json: an object whose members are named by devices. */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/spec_rows.h"

#define RDMA_DEVICES_MAX 256

static const struct json_field limit_rows[] = {
    ROW(oci_rdma, "hcaHandles", OPT_INT, handles, OMIT),
    ROW(oci_rdma, "hcaObjects", OPT_INT, objects, OMIT),
};
static const struct json_table limit_table = JSON_TABLE(struct oci_rdma, limit_rows);

static void rdma_release(void *field)
{
    struct json_array *list = field;
    struct oci_rdma *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        free(items[i].device);
        free(items[i].handles);
        free(items[i].objects);
    }
    free(items);
    *list = (struct json_array){0};
}

static int rdma_decode(const struct json *value, void *field, struct error *err)
{
    struct json_array *list = field;
    rdma_release(list);
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_OBJECT || value->object.count > RDMA_DEVICES_MAX)
        return error_set(err, ERROR_INVALID, EINVAL, "expected an object of at most %d devices", RDMA_DEVICES_MAX);
    for (size_t i = 0; i < value->object.count; i++) {
        struct oci_rdma limit = {0};
        int r = json_table_decode(&limit_table, &value->object.values[i], &limit, err);
        if (r < 0)
            return error_context(err, "%s", value->object.keys[i]);
        limit.device = xstrdup(value->object.keys[i]);
        list->items = xreallocarray(list->items, list->count + 1, sizeof(limit));
        ((struct oci_rdma *)list->items)[list->count++] = limit;
    }
    return 0;
}

static void rdma_encode(const void *field, struct json_writer *w)
{
    const struct json_array *list = field;
    const struct oci_rdma *items = list->items;
    json_begin_object(w);
    for (size_t i = 0; i < list->count; i++) {
        json_key(w, items[i].device);
        json_table_encode(&limit_table, &items[i], w);
    }
    json_end_object(w);
}

static bool rdma_is_empty(const void *field)
{
    return ((const struct json_array *)field)->count == 0;
}

const struct json_custom oci_rdma_custom = {
    .decode = rdma_decode, .encode = rdma_encode, .release = rdma_release, .is_empty = rdma_is_empty};
