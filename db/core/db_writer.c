/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"
#include "db/core/db_int.h"

/*
 * The writer (docs/decisions/0004-group-commit.md). Invariants:
 *  1. Only this thread writes or checkpoints; on a virtual loop that is the loop's thread.
 *  2. An item is either wholly in a committed transaction or has no effect, in the file and in
 * memory.
 *  3. done() is handed to the loop after COMMIT has returned, in the order of db_submit.
 *  4. After every item SQLite is asked whether the transaction still lives. When it does not,
 * nothing of the batch counts: memory is undone, and each item runs again in a transaction of its
 * own.
 *  5. When an fsync, or a COMMIT for another reason than room, memory or a lock, fails, the process
 *     ends: a later fsync could succeed without the data (fsync(2), "fsyncgate").
 */
#define BATCH_MAX_DEFAULT 256
#define BATCH_MAX 1024
#define IDLE_S 10

enum outcome { ITEM_DONE, TX_GONE };

static struct db_work *work_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct db_work, link);
}

static void die_if_fsync_failed(struct db_writer *w)
{
    if (w->conn.fsync_failed)
        db_die(w->db, "fsync");
}

static int begin(struct db_writer *w, struct db_tx *tx, struct bt_err *err)
{
    *tx = (struct db_tx){.db = w->db, .conn = &w->conn};
    bt_list_init(&tx->hooks);
    w->conn.cause = 0;
    int rc = db_conn_exec(&w->conn, "BEGIN IMMEDIATE", err);
    tx->open = rc == 0;
    return rc;
}

/* Drop the transaction, wherever SQLite left it, and what memory learned from it. */
static void drop(struct db_writer *w, struct db_tx *tx)
{
    db_hooks_rollback(tx, NULL);
    if (!sqlite3_get_autocommit(w->conn.h))
        (void)sqlite3_exec(w->conn.h, "ROLLBACK", NULL, NULL, NULL);
    tx->open = false;
    die_if_fsync_failed(w);
    if (!sqlite3_get_autocommit(w->conn.h))
        db_die(w->db, "ROLLBACK");
}

static bool commit_may_be_retried(int ext)
{
    int primary = ext & 0xff;
    return primary == SQLITE_FULL || primary == SQLITE_NOMEM || primary == SQLITE_BUSY;
}

static int commit(struct db_writer *w, struct db_tx *tx, struct bt_err *err)
{
    int rc = db_conn_exec(&w->conn, "COMMIT", err);
    if (rc < 0) {
        if (w->conn.fsync_failed || !commit_may_be_retried(w->conn.cause))
            db_die(w->db, "COMMIT");
        drop(w, tx);
        return rc;
    }
    tx->open = false;
    atomic_fetch_add(&w->db->count.commits, 1);
    db_hooks_commit(tx);
    return 0;
}

static bool keeps(const struct db_work *item)
{
    return item->rc >= 0 && !item->dry_run;
}

static void apply(struct db_tx *tx, struct db_work *item)
{
    item->err = BT_ERR_INIT;
    item->rc = item->apply(tx, item, &item->err);
}

static enum outcome end_item(struct db_writer *w, struct db_tx *tx, const struct db_work *item,
                             struct bt_list *mark)
{
    if (sqlite3_get_autocommit(w->conn.h))
        return TX_GONE;
    if (keeps(item))
        return db_conn_exec(&w->conn, "RELEASE item", NULL) < 0 ? TX_GONE : ITEM_DONE;
    db_hooks_rollback(tx, mark);
    if (db_conn_exec(&w->conn, "ROLLBACK TO item", NULL) < 0 ||
        db_conn_exec(&w->conn, "RELEASE item", NULL) < 0)
        return TX_GONE;
    return ITEM_DONE;
}

/* All items in one transaction. TX_GONE: nothing of it is left, their results do not count. */
static enum outcome batch_together(struct db_writer *w, struct db_work **items, size_t n)
{
    struct db_tx tx;
    if (begin(w, &tx, NULL) < 0)
        return TX_GONE;
    for (size_t i = 0; i < n; i++) {
        struct bt_list *mark = db_hooks_mark(&tx);
        bool gone = db_conn_exec(&w->conn, "SAVEPOINT item", NULL) < 0;
        if (!gone) {
            apply(&tx, items[i]);
            gone = end_item(w, &tx, items[i], mark) == TX_GONE;
        }
        if (gone || w->conn.fsync_failed) {
            drop(w, &tx);
            return TX_GONE;
        }
    }
    return commit(w, &tx, NULL) < 0 ? TX_GONE : ITEM_DONE;
}

/* The transaction of a lone item ended under it: whatever apply() made of that, this is why. */
static void blame(struct db_writer *w, struct db_work *item)
{
    int ext = w->conn.cause;
    enum bt_code code = (ext & 0xff) == SQLITE_FULL    ? BT_E_STORAGE_FULL
                        : (ext & 0xff) == SQLITE_NOMEM ? BT_E_UNAVAILABLE
                                                       : BT_E_DB;
    item->rc = bt_fail(&item->err, code, "the transaction was lost: %s", sqlite3_errstr(ext));
}

static void item_alone(struct db_writer *w, struct db_work *item)
{
    struct db_tx tx;
    atomic_fetch_add(&w->db->count.reruns, 1);
    item->err = BT_ERR_INIT;
    item->rc = begin(w, &tx, &item->err);
    if (item->rc < 0) {
        die_if_fsync_failed(w);
        return;
    }
    apply(&tx, item);
    if (sqlite3_get_autocommit(w->conn.h)) {
        drop(w, &tx);
        blame(w, item);
    } else if (keeps(item)) {
        struct bt_err err = BT_ERR_INIT;
        int rc = commit(w, &tx, &err);
        if (rc < 0) {
            item->rc = rc;
            item->err = err;
        }
    } else {
        drop(w, &tx);
    }
}

void db_writer_batch(struct db_writer *w, struct db_work **items, size_t n)
{
    if (batch_together(w, items, n) == TX_GONE) {
        for (size_t i = 0; i < n; i++)
            item_alone(w, items[i]);
    }
    atomic_fetch_add(&w->db->count.items, n);
    w->wal_dirty = true;
}

/* ---- queue ---- */

static size_t batch_max(const struct db_writer *w)
{
    int n = w->db->cfg.batch_max;
    return n <= 0 ? BATCH_MAX_DEFAULT : n > BATCH_MAX ? BATCH_MAX : (size_t)n;
}

/* With the lock held. */
static size_t take(struct db_writer *w, struct db_work **items)
{
    size_t n = 0;
    while (n < batch_max(w) && !bt_list_empty(&w->queue)) {
        items[n++] = work_of(bt_list_pop(&w->queue));
        w->queued--;
    }
    return n;
}

static void deliver(struct bt_post *p)
{
    struct db_work *item = BT_CONTAINER_OF(p, struct db_work, post);
    item->done(item, item->rc, &item->err);
}

/* ---- on a thread ---- */

struct sync_work {
    struct db_work work;
    int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err);
    void *arg;
    bool finished; /* under the writer's lock */
};

static struct sync_work *sync_of(struct db_work *item)
{
    return BT_CONTAINER_OF(item, struct sync_work, work);
}

static void hand_back(struct db_writer *w, struct db_work **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i]->done) {
            items[i]->post.cb = deliver;
            bt_loop_post(w->db->cfg.loop, &items[i]->post);
            continue;
        }
        (void)pthread_mutex_lock(&w->lock);
        sync_of(items[i])->finished = true;
        (void)pthread_cond_broadcast(&w->synced);
        (void)pthread_mutex_unlock(&w->lock);
    }
}

/* Wait for work. 0 with stop set = the end; 0 without = nothing came for a while. */
static size_t wait_batch(struct db_writer *w, struct db_work **items, bool *ret_stop)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    (void)pthread_mutex_lock(&w->lock);
    int rc = 0;
    while (rc == 0 && bt_list_empty(&w->queue) && !w->stop)
        rc = pthread_cond_timedwait(&w->wake, &w->lock, &until);
    size_t n = take(w, items);
    *ret_stop = w->stop;
    (void)pthread_mutex_unlock(&w->lock);
    return n;
}

static void *writer_main(void *arg)
{
    struct db_writer *w = arg;
    struct db_work *items[BATCH_MAX];
    (void)pthread_setname_np(pthread_self(), "db-writer");
    for (;;) {
        bool stop = false;
        size_t n = wait_batch(w, items, &stop);
        if (n == 0 && stop)
            return NULL;
        if (n == 0) {
            db_ckpt_idle(w);
            continue;
        }
        db_writer_batch(w, items, n);
        hand_back(w, items, n);
        db_ckpt_by_size(w);
    }
}

/* ---- on a virtual loop ---- */

/* Posts that are pending together have queued their works before this runs: they are one batch. */
static void drain(struct bt_post *p)
{
    struct db_writer *w = BT_CONTAINER_OF(p, struct db_writer, drain);
    struct db_work *items[BATCH_MAX];
    size_t n = take(w, items);
    w->drain_pending = !bt_list_empty(&w->queue);
    if (w->drain_pending)
        bt_loop_post(w->db->cfg.loop, &w->drain);
    if (n == 0)
        return;
    db_writer_batch(w, items, n);
    db_ckpt_by_size(w);
    for (size_t i = 0; i < n; i++)
        items[i]->done(items[i], items[i]->rc, &items[i]->err);
}

static void enqueue(struct db_writer *w, struct db_work *item)
{
    bt_list_push(&w->queue, &item->link);
    w->queued++;
    if (w->threaded) {
        (void)pthread_cond_signal(&w->wake);
    } else if (!w->drain_pending) {
        w->drain_pending = true;
        bt_loop_post(w->db->cfg.loop, &w->drain);
    }
}

int db_submit(struct db *db, struct db_work *item, struct bt_err *err)
{
    struct db_writer *w = &db->writer;
    (void)pthread_mutex_lock(&w->lock);
    bool full = db->cfg.queue_max > 0 && w->queued >= db->cfg.queue_max;
    if (!full)
        enqueue(w, item);
    (void)pthread_mutex_unlock(&w->lock);
    return full ? bt_fail(err, BT_E_UNAVAILABLE, "too many writes are waiting") : 0;
}

static int sync_apply(struct db_tx *tx, struct db_work *item, struct bt_err *err)
{
    struct sync_work *s = sync_of(item);
    return s->fn(tx, s->arg, err);
}

int db_run_sync(struct db *db, int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err),
                void *arg, struct bt_err *err)
{
    struct db_writer *w = &db->writer;
    struct sync_work s = {.work.apply = sync_apply, .fn = fn, .arg = arg};
    if (w->threaded) {
        (void)pthread_mutex_lock(&w->lock);
        enqueue(w, &s.work);
        while (!s.finished)
            (void)pthread_cond_wait(&w->synced, &w->lock);
        (void)pthread_mutex_unlock(&w->lock);
    } else {
        struct db_work *item = &s.work;
        db_writer_batch(w, &item, 1);
        db_ckpt_by_size(w);
    }
    if (s.work.rc < 0 && err)
        *err = s.work.err;
    return s.work.rc;
}

/* ---- life ---- */

static int start_thread(struct db_writer *w, struct bt_err *err)
{
    int rc = pthread_create(&w->thread, NULL, writer_main, w);
    if (rc != 0)
        return bt_fail_errno(err, rc, "starting the database writer");
    w->threaded = true;
    return 0;
}

int db_writer_start(struct db *db, struct bt_err *err)
{
    struct db_writer *w = &db->writer;
    pthread_condattr_t attr;
    w->db = db;
    w->drain.cb = drain;
    bt_list_init(&w->queue);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->wake, &attr);
    (void)pthread_cond_init(&w->synced, NULL);
    (void)pthread_condattr_destroy(&attr);
    int rc = db_conn_open(&w->conn, db->path, db->vfs, DB_MODE_WRITER, err);
    if (rc == 0 && db->cfg.sync_off)
        rc = db_conn_exec(&w->conn, "PRAGMA synchronous = OFF", err);
    if (rc == 0)
        rc = db_conn_int(&w->conn, "PRAGMA page_size", &w->page_bytes, err);
    if (rc == 0)
        db_ckpt_hook(w);
    if (rc == 0 && bt_loop_uv(db->cfg.loop))
        rc = start_thread(w, err);
    if (rc < 0)
        db_writer_stop(db);
    return rc;
}

static void stop_thread(struct db_writer *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    w->threaded = false;
}

void db_writer_stop(struct db *db)
{
    struct db_writer *w = &db->writer;
    if (!w->db)
        return;
    if (w->threaded)
        stop_thread(w);
    while (!bt_list_empty(&w->queue))
        drain(&w->drain);
    if (w->conn.h)
        db_ckpt_idle(w);
    db_conn_close(&w->conn);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_cond_destroy(&w->synced);
    (void)pthread_mutex_destroy(&w->lock);
    w->db = NULL;
}
