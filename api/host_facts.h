/* What GET /info tells of the host. Private to api/. */
#ifndef DORY_API_HOST_FACTS_H
#define DORY_API_HOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/* Limits that the host's cgroups can enforce. */
struct cgroup_facts {
    int version; /* of what is mounted at /sys/fs/cgroup: 1 or 2 */
    bool memory, swap, cpu_quota, cpu_shares, cpuset, pids, oom_disable;
};
void host_cgroup_facts(struct cgroup_facts *ret);

/* PRETTY_NAME and VERSION_ID of /etc/os-release; the caller frees; never NULL. */
void host_os_release(char **ret_name, char **ret_version);
/* One value of an os-release text, quotes removed; NULL when absent. Pure. The caller frees. */
char *host_os_release_value(const char *text, const char *key);

int64_t host_memory(void);                    /* bytes */
int64_t host_cpus(void);                      /* that this process may use */
int64_t host_count_entries(const char *path); /* of a directory, such as /proc/self/fd; 0: there is none */
bool host_ip_forwarding(void);
/* Docker's name of the file system a path is on: "extfs", "xfs", ... */
const char *host_file_system(const char *path);

#endif
