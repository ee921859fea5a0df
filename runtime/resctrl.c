#include "runtime/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define ROOT "/sys/fs/resctrl"
#define RDTGROUP_SUPER_MAGIC 0x7655821
#define FILE_MAX (64u << 10)

/* ---- schemata ---- */

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Lines of the text, without those of the memory bandwidth when that is said elsewhere. */
static void add_lines(struct strbuf *out, const char *text, bool without_bandwidth)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    strv_split(&lines, text, '\n');
    for (size_t i = 0; i < lines.count; i++)
        if (lines.items[i][0] != '\0' && !(without_bandwidth && strncmp(lines.items[i], "MB:", 3) == 0))
            strbuf_addf(out, "%s\n", lines.items[i]);
}

char *resctrl_schemata(const struct oci_intel_rdt *rdt)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < rdt->schemata.count; i++)
        add_lines(&out, rdt->schemata.items[i], false);
    if (rdt->schemata.count == 0 && is_set(rdt->l3_cache_schema))
        add_lines(&out, rdt->l3_cache_schema, is_set(rdt->mem_bw_schema));
    if (rdt->schemata.count == 0 && is_set(rdt->mem_bw_schema))
        add_lines(&out, rdt->mem_bw_schema, false);
    return xstrdup(strbuf_str(&out));
}

static const char *skip_zeros(const char *text)
{
    text += strspn(text, " ");
    size_t zeros = strspn(text, "0");
    return text + (zeros > 0 && text[zeros] == '\0' ? zeros - 1 : zeros);
}

/* "ID=VALUE" among the entries of the line that is called so. */
static bool has_entry(const struct strv *lines, const char *name, size_t name_size, const char *entry)
{
    const char *equals = strchr(entry, '=');
    size_t id_size = equals != NULL ? (size_t)(equals - entry) : strlen(entry);
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->items[i] + strspn(lines->items[i], " ");
        if (strncmp(line, name, name_size) != 0 || line[name_size] != ':')
            continue;
        CLEANUP_STRV struct strv entries = STRV_INIT;
        strv_split(&entries, line + name_size + 1, ';');
        for (size_t k = 0; k < entries.count; k++)
            if (equals != NULL && strncmp(entries.items[k], entry, id_size) == 0 && entries.items[k][id_size] == '=' &&
                strcasecmp(skip_zeros(entries.items[k] + id_size + 1), skip_zeros(equals + 1)) == 0)
                return true;
    }
    return false;
}

bool resctrl_matches(const char *existing, const char *wanted)
{
    CLEANUP_STRV struct strv have = STRV_INIT, want = STRV_INIT;
    strv_split(&have, existing, '\n');
    strv_split(&want, wanted, '\n');
    for (size_t i = 0; i < want.count; i++) {
        const char *line = want.items[i] + strspn(want.items[i], " ");
        const char *colon = strchr(line, ':');
        if (line[0] == '\0')
            continue;
        if (colon == NULL)
            return false;
        CLEANUP_STRV struct strv entries = STRV_INIT;
        strv_split(&entries, colon + 1, ';');
        for (size_t k = 0; k < entries.count; k++)
            if (!has_entry(&have, line, (size_t)(colon - line), entries.items[k]))
                return false;
    }
    return true;
}

static int check_name(const char *name, struct error *err)
{
    static const char *const taken[] = {".", "..", "info", "mon_groups", "mon_data"};
    bool good = name[0] != '\0' && strchr(name, '/') == NULL && strchr(name, '\n') == NULL;
    for (size_t i = 0; good && i < ARRAY_SIZE(taken); i++)
        good = strcmp(name, taken[i]) != 0;
    return good ? 0
                : error_set(err, ERROR_INVALID, EINVAL,
                            "linux.intelRdt.closID: \"%s\" is no name for a class of service", name);
}

int resctrl_check(const struct oci_intel_rdt *rdt, struct error *err)
{
    return rdt->clos_id != NULL ? check_name(rdt->clos_id, err) : 0;
}

/* ---- the file system ---- */

int resctrl_open(int *ret_root_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs fs;
    if (fd < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot open " ROOT);
    if (fd < 0 || fstatfs(fd, &fs) < 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                         "linux.intelRdt: this machine or its kernel has no resource control (" ROOT ")");
    if ((unsigned long)fs.f_type != RDTGROUP_SUPER_MAGIC)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                         "linux.intelRdt: no resctrl file system is mounted at " ROOT);
    *ret_root_fd = TAKE_FD(fd);
    return 0;
}

/* The kernel says more than an errno in a file of its own. */
static int refused(int root_fd, int r, const char *what, const char *group, struct error *err)
{
    CLEANUP_FREE char *status = NULL;
    error_errno(err, r, "linux.intelRdt: cannot %s of class of service %s", what, group);
    if (file_read(root_fd, "info/last_cmd_status", FILE_MAX, &status, NULL, NULL) == 0) {
        status[strcspn(status, "\n")] = '\0';
        if (strcmp(status, "ok") != 0)
            error_context(err, "%s", status);
    }
    return r;
}

static int set_schemata(int root_fd, int dir_fd, const char *clos, const char *text, bool compare, struct error *err)
{
    CLEANUP_FREE char *existing = NULL;
    if (text[0] == '\0')
        return 0;
    if (!compare) {
        int r = file_write_control(dir_fd, "schemata", text);
        return r < 0 ? refused(root_fd, r, "write the schemata", clos, err) : 0;
    }
    int r = file_read(dir_fd, "schemata", FILE_MAX, &existing, NULL, err);
    if (r == 0 && !resctrl_matches(existing, text))
        return error_set(err, ERROR_CONFLICT, EEXIST,
                         "linux.intelRdt: class of service %s exists and has other schemata than those asked for",
                         clos);
    return r;
}

static int enter_monitoring(int root_fd, int dir_fd, const char *clos, const char *id, const char *pid, bool *ret_made,
                            struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("mon_groups/%s", id);
    CLEANUP_FREE char *tasks = xasprintf("mon_groups/%s/tasks", id);
    *ret_made = mkdirat(dir_fd, path, 0755) == 0;
    if (!*ret_made && errno != EEXIST)
        return refused(root_fd, -errno, "make a monitoring group", clos, err);
    int r = file_write_control(dir_fd, tasks, pid);
    if (r < 0 && *ret_made)
        unlinkat(dir_fd, path, AT_REMOVEDIR);
    return r < 0 ? refused(root_fd, r, "enter a monitoring group", clos, err) : 0;
}

/* With its directory open. */
static int enter(int root_fd, int dir_fd, const struct oci_intel_rdt *rdt, const struct resctrl_group *group,
                 const char *schemata, bool compare, const char *id, pid_t pid, bool *ret_monitoring, struct error *err)
{
    CLEANUP_FREE char *number = xasprintf("%d", pid);
    int r = set_schemata(root_fd, dir_fd, group->clos, schemata, compare, err);
    if (r < 0)
        return r;
    r = file_write_control(dir_fd, "tasks", number);
    if (r < 0)
        return refused(root_fd, r, "enter the tasks", group->clos, err);
    return rdt->enable_monitoring ? enter_monitoring(root_fd, dir_fd, group->clos, id, number, ret_monitoring, err) : 0;
}

/* A class with a name of its own may be used by others, and stays. `class_new`: it has not been there. */
static char *name_own(const struct oci_intel_rdt *rdt, const char *id, bool class_new)
{
    if (rdt->clos_id == NULL && class_new)
        return xstrdup(id);
    return rdt->enable_monitoring ? xasprintf("%s/mon_groups/%s", rdt->clos_id != NULL ? rdt->clos_id : id, id) : NULL;
}

char *resctrl_plan(int root_fd, const struct oci_intel_rdt *rdt, const char *id)
{
    CLEANUP_FREE char *own =
        name_own(rdt, id, rdt->clos_id == NULL && faccessat(root_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0);
    return own != NULL && faccessat(root_fd, own, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? TAKE_PTR(own) : NULL;
}

int resctrl_enter(int root_fd, const struct oci_intel_rdt *rdt, const char *id, pid_t pid, struct resctrl_group *ret,
                  struct error *err)
{
    CLEANUP_FREE char *schemata = resctrl_schemata(rdt);
    const char *clos = rdt->clos_id != NULL ? rdt->clos_id : id;
    int r = check_name(clos, err);
    if (r < 0)
        return r;
    bool must_exist = rdt->clos_id != NULL && schemata[0] == '\0';
    bool created = !must_exist && mkdirat(root_fd, clos, 0755) == 0;
    if (!created && !must_exist && errno != EEXIST)
        return refused(root_fd, -errno, "make the directory", clos, err);
    CLEANUP_CLOSE int dir = openat(root_fd, clos, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_errno(err, errno, "linux.intelRdt: class of service %s%s", clos,
                           must_exist ? ", which must exist where no schemata are given" : "");
    struct resctrl_group group = {.clos = xstrdup(clos)};
    bool monitoring = false;
    r = enter(root_fd, dir, rdt, &group, schemata, !created, id, pid, &monitoring, err);
    if (r < 0) {
        if (created)
            unlinkat(root_fd, clos, AT_REMOVEDIR);
        resctrl_group_release(&group);
        return r;
    }
    if (monitoring || (created && rdt->clos_id == NULL))
        group.made = name_own(rdt, id, created);
    *ret = group;
    return 0;
}

int resctrl_update(int root_fd, const char *clos, const struct oci_intel_rdt *rdt, struct error *err)
{
    CLEANUP_FREE char *schemata = resctrl_schemata(rdt);
    CLEANUP_CLOSE int dir = openat(root_fd, clos, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_errno(err, errno, "linux.intelRdt: class of service %s", clos);
    return set_schemata(root_fd, dir, clos, schemata, false, err);
}

int resctrl_remove(int root_fd, const char *made, struct error *err)
{
    if (unlinkat(root_fd, made, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot remove the resctrl group %s", made);
    return 0;
}

char *runtime_resctrl_plan(const struct oci_intel_rdt *rdt, const char *id)
{
    CLEANUP_CLOSE int root = -1;
    return rdt != NULL && resctrl_open(&root, NULL) == 0 ? resctrl_plan(root, rdt, id) : NULL;
}

int runtime_resctrl_remove(const char *made, struct error *err)
{
    CLEANUP_CLOSE int root = -1;
    struct error said = {0};
    int r = made != NULL ? resctrl_open(&root, &said) : 0;
    if (r == -ENOTSUP) /* whoever unmounts it removes its groups */
        return 0;
    if (r < 0)
        return error_propagate(err, &said);
    return made != NULL ? resctrl_remove(root, made, err) : 0;
}

void resctrl_group_release(struct resctrl_group *group)
{
    free(group->clos);
    free(group->made);
    *group = (struct resctrl_group){0};
}
