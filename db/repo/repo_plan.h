/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"

/* Plans. A deleted one keeps its row under the name "NAME~ID" while instances refer to it. */
struct repo_plan_row {
    int64_t id;
    char *name;
    int64_t drivers;   /* bit set: 1 container, 2 kvm */
    char *limits;      /* JSON object by limit name */
    int64_t features;  /* bit set of proto's feature names */
    char *images;      /* JSON array of ids, [] = all */
    char *host_groups; /* JSON array of ids, [] = all */
    int64_t version;
    int64_t created_at, deleted_at;
};

extern const struct db_table repo_plan_table;

/** Free what @r owns and zero it. */
void repo_plan_row_free(struct repo_plan_row *r);

/** Row by id, deleted ones too. NOT_FOUND. */
int repo_plan_get(struct db_tx *tx, int64_t id, struct repo_plan_row *ret, struct bt_err *err);

/** Row by name, not deleted. NOT_FOUND. */
int repo_plan_get_by_name(struct db_tx *tx, const char *name, struct repo_plan_row *ret,
                          struct bt_err *err);

struct repo_plan_filter {
    int64_t after_id;
    int limit;
    const char *name; /* NULL = any */
    bool deleted;     /* deleted ones too */
};

/** One page in order of id. */
int repo_plan_list(struct db_tx *tx, const struct repo_plan_filter *f, struct bt_arr *ret,
                   struct bt_err *err);

/** New row; sets id, version and created_at. EXISTS. */
int repo_plan_insert(struct db_tx *tx, struct repo_plan_row *r, struct bt_err *err);

/** Write every column and raise the version. NOT_FOUND, EXISTS. */
int repo_plan_update(struct db_tx *tx, struct repo_plan_row *r, struct bt_err *err);

/** Mark deleted and free the name; existing instances keep it. NOT_FOUND. */
int repo_plan_delete(struct db_tx *tx, int64_t id, struct bt_err *err);

/** How many instances (trashed ones too) have this plan. */
int repo_plan_in_use(struct db_tx *tx, int64_t id, int64_t *ret, struct bt_err *err);
