/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_address.h"

#include "common/base/mem.h"
#include "db/repo/repo_cols.h"

#define ST struct repo_address_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_INT(ST, pool_id),
    REPO_INT(ST, n),
    REPO_TEXT(ST, address),
    REPO_INT(ST, prefix),
    REPO_INT(ST, family),
    REPO_ENUM(ST, state, enum_address_state),
    REPO_ID(ST, instance_id),
    REPO_TEXT(ST, orphan_uuid),
    REPO_TEXT(ST, note),
    REPO_TEXT(ST, rdns),
    REPO_INT(ST, created_at),
    {0},
};

const struct db_table repo_address_table = REPO_TABLE("addresses", cols, ST);

#define HISTORY struct repo_address_history_row

static const struct db_col history_cols[] = {
    REPO_INT(HISTORY, id),
    REPO_TEXT(HISTORY, address),
    REPO_TEXT(HISTORY, instance_uuid),
    REPO_INT(HISTORY, tenant_id),
    REPO_INT(HISTORY, from_at),
    REPO_INT(HISTORY, to_at),
    {0},
};

const struct db_table repo_address_history_table =
    REPO_TABLE("address_history", history_cols, HISTORY);

void repo_address_row_free(struct repo_address_row *r)
{
    db_row_free(&repo_address_table, r);
}

/* ---- finding a free number ---- */

static int is_used(struct db_tx *tx, int64_t pool_id, int64_t n, bool *ret, struct bt_err *err)
{
    int64_t used = 0;
    int rc = db_int(tx, "SELECT count(*) FROM addresses WHERE pool_id = ?1 AND n = ?2",
                    DB_ARGS(DB_I(pool_id), DB_I(n)), &used, err);
    if (rc == 0)
        *ret = used > 0;
    return rc;
}

/* First number behind the run of used ones that begins at @n. */
static int run_end(struct db_tx *tx, int64_t pool_id, int64_t n, int64_t *ret, struct bt_err *err)
{
    return db_int(tx,
                  "SELECT a.n + 1 FROM addresses a WHERE a.pool_id = ?1 AND a.n >= ?2"
                  " AND NOT EXISTS (SELECT 1 FROM addresses b"
                  " WHERE b.pool_id = ?1 AND b.n = a.n + 1) ORDER BY a.n LIMIT 1",
                  DB_ARGS(DB_I(pool_id), DB_I(n)), ret, err);
}

/* The first free number of a range, -1 when there is none. */
static int first_free(struct db_tx *tx, int64_t pool_id, const struct repo_pool_range *r,
                      int64_t *ret, struct bt_err *err)
{
    int64_t n = r->first;
    while (n <= r->last) {
        bool used = n == r->skip;
        if (used) {
            n++;
            continue;
        }
        int rc = is_used(tx, pool_id, n, &used, err);
        if (rc < 0)
            return rc;
        if (!used) {
            *ret = n;
            return 0;
        }
        rc = run_end(tx, pool_id, n, &n, err);
        if (rc < 0)
            return rc;
    }
    *ret = -1;
    return 0;
}

/* From the pool's cursor, then once around. */
static int next_free(struct db_tx *tx, const struct repo_pool_row *pool, int64_t *ret,
                     struct bt_err *err)
{
    struct repo_pool_range range = {0};
    int64_t cursor = 0;
    int64_t n = -1;
    int rc = repo_pool_range(pool, &range, err);
    if (rc == 0)
        rc = db_int(tx, "SELECT cursor FROM pools WHERE id = ?1", DB_ARGS(DB_I(pool->id)), &cursor,
                    err);
    struct repo_pool_range rest = range;
    rest.first = cursor > range.first ? cursor : range.first;
    if (rc == 0)
        rc = first_free(tx, pool->id, &rest, &n, err);
    if (rc == 0 && n < 0)
        rc = first_free(tx, pool->id, &range, &n, err);
    if (rc == 0 && n < 0)
        rc = bt_fail(err, BT_E_POOL_EXHAUSTED, "no free address in pool %s", pool->name);
    if (rc == 0)
        *ret = n;
    return rc;
}

/* ---- giving and taking back ---- */

/* The row of number @n with its address text; the rest is zero. */
static int row_of(const struct repo_pool_row *pool, int64_t n, struct repo_address_row *ret,
                  struct bt_err *err)
{
    struct bt_cidr one;
    char text[BT_IP_STR_MAX];
    int rc = repo_pool_nth(pool, n, &one, err);
    if (rc < 0)
        return rc;
    *ret = (struct repo_address_row){.pool_id = pool->id,
                                     .n = n,
                                     .address = bt_xstrdup(bt_ip_str(&one.ip, text)),
                                     .prefix = one.len,
                                     .family = one.ip.family,
                                     .state = ADDRESS_USED};
    return 0;
}

static int insert(struct db_tx *tx, struct repo_address_row *r, struct bt_err *err)
{
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_address_table, r, &r->id, err);
}

static int history_open(struct db_tx *tx, const char *address, int64_t instance_id,
                        struct bt_err *err)
{
    return repo_cols_change(
        tx,
        "INSERT INTO address_history (address, instance_uuid, tenant_id, from_at)"
        " SELECT ?1, uuid, tenant_id, ?3 FROM instances WHERE id = ?2",
        DB_ARGS(DB_T(address), DB_I(instance_id), DB_I(db_tx_now_ms(tx))), err);
}

int repo_address_take(struct db_tx *tx, const struct repo_pool_row *pool, int64_t instance_id,
                      struct repo_address_row *ret, struct bt_err *err)
{
    struct repo_address_row r = {0};
    int64_t n = 0;
    int rc = next_free(tx, pool, &n, err);
    if (rc == 0)
        rc = row_of(pool, n, &r, err);
    if (rc < 0)
        return rc;
    r.instance_id = instance_id;
    rc = insert(tx, &r, err);
    if (rc == 0)
        rc = history_open(tx, r.address, instance_id, err);
    if (rc == 0)
        rc = repo_cols_change(tx, "UPDATE pools SET cursor = ?2 WHERE id = ?1",
                              DB_ARGS(DB_I(pool->id), DB_I(n + 1)), err);
    if (rc < 0)
        repo_address_row_free(&r);
    else
        *ret = r;
    return rc;
}

/* The row that @address would have in @pool, if the pool may give it. */
static int row_of_text(const struct repo_pool_row *pool, const char *address,
                       struct repo_address_row *ret, struct bt_err *err)
{
    struct bt_ip ip;
    struct repo_pool_range range;
    int64_t n = 0;
    int rc = bt_ip_parse(address, &ip, err);
    if (rc == 0)
        rc = repo_pool_index(pool, &ip, &n, err);
    if (rc == 0)
        rc = repo_pool_range(pool, &range, err);
    if (rc < 0)
        return rc;
    if (n < range.first || n > range.last || n == range.skip)
        return bt_fail(err, BT_E_INVALID, "%s is not for instances (network, broadcast or gateway)",
                       address);
    return row_of(pool, n, ret, err);
}

static int take_held(struct db_tx *tx, const struct repo_address_row *r, struct bt_err *err)
{
    int64_t changes = 0;
    int rc = db_exec(tx,
                     "UPDATE addresses SET state = 'used', instance_id = ?3, note = NULL"
                     " WHERE pool_id = ?1 AND n = ?2 AND state = 'held'",
                     DB_ARGS(DB_I(r->pool_id), DB_I(r->n), DB_I(r->instance_id)), &changes, err);
    if (rc == 0 && changes == 0)
        rc = bt_fail(err, BT_E_IN_USE, "%s is in use", r->address);
    return rc;
}

int repo_address_take_exact(struct db_tx *tx, const struct repo_pool_row *pool, const char *address,
                            int64_t instance_id, struct bt_err *err)
{
    struct repo_address_row r = {0};
    bool used = false;
    int rc = row_of_text(pool, address, &r, err);
    if (rc < 0)
        return rc;
    r.instance_id = instance_id;
    rc = is_used(tx, pool->id, r.n, &used, err);
    if (rc == 0)
        rc = used ? take_held(tx, &r, err) : insert(tx, &r, err);
    if (rc == 0)
        rc = history_open(tx, r.address, instance_id, err);
    repo_address_row_free(&r);
    return rc;
}

int repo_address_release_instance(struct db_tx *tx, int64_t instance_id, int64_t *ret_n,
                                  struct bt_err *err)
{
    int rc = db_exec(tx,
                     "UPDATE address_history SET to_at = ?2 WHERE to_at = 0"
                     " AND instance_uuid = (SELECT uuid FROM instances WHERE id = ?1)",
                     DB_ARGS(DB_I(instance_id), DB_I(db_tx_now_ms(tx))), NULL, err);
    if (rc == 0)
        rc = db_exec(tx, "DELETE FROM addresses WHERE instance_id = ?1", DB_ARGS(DB_I(instance_id)),
                     ret_n, err);
    return rc;
}

int repo_address_release(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    int rc = db_exec(tx,
                     "UPDATE address_history SET to_at = ?2 WHERE to_at = 0"
                     " AND address = (SELECT address FROM addresses WHERE id = ?1)",
                     DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), NULL, err);
    return rc == 0 ? db_delete(tx, &repo_address_table, id, err) : rc;
}

int repo_address_hold(struct db_tx *tx, const struct repo_pool_row *pool, const char *address,
                      const char *note, struct bt_err *err)
{
    struct repo_address_row r = {0};
    bool used = false;
    int rc = row_of_text(pool, address, &r, err);
    if (rc < 0)
        return rc;
    rc = is_used(tx, pool->id, r.n, &used, err);
    if (rc == 0 && used) {
        int64_t held = 0;
        rc = db_int(tx, "SELECT state = 'held' FROM addresses WHERE pool_id = ?1 AND n = ?2",
                    DB_ARGS(DB_I(pool->id), DB_I(r.n)), &held, err);
        if (rc == 0)
            rc = held ? bt_fail(err, BT_E_EXISTS, "%s is held already", r.address)
                      : bt_fail(err, BT_E_IN_USE, "%s is in use", r.address);
    } else if (rc == 0) {
        r.state = ADDRESS_HELD;
        r.note = bt_xstrdup(note);
        rc = insert(tx, &r, err);
    }
    repo_address_row_free(&r);
    return rc;
}

/* ---- orphans ---- */

static int mark_in_pool(struct db_tx *tx, const struct repo_pool_row *pool, int64_t n,
                        const char *orphan_uuid, struct bt_err *err)
{
    struct repo_address_row r = {0};
    int rc = row_of(pool, n, &r, err);
    if (rc < 0)
        return rc;
    rc = db_exec(tx,
                 "INSERT INTO addresses (pool_id, n, address, prefix, family, state, orphan_uuid,"
                 " created_at) VALUES (?1, ?2, ?3, ?4, ?5, 'orphan', ?6, ?7)"
                 " ON CONFLICT (pool_id, n) DO UPDATE SET orphan_uuid = excluded.orphan_uuid"
                 " WHERE state = 'orphan'",
                 DB_ARGS(DB_I(r.pool_id), DB_I(r.n), DB_T(r.address), DB_I(r.prefix),
                         DB_I(r.family), DB_T(orphan_uuid), DB_I(db_tx_now_ms(tx))),
                 NULL, err);
    repo_address_row_free(&r);
    return rc;
}

/* 1 = found and marked in this page. */
static int mark_in_page(struct db_tx *tx, const struct bt_arr *page, const struct bt_ip *ip,
                        const char *orphan_uuid, struct bt_err *err)
{
    const struct repo_pool_row *pools = page->items;
    for (size_t i = 0; i < page->len; i++) {
        int64_t n = 0;
        if (repo_pool_index(&pools[i], ip, &n, NULL) < 0)
            continue;
        int rc = mark_in_pool(tx, &pools[i], n, orphan_uuid, err);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

int repo_address_mark_orphan(struct db_tx *tx, const char *address, const char *orphan_uuid,
                             struct bt_err *err)
{
    struct bt_ip ip;
    int64_t after = 0;
    int rc = bt_ip_parse(address, &ip, err);
    while (rc == 0) {
        struct bt_arr page = {0};
        rc = repo_pool_list(tx, after, REPO_PAGE_MAX, &page, err);
        if (rc < 0)
            return rc;
        size_t n = page.len;
        rc = mark_in_page(tx, &page, &ip, orphan_uuid, err);
        if (n > 0)
            after = ((struct repo_pool_row *)page.items)[n - 1].id;
        db_rows_free(&repo_pool_table, &page);
        if (n == 0)
            return rc;
    }
    return rc < 0 ? rc : 0;
}

int repo_address_adopt(struct db_tx *tx, const char *orphan_uuid, int64_t instance_id,
                       struct bt_err *err)
{
    int rc =
        db_exec(tx,
                "INSERT INTO address_history (address, instance_uuid, tenant_id, from_at)"
                " SELECT a.address, i.uuid, i.tenant_id, ?3 FROM addresses a"
                " JOIN instances i ON i.id = ?2"
                " WHERE a.orphan_uuid = ?1 AND a.state = 'orphan'",
                DB_ARGS(DB_T(orphan_uuid), DB_I(instance_id), DB_I(db_tx_now_ms(tx))), NULL, err);
    if (rc < 0)
        return rc;
    return db_exec(tx,
                   "UPDATE addresses SET state = 'used', instance_id = ?2, orphan_uuid = NULL"
                   " WHERE orphan_uuid = ?1 AND state = 'orphan'",
                   DB_ARGS(DB_T(orphan_uuid), DB_I(instance_id)), NULL, err);
}

/* ---- reading ---- */

int repo_address_get(struct db_tx *tx, int64_t id, struct repo_address_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_address_table, id, ret, err);
}

int repo_address_get_by_text(struct db_tx *tx, const char *address, struct repo_address_row *ret,
                             struct bt_err *err)
{
    return db_row(tx, &repo_address_table, "SELECT * FROM addresses WHERE address = ?1",
                  DB_ARGS(DB_T(address)), ret, err);
}

int repo_address_list_instance(struct db_tx *tx, int64_t instance_id, struct bt_arr *ret,
                               struct bt_err *err)
{
    return db_rows(tx, &repo_address_table,
                   "SELECT * FROM addresses WHERE instance_id = ?1 ORDER BY id LIMIT 1000",
                   DB_ARGS(DB_I(instance_id)), ret, err);
}

int repo_address_list(struct db_tx *tx, const struct repo_address_filter *f, struct bt_arr *ret,
                      struct bt_err *err)
{
    return db_rows(tx, &repo_address_table,
                   "SELECT * FROM addresses WHERE id > ?1 AND (?3 = 0 OR pool_id = ?3)"
                   " AND (?4 = 0 OR instance_id IN (SELECT id FROM instances WHERE tenant_id = ?4))"
                   " AND (?5 IS NULL OR state = ?5) ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_I(f->pool_id),
                           DB_I(f->tenant_id), repo_cols_enum(enum_address_state, f->state)),
                   ret, err);
}

int repo_address_set_rdns(struct db_tx *tx, int64_t id, const char *rdns, struct bt_err *err)
{
    return repo_cols_change(tx, "UPDATE addresses SET rdns = ?2 WHERE id = ?1",
                            DB_ARGS(DB_I(id), DB_T(rdns)), err);
}

int repo_address_history(struct db_tx *tx, const char *address, int64_t at_ms, struct bt_arr *ret,
                         struct bt_err *err)
{
    return db_rows(tx, &repo_address_history_table,
                   "SELECT * FROM address_history WHERE address = ?1 AND (?2 = 0"
                   " OR (from_at <= ?2 AND (to_at = 0 OR to_at > ?2)))"
                   " ORDER BY from_at DESC, id DESC LIMIT 1000",
                   DB_ARGS(DB_T(address), DB_I(at_ms)), ret, err);
}
