#include "runtime/defaults.h"

#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "runtime/spec.h"

const char *const runtime_default_capabilities[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
    NULL,
};

const char *const runtime_default_masked_paths[] = {
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    NULL,
};

const char *const runtime_default_readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static int64_t *optional_number(int64_t n)
{
    return n < 0 ? NULL : xmemdup(&n, sizeof(n));
}

void runtime_default_device_rules(struct json_array *rules)
{
    static const struct {
        bool allow;
        char type[2];
        int major, minor;
    } defaults[] = {
        {false, "a", -1, -1}, {true, "c", 1, 5}, {true, "c", 1, 3}, {true, "c", 1, 9},
        {true, "c", 1, 8},    {true, "c", 5, 0}, {true, "c", 5, 1}, {false, "c", 10, 229},
    };
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        struct oci_device_rule *rule = oci_array_add(rules, &oci_device_rule_table);
        rule->allow = defaults[i].allow;
        rule->type = xstrdup(defaults[i].type);
        rule->major = optional_number(defaults[i].major);
        rule->minor = optional_number(defaults[i].minor);
        rule->access = xstrdup("rwm");
    }
}

/* In the order of the kernel's numbers. */
static const char *const capability_names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

int runtime_capability_number(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(capability_names); i++)
        if (strcasecmp(name, capability_names[i]) == 0)
            return (int)i;
    return -1;
}

const char *runtime_capability_name(int number)
{
    return number >= 0 && (size_t)number < ARRAY_SIZE(capability_names) ? capability_names[number] : NULL;
}

int runtime_capability_last(void)
{
    /* Kernels know at least those up to AUDIT_READ (37); asking from there keeps it at a few system calls. */
    int last = 37;
    while (last < 63 && prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0)
        last++;
    return last;
}

uint64_t runtime_capability_set(const struct strv *names, const char **ret_unknown)
{
    uint64_t set = 0;
    const char *unknown = NULL;
    for (size_t i = 0; i < names->count; i++) {
        int number = runtime_capability_number(names->items[i]);
        if (number >= 0)
            set |= UINT64_C(1) << number;
        else if (unknown == NULL)
            unknown = names->items[i];
    }
    if (ret_unknown != NULL)
        *ret_unknown = unknown;
    return set;
}

int runtime_rlimit_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } limits[] = {
        {"RLIMIT_AS", RLIMIT_AS},
        {"RLIMIT_CORE", RLIMIT_CORE},
        {"RLIMIT_CPU", RLIMIT_CPU},
        {"RLIMIT_DATA", RLIMIT_DATA},
        {"RLIMIT_FSIZE", RLIMIT_FSIZE},
        {"RLIMIT_LOCKS", RLIMIT_LOCKS},
        {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
        {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
        {"RLIMIT_NICE", RLIMIT_NICE},
        {"RLIMIT_NOFILE", RLIMIT_NOFILE},
        {"RLIMIT_NPROC", RLIMIT_NPROC},
        {"RLIMIT_RSS", RLIMIT_RSS},
        {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
        {"RLIMIT_RTTIME", RLIMIT_RTTIME},
        {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
        {"RLIMIT_STACK", RLIMIT_STACK},
    };
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        if (strcmp(limits[i].name, name) == 0)
            return limits[i].number;
    return -1;
}
