#include "runtime/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strv.h"
#include "runtime/defaults.h"

uint64_t capabilities_permitted(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (syscall(SYS_capget, &header, data) < 0)
        return 0;
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

struct capability_sets capabilities_wanted(const struct oci_process *process, uint64_t grantable)
{
    const struct oci_capabilities *c = &process->capabilities;
    struct capability_sets sets = {
        .bounding = runtime_capability_set(&c->bounding, NULL) & grantable,
        .inheritable = runtime_capability_set(&c->inheritable, NULL) & grantable,
        .permitted = runtime_capability_set(&c->permitted, NULL) & grantable,
    };
    sets.effective = runtime_capability_set(&c->effective, NULL) & sets.permitted;
    sets.ambient = runtime_capability_set(&c->ambient, NULL) & sets.permitted & sets.inheritable;
    return sets;
}

int capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(effective >> (32 * i));
        data[i].permitted = (uint32_t)(permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
    }
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static void warn_of_ambient(const struct oci_process *process, uint64_t grantable, runtime_warn *warn,
                            void *warn_context)
{
    struct capability_sets sets = capabilities_wanted(process, grantable);
    uint64_t lost = runtime_capability_set(&process->capabilities.ambient, NULL) & grantable & ~sets.ambient;
    if (lost == 0)
        return;
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (int c = 0; c <= runtime_capability_last(); c++) {
        if (lost >> c & 1)
            strv_add(&names, runtime_capability_name(c));
    }
    CLEANUP_FREE char *list = strv_join(&names, ", ");
    CLEANUP_FREE char *text =
        xasprintf("process.capabilities.ambient: not both permitted and inheritable, left out: %s", list);
    warn(warn_context, text);
}

void capabilities_warn(const struct oci_process *process, bool all, runtime_warn *warn, void *warn_context)
{
    const struct oci_capabilities *c = &process->capabilities;
    const struct {
        const char *name;
        const struct strv *names;
    } sets[] = {
        {"bounding", &c->bounding},   {"effective", &c->effective}, {"inheritable", &c->inheritable},
        {"permitted", &c->permitted}, {"ambient", &c->ambient},
    };
    if (warn == NULL)
        return;
    uint64_t grantable = all ? (UINT64_C(2) << runtime_capability_last()) - 1 : capabilities_permitted();
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        CLEANUP_STRV struct strv missing = STRV_INIT;
        for (size_t k = 0; k < sets[i].names->count; k++) {
            int number = runtime_capability_number(sets[i].names->items[k]);
            if (number < 0 || (grantable >> number & 1) == 0)
                strv_add(&missing, sets[i].names->items[k]);
        }
        if (missing.count == 0)
            continue;
        CLEANUP_FREE char *list = strv_join(&missing, ", ");
        CLEANUP_FREE char *text = xasprintf("process.capabilities.%s: cannot be granted: %s", sets[i].name, list);
        warn(warn_context, text);
    }
    warn_of_ambient(process, grantable, warn, warn_context);
}
