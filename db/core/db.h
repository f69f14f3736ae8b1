/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/loop/loop.h"
#include "db/core/db_migrate.h"

/*
 * SQLite in WAL mode behind one writer thread with group commit and a few read-only readers.
 *
 * Writer: a batch of work items runs in one transaction, a savepoint each. An item's apply() is a
 * function of its arguments and may run more than once: when SQLite drops the whole transaction
 * (FULL, IOERR, NOMEM) all results of the batch are dropped and every item runs again in a
 * transaction of its own. done() is called on the loop thread only after COMMIT (or after failure).
 * A failed fsync, or a COMMIT that fails for another reason than FULL, NOMEM or BUSY, ends the
 * process. Decisions: docs/decisions/0004-group-commit.md.
 */
struct db;
struct db_tx; /* what apply() and read() may use: a connection inside a transaction */

struct db_vfs_faults; /* tests only, db_fault.h */

struct db_config {
    const char *path; /* database file; ":memory:" is not supported (readers) */
    const struct db_migration *migrations; /* embedded table */
    int32_t application_id;                /* refuses a file of another application */
    struct bt_loop *loop; /* done() is called there; virtual loops run everything inline */
    int readers;          /* reader threads, 1..8 */
    size_t queue_max;     /* works waiting for the writer before UNAVAILABLE */
    int batch_max;        /* items a commit, default 256 when 0 */
    const char *vfs;      /* NULL = default; the fault VFS in tests */
    bool sync_off;        /* simulations only: synchronous=OFF */
};

/**
 * Open (create) the database: exclusive lock file beside it (two processes are refused: IN_USE),
 * migrate a verified copy and swap when the schema is older, refuse a newer one (UNSUPPORTED), a
 * changed migration or a corrupt file (DB, with what to restore). Blocking; before the loop runs.
 */
int db_open(const struct db_config *cfg, struct db **ret, struct bt_err *err);

/**
 * Finish what is queued, checkpoint, close. Loop thread. NULL is fine. done() of works that a
 * writer thread finished meanwhile still fires in the loop's next turns: their structs must live
 * until then.
 */
void db_close(struct db *db);

struct db_work {
    struct bt_post post;
    struct bt_list link;
    /* Writer thread, inside the savepoint. Negative = roll back this item only. May run again. */
    int (*apply)(struct db_tx *tx, struct db_work *w, struct bt_err *err);
    /* Loop thread, exactly once, after COMMIT (rc >= 0 from apply) or failure (rc < 0, err set). */
    void (*done)(struct db_work *w, int rc, const struct bt_err *err);
    bool dry_run; /* roll the savepoint back also when apply succeeded; its rc is reported */
    int rc;
    struct bt_err err;
};

/** Queue @w for the writer. Errors: UNAVAILABLE (queue full). Loop thread. */
int db_submit(struct db *db, struct db_work *w, struct bt_err *err);

struct db_read {
    struct bt_work work;
    int (*read)(struct db_tx *tx, struct db_read *r, struct bt_err *err); /* reader thread */
    void (*done)(struct db_read *r, int rc, const struct bt_err *err);    /* loop thread */
    struct db *db;
    int rc;
    struct bt_err err;
};

/** Queue @r for a reader: one read transaction, no longer than one page of an answer. */
int db_read_submit(struct db *db, struct db_read *r, struct bt_err *err);

/** Run one apply at once in a transaction of its own (start-up, tools; the loop must not run). */
int db_run_sync(struct db *db, int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err),
                void *arg, struct bt_err *err);

/**
 * Register an undo for in-memory state changed inside apply(): called (newest first) when the
 * item's savepoint or the whole batch is rolled back, dropped after COMMIT. Writer thread. @arg is
 * freed with free() after the call or the commit (may be NULL).
 */
void db_tx_on_rollback(struct db_tx *tx, void (*undo)(void *ctx, void *arg), void *ctx, void *arg);

/** Called on the writer thread after COMMIT, before done(): publish caches. Same ownership as
 * above. */
void db_tx_on_commit(struct db_tx *tx, void (*publish)(void *ctx, void *arg), void *ctx, void *arg);

/** Copy the live database with the online backup API to @path (new file), in steps. Writer thread.
 */
int db_tx_backup(struct db_tx *tx, const char *path, struct bt_err *err);

/* Figures for /metrics. */
struct db_stats {
    uint64_t commits, items, reruns, checkpoints;
    size_t queued;
    int64_t wal_bytes;
};

/** Snapshot of the counters. Any thread. */
void db_stats_get(const struct db *db, struct db_stats *ret);
