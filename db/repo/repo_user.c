/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_user.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_user_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, email),
    REPO_TEXT(ST, name),
    REPO_ENUM(ST, role, repo_user_role_names),
    REPO_SECRET(ST, password_hash),
    REPO_BLOB(ST, totp_sealed),
    REPO_BOOL(ST, disabled),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    {0},
};

const struct db_table repo_user_table = REPO_TABLE("users", cols, ST);

#define MEMBER struct repo_user_membership_row

static const struct db_col member_cols[] = {
    REPO_INT(MEMBER, user_id),
    REPO_INT(MEMBER, tenant_id),
    REPO_ENUM(MEMBER, role, repo_member_role_names),
    {0},
};

const struct db_table repo_user_membership_table = REPO_TABLE("memberships", member_cols, MEMBER);

void repo_user_row_free(struct repo_user_row *r)
{
    db_row_free(&repo_user_table, r);
}

int repo_user_get(struct db_tx *tx, int64_t id, struct repo_user_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_user_table, id, ret, err);
}

int repo_user_get_by_email(struct db_tx *tx, const char *email, struct repo_user_row *ret,
                           struct bt_err *err)
{
    return db_row(tx, &repo_user_table, "SELECT * FROM users WHERE email = ?1",
                  DB_ARGS(DB_T(email)), ret, err);
}

int repo_user_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                   struct bt_err *err)
{
    return db_rows(tx, &repo_user_table, "SELECT * FROM users WHERE id > ?1 ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(after_id), repo_cols_limit(limit)), ret, err);
}

int repo_user_insert(struct db_tx *tx, struct repo_user_row *r, struct bt_err *err)
{
    r->version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_user_table, r, &r->id, err);
}

int repo_user_update(struct db_tx *tx, struct repo_user_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_user_table, r, &r->version, err);
}

int repo_user_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_user_table, id, err);
}

int repo_user_join(struct db_tx *tx, const struct repo_user_membership_row *m, struct bt_err *err)
{
    return db_exec(tx,
                   "INSERT INTO memberships (user_id, tenant_id, role) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (user_id, tenant_id) DO UPDATE SET role = excluded.role",
                   DB_ARGS(DB_I(m->user_id), DB_I(m->tenant_id),
                           repo_cols_enum(repo_member_role_names, m->role)),
                   NULL, err);
}

int repo_user_leave(struct db_tx *tx, int64_t user_id, int64_t tenant_id, struct bt_err *err)
{
    return db_exec(tx, "DELETE FROM memberships WHERE user_id = ?1 AND tenant_id = ?2",
                   DB_ARGS(DB_I(user_id), DB_I(tenant_id)), NULL, err);
}

int repo_user_memberships(struct db_tx *tx, int64_t user_id, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_user_membership_table,
                   "SELECT * FROM memberships WHERE user_id = ?1 ORDER BY tenant_id LIMIT 1000",
                   DB_ARGS(DB_I(user_id)), ret, err);
}
