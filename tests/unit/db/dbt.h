/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the database tests share: a directory that goes away, a database in it, items that count. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/loop/loop.h"
#include "db/core/db.h"
#include "db/core/db_sql.h"

#include <cmocka.h>

#define DBT_APP 0x42544831
#define DBT_UTC_MS INT64_C(1700000000000)

struct dbt {
    char dir[64];
    char path[80];
    struct bt_loop *loop;
    struct db *db;
    struct db_config cfg;
    struct bt_err err;
};

static inline void dbt_init(struct dbt *t, const struct db_migration *migrations)
{
    *t = (struct dbt){0};
    (void)snprintf(t->dir, sizeof t->dir, "/tmp/berth-db-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    (void)snprintf(t->path, sizeof t->path, "%s/test.db", t->dir);
    t->loop = bt_loop_new_virtual(DBT_UTC_MS);
    t->cfg = (struct db_config){.path = t->path,
                                .migrations = migrations,
                                .application_id = DBT_APP,
                                .loop = t->loop,
                                .readers = 1,
                                .queue_max = 1000};
}

static inline int dbt_try_open(struct dbt *t)
{
    t->err = BT_ERR_INIT;
    return db_open(&t->cfg, &t->db, &t->err);
}

static inline void dbt_open(struct dbt *t)
{
    if (dbt_try_open(t) < 0)
        fail_msg("db_open: %s", t->err.msg);
}

static inline void dbt_close(struct dbt *t)
{
    db_close(t->db);
    t->db = NULL;
}

static inline void dbt_fini(struct dbt *t)
{
    dbt_close(t);
    bt_loop_free(t->loop);
    int root = bt_open_dir("/", NULL);
    (void)bt_remove_tree(root, t->dir + 1, NULL);
    (void)close(root);
}

/* Run @fn in a transaction of its own; it must succeed. */
static inline void dbt_run(struct dbt *t,
                           int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err), void *arg)
{
    struct bt_err err = BT_ERR_INIT;
    if (db_run_sync(t->db, fn, arg, &err) < 0)
        fail_msg("transaction: %s", err.msg);
}

/* Core dumps of processes that are meant to die help nobody. */
static inline void dbt_no_core(void)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static inline int dbt_wait(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}
