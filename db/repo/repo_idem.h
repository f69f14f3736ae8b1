/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/*
 * Idempotency keys: the answer of the first request, as committed with its effect. Either body or
 * sealed holds it; after the keeping time the row goes.
 */
struct repo_idem_row {
    char *principal, *method, *path, *key;
    char *fingerprint;
    int64_t status;
    char *headers; /* JSON object */
    char *body;    /* as sent */
    struct db_blob sealed;
    int64_t task_id; /* 0 = none */
    int64_t created_at;
};

extern const struct db_table repo_idem_table;

/** Free what @r owns (body erased) and zero it. */
void repo_idem_row_free(struct repo_idem_row *r);

struct repo_idem_scope {
    const char *principal, *method, *path, *key;
};

/**
 * The stored answer of a key. NOT_FOUND = first use. IDEMPOTENCY_MISMATCH when @fingerprint is
 * another request's, EXPIRED when its secret body was erased.
 */
int repo_idem_get(struct db_tx *tx, const struct repo_idem_scope *s, const char *fingerprint,
                  struct repo_idem_row *ret, struct bt_err *err);

/** Store the answer in the transaction of its effect; sets created_at. EXISTS. */
int repo_idem_insert(struct db_tx *tx, struct repo_idem_row *r, struct bt_err *err);

/** Erase the secrets (sealed bodies) of rows older than @before_ms; *@ret_n = how many. */
int repo_idem_erase_secrets(struct db_tx *tx, int64_t before_ms, int64_t *ret_n,
                            struct bt_err *err);

/** Remove rows older than @before_ms, at most @limit; *@ret_n = how many. */
int repo_idem_prune(struct db_tx *tx, int64_t before_ms, int limit, int64_t *ret_n,
                    struct bt_err *err);
