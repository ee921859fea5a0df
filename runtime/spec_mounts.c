/* "root" and "mounts" of config.json: their tables. */
#include "runtime/spec_rows.h"

static const struct json_field root_rows[] = {
    ROW(oci_root, "path", STRING, path, REQ),
    ROW(oci_root, "readonly", BOOL, readonly, OMIT),
};
const struct json_table oci_root_table = JSON_TABLE(struct oci_root, root_rows);

static const struct json_field id_mapping_rows[] = {
    ROW(oci_id_mapping, "containerID", UINT32, container_id, 0),
    ROW(oci_id_mapping, "hostID", UINT32, host_id, 0),
    ROW(oci_id_mapping, "size", UINT32, size, REQ),
};
const struct json_table oci_id_mapping_table = JSON_TABLE(struct oci_id_mapping, id_mapping_rows);

static const struct json_field mount_rows[] = {
    ROW(oci_mount, "destination", STRING, destination, REQ),
    ROW(oci_mount, "type", STRING, type, OMIT),
    ROW(oci_mount, "source", STRING, source, OMIT),
    ROW(oci_mount, "options", STRV, options, OMIT),
    TABLE_ROW(oci_mount, "uidMappings", ARRAY, uid_mappings, oci_id_mapping_table, OMIT),
    TABLE_ROW(oci_mount, "gidMappings", ARRAY, gid_mappings, oci_id_mapping_table, OMIT),
};
const struct json_table oci_mount_table = JSON_TABLE(struct oci_mount, mount_rows);
