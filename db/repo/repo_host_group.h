/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

/* Host groups: placement policy, and overcommit and reserves of their hosts (null = the default).
 */
struct repo_host_group_row {
    int64_t id;
    char *name;
    int policy; /* enum policy */
    struct bt_opt_int overcommit_cpu_milli, overcommit_memory_milli, overcommit_disk_milli;
    struct bt_opt_int reserve_memory_bytes, reserve_disk_bytes;
    int64_t version;
    int64_t created_at;
};

extern const struct db_table repo_host_group_table;

/** Free what @r owns and zero it. */
void repo_host_group_row_free(struct repo_host_group_row *r);

/** Row by id. NOT_FOUND. */
int repo_host_group_get(struct db_tx *tx, int64_t id, struct repo_host_group_row *ret,
                        struct bt_err *err);

/** Row by name. NOT_FOUND. */
int repo_host_group_get_by_name(struct db_tx *tx, const char *name, struct repo_host_group_row *ret,
                                struct bt_err *err);

/** One page in order of id, after @after_id. */
int repo_host_group_list(struct db_tx *tx, int64_t after_id, int limit, struct bt_arr *ret,
                         struct bt_err *err);

/** New row; sets id, version and created_at. EXISTS. */
int repo_host_group_insert(struct db_tx *tx, struct repo_host_group_row *r, struct bt_err *err);

/** Write every column and raise the version. NOT_FOUND, EXISTS. */
int repo_host_group_update(struct db_tx *tx, struct repo_host_group_row *r, struct bt_err *err);

/** Remove. NOT_FOUND, IN_USE (hosts, pools, join tokens). */
int repo_host_group_delete(struct db_tx *tx, int64_t id, struct bt_err *err);
