/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "common/base/ip.h"
#include "db/core/db_sql.h"
#include "proto/enums.h"

/* Address pools. At most one of host, host group and location; none = everywhere. */
struct repo_pool_row {
    int64_t id;
    char *name;
    int64_t family; /* 4 or 6 */
    char *cidr;
    char *gateway; /* NULL = none inside the pool (v6: fe80::1) */
    int delivery;  /* enum delivery */
    char *uplink;
    int64_t host_id, host_group_id, location_id; /* 0 = not bound to one */
    int64_t ipv6_prefix_len;                     /* of each instance's own prefix */
    char *resolvers;                             /* JSON array */
    char *rdns_pattern;
    int64_t cursor; /* where the next search for a free one begins */
    int64_t version;
    int64_t created_at;
};

extern const struct db_table repo_pool_table;

/** Free what @r owns and zero it. */
void repo_pool_row_free(struct repo_pool_row *r);

/** Row by id. NOT_FOUND. */
int repo_pool_get(struct db_tx *tx, int64_t id, struct repo_pool_row *ret, struct bt_err *err);

/** Row by name. NOT_FOUND. */
int repo_pool_get_by_name(struct db_tx *tx, const char *name, struct repo_pool_row *ret,
                          struct bt_err *err);

/** One page in order of id, after @after_id. */
int repo_pool_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                   struct bt_err *err);

/**
 * Pools of @family (4, 6, or 0 for both) that can serve @host_id: its own first, then its group's,
 * its location's, then those bound to nothing; within that in order of id. At most 1,000.
 */
int repo_pool_list_for_host(struct db_tx *tx, int64_t host_id, int family, struct bt_arr *ret,
                            struct bt_err *err);

/**
 * Check what the schema cannot: canonical cidr of the family, gateway inside it, prefix length (v6:
 * pool length .. 128, at most 62 bits of prefixes), at most one place. Errors: INVALID.
 */
int repo_pool_check(const struct repo_pool_row *r, struct bt_err *err);

/** New row after repo_pool_check; sets id, version and created_at. EXISTS (name, same cidr),
 * CONFLICT when its range overlaps another pool's, INVALID. */
int repo_pool_insert(struct db_tx *tx, struct repo_pool_row *r, struct bt_err *err);

/** Write every column but cidr and cursor, and raise the version. NOT_FOUND, EXISTS, INVALID. */
int repo_pool_update(struct db_tx *tx, struct repo_pool_row *r, struct bt_err *err);

/** Remove. NOT_FOUND, IN_USE (addresses). */
int repo_pool_delete(struct db_tx *tx, int64_t id, struct bt_err *err);

struct repo_pool_count {
    int64_t used; /* rows of addresses: used, held, orphan */
    int64_t free;
};

/** Used and free addresses (v6: prefixes) of a pool. */
int repo_pool_count(struct db_tx *tx, const struct repo_pool_row *pool, struct repo_pool_count *ret,
                    struct bt_err *err);

/*
 * Which numbers n of a pool may be given away: [first, last] without the `skip` one (the gateway).
 * v4: n is the offset from the network address; network and broadcast are out except in /31 and
 * /32. v6: n is the number of the prefix.
 */
struct repo_pool_range {
    int64_t first, last;
    int64_t skip; /* -1 = none */
};

/** Compute the range. INVALID when the row is not sound. */
int repo_pool_range(const struct repo_pool_row *pool, struct repo_pool_range *ret,
                    struct bt_err *err);

/**
 * Address number @n of a pool, as instances get it: v4 with the pool's length, v6 the first host
 * address of the prefix (its all-zero one is the routers' anycast address, RFC 4291 2.6.1; a /127
 * or /128 has no such) with the prefix's length. INVALID.
 */
int repo_pool_nth(const struct repo_pool_row *pool, int64_t n, struct bt_cidr *ret,
                  struct bt_err *err);

/** Number of the address or prefix of @pool in which @ip lies. INVALID when outside. */
int repo_pool_index(const struct repo_pool_row *pool, const struct bt_ip *ip, int64_t *ret,
                    struct bt_err *err);
