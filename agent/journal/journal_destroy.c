/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/journal/journal_destroy.h"

static const char *const kinds[] = {
    [JOURNAL_DESTROY_DELETE] = "delete",
    [JOURNAL_DESTROY_PURGE] = "purge",
};

/* How many others were destroyed since @since, and whether this one was. */
struct counted {
    int64_t others, same;
};

static int count(struct db_tx *tx, const struct journal_destroy *d, int64_t since,
                 struct counted *ret, struct bt_err *err)
{
    int rc = db_int(tx,
                    "SELECT count(DISTINCT uuid) FROM destroys"
                    " WHERE kind = ?1 AND at > ?2 AND uuid <> ?3",
                    DB_ARGS(DB_T(kinds[d->kind]), DB_I(since), DB_T(d->uuid)), &ret->others, err);
    if (rc == 0)
        rc = db_int(tx, "SELECT count(*) FROM destroys WHERE kind = ?1 AND at > ?2 AND uuid = ?3",
                    DB_ARGS(DB_T(kinds[d->kind]), DB_I(since), DB_T(d->uuid)), &ret->same, err);
    return rc;
}

/* A share is of what was there when the window began: what is here now and what went since. Trashed
 * ones are no more there for deletes, and still for purges. */
static int limit(struct db_tx *tx, const struct journal_destroy *d, int64_t gone, int64_t *ret,
                 struct bt_err *err)
{
    int64_t here = 0;
    int rc = d->kind == JOURNAL_DESTROY_DELETE
                 ? db_int(tx, "SELECT count(*) FROM instances WHERE trashed_at = 0", DB_NOARGS,
                          &here, err)
                 : db_int(tx, "SELECT count(*) FROM instances", DB_NOARGS, &here, err);
    if (rc < 0)
        return rc;
    int64_t share = (here + gone) * d->max_pct / 100;
    *ret = share > d->max ? share : d->max;
    return 0;
}

int journal_destroy_ask(struct db_tx *tx, const struct journal_destroy *d, bool *ret_held,
                        struct bt_err *err)
{
    int64_t now = db_tx_now_ms(tx);
    int64_t since = now - d->window_ms;
    struct counted n = {0};
    int64_t max = 0;
    if (d->confirm_until_ms > since)
        since = d->confirm_until_ms;
    int rc = count(tx, d, since, &n, err);
    if (rc == 0)
        rc = limit(tx, d, n.others, &max, err);
    if (rc < 0)
        return rc;
    bool held = now > d->confirm_until_ms && n.same == 0 && n.others + 1 > max;
    if (!held && n.same == 0) {
        rc = db_exec(tx, "INSERT INTO destroys (kind, uuid, at) VALUES (?1, ?2, ?3)",
                     DB_ARGS(DB_T(kinds[d->kind]), DB_T(d->uuid), DB_I(now)), NULL, err);
        if (rc == 0)
            rc = db_exec(tx, "DELETE FROM destroys WHERE at < ?1",
                         DB_ARGS(DB_I(now - d->window_ms)), NULL, err);
    }
    if (rc == 0)
        *ret_held = held;
    return rc;
}
