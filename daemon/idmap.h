/*
 * Id-mapped views of a directory (mount_setattr(2), MOUNT_ATTR_IDMAP): "-v vol:/data:idmap=UID:GID" exchanges the ids
 * of the container's user with UID:GID. What the user writes belongs to UID:GID on the disk, what belongs to UID:GID
 * there is the user's in the container; every other id stays itself.
 */
#ifndef DORY_DAEMON_IDMAP_H
#define DORY_DAEMON_IDMAP_H

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* "1000:1000", both at most 4294967294. 0 or -EINVAL. */
int idmap_parse(const char *text, uint32_t *ret_uid, uint32_t *ret_gid);
/* The lines of a uid_map that exchange two ids. Pure. */
void idmap_text(uint32_t on_disk, uint32_t seen, struct strbuf *out);
/* Maps a detached mount that nothing is attached to yet. A file system that cannot is an error that says so. */
int idmap_apply(int mount_fd, uint32_t disk_uid, uint32_t disk_gid, uint32_t seen_uid, uint32_t seen_gid,
                struct error *err);

#endif
