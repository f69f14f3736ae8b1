/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "db/core/db.h"
#include "db/core/db_sql.h"

/* Inside of db/core: one connection with its statements, the writer, the readers. */

struct db_stmt;

struct db_conn {
    sqlite3 *h;
    struct db_stmt **stmts; /* open addressing by key */
    size_t cap, len;
    int cause;         /* extended code of the last error that may have ended a transaction */
    bool fsync_failed; /* sticky: what was written is in doubt, the process must end */
};

/* A change of memory that follows the transaction. */
struct db_hook {
    struct bt_list link;
    void (*fn)(void *ctx, void *arg);
    void *ctx;
    void *arg;
    bool on_commit;
};

struct db_tx {
    struct db *db;
    struct db_conn *conn;
    bool open;            /* a transaction has begun; SQLite may have ended it meanwhile */
    struct bt_list hooks; /* struct db_hook, oldest first; writer only */
};

struct db_counters {
    atomic_uint_fast64_t commits, items, reruns, checkpoints;
    atomic_int_fast64_t wal_bytes;
};

struct db_writer {
    struct db_conn conn;
    pthread_t thread;
    bool threaded;
    pthread_mutex_t lock; /* queue, queued, stop, drain_pending */
    pthread_cond_t wake, synced;
    struct bt_list queue; /* struct db_work */
    size_t queued;
    bool stop;
    bool drain_pending; /* virtual loop: a drain is posted */
    struct bt_post drain;
    struct db *db;
    int64_t page_bytes;
    int64_t ckpt_at_bytes; /* size of the WAL at which the next PASSIVE checkpoint is tried */
    bool wal_dirty;        /* written since the last TRUNCATE */
};

#define DB_READERS_MAX 8

struct db_readers {
    struct bt_pool *pool;
    struct db_conn conns[DB_READERS_MAX];
    int n;
    pthread_mutex_t lock; /* busy */
    bool busy[DB_READERS_MAX];
};

struct db {
    struct db_config cfg;
    char *path;
    char *vfs;
    int lock_fd;
    struct db_writer writer;
    struct db_readers readers;
    struct db_counters count;
};

/* ---- db_conn.c ---- */

enum db_mode {
    DB_MODE_WRITER, /* WAL, fsync at each commit, no checkpoint by itself */
    DB_MODE_READER, /* read-only */
    DB_MODE_PLAIN,  /* a file that is looked at first: its journal mode stays */
    DB_MODE_COPY, /* a file that is being made: rollback journal, foreign keys checked at the end */
};

/** Open @path with the pragmas of @mode. Errors: DB, STORAGE_FULL, UNAVAILABLE. */
int db_conn_open(struct db_conn *c, const char *path, const char *vfs, enum db_mode mode,
                 struct bt_err *err);

/** Finalize the statements and close. Fine on a zeroed one. */
void db_conn_close(struct db_conn *c);

/** Fill @err from the last error of @c and note what it means for the transaction. Negative code.
 */
int db_conn_fail(struct db_conn *c, const char *doing, struct bt_err *err);

/** Run constant text without rows and without the cache (PRAGMA, BEGIN, whole migrations). */
int db_conn_exec(struct db_conn *c, const char *sql, struct bt_err *err);

/** First column of the first row as an integer (PRAGMA). DB when there is none. */
int db_conn_int(struct db_conn *c, const char *sql, int64_t *ret, struct bt_err *err);

/** PRAGMA quick_check: DB with the first finding. */
int db_conn_quick_check(struct db_conn *c, struct bt_err *err);

/** Write the error to the log and end the process: what is on the disk is in doubt. */
void db_die(const struct db *db, const char *doing) __attribute__((noreturn));

/* ---- db_stmt.c ---- */

/* A prepared statement, and how its columns lie in the rows of `table`. */
struct db_stmt {
    const void *key; /* address of the constant text, or of what it was derived from */
    sqlite3_stmt *st;
    const struct db_table *table; /* of `map`; NULL = no row was read yet */
    int16_t *map;                 /* column of the result -> index in table->cols */
};

/** The cached statement of @key, NULL when it was not prepared yet. */
struct db_stmt *db_stmt_find(const struct db_conn *c, const void *key);

/** Prepare @sql as the statement of @key, which is not there yet. */
int db_stmt_add(struct db_conn *c, const void *key, const char *sql, struct db_stmt **ret,
                struct bt_err *err);

/** Finalize all. */
void db_stmt_clear(struct db_conn *c);

/** Bind the arguments 1.. INTERNAL when their number differs. */
int db_stmt_bind(struct db_conn *c, struct db_stmt *s, const struct db_arg *args, size_t n_args,
                 struct bt_err *err);

/** Bind each column of @t in @row, in order. INTERNAL when an enum is out of range. */
int db_stmt_bind_row(struct db_conn *c, struct db_stmt *s, const struct db_table *t,
                     const void *row, struct bt_err *err);

/** Read the present row into @row (overwritten) by the names of @t; INTERNAL when a column is not
 * in it. */
int db_stmt_read(struct db_conn *c, struct db_stmt *s, const struct db_table *t, void *row,
                 struct bt_err *err);

/** Step to the first row; NOT_FOUND when there is none (the statement is reset then). */
int db_stmt_first(struct db_conn *c, struct db_stmt *s, struct bt_err *err);

/** Step to the end, then reset. */
int db_stmt_finish(struct db_conn *c, struct db_stmt *s, struct bt_err *err);

/** Reset and forget the arguments. */
void db_stmt_reset(struct db_stmt *s);

/* ---- db_sql.c ---- */

/** May a statement run now? DB when SQLite has ended the transaction of @tx. */
int db_tx_alive(struct db_tx *tx, struct bt_err *err);

/* ---- db_hook.c ---- */

/** Mark for db_hooks_rollback: the newest hook of @tx. */
struct bt_list *db_hooks_mark(struct db_tx *tx);

/** Undo, newest first, what was registered after @mark (NULL: everything). */
void db_hooks_rollback(struct db_tx *tx, struct bt_list *mark);

/** Publish in order, forget the undos. */
void db_hooks_commit(struct db_tx *tx);

/* ---- db_writer.c ---- */

/** Open the writing connection, start the thread (none on a virtual loop). */
int db_writer_start(struct db *db, struct bt_err *err);

/** Finish the queue, join, checkpoint, close. */
void db_writer_stop(struct db *db);

/** Run items as one batch with group commit; their rc and err are set, done() is not called. */
void db_writer_batch(struct db_writer *w, struct db_work **items, size_t n);

/* ---- db_ckpt.c ---- */

/** Note the size of the WAL after each commit. */
void db_ckpt_hook(struct db_writer *w);

/** PASSIVE checkpoint when the WAL has grown enough. Writer thread. */
void db_ckpt_by_size(struct db_writer *w);

/** TRUNCATE when something was written since the last one and no reader is in the way. Writer
 * thread. */
void db_ckpt_idle(struct db_writer *w);

/* ---- db_read.c ---- */

/** Open the reading connections and their pool. */
int db_readers_start(struct db *db, struct bt_err *err);

/** Cancel what waits, join, close. */
void db_readers_stop(struct db *db);

/* ---- db_migrate.c ---- */

/** Bring the file at @path to the newest schema of @cfg, or make it. The lock is held. */
int db_migrate(const struct db_config *cfg, struct bt_err *err);

/* ---- db_backup.c ---- */

/** Copy all pages of @from into the empty file behind @to. */
int db_backup_pages(struct db_conn *from, struct db_conn *to, struct bt_err *err);

/** Make an empty file that only we can read. EXISTS. */
int db_create_empty(const char *path, struct bt_err *err);

/** fsync a file, then the directory it is in. */
int db_sync_path(const char *path, struct bt_err *err);
