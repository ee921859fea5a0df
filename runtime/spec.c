/* config.json as a whole; checks that types cannot express are in spec_validate.c. */
#include "runtime/spec.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "runtime/spec_rows.h"

static const struct json_field spec_rows[] = {
    ROW(oci_spec, "ociVersion", STRING, version, REQ),
    TABLE_ROW(oci_spec, "process", OBJECT, process, oci_process_table, 0),
    TABLE_ROW(oci_spec, "root", OBJECT, root, oci_root_table, 0),
    ROW(oci_spec, "hostname", STRING, hostname, OMIT),
    ROW(oci_spec, "domainname", STRING, domainname, OMIT),
    TABLE_ROW(oci_spec, "mounts", ARRAY, mounts, oci_mount_table, OMIT),
    TABLE_ROW(oci_spec, "hooks", OBJECT, hooks, oci_hooks_table, OMIT),
    ROW(oci_spec, "annotations", STRMAP, annotations, OMIT),
    TABLE_ROW(oci_spec, "linux", OBJECT, linux_, oci_linux_table, 0),
};
const struct json_table oci_spec_table = JSON_TABLE(struct oci_spec, spec_rows);

/* ---- functions ---- */

void *oci_array_add(struct json_array *array, const struct json_table *table)
{
    array->items = xreallocarray(array->items, array->count + 1, table->size);
    char *item = (char *)array->items + array->count++ * table->size;
    memset(item, 0, table->size);
    return item;
}

int oci_spec_parse(const char *text, size_t size, struct oci_spec *ret, struct error *err)
{
    if (size > OCI_SPEC_SIZE_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "the OCI spec is larger than %u bytes", OCI_SPEC_SIZE_MAX);
    int r = json_table_decode_text(&oci_spec_table, text, size, ret, err);
    if (r < 0)
        oci_spec_release(ret);
    return r;
}

int oci_spec_load(int bundle_fd, const char *name, struct oci_spec *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    struct stat st;
    if (fstatat(bundle_fd, name, &st, 0) == 0 && !S_ISREG(st.st_mode)) /* a FIFO would be waited for */
        return error_set(err, ERROR_INVALID, EINVAL, "%s is not a regular file", name);
    int r = file_read(bundle_fd, name, OCI_SPEC_SIZE_MAX, &text, &size, err);
    if (r < 0)
        return r;
    r = oci_spec_parse(text, size, ret, err);
    return r < 0 ? error_context(err, "%s", name) : 0;
}

void oci_spec_write(const struct oci_spec *spec, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_table_encode(&oci_spec_table, spec, &w);
}

void oci_spec_release(struct oci_spec *spec)
{
    json_table_release(&oci_spec_table, spec);
}

const struct oci_namespace *oci_spec_namespace(const struct oci_spec *spec, const char *type)
{
    const struct oci_namespace *items = spec->linux_.namespaces.items;
    for (size_t i = 0; i < spec->linux_.namespaces.count; i++)
        if (strcmp(items[i].type, type) == 0)
            return &items[i];
    return NULL;
}
