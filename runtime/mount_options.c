#include "runtime/mount_options.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/memory.h"

#define ATIME MOUNT_ATTR__ATIME

/* `set` replaces `clear`: "rw" is the absence of RDONLY. A leading "r" (rro, rnosuid) means the whole tree. */
static const struct {
    const char *name;
    uint64_t set, clear;
} attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, ATIME},
    {"atime", MOUNT_ATTR_RELATIME, ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, ATIME},
    {"norelatime", MOUNT_ATTR_RELATIME, ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, ATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"defaults", 0, 0},
    {"async", 0, 0},
    {"nomand", 0, 0},
    {"silent", 0, 0},
    {"loud", 0, 0},
};

uint64_t mount_propagation_parse(const char *name, bool *ret_recursive)
{
    static const struct {
        const char *name;
        uint64_t flag;
    } kinds[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        bool recursive = name[0] == 'r' && strcmp(name + 1, kinds[i].name) == 0;
        if (recursive || strcmp(name, kinds[i].name) == 0) {
            *ret_recursive = recursive;
            return kinds[i].flag;
        }
    }
    return 0;
}

static bool parse_attribute(const char *name, struct mount_options *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        uint64_t set = attributes[i].set, clear = attributes[i].clear;
        if (strcmp(name, attributes[i].name) == 0) {
            out->set = (out->set & ~(clear | set)) | set;
            out->clear = (out->clear & ~set) | clear;
            return true;
        }
        if (name[0] == 'r' && strcmp(name + 1, attributes[i].name) == 0 && (set | clear) != 0) {
            out->recursive_set = (out->recursive_set & ~(clear | set)) | set;
            out->recursive_clear = (out->recursive_clear & ~set) | clear;
            return true;
        }
    }
    return false;
}

static bool parse_word(const char *name, struct mount_options *out)
{
    struct {
        const char *name;
        bool *flag;
    } words[] = {
        {"bind", &out->bind},        {"rbind", &out->recursive_bind}, {"tmpcopyup", &out->copy_up},
        {"sync", &out->synchronous}, {"dirsync", &out->dirsync},      {"lazytime", &out->lazytime},
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(name, words[i].name) == 0)
            return *words[i].flag = true;
    return false;
}

int mount_options_parse(const struct oci_mount *mount, struct mount_options *ret, struct error *err)
{
    *ret = (struct mount_options){0};
    for (size_t i = 0; i < mount->options.count; i++) {
        const char *option = mount->options.items[i];
        bool recursive = false;
        uint64_t propagation = mount_propagation_parse(option, &recursive);
        if (propagation != 0) {
            ret->propagation = propagation;
            ret->recursive_propagation = recursive;
        } else if (strcmp(option, "idmap") == 0 || strcmp(option, "ridmap") == 0 || strcmp(option, "remount") == 0 ||
                   strcmp(option, "mand") == 0) {
            return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "mount %s: option \"%s\" is not supported",
                             mount->destination, option);
        } else if (!parse_word(option, ret) && !parse_attribute(option, ret)) {
            strv_add(&ret->data, option);
        }
    }
    if (mount->type != NULL && strcmp(mount->type, "bind") == 0 && !ret->recursive_bind)
        ret->bind = true;
    bool bind = ret->bind || ret->recursive_bind;
    if (bind && ret->data.count > 0)
        return error_set(err, ERROR_INVALID, 0, "mount %s: option \"%s\" has no meaning for a bind mount",
                         mount->destination, ret->data.items[0]);
    if (!bind && (mount->type == NULL || mount->type[0] == '\0'))
        return error_set(err, ERROR_INVALID, 0, "mount %s: neither a type nor bind is given", mount->destination);
    return 0;
}

void mount_options_release(struct mount_options *options)
{
    strv_release(&options->data);
}
