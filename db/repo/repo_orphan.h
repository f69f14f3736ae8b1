/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* Instances that an agent holds and that this database does not know. */
struct repo_orphan_row {
    char *uuid;
    int64_t host_id;
    char *name;
    char *spec;  /* JSON as the agent sent it */
    char *state; /* observed, as text */
    int64_t seen_at;
};

extern const struct db_table repo_orphan_table;

/** Free what @r owns and zero it. */
void repo_orphan_row_free(struct repo_orphan_row *r);

/** Row by uuid. NOT_FOUND. */
int repo_orphan_get(struct db_tx *tx, const char *uuid, struct repo_orphan_row *ret,
                    struct bt_err *err);

/** Add, or renew what is known; sets seen_at to now. IN_USE (no such host). */
int repo_orphan_put(struct db_tx *tx, struct repo_orphan_row *r, struct bt_err *err);

struct repo_orphan_filter {
    const char *after_uuid; /* NULL = from the start */
    int limit;
    int64_t host_id; /* 0 = any */
};

/** One page in order of uuid. */
int repo_orphan_list(struct db_tx *tx, const struct repo_orphan_filter *f, struct bt_arr *ret,
                     struct bt_err *err);

/** Forget one (adopted); fine when it is not there. */
int repo_orphan_delete(struct db_tx *tx, const char *uuid, struct bt_err *err);

/** Forget those of a host not seen since @before_ms (after a complete inventory), and free the
 * addresses that were marked for them; *@ret_n (may be NULL) = how many. */
int repo_orphan_prune(struct db_tx *tx, int64_t host_id, int64_t before_ms, int64_t *ret_n,
                      struct bt_err *err);
