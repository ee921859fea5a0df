#include "base/db.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/strmap.h"

/* Pages in the write-ahead log before they are moved into the database, which is where SQLite waits for the disk. */
#define CHECKPOINT_PAGES 1000
/* Where writers that never pause have to wait for it after all: the log is only begun anew once it was moved whole. */
#define CHECKPOINT_PAGES_MAX (8 * CHECKPOINT_PAGES)
#define CHECKPOINT_STACK (256 * 1024)
#define BUSY_TIMEOUT_MS 5000

struct db {
    sqlite3 *handle;
    char *path;
    pthread_mutex_t lock; /* recursive */
    struct map statements;
    unsigned depth; /* of nested transactions */
    bool doomed;    /* an inner one was rolled back */
    pthread_t checkpoint_thread;
    bool checkpoint_started; /* there is a thread to join; only touched with the lock held */
    _Atomic bool checkpoint_running;
};

struct db_statement {
    struct db *db;
    sqlite3_stmt *stmt;
};

static int db_fail(struct db *db, struct error *err, const char *doing)
{
    int code = sqlite3_errcode(db->handle);
    const char *message = sqlite3_errmsg(db->handle);
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, ERROR_SYSTEM, EUCLEAN, "database %s is corrupt: %s", db->path, message);
    case SQLITE_FULL:
        return error_set(err, ERROR_SYSTEM, ENOSPC, "database %s: %s: no space left on device", db->path, doing);
    case SQLITE_CONSTRAINT:
        return error_set(err, ERROR_CONFLICT, EEXIST, "database %s: %s: %s", db->path, doing, message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, ERROR_SYSTEM, EBUSY, "database %s: %s: %s", db->path, doing, message);
    default:
        return error_set(err, ERROR_SYSTEM, EIO, "database %s: %s: %s", db->path, doing, message);
    }
}

/*
 * Moving the log into the database waits for the disk, so it is never done by whoever happens to commit: a short-lived
 * thread with its own connection does it, and writers go on meanwhile.
 */
static void *db_checkpoint(void *data)
{
    struct db *db = data;
    sqlite3 *handle = NULL;
    if (sqlite3_open_v2(db->path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
        /* A connection that has read nothing yet has not opened the log, and its checkpoint does nothing at all. */
        sqlite3_exec(handle, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
        sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    sqlite3_close(handle);
    db->checkpoint_running = false;
    return NULL;
}

/* Called by SQLite after a commit, with our lock held. */
static int db_after_commit(void *data, sqlite3 *handle, const char *name, int pages)
{
    struct db *db = data;
    bool behind = pages >= CHECKPOINT_PAGES_MAX;
    if (pages < CHECKPOINT_PAGES || (db->checkpoint_running && !behind)) {
        return SQLITE_OK;
    }
    if (db->checkpoint_started) {
        pthread_join(db->checkpoint_thread, NULL);
        db->checkpoint_started = false;
    }
    if (behind) {
        /* A failure leaves the log as it is, and the next commit tries again. */
        (void)sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return SQLITE_OK;
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, CHECKPOINT_STACK);
    db->checkpoint_running = true;
    if (pthread_create(&db->checkpoint_thread, &attributes, db_checkpoint, db) == 0) {
        db->checkpoint_started = true;
    } else {
        /* The log only grows until the next commit tries again. */
        db->checkpoint_running = false;
    }
    pthread_attr_destroy(&attributes);
    return SQLITE_OK;
}

static void db_init_lock(struct db *db)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&db->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static int db_configure(struct db *db, struct error *err)
{
    sqlite3_extended_result_codes(db->handle, 0);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
    /* A page cache of 512 KiB: the whole of a usual database, and the daemon stays small. */
    int r = db_exec(db,
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
                    "PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;"
                    "PRAGMA journal_size_limit=8388608",
                    err);
    if (r == 0) {
        sqlite3_wal_hook(db->handle, db_after_commit, db);
    }
    return r;
}

int db_open(const char *path, struct db **ret, struct error *err)
{
    struct db *db = xcalloc(1, sizeof(*db));
    db->path = xstrdup(path);
    db_init_lock(db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
        int r = db->handle != NULL ? db_fail(db, err, "open") : error_set(err, ERROR_SYSTEM, ENOMEM, "open %s", path);
        db_close(db);
        return r;
    }
    /* SQLite gives its -wal and -shm files the mode of the database. */
    if (chmod(path, 0600) < 0) {
        int r = error_errno(err, errno, "chmod %s", path);
        db_close(db);
        return r;
    }
    int r = db_configure(db, err);
    if (r < 0) {
        db_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

void db_close(struct db *db)
{
    if (db == NULL) {
        return;
    }
    if (db->checkpoint_started) {
        pthread_join(db->checkpoint_thread, NULL);
    }
    size_t i = 0;
    const char *key;
    void *value;
    while (map_next(&db->statements, &i, &key, &value)) {
        struct db_statement *s = value;
        sqlite3_finalize(s->stmt);
        free(s);
    }
    map_release(&db->statements);
    sqlite3_close(db->handle);
    pthread_mutex_destroy(&db->lock);
    free(db->path);
    free(db);
}

void db_lock(struct db *db)
{
    pthread_mutex_lock(&db->lock);
}

void db_unlock(struct db *db)
{
    pthread_mutex_unlock(&db->lock);
}

int db_exec(struct db *db, const char *sql, struct error *err)
{
    db_lock(db);
    int r = 0;
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
        r = db_fail(db, err, "exec");
    }
    db_unlock(db);
    return r;
}

static int db_run_text(struct db *db, const char *sql, struct error *err)
{
    struct db_statement *s;
    int r = db_query(db, sql, &s, err);
    return r < 0 ? r : db_run(s, err);
}

int db_begin(struct db *db, struct error *err)
{
    db_lock(db);
    if (db->depth == 0) {
        int r = db_run_text(db, "BEGIN IMMEDIATE", err);
        if (r < 0) {
            db_unlock(db);
            return r;
        }
        db->doomed = false;
    }
    db->depth++;
    return 0;
}

/* Ends the outermost transaction without keeping it. SQLite may have rolled back by itself (disk full). */
static void db_discard(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0) {
        struct error ignored = {0};
        /* Nothing can be done about a failing rollback; the next BEGIN reports it. */
        (void)db_run_text(db, "ROLLBACK", &ignored);
    }
    db->doomed = false;
}

int db_commit(struct db *db, struct error *err)
{
    int r = 0;
    db->depth--;
    if (db->depth == 0) {
        if (db->doomed) {
            r = error_set(err, ERROR_SYSTEM, ECANCELED, "database %s: a part of the transaction failed", db->path);
        } else {
            r = db_run_text(db, "COMMIT", err);
        }
        if (r < 0) {
            db_discard(db);
        }
    }
    db_unlock(db);
    return r;
}

void db_rollback(struct db *db)
{
    db->depth--;
    if (db->depth == 0) {
        db_discard(db);
    } else {
        db->doomed = true;
    }
    db_unlock(db);
}

int db_query(struct db *db, const char *sql, struct db_statement **ret, struct error *err)
{
    struct db_statement *s = map_get(&db->statements, sql);
    if (s != NULL) {
        sqlite3_reset(s->stmt);
        sqlite3_clear_bindings(s->stmt);
        *ret = s;
        return 0;
    }
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        return db_fail(db, err, sql);
    }
    s = xcalloc(1, sizeof(*s));
    s->db = db;
    s->stmt = stmt;
    map_set(&db->statements, sql, s);
    *ret = s;
    return 0;
}

void db_bind_text(struct db_statement *s, int index, const char *text)
{
    if (text == NULL) {
        sqlite3_bind_null(s->stmt, index);
    } else {
        sqlite3_bind_text(s->stmt, index, text, -1, SQLITE_TRANSIENT);
    }
}

void db_bind_int(struct db_statement *s, int index, int64_t n)
{
    sqlite3_bind_int64(s->stmt, index, n);
}

int db_step(struct db_statement *s, bool *ret_row, struct error *err)
{
    int code = sqlite3_step(s->stmt);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        *ret_row = code == SQLITE_ROW;
        return 0;
    }
    int r = db_fail(s->db, err, sqlite3_sql(s->stmt));
    sqlite3_reset(s->stmt);
    return r;
}

int db_run(struct db_statement *s, struct error *err)
{
    bool row = true;
    while (row) {
        int r = db_step(s, &row, err);
        if (r < 0) {
            return r;
        }
    }
    sqlite3_reset(s->stmt);
    return 0;
}

const char *db_text(struct db_statement *s, int column)
{
    return (const char *)sqlite3_column_text(s->stmt, column);
}

int64_t db_int(struct db_statement *s, int column)
{
    return sqlite3_column_int64(s->stmt, column);
}

void db_reset(struct db_statement *s)
{
    sqlite3_reset(s->stmt);
}

int db_changes(struct db *db)
{
    return sqlite3_changes(db->handle);
}
