/*
 * Internal to runtime/: one container's cgroup, behind one table of operations per kind of host. Public functions are
 * in container.h.
 */
#ifndef DORY_RUNTIME_CGROUP_H
#define DORY_RUNTIME_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/cgroup_stats.h"
#include "runtime/container.h"

enum cgroup_controller {
    CGROUP_MEMORY,
    CGROUP_PIDS,
    CGROUP_CPU,
    CGROUP_CPUACCT,
    CGROUP_DEVICES,
    CGROUP_FREEZER,
    CGROUP_BLKIO,
    CGROUP_CPUSET,
    CGROUP_HUGETLB,
    CGROUP_RDMA,
    CGROUP_NET_CLS,
    CGROUP_NET_PRIO,
    CGROUP_CONTROLLERS,
};
/* As v1 names them. */
extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS];

struct cgroup_ops {
    /* What must exist before clone: sets unified_fd if the host has v2. On v2 all limits are set here. */
    int (*prepare)(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err);
    /* After clone: the rest of directories and limits, and the process moved in. `in_unified`: clone did v2 already. */
    int (*enter)(struct runtime_cgroup *cgroup, const struct oci_resources *resources, pid_t pid, bool in_unified,
                 struct error *err);
    int (*open)(struct runtime_cgroup *cgroup, struct error *err);
    int (*freeze)(struct runtime_cgroup *cgroup, bool frozen, struct error *err);
    int (*frozen)(struct runtime_cgroup *cgroup, bool *ret, struct error *err);
    int (*oom_kills)(struct runtime_cgroup *cgroup, uint64_t *ret, struct error *err);
    int (*update)(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err);
    int (*stats)(struct runtime_cgroup *cgroup, struct runtime_stats *ret, struct error *err);
    int (*stats_detail)(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err);
};
extern const struct cgroup_ops cgroup_ops_v1; /* v1 and hybrid */
extern const struct cgroup_ops cgroup_ops_v2;

/* Descriptors are O_PATH directories, -1 where there is none. */
struct runtime_cgroup {
    const struct cgroup_ops *ops;
    bool rootless;                    /* made by an ordinary user */
    bool lenient;                     /* what may not be made or entered is gone without: nothing is limited */
    char *path;                       /* below each mount root, no leading slash */
    int mount_fd;                     /* /sys/fs/cgroup */
    int unified_root_fd;              /* root of the v2 hierarchy */
    int unified_fd;                   /* the container's directory in it */
    int root_fds[CGROUP_CONTROLLERS]; /* v1: mount root of the controller */
    int fds[CGROUP_CONTROLLERS];      /* v1: the container's directory */
    bool alias[CGROUP_CONTROLLERS];   /* v1: mounted together with an earlier controller: same directory */
};

/* Finds out what kind of host it is and names the cgroup; touches nothing. `path` is linux.cgroupsPath, or NULL for the
 * default of container `id`. */
int cgroup_new(const char *path, const char *id, struct runtime_cgroup **ret, struct error *err);
/* One that is there already may be left from a killed runtime; with processes in it, it is somebody else's, and neither
 * our limits nor our end may be theirs: ERROR_CONFLICT, as for a frozen one. For a cgroup that cgroup_new() has named.
 */
int cgroup_refuse_inhabited(struct runtime_cgroup *cgroup, struct error *err);
/* "/a//b/" to "a/b"; refuses "..", systemd's slice:prefix:name and what is too long. The caller frees *ret. */
int cgroup_clean_path(const char *path, char **ret, struct error *err);

/* mkdir -p below root_fd, then O_PATH of the last directory, or -errno. */
int cgroup_make_dir(int root_fd, const char *path);
/* Whether a failure is one that a lenient cgroup lives with: no right to make or enter it. */
bool cgroup_tolerates(const struct runtime_cgroup *cgroup, int r);
/* runtime_cgroup_join() for a v2 cgroup that answers EBUSY, having handed its controllers on to cgroups below it
 * (cgroups(7), "no internal processes"): the one below it that `member` is in. */
int cgroup_join_beside(struct runtime_cgroup *cgroup, pid_t member, pid_t pid, struct error *err);
/* One control file. Errors name file and text. */
int cgroup_write(int dir_fd, const char *name, const char *text, struct error *err);
int cgroup_writef(int dir_fd, const char *name, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Reads at most size - 1 bytes, NUL-terminated. Length or -errno. */
ssize_t cgroup_read(int dir_fd, const char *name, char *buf, size_t size);
/* A file that holds one number; "max" is UINT64_MAX. 0 or -errno. */
int cgroup_read_number(int dir_fd, const char *name, uint64_t *ret);
/* The number after `key` in text of "key number" lines; 0 when absent. */
uint64_t cgroup_field(const char *text, const char *key);

/* Statistics: cgroup_v1_stats.c, cgroup_v2_stats.c, and what both need, cgroup_stats.c. */
int cgroup_v1_stats(struct runtime_cgroup *cgroup, struct runtime_stats *ret, struct error *err);
int cgroup_v1_stats_detail(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err);
int cgroup_v2_stats(struct runtime_cgroup *cgroup, struct runtime_stats *ret, struct error *err);
int cgroup_v2_stats_detail(struct runtime_cgroup *cgroup, struct runtime_stats_detail *ret, struct error *err);
void cgroup_stats_memory_stat(int dir_fd, struct runtime_stats_detail *ret);
/* The sizes for which the directory has hugetlb.SIZE.* files; `v2` tells how those are called. */
void cgroup_stats_hugetlb(int dir_fd, bool v2, struct runtime_stats_detail *ret);
void cgroup_stats_add_io(struct runtime_stats_io_list *list, uint32_t major, uint32_t minor, const char *operation,
                         uint64_t value);
/* Text of blkio files ("8:0 Read 4096") and of io.stat ("8:0 rbytes=1 wbytes=2 rios=3 ..."). Pure. */
void cgroup_stats_parse_blkio(const char *text, struct runtime_stats_io_list *list);
void cgroup_stats_parse_io(const char *text, struct runtime_stats_io_list *bytes,
                           struct runtime_stats_io_list *operations);
/* Text of a *.pressure file. Pure. */
void cgroup_stats_parse_pressure(const char *text, struct runtime_stats_pressure *ret);
/* The first line of a control file, NULL when it is empty or not there; the caller frees. */
char *cgroup_read_line(int dir_fd, const char *name);

/* Delegates v2's controllers from its root down to the parent of the container's cgroup. */
int cgroup_v2_enable_controllers(struct runtime_cgroup *cgroup, struct error *err);
/* What v1 and v2 write alike; see cgroup_limits.c. Errors name the file. */
int cgroup_limit_rdma(int dir_fd, const struct json_array *limits, struct error *err);
int cgroup_limit_unified(int dir_fd, const struct strmap *unified, struct error *err);
int cgroup_limit_hugepages(int dir_fd, bool v2, const struct json_array *limits, struct error *err);

/* v1: limits of the controllers whose directories exist; `created`: freshly made, nothing to preserve. */
int cgroup_v1_limit(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err);
/* Which controllers these resources need beyond the usual ones. */
bool cgroup_v1_needs(enum cgroup_controller controller, const struct oci_resources *resources);

/* A rule of linux.resources.devices. */
enum { CGROUP_DEVICE_MKNOD = 1, CGROUP_DEVICE_READ = 2, CGROUP_DEVICE_WRITE = 4 };
struct cgroup_device {
    bool allow;
    char type;            /* a b c */
    int64_t major, minor; /* -1: any */
    unsigned access;      /* CGROUP_DEVICE_* */
};
/* The rules that allow something, the runtime's own among them; *ret_closed: nothing else is allowed. The caller frees
 * *ret. Pure. */
int cgroup_devices_allowed(const struct json_array *rules, struct cgroup_device **ret, size_t *ret_count,
                           bool *ret_closed, struct error *err);

/* Device rules. The runtime's own additions (the nodes it makes) are appended by both. */
/* Whether v1's controller can express them: it knows a default and exceptions, but no exceptions to exceptions. Pure.
 */
int cgroup_devices_fit_v1(const struct json_array *rules, bool *ret, struct error *err);
int cgroup_devices_write_v1(int dir_fd, const struct json_array *rules, struct error *err);
int cgroup_devices_attach_v2(int cgroup_fd, const struct json_array *rules, struct error *err);
struct bpf_insn;
/* The eBPF program of these rules: last matching rule wins, per access bit. Caller frees *ret. Pure. */
int cgroup_devices_program(const struct json_array *rules, struct bpf_insn **ret, size_t *ret_count, struct error *err);

/* Conversions of docker's v1 units to v2's. Pure. */
uint64_t cgroup_weight_from_shares(uint64_t shares);
uint64_t cgroup_io_weight_from_blkio(uint64_t weight);

/* What pids.max is to be for linux.resources.pids.limit; negative: "max". 0 is a limit (the spec since 1.3) and becomes
 * 1, which allows as little and which systemd takes too. Pure. */
int64_t cgroup_pids_limit(int64_t limit);

#endif
