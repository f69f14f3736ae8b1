/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"
#include "db/repo/repo_enum.h"

/* People who sign in, and the tenants that they may act for. */
struct repo_user_row {
    int64_t id;
    char *email;
    char *name;
    int role;            /* enum repo_user_role */
    char *password_hash; /* argon2id string */
    struct db_blob totp_sealed;
    bool disabled;
    int64_t version;
    int64_t created_at;
};

struct repo_user_membership_row {
    int64_t user_id, tenant_id;
    int role; /* enum repo_member_role */
};

extern const struct db_table repo_user_table;
extern const struct db_table repo_user_membership_table;

/** Free what @r owns (hash and secret erased) and zero it. */
void repo_user_row_free(struct repo_user_row *r);

/** Row by id. NOT_FOUND. */
int repo_user_get(struct db_tx *tx, int64_t id, struct repo_user_row *ret, struct bt_err *err);

/** Row by e-mail address. NOT_FOUND. */
int repo_user_get_by_email(struct db_tx *tx, const char *email, struct repo_user_row *ret,
                           struct bt_err *err);

/** One page in order of id, after @after_id. */
int repo_user_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                   struct bt_err *err);

/** New row; sets id, version and created_at. EXISTS. */
int repo_user_insert(struct db_tx *tx, struct repo_user_row *r, struct bt_err *err);

/** Write every column and raise the version. NOT_FOUND, EXISTS. */
int repo_user_update(struct db_tx *tx, struct repo_user_row *r, struct bt_err *err);

/** Remove with the memberships. NOT_FOUND, IN_USE (tokens). */
int repo_user_delete(struct db_tx *tx, int64_t id, struct bt_err *err);

/** Add or change a membership. IN_USE when user or tenant do not exist. */
int repo_user_join(struct db_tx *tx, const struct repo_user_membership_row *m, struct bt_err *err);

/** Take a user out of a tenant; fine when not in it. */
int repo_user_leave(struct db_tx *tx, int64_t user_id, int64_t tenant_id, struct bt_err *err);

/** Memberships of a user: rows of struct repo_user_membership_row, at most 1,000. */
int repo_user_memberships(struct db_tx *tx, int64_t user_id, struct bt_arr *ret,
                          struct bt_err *err);
