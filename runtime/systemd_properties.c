#include "runtime/systemd_properties.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dbus.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/strv.h"
#include "runtime/cgroup.h"
#include "runtime/settings.h"

#define PROC_DEVICES_MAX (64u << 10)
#define NO_LIMIT UINT64_MAX /* systemd's "infinity" */

static void begin_property(struct strbuf *body, const char *name, const char *signature)
{
    dbus_align(body, 8);
    dbus_put_string(body, name);
    dbus_put_signature(body, signature);
}

void systemd_put_string(struct strbuf *body, const char *name, const char *value)
{
    begin_property(body, name, "s");
    dbus_put_string(body, value);
}

void systemd_put_bool(struct strbuf *body, const char *name, bool value)
{
    begin_property(body, name, "b");
    dbus_put_bool(body, value);
}

void systemd_put_number(struct strbuf *body, const char *name, uint64_t value)
{
    begin_property(body, name, "t");
    dbus_put_uint64(body, value);
}

void systemd_put_pid(struct strbuf *body, pid_t pid)
{
    begin_property(body, "PIDs", "au");
    struct dbus_array pids = dbus_begin_array(body, 4);
    dbus_put_uint32(body, (uint32_t)pid);
    dbus_end_array(body, pids);
}

/* ---- limits ---- */

static void put_memory(struct strbuf *body, const struct oci_memory *memory)
{
    if (memory->limit != NULL && *memory->limit != 0)
        systemd_put_number(body, "MemoryMax", *memory->limit < 0 ? NO_LIMIT : (uint64_t)*memory->limit);
    if (memory->reservation != NULL && *memory->reservation > 0)
        systemd_put_number(body, "MemoryLow", (uint64_t)*memory->reservation);
    if (memory->swap != NULL && *memory->swap < 0)
        systemd_put_number(body, "MemorySwapMax", NO_LIMIT);
    else if (memory->swap != NULL && memory->limit != NULL && *memory->limit > 0 && *memory->swap >= *memory->limit)
        systemd_put_number(body, "MemorySwapMax", (uint64_t)(*memory->swap - *memory->limit));
}

/* Sets of CPUs and nodes are bytes, the lowest numbers first. */
static int put_set(struct strbuf *body, const char *name, const char *field, const char *list, struct error *err)
{
    struct settings_mask mask = {0};
    if (list == NULL || list[0] == '\0')
        return 0;
    int r = settings_list(field, list, &mask, err);
    if (r < 0)
        return r;
    size_t words = ARRAY_SIZE(mask.words);
    while (words > 0 && mask.words[words - 1] == 0)
        words--;
    begin_property(body, name, "ay");
    struct dbus_array bytes = dbus_begin_array(body, 1);
    strbuf_add(body, mask.words, words * sizeof(mask.words[0])); /* little-endian, as all of dbus.h */
    dbus_end_array(body, bytes);
    return 0;
}

static int put_cpu(struct strbuf *body, const struct oci_cpu *cpu, struct error *err)
{
    if (cpu->shares != NULL && *cpu->shares > 0)
        systemd_put_number(body, "CPUWeight", cgroup_weight_from_shares((uint64_t)*cpu->shares));
    bool period_given = cpu->period != NULL && *cpu->period > 0;
    if (cpu->quota != NULL && *cpu->quota > 0) {
        uint64_t period = period_given ? (uint64_t)*cpu->period : 100000; /* the kernel's, of a new cgroup */
        /* systemd counts in hundredths of a CPU and would round down to none. */
        uint64_t share = ((uint64_t)*cpu->quota * 1000000 / period + 9999) / 10000 * 10000;
        systemd_put_number(body, "CPUQuotaPerSecUSec", share);
    } else if (cpu->quota != NULL && *cpu->quota < 0) {
        systemd_put_number(body, "CPUQuotaPerSecUSec", NO_LIMIT);
    }
    if (period_given)
        systemd_put_number(body, "CPUQuotaPeriodUSec", (uint64_t)*cpu->period);
    int r = put_set(body, "AllowedCPUs", "linux.resources.cpu.cpus", cpu->cpus, err);
    return r < 0 ? r : put_set(body, "AllowedMemoryNodes", "linux.resources.cpu.mems", cpu->mems, err);
}

/* Files of the v2 cgroup that have a property of the same meaning. */
static int put_unified(struct strbuf *body, const struct strmap *unified, struct error *err)
{
    static const struct {
        const char *file, *property;
    } names[] = {
        {"memory.max", "MemoryMax"}, {"memory.high", "MemoryHigh"},        {"memory.low", "MemoryLow"},
        {"memory.min", "MemoryMin"}, {"memory.swap.max", "MemorySwapMax"}, {"pids.max", "TasksMax"},
        {"cpu.weight", "CPUWeight"},
    };
    for (size_t i = 0; i < unified->count; i++)
        for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
            const char *text = unified->items[i].value;
            uint64_t number = NO_LIMIT;
            if (strcmp(unified->items[i].key, names[k].file) != 0)
                continue;
            if (strcmp(text, "max") != 0 && parse_uint64(text, UINT64_MAX, &number) < 0)
                return error_set(err, ERROR_INVALID, 0, "linux.resources.unified: %s: \"%s\" is no number",
                                 names[k].file, text);
            systemd_put_number(body, names[k].property, number);
        }
    return 0;
}

/* ---- devices ---- */

/* The name of a major number, as "char-pts", from /proc/devices; NULL when it has none. */
static char *find_group(const char *devices, const struct cgroup_device *device)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    strv_split(&lines, devices, '\n');
    const char *want = device->type == 'c' ? "Character devices:" : "Block devices:";
    bool inside = false;
    for (size_t i = 0; i < lines.count; i++) {
        char name[64];
        int major;
        if (strchr(lines.items[i], ':') != NULL)
            inside = strcmp(lines.items[i], want) == 0;
        else if (inside && sscanf(lines.items[i], "%d %63s", &major, name) == 2 && major == device->major)
            return xasprintf("%s-%s", device->type == 'c' ? "char" : "block", name);
    }
    return NULL;
}

/* As systemd names it: a node by its number, a major number by its name, or all of a type. */
static char *name_device(const char *devices, const struct cgroup_device *device)
{
    if (device->type == 'a' || (device->major < 0 && device->minor >= 0))
        return NULL;
    if (device->major < 0)
        return xstrdup(device->type == 'c' ? "char-*" : "block-*");
    if (device->minor >= 0)
        return xasprintf("/dev/%s/%lld:%lld", device->type == 'c' ? "char" : "block", (long long)device->major,
                         (long long)device->minor);
    return find_group(devices, device);
}

static void put_device(struct strbuf *body, const char *name, unsigned access)
{
    char text[4];
    snprintf(text, sizeof(text), "%s%s%s", access & CGROUP_DEVICE_READ ? "r" : "",
             access & CGROUP_DEVICE_WRITE ? "w" : "", access & CGROUP_DEVICE_MKNOD ? "m" : "");
    dbus_align(body, 8);
    dbus_put_string(body, name);
    dbus_put_string(body, text);
}

/* systemd takes devices that may be used and no exceptions from them, so its list may be wider than ours, which is
 * written to the cgroup as well, but never narrower: where a rule cannot be said, it is to allow everything. What it
 * allowed before goes with an empty list. */
static int put_devices(struct strbuf *body, const struct json_array *rules, struct error *err)
{
    CLEANUP_FREE struct cgroup_device *devices = NULL;
    CLEANUP_FREE char *known = NULL;
    CLEANUP_STRV struct strv names = STRV_INIT;
    size_t count = 0;
    bool strict = false;
    if (rules->count == 0)
        return 0;
    int r = cgroup_devices_allowed(rules, &devices, &count, &strict, err);
    if (r < 0)
        return r;
    if (file_read(AT_FDCWD, "/proc/devices", PROC_DEVICES_MAX, &known, NULL, NULL) < 0)
        known = xstrdup("");
    for (size_t i = 0; i < count && strict; i++) {
        char *name = name_device(known, &devices[i]);
        strict = name != NULL;
        if (strict)
            strv_add_take(&names, name);
    }
    systemd_put_string(body, "DevicePolicy", strict ? "strict" : "auto");
    begin_property(body, "DeviceAllow", "a(ss)");
    dbus_end_array(body, dbus_begin_array(body, 8));
    if (!strict)
        return 0;
    begin_property(body, "DeviceAllow", "a(ss)");
    struct dbus_array list = dbus_begin_array(body, 8);
    for (size_t i = 0; i < count; i++)
        put_device(body, names.items[i], devices[i].access);
    dbus_end_array(body, list);
    return 0;
}

int systemd_put_limits(struct strbuf *body, const struct oci_resources *resources, struct error *err)
{
    put_memory(body, &resources->memory);
    int64_t pids = resources->pids.limit != NULL ? cgroup_pids_limit(*resources->pids.limit) : 0;
    if (resources->pids.limit != NULL)
        systemd_put_number(body, "TasksMax", pids < 0 ? NO_LIMIT : (uint64_t)pids);
    if (resources->block_io.weight != NULL && *resources->block_io.weight > 0)
        systemd_put_number(body, "IOWeight", cgroup_io_weight_from_blkio((uint64_t)*resources->block_io.weight));
    int r = put_cpu(body, &resources->cpu, err);
    r = r < 0 ? r : put_unified(body, &resources->unified, err);
    return r < 0 ? r : put_devices(body, &resources->devices, err);
}
