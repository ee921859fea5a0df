#include "tests/unit/base_test.h"

#include <pthread.h>
#include <string.h>

#include "base/db.h"
#include "base/fd.h"

struct fixture {
    struct scratch *scratch;
    char *path;
    struct db *db;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    void *scratch;
    if (scratch_setup(&scratch) < 0)
        return -1;
    f->scratch = scratch;
    f->path = xasprintf("%s/x.db", f->scratch->path);
    *state = f;
    return db_open(f->path, &f->db, &f->err) < 0 ||
           db_exec(f->db, "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER)", &f->err) < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *scratch = f->scratch;
    db_close(f->db);
    free(f->path);
    free(f);
    return scratch_teardown(&scratch);
}

static int insert(struct fixture *f, const char *key, int64_t n)
{
    struct db_statement *s;
    db_lock(f->db);
    int r = db_query(f->db, "INSERT INTO t (k, n) VALUES (?, ?)", &s, &f->err);
    if (r == 0) {
        db_bind_text(s, 1, key);
        db_bind_int(s, 2, n);
        r = db_run(s, &f->err);
    }
    db_unlock(f->db);
    return r;
}

static int64_t count(struct fixture *f)
{
    struct db_statement *s;
    bool row;
    db_lock(f->db);
    assert_int_equal(db_query(f->db, "SELECT count(*) FROM t", &s, &f->err), 0);
    assert_int_equal(db_step(s, &row, &f->err), 0);
    assert_true(row);
    int64_t n = db_int(s, 0);
    db_reset(s);
    db_unlock(f->db);
    return n;
}

static void what_was_written_is_read_back(void **state)
{
    struct fixture *f = *state;
    struct db_statement *s;
    bool row;
    assert_int_equal(insert(f, "a", -5000000000), 0);
    db_lock(f->db);
    assert_int_equal(db_query(f->db, "SELECT k, n, NULL FROM t WHERE k = ?", &s, &f->err), 0);
    db_bind_text(s, 1, "a");
    assert_int_equal(db_step(s, &row, &f->err), 0);
    assert_true(row);
    assert_string_equal(db_text(s, 0), "a");
    assert_int_equal(db_int(s, 1), -5000000000);
    assert_null(db_text(s, 2));
    assert_int_equal(db_step(s, &row, &f->err), 0);
    assert_false(row);
    db_unlock(f->db);
}

static void a_statement_is_reset_and_unbound_when_asked_for_again(void **state)
{
    struct fixture *f = *state;
    struct db_statement *first, *second;
    bool row;
    insert(f, "a", 1);
    db_lock(f->db);
    assert_int_equal(db_query(f->db, "SELECT ?1 IS NULL", &first, &f->err), 0);
    db_bind_text(first, 1, "x");
    assert_int_equal(db_step(first, &row, &f->err), 0);
    assert_int_equal(db_int(first, 0), 0);
    assert_int_equal(db_query(f->db, "SELECT ?1 IS NULL", &second, &f->err), 0);
    assert_ptr_equal(first, second);
    assert_int_equal(db_step(second, &row, &f->err), 0);
    assert_int_equal(db_int(second, 0), 1);
    db_reset(second);
    db_unlock(f->db);
}

static void a_rollback_undoes_and_an_inner_one_dooms_the_whole(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(db_begin(f->db, &f->err), 0);
    insert(f, "a", 1);
    db_rollback(f->db);
    assert_int_equal(count(f), 0);

    assert_int_equal(db_begin(f->db, &f->err), 0);
    insert(f, "a", 1);
    assert_int_equal(db_begin(f->db, &f->err), 0);
    insert(f, "b", 1);
    db_rollback(f->db);
    assert_true(db_commit(f->db, &f->err) < 0);
    assert_int_equal(count(f), 0);

    assert_int_equal(db_begin(f->db, &f->err), 0);
    assert_int_equal(db_begin(f->db, &f->err), 0);
    insert(f, "c", 1);
    assert_int_equal(db_commit(f->db, &f->err), 0);
    assert_int_equal(db_commit(f->db, &f->err), 0);
    assert_int_equal(count(f), 1);
}

static void a_violated_constraint_is_a_conflict_and_changes_are_counted(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(insert(f, "a", 1), 0);
    assert_int_equal(db_changes(f->db), 1);
    assert_int_equal(insert(f, "a", 2), -EEXIST);
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
    assert_int_equal(count(f), 1);
}

static void a_file_that_is_no_database_is_named(void **state)
{
    struct fixture *f = *state;
    struct db *db = NULL;
    CLEANUP_FREE char *path = xasprintf("%s/bad.db", f->scratch->path);
    int CLEANUP_CLOSE fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 500; i++)
        assert_int_equal(fd_write_all(fd, "this is no database", 19), 0);
    assert_int_equal(db_open(path, &db, &f->err), -EUCLEAN);
    assert_non_null(strstr(f->err.message, path));
    assert_non_null(strstr(f->err.message, "corrupt"));
}

static void the_database_is_the_owners_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* The child dies with a transaction open and others committed; nothing is synced in between. */
static void killed_processes_lose_nothing_that_was_committed(void **state)
{
    struct fixture *f = *state;
    db_close(f->db);
    f->db = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        if (db_open(f->path, &f->db, &f->err) < 0)
            _exit(1);
        for (int i = 0; i < 100; i++) {
            char key[16];
            snprintf(key, sizeof(key), "k%d", i);
            insert(f, key, i);
        }
        db_begin(f->db, &f->err);
        insert(f, "open", 1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(db_open(f->path, &f->db, &f->err), 0);
    assert_int_equal(count(f), 100);
}

static void *writer(void *data)
{
    struct fixture *f = data;
    struct error err = {0};
    for (int i = 0; i < 1000; i++) {
        struct db_statement *s;
        if (db_begin(f->db, &err) < 0 ||
            db_query(f->db, "INSERT INTO t (k, n) VALUES (hex(randomblob(512)), 1)", &s, &err) < 0 ||
            db_run(s, &err) < 0 || db_commit(f->db, &err) < 0)
            return xstrdup(err.message);
    }
    return NULL;
}

/* Enough to pass several checkpoints, which run beside. */
static void threads_write_at_the_same_time_and_the_log_stays_bounded(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer, f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *message;
        pthread_join(threads[i], &message);
        if (message)
            fail_msg("%s", (char *)message);
    }
    assert_int_equal(count(f), 3000);
    CLEANUP_FREE char *wal = xasprintf("%s-wal", f->path);
    struct stat st;
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size < 64 * 1024 * 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read_back),
        TEST(a_statement_is_reset_and_unbound_when_asked_for_again),
        TEST(a_rollback_undoes_and_an_inner_one_dooms_the_whole),
        TEST(a_violated_constraint_is_a_conflict_and_changes_are_counted),
        TEST(a_file_that_is_no_database_is_named),
        TEST(the_database_is_the_owners_alone),
        TEST(killed_processes_lose_nothing_that_was_committed),
        TEST(threads_write_at_the_same_time_and_the_log_stays_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
