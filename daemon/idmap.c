#include "daemon/idmap.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strv.h"
#include "daemon/user_namespace.h"

#define ID_MAX INT64_C(4294967294)

int idmap_parse(const char *text, uint32_t *ret_uid, uint32_t *ret_gid)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    int64_t uid, gid;
    strv_split(&parts, text, ':');
    if (parts.count != 2 || parse_int64(parts.items[0], 0, ID_MAX, &uid) < 0 ||
        parse_int64(parts.items[1], 0, ID_MAX, &gid) < 0)
        return -EINVAL;
    *ret_uid = (uint32_t)uid;
    *ret_gid = (uint32_t)gid;
    return 0;
}

static void add_line(struct strbuf *out, uint64_t inside, uint64_t outside, uint64_t count)
{
    if (count > 0)
        strbuf_addf(out, "%llu %llu %llu\n", (unsigned long long)inside, (unsigned long long)outside,
                    (unsigned long long)count);
}

void idmap_text(uint32_t on_disk, uint32_t seen, struct strbuf *out)
{
    uint64_t low = on_disk < seen ? on_disk : seen, high = on_disk < seen ? seen : on_disk;
    add_line(out, 0, 0, low);
    add_line(out, low, high, 1);
    if (high > low) {
        add_line(out, low + 1, low + 1, high - low - 1);
        add_line(out, high, low, 1);
    }
    add_line(out, high + 1, high + 1, (uint64_t)ID_MAX + 1 - (high + 1));
}

/* A user namespace with these maps, or -errno. */
static int make_namespace(uint32_t disk_uid, uint32_t disk_gid, uint32_t seen_uid, uint32_t seen_gid, struct error *err)
{
    CLEANUP_STRBUF struct strbuf uids = STRBUF_INIT, gids = STRBUF_INIT;
    idmap_text(disk_uid, seen_uid, &uids);
    idmap_text(disk_gid, seen_gid, &gids);
    return user_namespace_make(strbuf_str(&uids), strbuf_str(&gids), NULL, err);
}

int idmap_apply(int mount_fd, uint32_t disk_uid, uint32_t disk_gid, uint32_t seen_uid, uint32_t seen_gid,
                struct error *err)
{
    CLEANUP_CLOSE int userns = make_namespace(disk_uid, disk_gid, seen_uid, seen_gid, err);
    if (userns < 0)
        return userns;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
    if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
        return 0;
    if (errno == EINVAL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, EINVAL, "this file system cannot map ids (idmap)");
    return error_errno(err, errno, "idmap");
}
