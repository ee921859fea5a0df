/* "linux" of config.json without its resources and its filter: its tables. */
#include "runtime/spec_rows.h"

static const struct json_field namespace_rows[] = {
    ROW(oci_namespace, "type", STRING, type, REQ),
    ROW(oci_namespace, "path", STRING, path, OMIT),
};
const struct json_table oci_namespace_table = JSON_TABLE(struct oci_namespace, namespace_rows);

static const struct json_field device_rows[] = {
    ROW(oci_device, "path", STRING, path, REQ),
    ROW(oci_device, "type", STRING, type, REQ),
    ROW(oci_device, "major", INT, major, 0),
    ROW(oci_device, "minor", INT, minor, 0),
    ROW(oci_device, "fileMode", OPT_INT, file_mode, OMIT),
    ROW(oci_device, "uid", UINT32, uid, 0),
    ROW(oci_device, "gid", UINT32, gid, 0),
};
const struct json_table oci_device_table = JSON_TABLE(struct oci_device, device_rows);

static const struct json_field linux_rows[] = {
    TABLE_ROW(oci_linux, "namespaces", ARRAY, namespaces, oci_namespace_table, 0),
    TABLE_ROW(oci_linux, "uidMappings", ARRAY, uid_mappings, oci_id_mapping_table, OMIT),
    TABLE_ROW(oci_linux, "gidMappings", ARRAY, gid_mappings, oci_id_mapping_table, OMIT),
    TABLE_ROW(oci_linux, "devices", ARRAY, devices, oci_device_table, OMIT),
    ROW(oci_linux, "cgroupsPath", STRING, cgroups_path, OMIT),
    TABLE_ROW(oci_linux, "resources", OBJECT, resources, oci_resources_table, 0),
    TABLE_ROW(oci_linux, "seccomp", OBJECT_PTR, seccomp, oci_seccomp_table, OMIT),
    ROW(oci_linux, "maskedPaths", STRV, masked_paths, OMIT),
    ROW(oci_linux, "readonlyPaths", STRV, readonly_paths, OMIT),
    ROW(oci_linux, "rootfsPropagation", STRING, rootfs_propagation, OMIT),
    ROW(oci_linux, "mountLabel", STRING, mount_label, OMIT),
    ROW(oci_linux, "sysctl", STRMAP, sysctl, OMIT),
    ROW(oci_linux, "intelRdt", RAW, intel_rdt, OMIT),
    ROW(oci_linux, "personality", RAW, personality, OMIT),
    ROW(oci_linux, "timeOffsets", RAW, time_offsets, OMIT),
};
const struct json_table oci_linux_table = JSON_TABLE(struct oci_linux, linux_rows);
