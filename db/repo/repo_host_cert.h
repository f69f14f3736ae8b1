/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* Certificates that our CA signed for agents, by serial (lower-case hex). */
struct repo_host_cert_row {
    char *serial;
    int64_t host_id;
    int64_t not_after, created_at, revoked_at;
};

extern const struct db_table repo_host_cert_table;

/** Free what @r owns and zero it. */
void repo_host_cert_row_free(struct repo_host_cert_row *r);

/** Row by serial, revoked ones too. NOT_FOUND. */
int repo_host_cert_get(struct db_tx *tx, const char *serial, struct repo_host_cert_row *ret,
                       struct bt_err *err);

/** Certificates of a host, newest first, at most 1,000. */
int repo_host_cert_list(struct db_tx *tx, int64_t host_id, struct bt_arr *ret, struct bt_err *err);

/** New row; sets created_at. EXISTS. */
int repo_host_cert_insert(struct db_tx *tx, struct repo_host_cert_row *r, struct bt_err *err);

/** Revoke one; again = no change. NOT_FOUND. */
int repo_host_cert_revoke(struct db_tx *tx, const char *serial, struct bt_err *err);

/** Revoke every certificate of a host; *@ret_n (may be NULL) = how many were valid until now. */
int repo_host_cert_revoke_all(struct db_tx *tx, int64_t host_id, int64_t *ret_n,
                              struct bt_err *err);
