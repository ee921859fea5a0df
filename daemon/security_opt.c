#include "daemon/security_opt.h"

#include "base/parse.h"

static int parse_pair(const char *entry, const char *value, size_t key_size, struct security_options *ret,
                      struct error *err)
{
    if (strncmp(entry, "seccomp", key_size) == 0 && key_size == 7) {
        if (strcmp(value, "unconfined") == 0)
            ret->seccomp_unconfined = true;
        else if (strcmp(value, "builtin") == 0)
            ret->seccomp_builtin = true;
        else
            ret->seccomp_profile = value;
        return 0;
    }
    if (strncmp(entry, "no-new-privileges", key_size) == 0 && key_size == 17) {
        if (parse_bool(value, &ret->no_new_privileges) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid --security-opt 2: \"%s\"", entry);
        return 0;
    }
    if (strncmp(entry, "apparmor", key_size) == 0 && key_size == 8) {
        if (strcmp(value, "unconfined") == 0)
            return 0;
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "HostConfig.SecurityOpt: AppArmor profile \"%s\" cannot be applied: dory does not support "
                         "AppArmor yet",
                         value);
    }
    if (strncmp(entry, "label", key_size) == 0 && key_size == 5) {
        if (strcmp(value, "disable") == 0)
            return 0;
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "HostConfig.SecurityOpt: SELinux label \"%s\" cannot be applied: dory does not support "
                         "SELinux yet",
                         value);
    }
    if (strncmp(entry, "systempaths", key_size) == 0 && key_size == 11 && strcmp(value, "unconfined") == 0) {
        ret->systempaths_unconfined = true;
        return 0;
    }
    if (strncmp(entry, "writable-cgroups", key_size) == 0 && key_size == 16 &&
        (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)) {
        ret->writable_cgroups_set = true;
        ret->writable_cgroups = strcmp(value, "true") == 0;
        return 0;
    }
    return error_set(err, ERROR_INVALID, 0, "invalid --security-opt 2: \"%s\"", entry);
}

int security_options_parse(const struct strv *list, struct security_options *ret, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *entry = list->items[i];
        if (strcmp(entry, "no-new-privileges") == 0) {
            ret->no_new_privileges = true;
            continue;
        }
        if (strcmp(entry, "writable-cgroups") == 0) {
            ret->writable_cgroups_set = ret->writable_cgroups = true;
            continue;
        }
        const char *separator = strpbrk(entry, "=:");
        if (separator == NULL)
            return error_set(err, ERROR_INVALID, 0, "invalid --security-opt 1: \"%s\"", entry);
        int r = parse_pair(entry, separator + 1, (size_t)(separator - entry), ret, err);
        if (r < 0)
            return r;
    }
    return 0;
}
