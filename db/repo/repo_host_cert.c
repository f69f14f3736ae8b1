/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_host_cert.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_host_cert_row

static const struct db_col cols[] = {
    REPO_TEXT(ST, serial),    REPO_INT(ST, host_id),    REPO_INT(ST, not_after),
    REPO_INT(ST, created_at), REPO_INT(ST, revoked_at), {0},
};

const struct db_table repo_host_cert_table = REPO_TABLE("host_certs", cols, ST);

void repo_host_cert_row_free(struct repo_host_cert_row *r)
{
    db_row_free(&repo_host_cert_table, r);
}

int repo_host_cert_get(struct db_tx *tx, const char *serial, struct repo_host_cert_row *ret,
                       struct bt_err *err)
{
    return db_row(tx, &repo_host_cert_table, "SELECT * FROM host_certs WHERE serial = ?1",
                  DB_ARGS(DB_T(serial)), ret, err);
}

int repo_host_cert_list(struct db_tx *tx, int64_t host_id, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_host_cert_table,
                   "SELECT * FROM host_certs WHERE host_id = ?1"
                   " ORDER BY created_at DESC, serial LIMIT 1000",
                   DB_ARGS(DB_I(host_id)), ret, err);
}

int repo_host_cert_insert(struct db_tx *tx, struct repo_host_cert_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_host_cert_table, r, NULL, err);
}

int repo_host_cert_revoke(struct db_tx *tx, const char *serial, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE host_certs SET revoked_at = CASE revoked_at WHEN 0 THEN ?2"
                            " ELSE revoked_at END WHERE serial = ?1",
                            DB_ARGS(DB_T(serial), DB_I(db_tx_now_ms(tx))), err);
}

int repo_host_cert_revoke_all(struct db_tx *tx, int64_t host_id, int64_t *ret_n, struct bt_err *err)
{
    return db_exec(tx,
                   "UPDATE host_certs SET revoked_at = ?2 WHERE host_id = ?1 AND revoked_at = 0",
                   DB_ARGS(DB_I(host_id), DB_I(db_tx_now_ms(tx))), ret_n, err);
}
