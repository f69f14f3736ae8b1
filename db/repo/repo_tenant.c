/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_tenant.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_tenant_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_TEXT(ST, display_name),
    REPO_TEXT(ST, external_id),
    REPO_TEXT_OR(ST, source, ""),
    REPO_TEXT_OR(ST, suspended, ""),
    REPO_TEXT_OR(ST, limits, "{}"),
    REPO_OPT(ST, max_instances),
    REPO_INT(ST, version),
    REPO_INT(ST, created_at),
    REPO_INT(ST, deleted_at),
    {0},
};

const struct db_table repo_tenant_table = REPO_TABLE("tenants", cols, ST);

#define USED struct repo_tenant_used

static const struct db_col used_cols[] = {
    REPO_INT(USED, instances),
    REPO_INT(USED, cpus),
    REPO_INT(USED, memory_bytes),
    REPO_INT(USED, disk_bytes),
    REPO_INT(USED, ipv4),
    REPO_INT(USED, ipv6),
    {0},
};

static const struct db_table used_table = REPO_TABLE("tenant_used", used_cols, USED);

void repo_tenant_row_free(struct repo_tenant_row *r)
{
    db_row_free(&repo_tenant_table, r);
}

int repo_tenant_get(struct db_tx *tx, int64_t id, struct repo_tenant_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_tenant_table, id, ret, err);
}

int repo_tenant_get_by_name(struct db_tx *tx, const char *name, struct repo_tenant_row *ret,
                            struct bt_err *err)
{
    return db_row(tx, &repo_tenant_table,
                  "SELECT * FROM tenants WHERE name = ?1 AND deleted_at = 0", DB_ARGS(DB_T(name)),
                  ret, err);
}

int repo_tenant_get_by_external(struct db_tx *tx, const char *source, const char *external_id,
                                struct repo_tenant_row *ret, struct bt_err *err)
{
    return db_row(tx, &repo_tenant_table,
                  "SELECT * FROM tenants WHERE source = ?1 AND external_id = ?2",
                  DB_ARGS(DB_T(source), DB_T(external_id)), ret, err);
}

int repo_tenant_list(struct db_tx *tx, const struct repo_tenant_filter *f, struct bt_arr *ret,
                     struct bt_err *err)
{
    return db_rows(
        tx, &repo_tenant_table,
        "SELECT * FROM tenants WHERE id > ?1 AND (?3 IS NULL OR name = ?3)"
        " AND (?4 OR deleted_at = 0) ORDER BY id LIMIT ?2",
        DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_T(f->name), DB_I(f->deleted)), ret,
        err);
}

int repo_tenant_insert(struct db_tx *tx, struct repo_tenant_row *r, struct bt_err *err)
{
    r->version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_tenant_table, r, &r->id, err);
}

int repo_tenant_update(struct db_tx *tx, struct repo_tenant_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_tenant_table, r, &r->version, err);
}

int repo_tenant_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE tenants SET deleted_at = ?2, name = name || '~' || id,"
                            " version = version + 1 WHERE id = ?1 AND deleted_at = 0",
                            DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}

int repo_tenant_used(struct db_tx *tx, int64_t tenant_id, struct repo_tenant_used *ret,
                     struct bt_err *err)
{
    return db_row(tx, &used_table,
                  "SELECT count(*) AS instances, coalesce(sum(alloc_cpus), 0) AS cpus,"
                  " coalesce(sum(alloc_memory_bytes), 0) AS memory_bytes,"
                  " coalesce(sum(alloc_disk_bytes), 0) AS disk_bytes,"
                  " coalesce(sum((SELECT count(*) FROM addresses"
                  " WHERE instance_id = instances.id AND family = 4)), 0) AS ipv4,"
                  " coalesce(sum((SELECT count(*) FROM addresses"
                  " WHERE instance_id = instances.id AND family = 6)), 0) AS ipv6"
                  " FROM instances WHERE tenant_id = ?1 AND trashed_at = 0 AND purged_at = 0",
                  DB_ARGS(DB_I(tenant_id)), ret, err);
}
