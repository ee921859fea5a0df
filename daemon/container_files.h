/*
 * A container's files from outside: cp, export, diff, commit. Whatever is done there is done with a root descriptor and
 * base/beneath.h, in a thread of its own whose working directory and umask (0) are not the daemon's.
 *
 * A running container is entered through its own mounts, so what it has mounted is seen as it sees it. The root of one
 * that does not run is mounted together with its volumes and binds in a mount namespace that lives as long as the call;
 * a call that writes keeps the container from starting meanwhile.
 */
#ifndef DORY_DAEMON_CONTAINER_FILES_H
#define DORY_DAEMON_CONTAINER_FILES_H

#include "archive/tar_writer.h"
#include "daemon/container.h"
#include "image/image.h"

/* root_fd stays the caller's. */
typedef int (*container_files_fn)(int root_fd, void *data, struct error *err);

/* Is the process behind a descriptor of /proc/PID the container's, and not one that got its number? What is opened
 * through the descriptor stays that process's. */
bool container_has_process(int proc_fd, const char *id);

/* Runs fn with the root and everything mounted in it. Owners are those of the host: container_remap() says what ids of
 * a container with a user namespace they are. */
int container_files_run(struct engine *engine, struct container *container, bool write, container_files_fn fn,
                        void *data, struct error *err);
/* Runs fn with the root alone, read-only, as export and diff see it. Owners are the container's ids. */
int container_files_run_alone(struct engine *engine, struct container *container, enum rootfs_view view,
                              container_files_fn fn, void *data, struct error *err);

/* ---- docker cp (container_archive.c) ---- */

/* Docker's ContainerPathStat. */
struct container_path_stat {
    char *name; /* last component as it was asked for; "/" for the root */
    int64_t size;
    uint32_t mode;     /* of Go's os.FileMode: permissions and its own bits for kinds */
    int64_t mtime;     /* ns */
    char *link_target; /* of a symlink: where it leads in the container, "" otherwise */
};
void container_path_stat_release(struct container_path_stat *stat);

/* `name` is the container as the user called it, for "Could not find the file X in container Y" (ERROR_NOT_FOUND). A
 * symlink in the last place is not followed unless a slash is behind it. */
int container_stat_path(struct engine *engine, struct container *container, const char *name, const char *path,
                        struct container_path_stat *ret, struct error *err);

struct container_archive_sink {
    /* Called once, before the first byte. */
    int (*begin)(const struct container_path_stat *stat, void *data, struct error *err);
    tar_sink_fn write;
    void *data;
};
/* A tar of the file or tree; names in it begin with the last component of the path. */
int container_archive_get(struct engine *engine, struct container *container, const char *name, const char *path,
                          const struct container_archive_sink *sink, struct error *err);

struct container_archive_put {
    const char *path; /* must be a directory */
    bool keep_kinds;  /* noOverwriteDirNonDir */
    bool copy_owner;  /* everything becomes the container's user's (copyUIDGID) */
    int fd;           /* the archive: plain, gzip, bzip2, xz or zstd; stays the caller's */
};
int container_archive_put(struct engine *engine, struct container *container, const char *name,
                          const struct container_archive_put *put, struct error *err);

/* Everything but volumes and what else is mounted, holes as holes. */
int container_export(struct engine *engine, struct container *container, tar_sink_fn sink, void *data,
                     struct error *err);

/* ---- docker diff (container_changes.c) ---- */

enum container_change_kind { CONTAINER_CHANGE_MODIFIED, CONTAINER_CHANGE_ADDED, CONTAINER_CHANGE_DELETED };

struct container_change {
    char *path;
    enum container_change_kind kind;
};
/* What the container's layer changes, sorted by path. *ret is a heap array, freed with container_changes_free. */
int container_changes(struct engine *engine, struct container *container, struct container_change **ret,
                      size_t *ret_count, struct error *err);
void container_changes_free(struct container_change *changes, size_t count);

/* ---- docker commit (container_commit.c) ---- */

struct container_commit {
    const struct reference *ref; /* the new image's name; NULL: none */
    const char *author, *comment;
    bool pause;                 /* freeze the container meanwhile, if it runs */
    const struct json *body;    /* a Config that replaces the container's; NULL or empty: none */
    const struct strv *changes; /* Dockerfile instructions */
};
int container_commit(struct engine *engine, struct container *container, const struct container_commit *request,
                     char ret_id[DIGEST_TEXT_MAX], struct error *err);

#endif
