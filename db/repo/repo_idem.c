/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_idem.h"

#include "common/base/str.h"
#include "db/repo/repo_cols.h"

#define ST struct repo_idem_row

static const struct db_col cols[] = {
    REPO_TEXT(ST, principal),
    REPO_TEXT(ST, method),
    REPO_TEXT(ST, path),
    REPO_TEXT(ST, key),
    REPO_TEXT(ST, fingerprint),
    REPO_INT(ST, status),
    REPO_TEXT_OR(ST, headers, "{}"),
    REPO_SECRET(ST, body),
    REPO_BLOB(ST, sealed),
    REPO_ID(ST, task_id),
    REPO_INT(ST, created_at),
    {0},
};

const struct db_table repo_idem_table = REPO_TABLE("idempotency_keys", cols, ST);

void repo_idem_row_free(struct repo_idem_row *r)
{
    db_row_free(&repo_idem_table, r);
}

int repo_idem_get(struct db_tx *tx, const struct repo_idem_scope *s, const char *fingerprint,
                  struct repo_idem_row *ret, struct bt_err *err)
{
    struct repo_idem_row r;
    int rc =
        db_row(tx, &repo_idem_table,
               "SELECT * FROM idempotency_keys WHERE principal = ?1 AND method = ?2"
               " AND path = ?3 AND key = ?4",
               DB_ARGS(DB_T(s->principal), DB_T(s->method), DB_T(s->path), DB_T(s->key)), &r, err);
    if (rc < 0)
        return rc;
    if (!bt_streq(r.fingerprint, fingerprint))
        rc = bt_fail(err, BT_E_IDEMPOTENCY_MISMATCH, "the key was used for another request");
    else if (!r.body && !r.sealed.data)
        rc = bt_fail(err, BT_E_EXPIRED, "the answer held a secret and is no longer kept");
    if (rc < 0)
        repo_idem_row_free(&r);
    else
        *ret = r;
    return rc;
}

int repo_idem_insert(struct db_tx *tx, struct repo_idem_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_idem_table, r, NULL, err);
}

int repo_idem_erase_secrets(struct db_tx *tx, int64_t before_ms, int64_t *ret_n, struct bt_err *err)
{
    return db_exec(tx,
                   "UPDATE idempotency_keys SET sealed = NULL"
                   " WHERE created_at < ?1 AND sealed IS NOT NULL",
                   DB_ARGS(DB_I(before_ms)), ret_n, err);
}

int repo_idem_prune(struct db_tx *tx, int64_t before_ms, int limit, int64_t *ret_n,
                    struct bt_err *err)
{
    return db_exec(tx,
                   "DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys"
                   " WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
                   DB_ARGS(DB_I(before_ms), repo_cols_limit(limit)), ret_n, err);
}
