/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"

/* Tenants. A deleted one keeps its row (history refers to it) under the name "NAME~ID". */
struct repo_tenant_row {
    int64_t id;
    char *name;
    char *display_name;
    char *external_id;
    char *source;
    char *suspended; /* comma list of reasons, "" = none */
    char *limits;    /* JSON object of caps by limit name */
    struct bt_opt_int max_instances;
    int64_t version;
    int64_t created_at, deleted_at;
};

extern const struct db_table repo_tenant_table;

/** Free what @r owns and zero it. */
void repo_tenant_row_free(struct repo_tenant_row *r);

/** Row by id, deleted ones too. NOT_FOUND. @ret is the caller's to free. */
int repo_tenant_get(struct db_tx *tx, int64_t id, struct repo_tenant_row *ret, struct bt_err *err);

/** Row by name, not deleted. NOT_FOUND. */
int repo_tenant_get_by_name(struct db_tx *tx, const char *name, struct repo_tenant_row *ret,
                            struct bt_err *err);

/** Row by the billing installation's own id. NOT_FOUND. */
int repo_tenant_get_by_external(struct db_tx *tx, const char *source, const char *external_id,
                                struct repo_tenant_row *ret, struct bt_err *err);

struct repo_tenant_filter {
    int64_t after_id;
    int limit;
    const char *name; /* NULL = any */
    bool deleted;     /* deleted ones too */
};

/** One page in order of id: rows of struct repo_tenant_row (free with db_rows_free). */
int repo_tenant_list(struct db_tx *tx, const struct repo_tenant_filter *f, struct bt_arr *ret,
                     struct bt_err *err);

/** New row; sets its id, version 1 and created_at. EXISTS (name, external id). */
int repo_tenant_insert(struct db_tx *tx, struct repo_tenant_row *r, struct bt_err *err);

/** Write every column and raise the version (also in @r). NOT_FOUND, EXISTS. */
int repo_tenant_update(struct db_tx *tx, struct repo_tenant_row *r, struct bt_err *err);

/** Mark deleted and free the name. NOT_FOUND. The caller has checked that nothing lives in it. */
int repo_tenant_delete(struct db_tx *tx, int64_t id, struct bt_err *err);

/* What a tenant holds now; trashed instances do not count. */
struct repo_tenant_used {
    int64_t instances, cpus, memory_bytes, disk_bytes, ipv4, ipv6;
};

/** Sums over the tenant's instances and addresses, by query. */
int repo_tenant_used(struct db_tx *tx, int64_t tenant_id, struct repo_tenant_used *ret,
                     struct bt_err *err);
