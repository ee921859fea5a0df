/*
 * What is mounted into a container besides its root: HostConfig.Binds, .Mounts, .Tmpfs and the image's VOLUMEs,
 * parsed and checked into one list of mount points. Pure: nothing is looked up on the host here.
 */
#ifndef DORY_DAEMON_MOUNTS_H
#define DORY_DAEMON_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_table.h"
#include "daemon/host_config.h"
#include "image/container_config.h"

enum mount_type { MOUNT_BIND, MOUNT_VOLUME, MOUNT_TMPFS, MOUNT_IMAGE };
/* As the API calls them. */
extern const char *const mount_type_names[];

struct mount_point {
    int64_t type;      /* enum mount_type */
    char *name;        /* volume */
    char *source;      /* bind: path on the host; volume: its _data (set when it is made); image: its name */
    char *destination; /* clean absolute path in the container */
    char *driver;      /* "local" for volumes */
    char *mode;        /* the options as given, for inspect: "z", "ro", ... */
    bool read_only;
    bool propagation_default; /* the request named none; not kept */
    char *propagation;        /* "" or rprivate, private, rshared, shared, rslave, slave */
    bool no_copy;             /* a volume is not filled from the image */
    bool anonymous;           /* a volume made for this container; removed with it */
    bool create_source;       /* bind: a missing source is made (as -v does; --mount does not) */
    bool non_recursive;
    bool read_only_non_recursive;
    bool from_mounts;             /* asked for with --mount: bind errors are docker's for --mount */
    char *tmpfs_options;          /* tmpfs: "size=1m,mode=700" */
    struct strmap labels;         /* volume: labels when it is made */
    struct strmap driver_options; /* volume: the local driver's options when it is made */
    char *rootfs_id;              /* image: its files, for image_rootfs_view() */
    char *subpath;                /* volume, image: what of it is mounted; NULL: all */
    char *idmap;                  /* bind, volume: "UID:GID" (idmap.h); NULL: ids as they are */
    bool change_owner;            /* bind, volume: given to the container's user at each start ("U") */
};

extern const struct json_table mount_point_table;

/* Cleans an absolute path lexically (".", "..", doubled slashes). NULL when it is not absolute. The caller frees. */
char *mount_clean_path(const char *path);

/* One -v text, "[source:]destination[:options]". *ret is released by the caller (mount_point_table). */
int mount_parse_bind(const char *text, struct mount_point *ret, struct error *err);
/* One --mount. */
int mount_parse_request(const struct mount_request *request, struct mount_point *ret, struct error *err);

/* Everything the container asks for, `inherited` (--volumes-from; copied; may be NULL) giving way to what it asks for
 * itself, sorted so that parents come before what is mounted inside them. *ret is a heap
 * array. "Duplicate mount point: /x". */
int mounts_collect(const struct container_config *config, const struct host_config *host,
                   const struct json_array *inherited, struct mount_point **ret, size_t *ret_count, struct error *err);
/* Parents before what is mounted inside them. */
void mounts_sort(struct mount_point *mounts, size_t count);
void mounts_free(struct mount_point *mounts, size_t count);

#endif
