#include "api/host_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>

#include "base/file.h"
#include "base/strv.h"

#define SMALL_FILE_MAX ((size_t)64 * 1024)
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef ZFS_SUPER_MAGIC
#define ZFS_SUPER_MAGIC 0x2fc12fc1
#endif

static char *read_small(const char *path)
{
    char *text = NULL;

    return file_read(AT_FDCWD, path, SMALL_FILE_MAX, &text, NULL, NULL) == 0 ? text : NULL;
}

/* ---- cgroups ---- */

static void add_words(struct strv *ret, char *line)
{
    if (!line)
        return;
    line[strcspn(line, "\n")] = '\0';
    strv_split(ret, line, ' ');
}

/* Controllers with a v1 hierarchy (second column of /proc/cgroups not 0) and those of the v2 one. */
static void list_controllers(struct strv *ret)
{
    CLEANUP_FREE char *v1 = read_small("/proc/cgroups");
    CLEANUP_FREE char *v2 = read_small("/sys/fs/cgroup/cgroup.controllers");
    CLEANUP_FREE char *hybrid = read_small("/sys/fs/cgroup/unified/cgroup.controllers");
    CLEANUP_STRV struct strv lines = STRV_INIT;
    char name[64];
    int hierarchy;

    strv_split(&lines, v1 ? v1 : "", '\n');
    for (size_t i = 0; i < lines.count; i++) {
        if (sscanf(lines.items[i], "%63s %d", name, &hierarchy) == 2 && hierarchy != 0 && name[0] != '#')
            strv_add(ret, name);
    }
    add_words(ret, v2);
    add_words(ret, hybrid);
}

void host_cgroup_facts(struct cgroup_facts *ret)
{
    CLEANUP_STRV struct strv controllers = STRV_INIT;
    struct statfs fs;

    list_controllers(&controllers);
    ret->version = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
    ret->memory = strv_contains(&controllers, "memory");
    ret->swap =
        ret->memory && (ret->version == 2 || access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0);
    ret->cpu_shares = strv_contains(&controllers, "cpu");
    ret->cpu_quota = ret->cpu_shares && (ret->version == 2 || access("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", F_OK) == 0);
    ret->cpuset = strv_contains(&controllers, "cpuset");
    ret->pids = strv_contains(&controllers, "pids");
    ret->oom_disable = ret->version == 1 && access("/sys/fs/cgroup/memory/memory.oom_control", F_OK) == 0;
}

/* ---- the system ---- */

char *host_os_release_value(const char *text, const char *key)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    size_t length = strlen(key);

    strv_split(&lines, text, '\n');
    for (size_t i = 0; i < lines.count; i++) {
        const char *value = lines.items[i] + length + 1;
        size_t size;

        if (strncmp(lines.items[i], key, length) != 0 || lines.items[i][length] != '=')
            continue;
        size = strlen(value);
        if (size >= 2 && (value[0] == '"' || value[0] == '\'') && value[size - 1] == value[0])
            return xstrndup(value + 1, size - 2);
        return xstrdup(value);
    }
    return NULL;
}

void host_os_release(char **ret_name, char **ret_version)
{
    CLEANUP_FREE char *text = read_small("/etc/os-release");

    if (!text)
        text = read_small("/usr/lib/os-release");
    *ret_name = host_os_release_value(text ? text : "", "PRETTY_NAME");
    *ret_version = host_os_release_value(text ? text : "", "VERSION_ID");
    if (!*ret_name)
        *ret_name = xstrdup("Linux");
    if (!*ret_version)
        *ret_version = xstrdup("");
}

int64_t host_memory(void)
{
    struct sysinfo info;

    return sysinfo(&info) == 0 ? (int64_t)info.totalram * info.mem_unit : 0;
}

int64_t host_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

bool host_ip_forwarding(void)
{
    CLEANUP_FREE char *text = read_small("/proc/sys/net/ipv4/ip_forward");

    return text && text[0] == '1';
}

const char *host_file_system(const char *path)
{
    static const struct {
        long magic;
        const char *name;
    } names[] = {{EXT4_SUPER_MAGIC, "extfs"},          {XFS_SUPER_MAGIC, "xfs"},
                 {BTRFS_SUPER_MAGIC, "btrfs"},         {TMPFS_MAGIC, "tmpfs"},
                 {OVERLAYFS_SUPER_MAGIC, "overlayfs"}, {ZFS_SUPER_MAGIC, "zfs"},
                 {F2FS_SUPER_MAGIC, "f2fs"},           {NFS_SUPER_MAGIC, "nfs"}};
    struct statfs fs;

    if (statfs(path, &fs) == 0) {
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            if (names[i].magic == (long)fs.f_type)
                return names[i].name;
        }
    }
    return "<unknown>";
}

int64_t host_count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int64_t count = 0;

    if (!dir)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}
