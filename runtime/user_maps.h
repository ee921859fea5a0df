/* Internal to runtime/: uid_map and gid_map of a process in a new user namespace (user_namespaces(7)). */
#ifndef DORY_RUNTIME_USER_MAPS_H
#define DORY_RUNTIME_USER_MAPS_H

#include <sys/types.h>

#include "base/error.h"
#include "base/json_table.h"

/*
 * Arrays of struct oci_id_mapping. With privilege they are written directly. An ordinary user may map itself alone,
 * which costs the process setgroups(2); more is what newuidmap(1) and newgidmap(1) allow by /etc/subuid and
 * /etc/subgid, which are run then. `where` is the object of the spec that errors name ("linux"). Blocks.
 */
int user_maps_write(pid_t pid, const char *where, const struct json_array *uids, const struct json_array *gids,
                    struct error *err);

#endif
