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
    {"defaults", 0, 0}, /* what follows changes nothing: it is so without it */
    {"nomand", 0, 0},
    {"silent", 0, 0},
    {"loud", 0, 0},
};

static const struct {
    const char *name;
    uint64_t flag;
} propagations[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};

static const struct {
    const char *name;
    size_t offset; /* of a bool */
    bool value;
} words[] = {
    {"bind", offsetof(struct mount_options, bind), true},
    {"rbind", offsetof(struct mount_options, recursive_bind), true},
    {"remount", offsetof(struct mount_options, remount), true},
    {"tmpcopyup", offsetof(struct mount_options, copy_up), true},
    {"sync", offsetof(struct mount_options, synchronous), true},
    {"async", offsetof(struct mount_options, synchronous), false},
    {"dirsync", offsetof(struct mount_options, dirsync), true},
    {"lazytime", offsetof(struct mount_options, lazytime), true},
    {"nolazytime", offsetof(struct mount_options, lazytime), false},
    {"iversion", offsetof(struct mount_options, iversion), true},
    {"noiversion", offsetof(struct mount_options, iversion), false},
    {"idmap", offsetof(struct mount_options, idmap), true},
    {"ridmap", offsetof(struct mount_options, recursive_idmap), true},
};

uint64_t mount_propagation_parse(const char *name, bool *ret_recursive)
{
    for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
        bool recursive = name[0] == 'r' && strcmp(name + 1, propagations[i].name) == 0;
        if (recursive || strcmp(name, propagations[i].name) == 0) {
            *ret_recursive = recursive;
            return propagations[i].flag;
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
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(name, words[i].name) == 0) {
            *(bool *)((char *)out + words[i].offset) = words[i].value;
            return true;
        }
    return false;
}

static int parse_one(const struct oci_mount *mount, size_t i, struct mount_options *out, struct error *err)
{
    const char *option = mount->options.items[i];
    bool recursive = false;
    uint64_t propagation = mount_propagation_parse(option, &recursive);
    if (propagation != 0) {
        if (out->propagation_count == MOUNT_PROPAGATIONS_MAX)
            return error_set(err, ERROR_INVALID, 0, "mount %s: options[%zu]: more than %d kinds of propagation",
                             mount->destination, i, MOUNT_PROPAGATIONS_MAX);
        out->propagations[out->propagation_count++] =
            (struct mount_propagation){.kind = propagation, .recursive = recursive};
        return 0;
    }
    if (strcmp(option, "mand") == 0) /* mandatory locks are gone since Linux 5.15, which takes the flag and warns */
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "mount %s: options[%zu]: \"mand\" is not supported",
                         mount->destination, i);
    if (!parse_word(option, out) && !parse_attribute(option, out))
        strv_add(&out->data, option);
    return 0;
}

bool mount_is_idmapped(const struct oci_mount *mount)
{
    if (mount->uid_mappings.count + mount->gid_mappings.count > 0)
        return true;
    for (size_t i = 0; i < mount->options.count; i++)
        if (strcmp(mount->options.items[i], "idmap") == 0 || strcmp(mount->options.items[i], "ridmap") == 0)
            return true;
    return false;
}

static int check_bind(const struct oci_mount *mount, const struct mount_options *o, struct error *err)
{
    const char *meaningless = o->data.count > 0 ? o->data.items[0]
                              : o->copy_up      ? "tmpcopyup"
                              : o->synchronous  ? "sync"
                              : o->dirsync      ? "dirsync"
                              : o->lazytime     ? "lazytime"
                              : o->iversion     ? "iversion"
                                                : NULL;
    if (meaningless != NULL)
        return error_set(err, ERROR_INVALID, 0, "mount %s: option \"%s\" has no meaning for a bind mount",
                         mount->destination, meaningless);
    return 0;
}

static int check(const struct oci_mount *mount, const struct mount_options *o, struct error *err)
{
    bool bind = o->bind || o->recursive_bind;
    if (o->idmap && (!bind || o->remount))
        return error_set(err, ERROR_INVALID, 0, "mount %s: ids can be mapped for bind mounts only", mount->destination);
    if ((mount->uid_mappings.count > 0) != (mount->gid_mappings.count > 0))
        return error_set(err, ERROR_INVALID, 0, "mount %s: uidMappings and gidMappings need each other",
                         mount->destination);
    if (o->remount && (o->copy_up || o->propagation_count > 0))
        return error_set(err, ERROR_INVALID, 0, "mount %s: a remount has neither tmpcopyup nor propagation",
                         mount->destination);
    if (bind)
        return check_bind(mount, o, err);
    if (!o->remount && (mount->type == NULL || mount->type[0] == '\0'))
        return error_set(err, ERROR_INVALID, 0, "mount %s: neither a type nor bind is given", mount->destination);
    return 0;
}

int mount_options_parse(const struct oci_mount *mount, struct mount_options *ret, struct error *err)
{
    *ret = (struct mount_options){0};
    size_t size = 0;
    for (size_t i = 0; i < mount->options.count; i++) {
        size += strlen(mount->options.items[i]) + 1;
        if (size > MOUNT_OPTIONS_MAX)
            return error_set(err, ERROR_INVALID, E2BIG, "mount %s: options: more than %d bytes", mount->destination,
                             MOUNT_OPTIONS_MAX);
        int r = parse_one(mount, i, ret, err);
        if (r < 0)
            return r;
    }
    if (mount->type != NULL && strcmp(mount->type, "bind") == 0 && !ret->recursive_bind)
        ret->bind = true;
    ret->idmap = mount_is_idmapped(mount);
    return check(mount, ret, err);
}

void mount_options_release(struct mount_options *options)
{
    strv_release(&options->data);
}

void mount_options_names(struct strv *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        strv_add(ret, attributes[i].name);
        if ((attributes[i].set | attributes[i].clear) != 0)
            strv_addf(ret, "r%s", attributes[i].name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
        strv_add(ret, propagations[i].name);
        strv_addf(ret, "r%s", propagations[i].name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strv_add(ret, words[i].name);
    strv_sort(ret);
}
