/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* Stored SSH public keys of tenants. */
struct repo_ssh_key_row {
    int64_t id;
    int64_t tenant_id;
    char *name;
    char *public_key;
    int64_t created_at;
};

extern const struct db_table repo_ssh_key_table;

/** Free what @r owns and zero it. */
void repo_ssh_key_row_free(struct repo_ssh_key_row *r);

/** Row by id. NOT_FOUND. */
int repo_ssh_key_get(struct db_tx *tx, int64_t id, struct repo_ssh_key_row *ret,
                     struct bt_err *err);

/** Row by name inside a tenant. NOT_FOUND. */
int repo_ssh_key_get_by_name(struct db_tx *tx, int64_t tenant_id, const char *name,
                             struct repo_ssh_key_row *ret, struct bt_err *err);

struct repo_ssh_key_filter {
    int64_t after_id;
    int limit;
    int64_t tenant_id; /* 0 = any */
};

/** One page in order of id. */
int repo_ssh_key_list(struct db_tx *tx, const struct repo_ssh_key_filter *f, struct bt_arr *ret,
                      struct bt_err *err);

/** New row; sets id and created_at. EXISTS. */
int repo_ssh_key_insert(struct db_tx *tx, struct repo_ssh_key_row *r, struct bt_err *err);

/** Remove. NOT_FOUND. Instances keep the text that they were made with. */
int repo_ssh_key_delete(struct db_tx *tx, int64_t id, struct bt_err *err);
