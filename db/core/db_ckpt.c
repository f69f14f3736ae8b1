/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/core/db_int.h"

/*
 * Checkpoints are the writer's alone: SQLite up to 3.51.2 can lose the WAL's reset to a second
 * connection that writes or checkpoints. PASSIVE never waits for a reader.
 */
#define WAL_LIMIT_BYTES (INT64_C(4) << 20)
#define WAL_STEP_BYTES (INT64_C(1) << 20)
#define WAL_FRAME_BYTES 24

static int on_commit(void *ctx, sqlite3 *h, const char *name, int pages)
{
    struct db_writer *w = ctx;
    (void)h;
    (void)name;
    atomic_store(&w->db->count.wal_bytes, pages * (w->page_bytes + WAL_FRAME_BYTES));
    return SQLITE_OK;
}

void db_ckpt_hook(struct db_writer *w)
{
    w->ckpt_at_bytes = WAL_LIMIT_BYTES;
    w->wal_dirty = true;
    (void)sqlite3_wal_hook(w->conn.h, on_commit, w);
}

static int checkpoint(struct db_writer *w, int mode)
{
    int rc = sqlite3_wal_checkpoint_v2(w->conn.h, "main", mode, NULL, NULL);
    int ext = sqlite3_extended_errcode(w->conn.h);
    if (rc != SQLITE_OK && (ext == SQLITE_IOERR_FSYNC || ext == SQLITE_IOERR_DIR_FSYNC))
        db_die(w->db, "fsync of a checkpoint");
    if (rc == SQLITE_OK)
        atomic_fetch_add(&w->db->count.checkpoints, 1);
    return rc;
}

void db_ckpt_by_size(struct db_writer *w)
{
    int64_t bytes = atomic_load(&w->db->count.wal_bytes);
    if (bytes < w->ckpt_at_bytes) {
        if (bytes < WAL_LIMIT_BYTES)
            w->ckpt_at_bytes = WAL_LIMIT_BYTES;
        return;
    }
    (void)checkpoint(w, SQLITE_CHECKPOINT_PASSIVE);
    /* When all of it was copied the next commit begins the WAL anew. Else a reader was in the way:
     * try again when there is more. */
    w->ckpt_at_bytes = bytes + WAL_STEP_BYTES;
}

void db_ckpt_idle(struct db_writer *w)
{
    if (!w->wal_dirty)
        return;
    (void)sqlite3_busy_timeout(w->conn.h, 0);
    if (checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE) == SQLITE_OK) {
        w->wal_dirty = false;
        atomic_store(&w->db->count.wal_bytes, 0);
    }
    (void)sqlite3_busy_timeout(w->conn.h, 5000);
}
