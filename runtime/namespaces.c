#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"

#define MAPPINGS_MAX 340 /* the kernel's limit */

static const struct {
    const char *name;
    int flag;
    const char *file; /* in /proc/self/ns */
} namespaces[] = {
    {"user", CLONE_NEWUSER, "user"},  {"ipc", CLONE_NEWIPC, "ipc"}, {"uts", CLONE_NEWUTS, "uts"},
    {"network", CLONE_NEWNET, "net"}, {"pid", CLONE_NEWPID, "pid"}, {"cgroup", CLONE_NEWCGROUP, "cgroup"},
    {"mount", CLONE_NEWNS, "mnt"},
};

static int flag_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        if (strcmp(namespaces[i].name, name) == 0)
            return namespaces[i].flag;
    return 0;
}

static int add_join(struct namespace_plan *plan, int flag, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot join namespace: open %s", path);
    plan->joins[plan->join_count++] = (struct namespace_join){.fd = fd, .flag = flag};
    return 0;
}

int namespace_plan_make(const struct runtime_options *options, struct namespace_plan *ret, struct error *err)
{
    *ret = (struct namespace_plan){0};
    const struct oci_namespace *items = options->spec->linux_.namespaces.items;
    for (size_t i = 0; i < options->spec->linux_.namespaces.count; i++) {
        int flag = flag_of(items[i].type);
        if (flag == CLONE_NEWNET && options->has_netns_fd)
            continue;
        if (items[i].path != NULL && items[i].path[0] != '\0') {
            int r = add_join(ret, flag, items[i].path, err);
            if (r < 0)
                return r;
            continue;
        }
        ret->new_cgroup = ret->new_cgroup || flag == CLONE_NEWCGROUP;
        ret->new_user = ret->new_user || flag == CLONE_NEWUSER;
        ret->new_network = ret->new_network || flag == CLONE_NEWNET;
        if (flag != CLONE_NEWCGROUP)
            ret->clone_flags |= (uint64_t)flag;
    }
    if (options->has_netns_fd)
        ret->joins[ret->join_count++] =
            (struct namespace_join){.fd = options->netns_fd, .flag = CLONE_NEWNET, .borrowed = true};
    return 0;
}

void namespace_plan_release(struct namespace_plan *plan)
{
    for (size_t i = 0; i < plan->join_count; i++)
        if (!plan->joins[i].borrowed)
            fd_close(plan->joins[i].fd);
    plan->join_count = 0;
}

static const char *file_of(int flag)
{
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        if (namespaces[i].flag == flag)
            return namespaces[i].file;
    return "";
}

static bool parent_joins(const struct namespace_plan *plan, const struct namespace_join *join)
{
    return join->flag == CLONE_NEWPID || plan->new_user;
}

int namespace_join_parent(const struct namespace_plan *plan, struct namespace_return *ret, struct error *err)
{
    *ret = (struct namespace_return){0};
    for (size_t i = 0; i < plan->join_count; i++) {
        const struct namespace_join *join = &plan->joins[i];
        if (!parent_joins(plan, join))
            continue;
        CLEANUP_FREE char *own = xasprintf("/proc/self/ns/%s", file_of(join->flag));
        int back = open(own, O_RDONLY | O_CLOEXEC);
        if (back < 0)
            return error_errno(err, errno, "cannot open %s", own);
        ret->fds[ret->count] = back;
        ret->flags[ret->count++] = join->flag;
        if (setns(join->fd, join->flag) < 0)
            return error_errno(err, errno, "cannot join the %s namespace", file_of(join->flag));
    }
    return 0;
}

int namespace_return(struct namespace_return *back, struct error *err)
{
    int result = 0;
    while (back->count > 0) {
        back->count--;
        if (setns(back->fds[back->count], back->flags[back->count]) < 0 && result == 0)
            result =
                error_errno(err, errno, "cannot return to our own %s namespace", file_of(back->flags[back->count]));
        fd_close(back->fds[back->count]);
    }
    return result;
}

int namespace_join_child(const struct namespace_plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->join_count; i++)
        if (!parent_joins(plan, &plan->joins[i]) && setns(plan->joins[i].fd, plan->joins[i].flag) < 0)
            return error_errno(err, errno, "cannot join the %s namespace", file_of(plan->joins[i].flag));
    return 0;
}

static int write_map(pid_t pid, const char *file, const struct json_array *mappings, struct error *err)
{
    if (mappings->count > MAPPINGS_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d mappings for %s", MAPPINGS_MAX, file);
    const struct oci_id_mapping *items = mappings->items;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < mappings->count; i++)
        strbuf_addf(&text, "%u %u %u\n", items[i].container_id, items[i].host_id, items[i].size);
    CLEANUP_FREE char *path = xasprintf("/proc/%d/%s", pid, file);
    int r = file_write_control(AT_FDCWD, path, strbuf_str(&text));
    return r < 0 ? error_errno(err, r, "cannot write %s", path) : 0;
}

int namespace_write_maps(pid_t pid, const struct oci_spec *spec, struct error *err)
{
    if (geteuid() != 0) { /* an unprivileged parent must give up setgroups before it may map groups */
        CLEANUP_FREE char *path = xasprintf("/proc/%d/setgroups", pid);
        int r = file_write_control(AT_FDCWD, path, "deny");
        if (r < 0)
            return error_errno(err, r, "cannot write %s", path);
    }
    int r = write_map(pid, "uid_map", &spec->linux_.uid_mappings, err);
    return r < 0 ? r : write_map(pid, "gid_map", &spec->linux_.gid_mappings, err);
}
