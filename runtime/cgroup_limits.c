/* Limits that are written alike on v1 and v2, or on v2 of a host whose other controllers are v1's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/memory.h"
#include "runtime/cgroup.h"

/* Both are set together or not at all; a quota of -1 is none. */
static int read_bandwidth(const struct runtime_cgroup *cgroup, int64_t *quota, int64_t *period)
{
    char text[64];
    uint64_t n = 0, us = 0;
    int fd = cgroup->fds[CGROUP_CPU];
    if (fd >= 0) {
        int r = cgroup_read_number(fd, "cpu.cfs_quota_us", &n);
        r = r < 0 ? r : cgroup_read_number(fd, "cpu.cfs_period_us", &us);
        if (r < 0)
            return r;
    } else {
        ssize_t size = cgroup_read(cgroup->unified_fd, "cpu.max", text, sizeof(text));
        if (size < 0)
            return (int)size;
        n = UINT64_MAX;
        if (sscanf(text, "%" SCNu64 " %" SCNu64, &n, &us) != 2 && sscanf(text, "max %" SCNu64, &us) != 1)
            return -EBADMSG;
    }
    *quota = n > INT64_MAX ? -1 : (int64_t)n;
    *period = (int64_t)us;
    return 0;
}

int runtime_cgroup_complete_cpu(const struct runtime_cgroup *cgroup, struct oci_cpu *cpu, struct error *err)
{
    bool quota = cpu->quota != NULL && *cpu->quota != 0, period = cpu->period != NULL && *cpu->period > 0;
    int64_t has_quota, has_period;
    if (quota == period)
        return 0;
    int r = read_bandwidth(cgroup, &has_quota, &has_period);
    if (r < 0) /* without the controller it is the limit itself that cannot be set, and says so */
        return r == -ENOENT || r == -EBADF ? 0 : error_errno(err, r, "cannot read the CPU quota of the cgroup");
    int64_t **missing = quota ? &cpu->period : &cpu->quota;
    free(*missing);
    *missing = xmemdup(quota ? &has_period : &has_quota, sizeof(**missing));
    return 0;
}

int cgroup_limit_rdma(int dir_fd, const struct json_array *limits, struct error *err)
{
    const struct oci_rdma *items = limits->items;
    for (size_t i = 0; i < limits->count; i++) {
        char text[128] = "";
        size_t used = 0;
        if (items[i].handles != NULL)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " hca_handle=%" PRId64, *items[i].handles);
        if (items[i].objects != NULL)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " hca_object=%" PRId64, *items[i].objects);
        int r = used == 0 ? 0 : cgroup_writef(dir_fd, "rdma.max", err, "%s%s", items[i].device, text);
        if (r < 0)
            return error_context(err, "linux.resources.rdma.%s", items[i].device);
    }
    return 0;
}

int cgroup_limit_hugepages(int dir_fd, bool v2, const struct json_array *limits, struct error *err)
{
    const struct oci_hugepage_limit *items = limits->items;
    for (size_t i = 0; i < limits->count; i++) {
        if (strchr(items[i].page_size, '/') != NULL)
            return error_set(err, ERROR_INVALID, 0,
                             "linux.resources.hugepageLimits[%zu].pageSize: invalid huge page size \"%s\"", i,
                             items[i].page_size);
        CLEANUP_FREE char *file = xasprintf("hugetlb.%s.%s", items[i].page_size, v2 ? "max" : "limit_in_bytes");
        if (faccessat(dir_fd, file, F_OK, 0) < 0)
            return error_set(err, ERROR_UNAVAILABLE, ENOTSUP,
                             "linux.resources.hugepageLimits[%zu].pageSize: no huge pages of size \"%s\" on this host",
                             i, items[i].page_size);
        int r = cgroup_writef(dir_fd, file, err, "%" PRIu64, items[i].limit);
        /* What is reserved counts too where the kernel can tell (Linux 5.7); otherwise mmap could take more. */
        CLEANUP_FREE char *reserved =
            xasprintf("hugetlb.%s.rsvd.%s", items[i].page_size, v2 ? "max" : "limit_in_bytes");
        if (r == 0 && faccessat(dir_fd, reserved, F_OK, 0) == 0)
            r = cgroup_writef(dir_fd, reserved, err, "%" PRIu64, items[i].limit);
        if (r < 0)
            return error_context(err, "linux.resources.hugepageLimits[%zu]", i);
    }
    return 0;
}

/* The kernel takes one device at a time (io.max), so each line is written by itself. */
static int write_lines(int dir_fd, const char *name, const char *text, struct error *err)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    strv_split(&lines, text, '\n');
    int r = lines.count == 1 ? cgroup_write(dir_fd, name, text, err) : 0;
    for (size_t i = 0; r == 0 && lines.count > 1 && i < lines.count; i++)
        r = lines.items[i][0] != '\0' ? cgroup_write(dir_fd, name, lines.items[i], err) : 0;
    return r;
}

int cgroup_limit_unified(int dir_fd, const struct strmap *unified, struct error *err)
{
    for (size_t i = 0; i < unified->count; i++) {
        const char *key = unified->items[i].key;
        if (strchr(key, '/') != NULL || key[0] == '.' || key[0] == '\0')
            return error_set(err, ERROR_INVALID, 0, "linux.resources.unified: \"%s\" must be a file name (no slashes)",
                             key);
        if (faccessat(dir_fd, key, F_OK, 0) < 0)
            return error_set(err, ERROR_UNAVAILABLE, ENOTSUP,
                             "linux.resources.unified: this host has no \"%s\" on cgroup v2", key);
        if (write_lines(dir_fd, key, unified->items[i].value, err) < 0)
            return error_context(err, "linux.resources.unified");
    }
    return 0;
}
