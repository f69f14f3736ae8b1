/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"

#define REPO_JOIN_ID_LEN 8

/* One-use tokens with which a new host joins. */
struct repo_join_token_row {
    int64_t id;
    struct db_blob token_id;    /* REPO_JOIN_ID_LEN bytes */
    struct db_blob secret_hash; /* SHA-256 of the 32 secret bytes */
    char *host_name;
    int64_t location_id;
    int64_t host_group_id; /* 0 = none */
    int64_t created_at, expires_at, used_at;
    int64_t host_id; /* who used it, 0 = nobody yet */
};

extern const struct db_table repo_join_token_table;

/** Free what @r owns and zero it. */
void repo_join_token_row_free(struct repo_join_token_row *r);

/** Row by the 8 bytes, also when used or expired. NOT_FOUND. */
int repo_join_token_get(struct db_tx *tx, const unsigned char token_id[REPO_JOIN_ID_LEN],
                        struct repo_join_token_row *ret, struct bt_err *err);

struct repo_join_token_filter {
    int64_t after_id;
    int limit;
    bool used; /* used and expired ones too */
};

/** One page in order of id. */
int repo_join_token_list(struct db_tx *tx, const struct repo_join_token_filter *f,
                         struct bt_arr *ret, struct bt_err *err);

/** New row; sets id and created_at. EXISTS. */
int repo_join_token_insert(struct db_tx *tx, struct repo_join_token_row *r, struct bt_err *err);

/**
 * Use it up for @host_id: only once and only before it expires, whatever runs beside.
 * EXPIRED when it was used or is past its time, NOT_FOUND.
 */
int repo_join_token_use(struct db_tx *tx, int64_t id, int64_t host_id, struct bt_err *err);

/** Remove. NOT_FOUND. */
int repo_join_token_delete(struct db_tx *tx, int64_t id, struct bt_err *err);
