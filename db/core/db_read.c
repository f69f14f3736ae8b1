/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/mem.h"
#include "db/core/db_int.h"

/* Readers: read-only connections, one for each thread of a pool, so a free one is always there. */

static struct db_conn *conn_take(struct db_readers *rs)
{
    (void)pthread_mutex_lock(&rs->lock);
    struct db_conn *c = NULL;
    for (int i = 0; i < rs->n && !c; i++) {
        if (!rs->busy[i]) {
            rs->busy[i] = true;
            c = &rs->conns[i];
        }
    }
    (void)pthread_mutex_unlock(&rs->lock);
    return c;
}

static void conn_give(struct db_readers *rs, struct db_conn *c)
{
    (void)pthread_mutex_lock(&rs->lock);
    rs->busy[c - rs->conns] = false;
    (void)pthread_mutex_unlock(&rs->lock);
}

static int read_in_tx(struct db_conn *c, struct db_read *r)
{
    struct db_tx tx = {.db = r->db, .conn = c};
    bt_list_init(&tx.hooks);
    int rc = db_conn_exec(c, "BEGIN", &r->err);
    if (rc < 0)
        return rc;
    tx.open = true;
    rc = r->read(&tx, r, &r->err);
    if (!sqlite3_get_autocommit(c->h))
        (void)sqlite3_exec(c->h, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static void run(struct bt_work *work)
{
    struct db_read *r = BT_CONTAINER_OF(work, struct db_read, work);
    struct db_readers *rs = &r->db->readers;
    struct db_conn *c = conn_take(rs);
    if (!c) {
        r->rc = bt_fail(&r->err, BT_E_UNAVAILABLE, "no connection is free");
        return;
    }
    r->rc = read_in_tx(c, r);
    conn_give(rs, c);
}

static void done(struct bt_work *work, bool cancelled)
{
    struct db_read *r = BT_CONTAINER_OF(work, struct db_read, work);
    if (cancelled)
        r->rc = bt_fail(&r->err, BT_E_UNAVAILABLE, "the database is closing");
    r->done(r, r->rc, &r->err);
}

int db_read_submit(struct db *db, struct db_read *r, struct bt_err *err)
{
    r->db = db;
    r->rc = 0;
    r->err = BT_ERR_INIT;
    r->work.key = 0;
    r->work.run = run;
    r->work.done = done;
    return bt_pool_submit(db->readers.pool, &r->work, err);
}

int db_readers_start(struct db *db, struct bt_err *err)
{
    struct db_readers *rs = &db->readers;
    int n = db->cfg.readers < 1 ? 1 : db->cfg.readers;
    n = n > DB_READERS_MAX ? DB_READERS_MAX : n;
    (void)pthread_mutex_init(&rs->lock, NULL);
    rs->pool =
        bt_pool_new(db->cfg.loop, "db-read", n, db->cfg.queue_max ? db->cfg.queue_max : 4096);
    int rc = 0;
    while (rs->n < n && rc == 0) {
        rc = db_conn_open(&rs->conns[rs->n], db->path, db->vfs, DB_MODE_READER, err);
        if (rc == 0)
            rs->n++;
    }
    if (rc < 0)
        db_readers_stop(db);
    return rc;
}

void db_readers_stop(struct db *db)
{
    struct db_readers *rs = &db->readers;
    if (!rs->pool)
        return;
    bt_pool_free(rs->pool);
    rs->pool = NULL;
    for (int i = 0; i < rs->n; i++)
        db_conn_close(&rs->conns[i]);
    rs->n = 0;
    (void)pthread_mutex_destroy(&rs->lock);
}
