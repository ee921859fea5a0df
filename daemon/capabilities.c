#include "daemon/capabilities.h"

#include <ctype.h>
#include <strings.h>
#include <sys/prctl.h>

#include "daemon/host_config.h"
#include "runtime/defaults.h"

static int parse_list(const struct strv *list, const char *what, uint64_t all, uint64_t *ret, bool *ret_all,
                      struct error *err)
{
    *ret = 0;
    *ret_all = false;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i];
        if (strcasecmp(name, "ALL") == 0) {
            *ret_all = true;
            continue;
        }
        CLEANUP_FREE char *full = strncasecmp(name, "CAP_", 4) == 0 ? xstrdup(name) : xasprintf("CAP_%s", name);
        for (char *p = full; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        int number = runtime_capability_number(full);
        if (number < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid %s: unknown capability: \"%s\"", what, full);
        *ret |= UINT64_C(1) << number & all; /* beyond this kernel: nothing to give */
    }
    return 0;
}

/* What this daemon may itself give away: a machine may have taken capabilities from it, and "all" means all of these.
 */
static uint64_t held(int last)
{
    uint64_t set = 0;
    for (int i = 0; i <= last; i++)
        set |= prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1 ? UINT64_C(1) << i : 0;
    return set;
}

int capabilities_resolve(const struct host_config *host, uint64_t *ret, struct error *err)
{
    int last = runtime_capability_last();
    uint64_t all = last >= 63 ? UINT64_MAX : (UINT64_C(1) << (last + 1)) - 1;
    uint64_t add, drop, base = 0;
    bool add_all, drop_all;
    int r = parse_list(&host->cap_add, "CapAdd", all, &add, &add_all, err);
    if (r == 0)
        r = parse_list(&host->cap_drop, "CapDrop", all, &drop, &drop_all, err);
    if (r < 0)
        return r;
    for (size_t i = 0; runtime_default_capabilities[i] != NULL; i++)
        base |= UINT64_C(1) << runtime_capability_number(runtime_default_capabilities[i]);
    if (host->privileged)
        *ret = all & held(last);
    else if (add_all)
        *ret = all & held(last) & ~drop;
    else if (drop_all)
        *ret = add;
    else
        *ret = ((base & all) & ~drop) | add;
    return 0;
}
