/*
 * Mounting a root on kernels whose overlayfs has no lowerdir+: they take all lower directories in one string of a page,
 * which are named relative to overlay/, so that more than 200 fit. The thread has a working directory of its own for
 * that.
 */
#include <errno.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "image/store.h"

bool rootfs_overlay_is_old(void)
{
    int CLEANUP_CLOSE fs_fd = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    /* Until 6.5 overlayfs collects whatever it is told, and only the mount itself fails, without naming what. */
    return fs_fd >= 0 && syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, "no-such-option", "", 0) == 0;
}

struct old_mount {
    struct image_store *store;
    const char *id, *lowers;
    int fd;
    struct error error;
};

static char *old_options(const struct old_mount *mount)
{
    struct strbuf options = STRBUF_INIT;
    strbuf_adds(&options, "lowerdir=");
    for (const char *p = mount->lowers; strlen(p) >= STORE_ID_SIZE; p += STORE_ID_SIZE + (p[STORE_ID_SIZE] == ' ')) {
        strbuf_addf(&options, "%s%.*s/diff", p == mount->lowers ? "" : ":", STORE_ID_SIZE, p);
    }
    if (mount->id != NULL) {
        strbuf_addf(&options, ",upperdir=%s/diff,workdir=%s/work", mount->id, mount->id);
    }
    for (const struct rootfs_overlay_option *o = rootfs_overlay_options; o->key != NULL; o++) {
        strbuf_addf(&options, ",%s=%s", o->key, o->value);
    }
    return strbuf_take(&options);
}

static int old_mount_at(struct old_mount *old, const char *path, struct error *err)
{
    CLEANUP_FREE char *options = old_options(old);
    if (strlen(options) >= (size_t)sysconf(_SC_PAGESIZE)) {
        return error_set(err, ERROR_SYSTEM, E2BIG,
                         "mount overlay: too many layers for this kernel (6.5 and later take more)");
    }
    if (mount("overlay", path, "overlay", 0, options) < 0) {
        return error_errno(err, errno, "mount overlay");
    }
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int failed = errno;
    if (umount2(path, MNT_DETACH) < 0) {
        int r = error_errno(err, errno, "unmount %s", path);
        fd_close(fd);
        return r;
    }
    return fd < 0 ? error_errno(err, failed, "mount overlay: open_tree") : fd;
}

static int old_mount_run(struct old_mount *mount, struct error *err)
{
    char name[STORE_ID_SIZE + 1], path[sizeof("../tmp/") + STORE_ID_SIZE];
    /* By its path: the caller may be in a mount namespace of its own, where layers of another one are refused. */
    CLEANUP_FREE char *directory = xasprintf("%s/overlay", mount->store->root_path);
    if (unshare(CLONE_FS) < 0 || chdir(directory) < 0) {
        return error_errno(err, errno, "mount overlay: working directory");
    }
    int CLEANUP_CLOSE place = store_make_tmp(mount->store, name, err);
    if (place < 0) {
        return place;
    }
    place = fd_close(place);
    snprintf(path, sizeof(path), "../tmp/%s", name);
    int fd = old_mount_at(mount, path, err);
    store_trash_tmp(mount->store, name);
    return fd;
}

static void *old_mount_main(void *data)
{
    struct old_mount *mount = data;
    mount->fd = old_mount_run(mount, &mount->error);
    return NULL;
}

int rootfs_mount_old(struct image_store *store, const char *id, const char *lowers, struct error *err)
{
    struct old_mount mount = {.store = store, .id = id, .lowers = lowers};
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STORE_STACK);
    int r = pthread_create(&thread, &attributes, old_mount_main, &mount);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        return error_errno(err, r, "mount overlay: start a thread");
    }
    pthread_join(thread, NULL);
    return mount.fd < 0 ? error_propagate(err, &mount.error) : mount.fd;
}
