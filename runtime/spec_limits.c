/* How long, how many and in what range: everything of config.json that is a path, a device, a mapping or a list. */
#include <errno.h>
#include <limits.h>

#include "base/memory.h"
#include "runtime/mount_options.h"
#include "runtime/spec_rows.h"

#define PATHS_MAX 10000
#define DEVICES_MAX 10000
#define MAPPINGS_MAX 340 /* of a user namespace */
#define MAJOR_MAX 0xfff  /* MINORBITS of the kernel is 20 */
#define MINOR_MAX 0xfffff

static int check_length(const char *field, size_t i, const char *member, const char *path, struct error *err)
{
    if (path != NULL && strlen(path) >= PATH_MAX)
        return error_set(err, ERROR_INVALID, ENAMETOOLONG, "%s[%zu]%s: longer than %d bytes", field, i, member,
                         PATH_MAX - 1);
    return 0;
}

static int check_paths(const char *field, const struct strv *paths, struct error *err)
{
    if (paths->count > PATHS_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "%s: more than %d", field, PATHS_MAX);
    for (size_t i = 0; i < paths->count; i++) {
        int r = check_length(field, i, "", paths->items[i], err);
        if (r < 0)
            return r;
        if (paths->items[i][0] != '/')
            return error_set(err, ERROR_INVALID, 0, "%s[%zu]: \"%s\" is not absolute", field, i, paths->items[i]);
    }
    return 0;
}

static int check_mounts(const struct oci_spec *spec, struct error *err)
{
    const struct oci_mount *items = spec->mounts.items;
    for (size_t i = 0; i < spec->mounts.count; i++) {
        int r = check_length("mounts", i, ".destination", items[i].destination, err);
        r = r < 0 ? r : check_length("mounts", i, ".source", items[i].source, err);
        if (r < 0)
            return r;
        if (items[i].destination[0] == '\0')
            return error_set(err, ERROR_INVALID, 0, "mounts[%zu].destination: must not be empty", i);
        if (items[i].type != NULL && strlen(items[i].type) > NAME_MAX)
            return error_set(err, ERROR_INVALID, 0, "mounts[%zu].type: longer than %d bytes", i, NAME_MAX);
    }
    return 0;
}

static int check_devices(const struct oci_spec *spec, struct error *err)
{
    const struct oci_device *items = spec->linux_.devices.items;
    if (spec->linux_.devices.count > DEVICES_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "linux.devices: more than %d", DEVICES_MAX);
    for (size_t i = 0; i < spec->linux_.devices.count; i++) {
        int r = check_length("linux.devices", i, ".path", items[i].path, err);
        if (r < 0)
            return r;
        if (items[i].path[0] != '/')
            return error_set(err, ERROR_INVALID, 0, "linux.devices[%zu].path: \"%s\" is not absolute", i,
                             items[i].path);
        if (strlen(items[i].type) != 1 || strchr("cbup", items[i].type[0]) == NULL)
            return error_set(err, ERROR_INVALID, 0, "linux.devices[%zu].type: \"%.16s\" is not one of c, b, u and p", i,
                             items[i].type);
        if (items[i].type[0] != 'p' &&
            (items[i].major < 0 || items[i].major > MAJOR_MAX || items[i].minor < 0 || items[i].minor > MINOR_MAX))
            return error_set(err, ERROR_INVALID, 0, "linux.devices[%zu]: there is no device %lld:%lld", i,
                             (long long)items[i].major, (long long)items[i].minor);
        if (items[i].file_mode != NULL && (*items[i].file_mode < 0 || *items[i].file_mode > 0xffff))
            return error_set(err, ERROR_INVALID, 0, "linux.devices[%zu].fileMode: %lld is not a mode", i,
                             (long long)*items[i].file_mode);
    }
    return 0;
}

/* What the kernel says EINVAL to without a word. */
static int check_mappings(const char *field, const struct json_array *mappings, struct error *err)
{
    const struct oci_id_mapping *items = mappings->items;
    if (mappings->count > MAPPINGS_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "linux.%s: more than %d", field, MAPPINGS_MAX);
    for (size_t i = 0; i < mappings->count; i++)
        if (items[i].size == 0 || (uint64_t)items[i].container_id + items[i].size > UINT32_MAX ||
            (uint64_t)items[i].host_id + items[i].size > UINT32_MAX)
            return error_set(err, ERROR_INVALID, 0, "linux.%s[%zu]: a size of %u is not possible", field, i,
                             items[i].size);
    return 0;
}

static int check_annotations(const struct oci_spec *spec, struct error *err)
{
    for (size_t i = 0; i < spec->annotations.count; i++)
        if (spec->annotations.items[i].key[0] == '\0')
            return error_set(err, ERROR_INVALID, 0, "annotations: a key must not be empty");
    return 0;
}

int oci_limits_check(const struct oci_spec *spec, struct error *err)
{
    const struct oci_linux *l = &spec->linux_;
    const char *propagation = l->rootfs_propagation;
    bool recursive;
    if (propagation != NULL && propagation[0] != '\0' && mount_propagation_parse(propagation, &recursive) == 0)
        return error_set(err, ERROR_INVALID, 0, "linux.rootfsPropagation: rootfsPropagation=%.32s is not supported",
                         propagation);
    if (spec->root.path != NULL && strlen(spec->root.path) >= PATH_MAX)
        return error_set(err, ERROR_INVALID, ENAMETOOLONG, "root.path: longer than %d bytes", PATH_MAX - 1);
    int r = check_paths("linux.maskedPaths", &l->masked_paths, err);
    r = r < 0 ? r : check_paths("linux.readonlyPaths", &l->readonly_paths, err);
    r = r < 0 ? r : check_mounts(spec, err);
    r = r < 0 ? r : check_devices(spec, err);
    r = r < 0 ? r : check_mappings("uidMappings", &l->uid_mappings, err);
    r = r < 0 ? r : check_mappings("gidMappings", &l->gid_mappings, err);
    return r < 0 ? r : check_annotations(spec, err);
}
