/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_image.h"

#include "db/repo/repo_cols.h"

#define ST struct repo_image_row

static const struct db_col cols[] = {
    REPO_INT(ST, id),
    REPO_TEXT(ST, name),
    REPO_TEXT(ST, family),
    REPO_TEXT(ST, version),
    REPO_ENUM(ST, state, enum_image_state),
    REPO_INT(ST, min_memory_bytes),
    REPO_INT(ST, min_disk_bytes),
    REPO_TEXT_OR(ST, os_type, "linux"),
    REPO_TEXT_OR(ST, default_user, "root"),
    REPO_TEXT_OR(ST, stop_signal, "SIGPWR"),
    REPO_BOOL(ST, hidden),
    REPO_TEXT(ST, expected_sha256),
    REPO_TEXT(ST, error),
    REPO_INT(ST, row_version),
    REPO_INT(ST, created_at),
    REPO_INT(ST, deleted_at),
    {0},
};

const struct db_table repo_image_table = REPO_TABLE("images", cols, ST);

#define KIND struct repo_image_kind_row

static const struct db_col kind_cols[] = {
    REPO_INT(KIND, id),      REPO_INT(KIND, image_id), REPO_ENUM(KIND, kind, enum_image_kind),
    REPO_TEXT(KIND, sha256), REPO_INT(KIND, bytes),    {0},
};

const struct db_table repo_image_kind_table = REPO_TABLE("image_kinds", kind_cols, KIND);

void repo_image_row_free(struct repo_image_row *r)
{
    db_row_free(&repo_image_table, r);
}

void repo_image_kind_row_free(struct repo_image_kind_row *r)
{
    db_row_free(&repo_image_kind_table, r);
}

int repo_image_get(struct db_tx *tx, int64_t id, struct repo_image_row *ret, struct bt_err *err)
{
    return db_get(tx, &repo_image_table, id, ret, err);
}

int repo_image_get_newest(struct db_tx *tx, const char *name, struct repo_image_row *ret,
                          struct bt_err *err)
{
    return db_row(tx, &repo_image_table,
                  "SELECT * FROM images WHERE name = ?1 AND state = 'ready' AND deleted_at = 0"
                  " ORDER BY id DESC LIMIT 1",
                  DB_ARGS(DB_T(name)), ret, err);
}

int repo_image_list(struct db_tx *tx, const struct repo_image_filter *f, struct bt_arr *ret,
                    struct bt_err *err)
{
    return db_rows(tx, &repo_image_table,
                   "SELECT * FROM images WHERE id > ?1 AND (?3 IS NULL OR name = ?3)"
                   " AND (?4 IS NULL OR state = ?4) AND (?5 OR hidden = 0)"
                   " AND (?6 OR deleted_at = 0) ORDER BY id LIMIT ?2",
                   DB_ARGS(DB_I(f->after_id), repo_cols_limit(f->limit), DB_T(f->name),
                           repo_cols_enum(enum_image_state, f->state), DB_I(f->hidden),
                           DB_I(f->deleted)),
                   ret, err);
}

int repo_image_insert(struct db_tx *tx, struct repo_image_row *r, struct bt_err *err)
{
    r->row_version = 1;
    r->created_at = db_tx_now_ms(tx);
    return db_insert(tx, &repo_image_table, r, &r->id, err);
}

int repo_image_update(struct db_tx *tx, struct repo_image_row *r, struct bt_err *err)
{
    return repo_cols_update(tx, &repo_image_table, r, &r->row_version, err);
}

int repo_image_delete(struct db_tx *tx, int64_t id, struct bt_err *err)
{
    return repo_cols_change(tx,
                            "UPDATE images SET deleted_at = ?2, row_version = row_version + 1"
                            " WHERE id = ?1 AND deleted_at = 0",
                            DB_ARGS(DB_I(id), DB_I(db_tx_now_ms(tx))), err);
}

int repo_image_in_use(struct db_tx *tx, int64_t id, int64_t *ret, struct bt_err *err)
{
    return db_int(tx, "SELECT count(*) FROM instances WHERE image_id = ?1 AND purged_at = 0",
                  DB_ARGS(DB_I(id)), ret, err);
}

int repo_image_kinds(struct db_tx *tx, int64_t image_id, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &repo_image_kind_table,
                   "SELECT * FROM image_kinds WHERE image_id = ?1 ORDER BY id LIMIT 10",
                   DB_ARGS(DB_I(image_id)), ret, err);
}

int repo_image_kind_set(struct db_tx *tx, struct repo_image_kind_row *k, struct bt_err *err)
{
    return db_int(tx,
                  "INSERT INTO image_kinds (image_id, kind, sha256, bytes) VALUES (?1, ?2, ?3, ?4)"
                  " ON CONFLICT (image_id, kind) DO UPDATE"
                  " SET sha256 = excluded.sha256, bytes = excluded.bytes RETURNING id",
                  DB_ARGS(DB_I(k->image_id), repo_cols_enum(enum_image_kind, k->kind),
                          DB_T(k->sha256), DB_I(k->bytes)),
                  &k->id, err);
}
