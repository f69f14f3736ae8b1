/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"
#include "db/repo/repo_pool.h"
#include "proto/enums.h"

/*
 * A row = an address (v6: a prefix) that is not free. Exclusive by the unique constraints on
 * address and on (pool, n): no code path can give one away twice.
 */
struct repo_address_row {
    int64_t id;
    int64_t pool_id;
    int64_t n;
    char *address;       /* canonical text of the (first) address */
    int64_t prefix;      /* the pool's length (v4), the instance's own (v6) */
    int64_t family;      /* 4 or 6 */
    int state;           /* enum address_state */
    int64_t instance_id; /* 0 = none (held, orphan) */
    char *orphan_uuid;
    char *note;
    char *rdns;
    int64_t created_at;
};

struct repo_address_history_row {
    int64_t id;
    char *address;
    char *instance_uuid;
    int64_t tenant_id;
    int64_t from_at;
    int64_t to_at; /* 0 = still held */
};

extern const struct db_table repo_address_table;
extern const struct db_table repo_address_history_table;

/** Free what @r owns and zero it. */
void repo_address_row_free(struct repo_address_row *r);

/**
 * Give the next free address of @pool (from its cursor, once around) to @instance_id and open its
 * history; the pool's cursor moves behind it. POOL_EXHAUSTED. The cost does not grow with the
 * number of addresses in use, except where a long run of used ones follows the cursor (one indexed
 * query each).
 */
int repo_address_take(struct db_tx *tx, const struct repo_pool_row *pool, int64_t instance_id,
                      struct repo_address_row *ret, struct bt_err *err);

/**
 * Give exactly @address (v6: the prefix that begins there) of @pool to @instance_id. Also one that
 * is held. IN_USE when another has it, INVALID when the pool does not have it to give.
 */
int repo_address_take_exact(struct db_tx *tx, const struct repo_pool_row *pool, const char *address,
                            int64_t instance_id, struct bt_err *err);

/** Free every address of an instance and close their history; *@ret_n (may be NULL) = how many. */
int repo_address_release_instance(struct db_tx *tx, int64_t instance_id, int64_t *ret_n,
                                  struct bt_err *err);

/** Free one address: used (closes its history), held or orphan. NOT_FOUND. */
int repo_address_release(struct db_tx *tx, int64_t id, struct bt_err *err);

/** Keep a free @address from being given away. IN_USE when somebody has it, INVALID, EXISTS (held).
 */
int repo_address_hold(struct db_tx *tx, const struct repo_pool_row *pool, const char *address,
                      const char *note, struct bt_err *err);

/**
 * Mark @address as used by the unknown instance @orphan_uuid that an agent reported, in whichever
 * pool has it; nothing when no pool has it, or when the row exists already (an orphan's is
 * renewed).
 */
int repo_address_mark_orphan(struct db_tx *tx, const char *address, const char *orphan_uuid,
                             struct bt_err *err);

/** Turn the rows of @orphan_uuid into used ones of @instance_id with open history (adoption). */
int repo_address_adopt(struct db_tx *tx, const char *orphan_uuid, int64_t instance_id,
                       struct bt_err *err);

/** Row by id. NOT_FOUND. */
int repo_address_get(struct db_tx *tx, int64_t id, struct repo_address_row *ret,
                     struct bt_err *err);

/** Row by canonical address text. NOT_FOUND when it is free or foreign. */
int repo_address_get_by_text(struct db_tx *tx, const char *address, struct repo_address_row *ret,
                             struct bt_err *err);

/** Addresses of an instance in order of id (the first v4 is the main one); at most 1,000. */
int repo_address_list_instance(struct db_tx *tx, int64_t instance_id, struct bt_arr *ret,
                               struct bt_err *err);

struct repo_address_filter {
    int64_t after_id;
    int limit;
    int64_t pool_id;   /* 0 = any */
    int64_t tenant_id; /* 0 = any; else those of this tenant's instances */
    int state;         /* enum address_state, -1 = any */
};

/** One page in order of id. */
int repo_address_list(struct db_tx *tx, const struct repo_address_filter *f, struct bt_arr *ret,
                      struct bt_err *err);

/** Set the reverse name (NULL = the pool's pattern). NOT_FOUND. */
int repo_address_set_rdns(struct db_tx *tx, int64_t id, const char *rdns, struct bt_err *err);

/**
 * Who had @address, newest first, at most 1,000: rows of struct repo_address_history_row. @at_ms !=
 * 0 asks for the holder at that instant only.
 */
int repo_address_history(struct db_tx *tx, const char *address, int64_t at_ms, struct bt_arr *ret,
                         struct bt_err *err);
