/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_journal.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_journal_row

static const struct db_col cols[] = {
    REPO_INT(ST, host_id),
    REPO_TEXT(ST, journal_id),
    REPO_INT(ST, applied_seq),
    REPO_INT(ST, first_seen_at),
    {0},
};

const struct db_table repo_journal_table = REPO_TABLE("journals", cols, ST);

int repo_journal_applied(struct db_tx *tx, int64_t host_id, const char *journal_id, int64_t *ret,
                         struct bt_err *err)
{
    return db_int(tx,
                  "SELECT coalesce((SELECT applied_seq FROM journals"
                  " WHERE host_id = ?1 AND journal_id = ?2), 0)",
                  DB_ARGS(DB_I(host_id), DB_T(journal_id)), ret, err);
}

int repo_journal_advance(struct db_tx *tx, const struct repo_journal_row *r, bool *ret_new,
                         struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "INSERT INTO journals (host_id, journal_id, applied_seq, first_seen_at)"
                     " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (host_id, journal_id)"
                     " DO UPDATE SET applied_seq = excluded.applied_seq"
                     " WHERE excluded.applied_seq > applied_seq",
                     DB_ARGS(DB_I(r->host_id), DB_T(r->journal_id), DB_I(r->applied_seq),
                             DB_I(db_tx_now_ms(tx))),
                     &changes, err);
    if (rc == 0)
        *ret_new = changes > 0;
    return rc;
}
