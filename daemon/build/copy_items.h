/* The sources of one COPY or ADD, found: what each is, and a digest of its contents. */
#ifndef DORY_DAEMON_BUILD_COPY_ITEMS_H
#define DORY_DAEMON_BUILD_COPY_ITEMS_H

#include "archive/ignore.h"
#include "daemon/build/execute.h"

struct copy_item {
    int root_fd; /* borrowed */
    char *path;  /* beneath it, without slashes in front; "" is all of it */
    char *name;  /* the file's, where it goes into a directory */
    char *under; /* --parents: directories to be made beneath the destination; NULL */
    bool is_dir, downloaded;
    char digest[DIGEST_HEX_MAX];
};

struct copy_items {
    struct build_source source;
    struct copy_item *items;
    size_t count, capacity;
    struct ignore excludes;
    struct strv work; /* directories below tmp/ that hold downloads and checkouts */
    int *work_fds;
    size_t work_count, work_capacity;
};

/* Opens the source alone. The caller releases in every case. */
int copy_items_open(const struct step_context *step, struct copy_items *ret, struct error *err);
/* Finds and reads all of them. Docker's errors where nothing is. */
int copy_items_collect(const struct step_context *step, struct copy_items *items, struct error *err);
void copy_items_release(struct build *build, struct copy_items *items);

/* ADD from a network (copy_remote.c): adds the item. */
int copy_items_add_url(const struct step_context *step, const char *url, struct copy_items *items, struct error *err);
int copy_items_add_git(const struct step_context *step, const char *url, struct copy_items *items, struct error *err);
struct copy_item *copy_items_new(struct copy_items *items);

#endif
