/* What the tests of the image store share: a store in a scratch directory. */
#ifndef DORY_TESTS_UNIT_IMAGE_TEST_H
#define DORY_TESTS_UNIT_IMAGE_TEST_H

#include "tests/unit/base_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "image/digest.h"
#include "image/layer.h"
#include "tests/unit/tar_builder.h"

/* ---- A store ---- */

struct store_test {
    struct scratch *scratch;
    char *root;
    struct db *db;
    struct image_store *store;
    struct error err;
};

#define ASSERT_OK(t, call)                                                                                             \
    do {                                                                                                               \
        error_clear(&(t)->err);                                                                                        \
        int r_ = (call);                                                                                               \
        if (r_ < 0)                                                                                                    \
            fail_msg("%s: %d: %s", #call, r_, (t)->err.message);                                                       \
    } while (0)

#define ASSERT_ERROR(t, call, error_kind_, text)                                                                       \
    do {                                                                                                               \
        error_clear(&(t)->err);                                                                                        \
        assert_true((call) < 0);                                                                                       \
        if (strstr((t)->err.message, (text)) == NULL)                                                                  \
            fail_msg("\"%s\" is not in \"%s\"", (text), (t)->err.message);                                             \
        assert_int_equal((t)->err.kind, (error_kind_));                                                                \
    } while (0)

static inline void store_test_open(struct store_test *t)
{
    CLEANUP_FREE char *path = xasprintf("%s/dory.db", t->root);
    ASSERT_OK(t, db_open(path, &t->db, &t->err));
    ASSERT_OK(t, image_store_open(t->root, t->db, &t->store, &t->err));
}

static inline void store_test_close(struct store_test *t)
{
    image_store_close(t->store);
    db_close(t->db);
    t->store = NULL;
    t->db = NULL;
}

static inline int store_setup(void **state)
{
    struct store_test *t = xcalloc(1, sizeof(*t));
    void *scratch;
    if (scratch_setup(&scratch) < 0)
        return -1;
    t->scratch = scratch;
    t->root = xasprintf("%s/root", t->scratch->path);
    mkdir(t->root, 0755);
    store_test_open(t);
    *state = t;
    return 0;
}

static inline int store_teardown(void **state)
{
    struct store_test *t = *state;
    void *scratch = t->scratch;
    store_test_close(t);
    int r = scratch_teardown(&scratch);
    free(t->root);
    free(t);
    return r;
}

/* How many names there are in a directory of the store. */
static inline size_t store_count(struct store_test *t, const char *path)
{
    CLEANUP_FREE char *command = xasprintf("find %s/%s -mindepth 1 -maxdepth 1 | wc -l", t->root, path);
    FILE *f = popen(command, "r");
    size_t n = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &n), 1);
    pclose(f);
    return n;
}

/* The cleaner works in its own time: closing waits for it. */
static inline void assert_store_is_empty(struct store_test *t)
{
    store_test_close(t);
    assert_int_equal(store_count(t, "overlay"), 0);
    assert_int_equal(store_count(t, "tmp"), 0);
    assert_int_equal(store_count(t, "image/blobs/sha256"), 0);
    store_test_open(t);
}

/* A descriptor from which `data` can be read, as from a file. */
static inline int data_fd(const void *data, size_t size)
{
    int fd = memfd_create("data", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, data, size), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Through the whole of an ingest, in portions that do not fit any block. */
static inline int ingest_all(struct store_test *t, const char *digest, const void *data, size_t size,
                             struct layer_ingest **ret)
{
    int r = layer_ingest_open(t->store, digest, ret, &t->err);
    for (size_t done = 0; r == 0 && done < size;) {
        size_t n = size - done < 7001 ? size - done : 7001;
        r = layer_ingest_write(*ret, (const char *)data + done, n, &t->err);
        done += n;
    }
    return r < 0 ? r : layer_ingest_finish(*ret, &t->err);
}

#endif
