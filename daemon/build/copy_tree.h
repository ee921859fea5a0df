/*
 * Files from one tree into another, by descriptors, as COPY does it: contents, modes, links, devices, times and the
 * attributes that content.h names. Symlinks are copied and never followed; sockets are left out. What is copied is read
 * as it is: nobody changes it meanwhile.
 */
#ifndef DORY_DAEMON_BUILD_COPY_TREE_H
#define DORY_DAEMON_BUILD_COPY_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "archive/ignore.h"
#include "daemon/build/chmod_mode.h"

struct copy_links;

struct copy_options {
    bool keep_owner; /* of the source; else uid and gid */
    uid_t uid;
    gid_t gid;
    const struct chmod_mode *chmod; /* NULL: modes are the source's */
    const struct ignore *excludes;  /* NULL: none; of paths relative to the directory */
    struct copy_links *links;       /* files that need not be copied are left to it; NULL: all are copied */
};

/* The contents of one directory into another. Directories that are there keep their attributes, files are replaced. */
int copy_directory(int from_fd, int to_fd, const struct copy_options *options, struct error *err);
/* A regular file that is open for reading, as `name` in the directory to_fd. */
int copy_file_to(int from_fd, int to_fd, const char *name, const struct copy_options *options, struct error *err);
/* New contents as a file, mode 0644, or what chmod says. */
int copy_bytes_to(const char *bytes, size_t size, int to_fd, const char *name, const struct copy_options *options,
                  struct error *err);

#endif
