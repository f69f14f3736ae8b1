/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

/* Metered usage of an instance in a period. A closed row never changes. */
struct repo_usage_row {
    int64_t id;
    int64_t instance_id, tenant_id;
    int64_t period_start, period_end;
    int state; /* enum usage_state */
    int64_t in_bytes, out_bytes, cpu_ms, memory_mib_hours, disk_mib_hours, ipv4_hours;
    int64_t revision;
};

extern const struct db_table repo_usage_table;

/** Row of an instance and the start of a period. NOT_FOUND. */
int repo_usage_get(struct db_tx *tx, int64_t instance_id, int64_t period_start_ms,
                   struct repo_usage_row *ret, struct bt_err *err);

/**
 * Add the amounts of @d (all >= 0) to the provisional row of its instance and period, made when
 * absent; the revision rises. BAD_STATE when the period is closed, INVALID (a negative amount).
 */
int repo_usage_add(struct db_tx *tx, const struct repo_usage_row *d, struct bt_err *err);

/** Close every provisional row whose period ended at or before @now_ms, at most @limit; *@ret_n =
 * how many. */
int repo_usage_close(struct db_tx *tx, int64_t now_ms, int limit, int64_t *ret_n,
                     struct bt_err *err);

struct repo_usage_filter {
    int64_t after_id;
    int limit;
    int64_t instance_id, tenant_id; /* 0 = any */
    int64_t from_ms, to_ms;         /* periods that overlap [from, to), 0 = open */
    int state;                      /* enum usage_state, -1 = any */
};

/** One page in order of id. */
int repo_usage_list(struct db_tx *tx, const struct repo_usage_filter *f, struct bt_arr *ret,
                    struct bt_err *err);
