/*
 * A thin layer over SQLite: one connection per process in WAL mode (synchronous=NORMAL: commits do not wait for the
 * disk; a kill -9 of the process loses nothing; the log is moved into the database by a short-lived thread of its own,
 * so that no caller ever waits for the disk), statements prepared once and kept. Thread-safe: a handle is locked by
 * db_lock/db_unlock around statement use (db_exec locks by itself; the lock is recursive).
 */
#ifndef DORY_BASE_DB_H
#define DORY_BASE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct db;
struct db_statement;

/* Opens or creates the file (mode 0600). A database that SQLite calls corrupt is an error that names the file. */
int db_open(const char *path, struct db **ret, struct error *err);
void db_close(struct db *db);

void db_lock(struct db *db);
void db_unlock(struct db *db);

/* Runs SQL without results (schema, pragma). */
int db_exec(struct db *db, const char *sql, struct error *err);

/* Transactions nest by counting; the outermost one counts. begin takes the lock (unless it fails), commit and rollback
 * release it in every case. A commit that fails has rolled everything back: call no rollback after it. An inner
 * rollback makes the outermost commit fail. */
int db_begin(struct db *db, struct error *err);
int db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db);

/* The cached statement of this SQL text (compared by content), reset and unbound; valid until the next db_query of the
 * same text. Call with the lock held. */
int db_query(struct db *db, const char *sql, struct db_statement **ret, struct error *err);
void db_bind_text(struct db_statement *s, int index, const char *text); /* NULL binds NULL; copied */
void db_bind_int(struct db_statement *s, int index, int64_t n);
/* *ret_row: a row is there. */
int db_step(struct db_statement *s, bool *ret_row, struct error *err);
/* db_step for statements that return no row, then reset. */
int db_run(struct db_statement *s, struct error *err);
/* Columns count from 0; the text lives until the next step. NULL column: NULL. */
const char *db_text(struct db_statement *s, int column);
int64_t db_int(struct db_statement *s, int column);
void db_reset(struct db_statement *s);
/* Rows changed by the last statement. */
int db_changes(struct db *db);

#endif
