#include "runtime/criu_images.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "runtime/protobuf.h"

#define LOG_LEVEL 4
#define NETWORK_LOCK_NFTABLES 2
#define CONFIG_FILE "/etc/criu/runc.conf" /* where podman and others have it */
#define LOG_MAX (64u << 20)
#define LAST_WORD_MAX 400

static int open_dir(const char *path, bool make, int *ret_fd, struct error *err)
{
    int r = make ? file_mkdirs(path, 0700, err) : 0;
    if (r < 0)
        return r;
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? error_errno(err, errno, "cannot open %s", path) : 0;
}

int criu_images_open(const struct criu_options *options, const char *log_file, bool make, struct criu_images *ret,
                     struct error *err)
{
    *ret = (struct criu_images){.options = options, .log_file = log_file, .images_fd = -1, .work_fd = -1};
    int r = open_dir(options->image_path, make, &ret->images_fd, err);
    if (r == 0 && options->work_path != NULL)
        r = open_dir(options->work_path, true, &ret->work_fd, err);
    return r;
}

void criu_images_release(struct criu_images *images)
{
    images->images_fd = fd_close(images->images_fd);
    images->work_fd = fd_close(images->work_fd);
}

static void add_flag(struct strbuf *opts, enum criu_field field, bool flag)
{
    if (flag)
        protobuf_add_int(opts, field, 1);
}

/* A file that criu does not find is none to it. */
static void add_config(const struct strmap *annotations, struct strbuf *opts)
{
    const char *file = strmap_get(annotations, "org.criu.config");
    file = file != NULL ? file : CONFIG_FILE;
    protobuf_add_string(opts, CRIU_CONFIG_FILE, file[0] != '\0' ? file : NULL);
}

void criu_images_add(const struct criu_images *images, const struct strmap *annotations, struct strbuf *opts)
{
    const struct criu_options *o = images->options;
    protobuf_add_int(opts, CRIU_IMAGES_DIR_FD, images->images_fd);
    if (images->work_fd >= 0)
        protobuf_add_int(opts, CRIU_WORK_DIR_FD, images->work_fd);
    protobuf_add_int(opts, CRIU_LOG_LEVEL, LOG_LEVEL);
    protobuf_add_string(opts, CRIU_LOG_FILE, images->log_file);
    add_flag(opts, CRIU_TCP_ESTABLISHED, o->tcp_established);
    add_flag(opts, CRIU_TCP_SKIP_IN_FLIGHT, o->tcp_skip_in_flight);
    add_flag(opts, CRIU_EXT_UNIX_SK, o->ext_unix_sk);
    add_flag(opts, CRIU_SHELL_JOB, o->shell_job);
    add_flag(opts, CRIU_FILE_LOCKS, o->file_locks);
    add_flag(opts, CRIU_AUTO_DEDUP, o->auto_dedup);
    add_flag(opts, CRIU_LINK_REMAP, o->link_remap);
    add_flag(opts, CRIU_ORPHAN_PTS_MASTER, true);
    add_config(annotations, opts);
    protobuf_add_int(opts, CRIU_MANAGE_CGROUPS, 1);
    protobuf_add_int(opts, CRIU_NETWORK_LOCK, NETWORK_LOCK_NFTABLES); /* iptables may not be there */
    protobuf_add_int(opts, CRIU_MANAGE_CGROUPS_MODE, o->cgroup_mode);
    if (o->empty_network)
        protobuf_add_int(opts, CRIU_EMPTY_NAMESPACES, CLONE_NEWNET);
}

/* The last line of the log with an error in it; the caller frees, NULL when there is none. */
static char *last_word(const struct criu_images *images)
{
    CLEANUP_FREE char *text = NULL;
    int dir = images->work_fd >= 0 ? images->work_fd : images->images_fd;
    if (file_read(dir, images->log_file, LOG_MAX, &text, NULL, NULL) < 0)
        return NULL;
    const char *found = NULL;
    for (const char *p = text; (p = strstr(p, "Error (")) != NULL; p++)
        found = p;
    if (found == NULL)
        return NULL;
    size_t size = strcspn(found, "\n");
    return xstrndup(found, size < LAST_WORD_MAX ? size : LAST_WORD_MAX);
}

int criu_images_explain(const struct criu_images *images, struct error *err)
{
    if (err == NULL)
        return -EIO;
    CLEANUP_FREE char *word = last_word(images);
    const char *dir = images->options->work_path != NULL ? images->options->work_path : images->options->image_path;
    struct error said = *err;
    return error_set(err, said.kind, said.errnum, "%s (log file: %s/%s)%s%s", said.message, dir, images->log_file,
                     word != NULL ? ": " : "", word != NULL ? word : "");
}

bool criu_is_external(const struct oci_mount *mount)
{
    return (mount->type != NULL && strcmp(mount->type, "bind") == 0) || strv_contains(&mount->options, "bind") ||
           strv_contains(&mount->options, "rbind");
}
