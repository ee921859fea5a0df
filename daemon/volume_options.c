#include "daemon/volume_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/strv.h"

static const char *option(const struct strmap *options, const char *key)
{
    const char *value = strmap_get(options, key);
    return value != NULL ? value : "";
}

static int check_size(const struct strmap *options, uint64_t *ret_size, struct error *err)
{
    const char *text = strmap_get(options, "size");
    int64_t size = 0;
    if (text != NULL && options->count > 1)
        return error_set(err, ERROR_INVALID, 0, "option \"size\" is for volumes that nothing is mounted on");
    if (text != NULL && parse_size(text, false, &size) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid size: '%s'", text);
    *ret_size = (uint64_t)size;
    return 0;
}

bool volume_options_mounts(const struct strmap *options)
{
    return strmap_get(options, "device") != NULL;
}

int volume_options_check(const struct strmap *options, uint64_t *ret_size, struct error *err)
{
    static const char *const known[] = {"type", "device", "o", "size"};
    for (size_t i = 0; i < options->count; i++) {
        bool ok = false;
        for (size_t j = 0; j < ARRAY_SIZE(known); j++)
            ok = ok || strcmp(options->items[i].key, known[j]) == 0;
        if (!ok)
            return error_set(err, ERROR_INVALID, 0, "invalid option: \"%s\"", options->items[i].key);
    }
    int r = check_size(options, ret_size, err);
    if (r < 0 || options->count == 0 || strmap_get(options, "size") != NULL)
        return r;
    static const char *const needed[] = {"device", "type"};
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (strmap_get(options, needed[i]) == NULL)
            return error_set(err, ERROR_INVALID, 0, "missing required option: \"%s\"", needed[i]);
    return 0;
}

unsigned long volume_options_flags(const char *text, char **ret_data)
{
    static const struct {
        const char *name;
        unsigned long flag;
        bool clear;
    } words[] = {
        {"defaults", 0, false},
        {"ro", MS_RDONLY, false},
        {"rw", MS_RDONLY, true},
        {"suid", MS_NOSUID, true},
        {"nosuid", MS_NOSUID, false},
        {"dev", MS_NODEV, true},
        {"nodev", MS_NODEV, false},
        {"exec", MS_NOEXEC, true},
        {"noexec", MS_NOEXEC, false},
        {"sync", MS_SYNCHRONOUS, false},
        {"async", MS_SYNCHRONOUS, true},
        {"dirsync", MS_DIRSYNC, false},
        {"remount", MS_REMOUNT, false},
        {"mand", MS_MANDLOCK, false},
        {"nomand", MS_MANDLOCK, true},
        {"atime", MS_NOATIME, true},
        {"noatime", MS_NOATIME, false},
        {"diratime", MS_NODIRATIME, true},
        {"nodiratime", MS_NODIRATIME, false},
        {"bind", MS_BIND, false},
        {"rbind", MS_BIND | MS_REC, false},
        {"relatime", MS_RELATIME, false},
        {"norelatime", MS_RELATIME, true},
        {"strictatime", MS_STRICTATIME, false},
        {"nostrictatime", MS_STRICTATIME, true},
    };
    CLEANUP_STRV struct strv items = STRV_INIT;
    CLEANUP_STRBUF struct strbuf data = STRBUF_INIT;
    unsigned long flags = 0;
    strv_split(&items, text, ',');
    for (size_t i = 0; i < items.count; i++) {
        size_t j = 0;
        while (j < ARRAY_SIZE(words) && strcmp(items.items[i], words[j].name) != 0)
            j++;
        if (j < ARRAY_SIZE(words))
            flags = words[j].clear ? flags & ~words[j].flag : flags | words[j].flag;
        else if (items.items[i][0] != '\0')
            strbuf_addf(&data, "%s%s", data.size ? "," : "", items.items[i]);
    }
    *ret_data = xstrdup(strbuf_str(&data));
    return flags;
}

/* The kernel's nfs and cifs want addr= as a number; users write names, as for mount.nfs(8). */
static int resolve_address(char **data, struct error *err)
{
    CLEANUP_STRV struct strv items = STRV_INIT;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    strv_split(&items, *data, ',');
    for (size_t i = 0; i < items.count; i++) {
        const char *item = items.items[i];
        struct in6_addr number;
        strbuf_adds(&out, i ? "," : "");
        if (strncmp(item, "addr=", 5) != 0 || inet_pton(AF_INET, item + 5, &number) == 1 ||
            inet_pton(AF_INET6, item + 5, &number) == 1) {
            strbuf_adds(&out, item);
            continue;
        }
        struct addrinfo *found = NULL;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        char text[NI_MAXHOST];
        int r = getaddrinfo(item + 5, NULL, &hints, &found);
        if (r == 0) {
            r = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
            freeaddrinfo(found);
        }
        if (r != 0)
            return error_set(err, ERROR_SYSTEM, EIO, "error resolving passed in network volume address %s: %s",
                             item + 5, gai_strerror(r));
        strbuf_addf(&out, "addr=%s", text);
    }
    free(*data);
    *data = strbuf_take(&out);
    return 0;
}

/* One mount(2) of a bind takes no other flags: "bind,ro" would be writable. The copy of the mount gets them before it
 * is attached, so nobody sees it without. 0 or -errno. */
static int bind_with_flags(const char *device, unsigned long flags, int target_fd)
{
    static const struct {
        unsigned long flag;
        uint64_t attribute, of;
    } rows[] = {
        {MS_RDONLY, MOUNT_ATTR_RDONLY, 0},
        {MS_NOSUID, MOUNT_ATTR_NOSUID, 0},
        {MS_NODEV, MOUNT_ATTR_NODEV, 0},
        {MS_NOEXEC, MOUNT_ATTR_NOEXEC, 0},
        {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, 0},
        {MS_RELATIME, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
        {MS_NOATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
        {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    };
    struct mount_attr attr = {0};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (flags & rows[i].flag) { /* of those that exclude each other the last counts */
            attr.attr_set = (attr.attr_set & ~rows[i].of) | rows[i].attribute;
            attr.attr_clr |= rows[i].of;
        }
    unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (flags & MS_REC ? (unsigned)AT_RECURSIVE : 0);
    CLEANUP_CLOSE int tree = open_tree(AT_FDCWD, device, how);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
        move_mount(tree, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return -errno;
    return 0;
}

static int mount_volume(const char *device, const char *type, unsigned long flags, const char *data, int target_fd)
{
    if ((flags & MS_BIND) && !(flags & MS_REMOUNT) && (flags & ~(unsigned long)(MS_BIND | MS_REC)) != 0)
        return bind_with_flags(device, flags, target_fd);
    char target[64];
    snprintf(target, sizeof(target), "/proc/self/fd/%d", target_fd);
    return mount(device, target, type, flags, data) < 0 ? -errno : 0;
}

int volume_options_mount(const struct strmap *options, int target_fd, const char *name, struct error *err)
{
    const char *type = option(options, "type"), *device = option(options, "device");
    CLEANUP_FREE char *data = NULL;
    unsigned long flags = volume_options_flags(option(options, "o"), &data);
    int r = resolve_address(&data, err);
    if (r < 0)
        return r;
    r = mount_volume(device, type, flags, data, target_fd);
    if (r == 0)
        return 0;
    CLEANUP_STRBUF struct strbuf what = STRBUF_INIT;
    if (flags != 0)
        strbuf_addf(&what, ", flags: 0x%lx", flags);
    if (*data != '\0')
        strbuf_addf(&what, ", data: %s", data);
    return error_errno(err, r, "failed to mount local volume: mount %s:%s%s", device, name, strbuf_str(&what));
}
