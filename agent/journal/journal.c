/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/journal/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define READERS 1
#define QUEUE_MAX 100000

static int get(struct db_tx *tx, const char *key, char *dst, size_t size, struct bt_err *err)
{
    _cleanup_free_ char *text = NULL;
    int rc = db_text(tx, "SELECT value FROM meta WHERE key = ?1", DB_ARGS(DB_T(key)), &text, err);
    if (rc == -(int)BT_E_NOT_FOUND) {
        dst[0] = '\0';
        return 0;
    }
    if (rc == 0 && !bt_strcpy(dst, size, text))
        rc = bt_fail(err, BT_E_DB, "%s in the journal is too long", key);
    return rc;
}

static int get_int(struct db_tx *tx, const char *key, int64_t *ret, struct bt_err *err)
{
    char text[32];
    int rc = get(tx, key, text, sizeof text, err);
    if (rc < 0)
        return rc;
    *ret = 0;
    return text[0] ? bt_parse_i64(text, 0, INT64_MAX, ret, err) : 0;
}

static int put(struct db_tx *tx, const char *key, const char *value, struct bt_err *err)
{
    return db_exec(tx,
                   "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                   " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                   DB_ARGS(DB_T(key), DB_T(value)), NULL, err);
}

static int put_int(struct db_tx *tx, const char *key, int64_t value, struct bt_err *err)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return put(tx, key, text, err);
}

int journal_meta_load(struct db_tx *tx, struct journal_meta *ret, struct bt_err *err)
{
    struct journal_meta m = {0};
    int rc = get(tx, "journal_id", m.journal_id, sizeof m.journal_id, err);
    if (rc == 0)
        rc = get(tx, "controller_id", m.controller_id, sizeof m.controller_id, err);
    if (rc == 0)
        rc = get(tx, "joining_id", m.joining_id, sizeof m.joining_id, err);
    if (rc == 0)
        rc = get_int(tx, "epoch", &m.epoch, err);
    if (rc == 0)
        rc = get_int(tx, "confirm_until", &m.confirm_until_ms, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

int journal_meta_store_controller(struct db_tx *tx, const struct journal_meta *m,
                                  struct bt_err *err)
{
    int rc = put(tx, "controller_id", m->controller_id, err);
    if (rc == 0)
        rc = put(tx, "joining_id", m->joining_id, err);
    if (rc == 0)
        rc = put_int(tx, "epoch", m->epoch, err);
    return rc;
}

int journal_meta_store_confirm(struct db_tx *tx, int64_t until_ms, struct bt_err *err)
{
    return put_int(tx, "confirm_until", until_ms, err);
}

struct first_use {
    const struct bt_random *random;
    struct journal_meta meta;
};

static int load_or_begin(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct first_use *f = arg;
    int rc = journal_meta_load(tx, &f->meta, err);
    if (rc < 0 || f->meta.journal_id[0])
        return rc;
    bt_uuid_new(f->random, f->meta.journal_id);
    return put(tx, "journal_id", f->meta.journal_id, err);
}

int journal_open(const struct journal_config *cfg, struct db **ret_db,
                 struct journal_meta *ret_meta, struct bt_err *err)
{
    struct db_config db_cfg = {.path = cfg->path,
                               .migrations = bt_migrations_agent,
                               .application_id = JOURNAL_APPLICATION_ID,
                               .loop = cfg->loop,
                               .readers = READERS,
                               .queue_max = QUEUE_MAX,
                               .vfs = cfg->vfs,
                               .sync_off = cfg->sync_off};
    struct first_use first = {.random = cfg->random};
    struct db *db = NULL;
    int rc = db_open(&db_cfg, &db, err);
    if (rc == 0)
        rc = db_run_sync(db, load_or_begin, &first, err);
    if (rc < 0) {
        db_close(db);
        return rc;
    }
    *ret_db = db;
    *ret_meta = first.meta;
    return 0;
}
