/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"

#define REPO_HASH_LEN 32

/* API tokens; the secret itself is never stored, only the SHA-256 of its 64 characters. */
struct repo_token_row {
    int64_t id;
    char *name;
    int64_t tenant_id; /* 0 = operator's */
    int64_t user_id;   /* 0 = nobody's */
    struct db_blob secret_hash;
    char *scopes; /* comma list */
    char *source; /* billing installation, "" = none */
    int64_t created_at, expires_at, revoked_at, last_used_at;
};

extern const struct db_table repo_token_table;

/** Free what @r owns and zero it. */
void repo_token_row_free(struct repo_token_row *r);

/** Row by id. NOT_FOUND. */
int repo_token_get(struct db_tx *tx, int64_t id, struct repo_token_row *ret, struct bt_err *err);

/** The usable token of a secret's hash: not revoked, not expired at @now_ms. NOT_FOUND otherwise.
 */
int repo_token_get_by_hash(struct db_tx *tx, const unsigned char hash[REPO_HASH_LEN],
                           int64_t now_ms, struct repo_token_row *ret, struct bt_err *err);

struct repo_token_filter {
    int64_t after_id;
    int limit;
    int64_t tenant_id; /* 0 = any */
    bool revoked;      /* revoked ones too */
};

/** One page in order of id. */
int repo_token_list(struct db_tx *tx, const struct repo_token_filter *f, struct bt_arr *ret,
                    struct bt_err *err);

/** New row; sets id and created_at. EXISTS. */
int repo_token_insert(struct db_tx *tx, struct repo_token_row *r, struct bt_err *err);

/** Revoke now; again = no change. NOT_FOUND. */
int repo_token_revoke(struct db_tx *tx, int64_t id, struct bt_err *err);

/** Set last_used_at (callers do this at most once a minute for one token). */
int repo_token_touch(struct db_tx *tx, int64_t id, struct bt_err *err);
