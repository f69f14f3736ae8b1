/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_pool.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/repo/repo_cols.h"

#define ST struct repo_pool_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_INT(ST, family),
    REPO_TEXT(ST, cidr),
    REPO_TEXT(ST, gateway),
    REPO_ENUM(ST, delivery, enum_delivery),
    REPO_TEXT(ST, uplink),
    REPO_ID(ST, host_id),
    REPO_ID(ST, host_group_id),
    REPO_ID(ST, location_id),
    REPO_INT(ST, ipv6_prefix_len),
    REPO_TEXT_OR(ST, resolvers, "[]"),
    REPO_TEXT(ST, rdns_pattern),
    REPO_INT(ST, cursor),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    {0},
};

const struct db_table repo_pool_table = REPO_TABLE("pools", cols, ST);

/* Numbers of prefixes stay exact below this many bits. */
#define RANGE_BITS_MAX 62

void repo_pool_row_free(struct repo_pool_row *r)
{
    db_row_free(&repo_pool_table, r);
}

/* ---- arithmetic ---- */

/* The range and the length of what one instance gets of it. */
static int unit_of(const struct repo_pool_row *pool, struct bt_cidr *ret, int *ret_len,
                   struct bt_err *err)
{
    struct bt_cidr c;
    int rc = bt_cidr_parse(pool->cidr, &c, err);
    if (rc < 0)
        return rc;
    if (c.ip.family != pool->family)
        return bt_fail(err, BT_E_INVALID, "%s is not of family %d", pool->cidr, (int)pool->family);
    int len = c.ip.family == 4 ? 32 : (int)pool->ipv6_prefix_len;
    if (len < c.len || len > bt_ip_bits(c.ip.family) || len - c.len > RANGE_BITS_MAX)
        return bt_fail(err, BT_E_INVALID, "prefix length %d does not fit %s", len, pool->cidr);
    *ret = c;
    *ret_len = len;
    return 0;
}

int repo_pool_range(const struct repo_pool_row *pool, struct repo_pool_range *ret,
                    struct bt_err *err)
{
    struct bt_cidr c;
    struct bt_ip gateway;
    int len = 0;
    int rc = unit_of(pool, &c, &len, err);
    if (rc < 0)
        return rc;
    struct repo_pool_range r = {.first = 0, .last = bt_cidr_count(&c, len) - 1, .skip = -1};
    if (c.ip.family == 4 && c.len < 31) {
        r.first++;
        r.last--;
    }
    if (pool->gateway) {
        rc = bt_ip_parse(pool->gateway, &gateway, err);
        if (rc < 0)
            return rc;
        if (bt_cidr_contains(&c, &gateway))
            rc = bt_cidr_index(&c, len, &gateway, &r.skip, err);
    }
    if (rc == 0)
        *ret = r;
    return rc;
}

int repo_pool_nth(const struct repo_pool_row *pool, int64_t n, struct bt_cidr *ret,
                  struct bt_err *err)
{
    struct bt_cidr c;
    int len = 0;
    int rc = unit_of(pool, &c, &len, err);
    if (rc < 0)
        return rc;
    struct bt_cidr one = {.len = c.ip.family == 4 ? c.len : len};
    rc = bt_cidr_nth(&c, len, n, &one.ip, err);
    if (rc < 0)
        return rc;
    if (c.ip.family == 6 && len < 127)
        one.ip.bytes[15] |= 1;
    *ret = one;
    return 0;
}

int repo_pool_index(const struct repo_pool_row *pool, const struct bt_ip *ip, int64_t *ret,
                    struct bt_err *err)
{
    struct bt_cidr c;
    int len = 0;
    int rc = unit_of(pool, &c, &len, err);
    return rc < 0 ? rc : bt_cidr_index(&c, len, ip, ret, err);
}

static bool gateway_is_sound(const struct repo_pool_row *r)
{
    struct bt_cidr c;
    struct bt_ip gateway;
    if (!r->gateway)
        return r->family == 6;
    if (bt_ip_parse(r->gateway, &gateway, NULL) < 0 || bt_cidr_parse(r->cidr, &c, NULL) < 0)
        return false;
    bool link_local = gateway.family == 6 && gateway.bytes[0] == 0xfe && gateway.bytes[1] == 0x80;
    return gateway.family == r->family && (link_local || bt_cidr_contains(&c, &gateway));
}

int repo_pool_check(const struct repo_pool_row *r, struct bt_err *err)
{
    struct repo_pool_range range;
    struct bt_cidr c;
    char text[BT_CIDR_STR_MAX];
    if (bt_cidr_parse(r->cidr, &c, err) < 0)
        return -(int)BT_E_INVALID;
    if (!bt_streq(bt_cidr_str(&c, text), r->cidr))
        return bt_fail(err, BT_E_INVALID, "write the range as %s", text);
    if (!gateway_is_sound(r))
        return bt_fail(err, BT_E_INVALID, "the gateway must lie inside %s", r->cidr);
    if ((r->host_id != 0) + (r->host_group_id != 0) + (r->location_id != 0) > 1)
        return bt_fail(err, BT_E_INVALID, "a pool belongs to one host, host group or location");
    int rc = repo_pool_range(r, &range, err);
    if (rc == 0 && range.last < range.first)
        rc = bt_fail(err, BT_E_INVALID, "%s has no address to give away", r->cidr);
    return rc;
}

/* ---- rows ---- */

int repo_pool_get(struct db_tx *tx, int64_t id, struct repo_pool_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_pool_table, id, ret, err);
}

int repo_pool_get_by_name(struct db_tx *tx, const char *name, struct repo_pool_row *ret,
                          struct bt_err *err)
{
    return db_row(tx, &repo_pool_table, "SELECT * FROM pools WHERE name = ?1", DB_ARGS(DB_T(name)),
                  ret, err);
}

int repo_pool_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                   struct bt_err *err)
{
    return db_rows(tx, &repo_pool_table, "SELECT * FROM pools WHERE id > ?1 ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(after_id), repo_cols_limit(limit)), ret, err);
}

int repo_pool_list_for_host(struct db_tx *tx, int64_t host_id, int family, struct bt_arr *ret,
                            struct bt_err *err)
{
    return db_rows(tx, &repo_pool_table,
                   "SELECT p.* FROM pools p JOIN hosts h ON h.id = ?1"
                   " WHERE (?2 = 0 OR p.family = ?2) AND (p.host_id = h.id"
                   " OR p.host_group_id = h.host_group_id OR p.location_id = h.location_id"
                   " OR (p.host_id IS NULL AND p.host_group_id IS NULL AND p.location_id IS NULL))"
                   " ORDER BY CASE WHEN p.host_id IS NOT NULL THEN 0"
                   " WHEN p.host_group_id IS NOT NULL THEN 1"
                   " WHEN p.location_id IS NOT NULL THEN 2 ELSE 3 END, p.id LIMIT 1000",
                   DB_ARGS(DB_I(host_id), DB_I(family)), ret, err);
}

static int overlaps_none(const struct repo_pool_row *r, const struct bt_arr *pools,
                         struct bt_err *err)
{
    struct bt_cidr mine;
    struct bt_cidr other;
    const struct repo_pool_row *rows = pools->items;
    int rc = bt_cidr_parse(r->cidr, &mine, err);
    for (size_t i = 0; i < pools->len && rc == 0; i++) {
        rc = bt_cidr_parse(rows[i].cidr, &other, err);
        if (rc == 0 && bt_cidr_overlaps(&mine, &other))
            rc = bt_fail(err, BT_E_CONFLICT, "%s overlaps pool %s (%s)", r->cidr, rows[i].name,
                         rows[i].cidr);
    }
    return rc;
}

static int check_overlaps(struct db_tx *tx, const struct repo_pool_row *r, struct bt_err *err)
{
    int64_t after = 0;
    for (;;) {
        struct bt_arr page = {0};
        int rc = repo_pool_list(tx, after, REPO_PAGE_MAX, &page, err);
        if (rc < 0)
            return rc;
        rc = overlaps_none(r, &page, err);
        size_t n = page.len;
        if (n > 0)
            after = ((struct repo_pool_row *)page.items)[n - 1].id;
        db_rows_free(&repo_pool_table, &page);
        if (rc < 0 || n == 0)
            return rc;
    }
}

int repo_pool_insert(struct db_tx *tx, struct repo_pool_row *r, struct bt_err *err)
{
    int64_t same = 0;
    int rc = repo_pool_check(r, err);
    if (rc == 0)
        rc = db_int(tx, "SELECT count(*) FROM pools WHERE cidr = ?1", DB_ARGS(DB_T(r->cidr)), &same,
                    err);
    if (rc == 0 && same > 0)
        rc = bt_fail(err, BT_E_EXISTS, "there is a pool of %s", r->cidr);
    if (rc == 0)
        rc = check_overlaps(tx, r, err);
    if (rc < 0)
        return rc;
    r->version = 1;
    r->cursor = 0;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_pool_table, r, &r->id, err);
}

int repo_pool_update(struct db_tx *tx, struct repo_pool_row *r, struct bt_err *err)
{
    int rc = repo_pool_check(r, err);
    if (rc < 0)
        return rc;
    return db_int(tx,
                  "UPDATE pools SET name = ?2, gateway = ?3, delivery = ?4, uplink = ?5,"
                  " host_id = ?6, host_group_id = ?7, location_id = ?8, resolvers = ?9,"
                  " rdns_pattern = ?10, version = version + 1 WHERE id = ?1 RETURNING version",
                  DB_ARGS(DB_I(r->id), DB_T(r->name), DB_T(r->gateway),
                          repo_cols_enum(enum_delivery, r->delivery), DB_T(r->uplink),
                          DB_ID(r->host_id), DB_ID(r->host_group_id), DB_ID(r->location_id),
                          DB_T(r->resolvers ? r->resolvers : "[]"), DB_T(r->rdns_pattern)),
                  &r->version, err);
}

int repo_pool_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return db_delete(tx, &repo_pool_table, id, err);
}

int repo_pool_count(struct db_tx *tx, const struct repo_pool_row *pool, struct repo_pool_count *ret,
                    struct bt_err *err)
{
    struct repo_pool_range range;
    int64_t used = 0;
    int rc = repo_pool_range(pool, &range, err);
    if (rc == 0)
        rc = db_int(tx, "SELECT count(*) FROM addresses WHERE pool_id = ?1",
                    DB_ARGS(DB_I(pool->id)), &used, err);
    if (rc < 0)
        return rc;
    int64_t all = range.last - range.first + 1;
    if (range.skip >= range.first && range.skip <= range.last)
        all--;
    *ret = (struct repo_pool_count){.used = used, .free = all > used ? all - used : 0};
    return 0;
}
