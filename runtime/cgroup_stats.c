/* Statistics that v1 and v2 have in common, and the text formats of both. */
#include "runtime/cgroup_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/memory.h"
#include "runtime/cgroup.h"

#define STAT_LINES_MAX 1024
#define IO_LINES_MAX 65536

char *cgroup_read_line(int dir_fd, const char *name)
{
    char text[4096];
    if (cgroup_read(dir_fd, name, text, sizeof(text)) <= 0)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text[0] != '\0' ? xstrdup(text) : NULL;
}

/* ---- memory.stat ---- */

void cgroup_stats_memory_stat(int dir_fd, struct runtime_stats_detail *ret)
{
    char text[16384];
    size_t capacity = ret->memory_stat_count;
    if (cgroup_read(dir_fd, "memory.stat", text, sizeof(text)) <= 0)
        return;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line != NULL && ret->memory_stat_count < STAT_LINES_MAX;
         line = strtok_r(NULL, "\n", &save)) {
        char *space = strchr(line, ' ');
        if (space == NULL)
            continue;
        *space = '\0';
        xgrow((void **)&ret->memory_stat, ret->memory_stat_count, &capacity, sizeof(ret->memory_stat[0]));
        ret->memory_stat[ret->memory_stat_count++] =
            (struct runtime_stats_named){.name = xstrdup(line), .value = strtoull(space + 1, NULL, 10)};
    }
}

/* ---- block devices ---- */

void cgroup_stats_add_io(struct runtime_stats_io_list *list, uint32_t major, uint32_t minor, const char *operation,
                         uint64_t value)
{
    if (list->count >= IO_LINES_MAX)
        return;
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(list->items[0]));
    list->items[list->count++] =
        (struct runtime_stats_io){.major = major, .minor = minor, .operation = operation, .value = value};
}

/* "8:0 " at *text: moves *text behind it. */
static bool parse_device(const char **text, uint32_t *ret_major, uint32_t *ret_minor)
{
    char *end;
    unsigned long major = strtoul(*text, &end, 10);
    if (end == *text || *end != ':')
        return false;
    const char *rest = end + 1;
    unsigned long minor = strtoul(rest, &end, 10);
    if (end == rest || *end != ' ')
        return false;
    *ret_major = (uint32_t)major;
    *ret_minor = (uint32_t)minor;
    *text = end + 1;
    return true;
}

static const char *next_line(const char *text)
{
    const char *end = strchr(text, '\n');
    return end != NULL ? end + 1 : text + strlen(text);
}

void cgroup_stats_parse_blkio(const char *text, struct runtime_stats_io_list *list)
{
    static const char *const operations[] = {"Read", "Write", "Sync", "Async", "Discard", "Total"};
    for (; *text != '\0'; text = next_line(text)) {
        const char *p = text;
        uint32_t major, minor;
        if (!parse_device(&p, &major, &minor)) /* the line of the grand total names no device */
            continue;
        for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
            size_t size = strlen(operations[i]);
            if (strncmp(p, operations[i], size) == 0 && p[size] == ' ')
                cgroup_stats_add_io(list, major, minor, operations[i], strtoull(p + size + 1, NULL, 10));
        }
    }
}

void cgroup_stats_parse_io(const char *text, struct runtime_stats_io_list *bytes,
                           struct runtime_stats_io_list *operations)
{
    static const struct {
        const char *key, *operation;
        bool is_bytes;
    } keys[] = {
        {"rbytes=", "Read", true}, {"wbytes=", "Write", true}, {"dbytes=", "Discard", true},
        {"rios=", "Read", false},  {"wios=", "Write", false},  {"dios=", "Discard", false},
    };
    for (; *text != '\0'; text = next_line(text)) {
        const char *p = text;
        uint32_t major, minor;
        if (!parse_device(&p, &major, &minor))
            continue;
        while (*p != '\0' && *p != '\n') {
            for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (strncmp(p, keys[i].key, strlen(keys[i].key)) == 0)
                    cgroup_stats_add_io(keys[i].is_bytes ? bytes : operations, major, minor, keys[i].operation,
                                        strtoull(p + strlen(keys[i].key), NULL, 10));
            p += strcspn(p, " \n");
            p += *p == ' ';
        }
    }
}

/* ---- huge pages ---- */

/* `name` is hugetlb.SIZE.REST: the size, or NULL. The caller frees. */
static char *hugetlb_size(const char *name, const char *rest)
{
    static const char prefix[] = "hugetlb.";
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    const char *size = name + sizeof(prefix) - 1, *dot = strchr(size, '.');
    return dot != NULL && strcmp(dot + 1, rest) == 0 ? xstrndup(size, (size_t)(dot - size)) : NULL;
}

static void read_hugetlb(int dir_fd, bool v2, struct runtime_stats_hugetlb *one)
{
    CLEANUP_FREE char *usage = xasprintf("hugetlb.%s.%s", one->page_size, v2 ? "current" : "usage_in_bytes");
    cgroup_read_number(dir_fd, usage, &one->usage);
    CLEANUP_FREE char *fail = xasprintf("hugetlb.%s.%s", one->page_size, v2 ? "events" : "failcnt");
    char text[128];
    if (!v2) {
        CLEANUP_FREE char *max = xasprintf("hugetlb.%s.max_usage_in_bytes", one->page_size);
        cgroup_read_number(dir_fd, max, &one->max_usage);
        cgroup_read_number(dir_fd, fail, &one->failcnt);
    } else if (cgroup_read(dir_fd, fail, text, sizeof(text)) > 0) {
        one->failcnt = cgroup_field(text, "max");
    }
}

void cgroup_stats_hugetlb(int dir_fd, bool v2, struct runtime_stats_detail *ret)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    size_t capacity = ret->hugetlb_count;
    const char *name;
    if (directory_open(dir_fd, ".", &dir) < 0)
        return;
    while (directory_next(dir, &name) > 0) {
        char *size = hugetlb_size(name, v2 ? "current" : "usage_in_bytes");
        if (size == NULL)
            continue;
        xgrow((void **)&ret->hugetlb, ret->hugetlb_count, &capacity, sizeof(ret->hugetlb[0]));
        struct runtime_stats_hugetlb *one = &ret->hugetlb[ret->hugetlb_count++];
        *one = (struct runtime_stats_hugetlb){.page_size = size};
        read_hugetlb(dir_fd, v2, one);
    }
}

/* ---- pressure ---- */

void cgroup_stats_parse_pressure(const char *text, struct runtime_stats_pressure *ret)
{
    *ret = (struct runtime_stats_pressure){0};
    for (; *text != '\0'; text = next_line(text)) {
        char kind[8];
        double avg[3];
        uint64_t total;
        if (sscanf(text, "%7s avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, kind, &avg[0], &avg[1], &avg[2],
                   &total) != 5)
            continue;
        struct runtime_stats_stall *to = strcmp(kind, "some") == 0   ? &ret->some
                                         : strcmp(kind, "full") == 0 ? &ret->full
                                                                     : NULL;
        if (to == NULL)
            continue;
        *to = (struct runtime_stats_stall){.avg10 = avg[0], .avg60 = avg[1], .avg300 = avg[2], .total = total};
        ret->available = true;
    }
}

/* ---- public ---- */

int runtime_cgroup_stats_detail(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err)
{
    struct runtime_stats_detail stats = {0};
    stats.per_cpu_count = (size_t)sysconf(_SC_NPROCESSORS_CONF);
    int r = cgroup->ops->stats(cgroup, &stats.sum, err);
    r = r < 0 ? r : cgroup->ops->stats_detail(cgroup, &stats, err);
    if (r < 0) {
        runtime_stats_detail_release(&stats);
        return r;
    }
    *ret = stats;
    return 0;
}

void runtime_stats_detail_release(struct runtime_stats_detail *stats)
{
    if (stats == NULL)
        return;
    for (size_t i = 0; i < stats->memory_stat_count; i++)
        free(stats->memory_stat[i].name);
    for (size_t i = 0; i < stats->hugetlb_count; i++)
        free(stats->hugetlb[i].page_size);
    free(stats->memory_stat);
    free(stats->hugetlb);
    free(stats->per_cpu_ns);
    free(stats->per_cpu_kernel_ns);
    free(stats->per_cpu_user_ns);
    free(stats->io_bytes.items);
    free(stats->io_operations.items);
    free(stats->cpus);
    free(stats->mems);
    *stats = (struct runtime_stats_detail){0};
}

/* ---- the OOM killer ---- */

static int watch_v2(int dir_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d/memory.events", dir_fd);
    if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
        return error_errno(err, errno, "cannot watch memory.events");
    return TAKE_FD(fd);
}

static int watch_v1(int dir_fd, struct error *err)
{
    CLEANUP_CLOSE int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CLEANUP_CLOSE int control = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    if (event < 0 || control < 0)
        return error_errno(err, errno, "cannot watch memory.oom_control");
    int r = cgroup_writef(dir_fd, "cgroup.event_control", err, "%d %d", event, control);
    return r < 0 ? r : TAKE_FD(event);
}

int runtime_cgroup_oom_watch(struct runtime_cgroup *cgroup, int *ret_fd, struct error *err)
{
    bool v2 = cgroup->ops == &cgroup_ops_v2;
    int dir_fd = v2 ? cgroup->unified_fd : cgroup->fds[CGROUP_MEMORY];
    if (dir_fd < 0)
        return error_set(err, ERROR_UNAVAILABLE, ENOENT, "cgroup %s has no memory controller", cgroup->path);
    int fd = v2 ? watch_v2(dir_fd, err) : watch_v1(dir_fd, err);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}
