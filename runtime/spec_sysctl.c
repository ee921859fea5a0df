/* "linux.sysctl": only what belongs to a namespace of the container's own. */
#include <errno.h>
#include <limits.h>

#include "base/memory.h"
#include "runtime/spec_rows.h"

#define SYSCTL_VALUE_MAX 4095 /* the kernel takes a page */

/* Parameters that are per namespace, and the namespace they need; anything else would change the host. */
static const struct {
    const char *name;
    bool prefix;
    const char *namespace;
} sysctls[] = {
    {"net/", true, "network"},           {"fs/mqueue/", true, "ipc"},
    {"kernel/msgmax", false, "ipc"},     {"kernel/msgmnb", false, "ipc"},
    {"kernel/msgmni", false, "ipc"},     {"kernel/sem", false, "ipc"},
    {"kernel/shmall", false, "ipc"},     {"kernel/shmmax", false, "ipc"},
    {"kernel/shmmni", false, "ipc"},     {"kernel/shm_rmid_forced", false, "ipc"},
    {"kernel/domainname", false, "uts"}, {"user/", true, "user"},
};

const char *oci_sysctl_namespace(const char *path)
{
    for (size_t k = 0; k < ARRAY_SIZE(sysctls); k++)
        if (sysctls[k].prefix ? strncmp(path, sysctls[k].name, strlen(sysctls[k].name)) == 0
                              : strcmp(path, sysctls[k].name) == 0)
            return sysctls[k].namespace;
    return NULL;
}

int oci_sysctl_check(const struct oci_spec *spec, struct error *err)
{
    for (size_t i = 0; i < spec->linux_.sysctl.count; i++) {
        const char *key = spec->linux_.sysctl.items[i].key;
        if (strlen(key) >= PATH_MAX || strlen(spec->linux_.sysctl.items[i].value) > SYSCTL_VALUE_MAX)
            return error_set(err, ERROR_INVALID, 0, "linux.sysctl: \"%.64s\" is too long", key);
        CLEANUP_FREE char *path = oci_sysctl_path(key);
        const char *namespace = oci_sysctl_namespace(path);
        if (namespace == NULL || strstr(path, "..") != NULL)
            return error_set(err, ERROR_INVALID, 0, "linux.sysctl: \"%s\" is not in a separate kernel namespace", key);
        if (strcmp(path, "kernel/domainname") == 0 && spec->domainname != NULL && spec->domainname[0] != '\0')
            return error_set(err, ERROR_INVALID, 0, "linux.sysctl: \"%s\" conflicts with domainname", key);
        if (oci_spec_namespace(spec, namespace) == NULL)
            return error_set(err, ERROR_INVALID, 0, "linux.sysctl: \"%s\" is not allowed in host %s namespace", key,
                             namespace);
    }
    return 0;
}

char *oci_sysctl_path(const char *name)
{
    char *path = xstrdup(name);
    char *first = strpbrk(path, "./");
    if (first == NULL || *first == '/')
        return path;
    for (char *p = path; *p != '\0'; p++)
        *p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
    return path;
}
