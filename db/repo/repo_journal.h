/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"

/* How far each agent journal has been applied: nothing twice over sessions. */
struct repo_journal_row {
    int64_t host_id;
    char *journal_id;
    int64_t applied_seq;
    int64_t first_seen_at;
};

extern const struct db_table repo_journal_table;

/** Last applied seq of (host, journal); 0 when it is not known yet. */
int repo_journal_applied(struct db_tx *tx, int64_t host_id, const char *journal_id, int64_t *ret,
                         struct bt_err *err);

/**
 * To be called in the transaction that applies record @r->applied_seq of @r->journal_id. *@ret_new
 * is false when that record (or a later one) was applied before: then nothing must be done. IN_USE
 * (no such host).
 */
int repo_journal_advance(struct db_tx *tx, const struct repo_journal_row *r, bool *ret_new,
                         struct bt_err *err);
