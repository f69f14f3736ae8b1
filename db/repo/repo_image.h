/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

/* Images: several versions share a name; the newest ready one is what a name means. */
struct repo_image_row {
    int64_t id;
    char *name;
    char *family;
    char *version;
    int state; /* enum image_state */
    int64_t min_memory_bytes, min_disk_bytes;
    char *os_type;
    char *default_user;
    char *stop_signal;
    bool hidden;
    char *expected_sha256;
    char *error;
    int64_t row_version;
    int64_t created_at, deleted_at;
};

/* What an image is made of, at most one of each kind. */
struct repo_image_kind_row {
    int64_t id;
    int64_t image_id;
    int kind; /* enum image_kind */
    char *sha256;
    int64_t bytes;
};

extern const struct db_table repo_image_table;
extern const struct db_table repo_image_kind_table;

/** Free what @r owns and zero it. */
void repo_image_row_free(struct repo_image_row *r);

/** Free what @r owns and zero it. */
void repo_image_kind_row_free(struct repo_image_kind_row *r);

/** Row by id, deleted ones too. NOT_FOUND. */
int repo_image_get(struct db_tx *tx, int64_t id, struct repo_image_row *ret, struct bt_err *err);

/** The newest version of @name that is ready and not deleted. NOT_FOUND. */
int repo_image_get_newest(struct db_tx *tx, const char *name, struct repo_image_row *ret,
                          struct bt_err *err);

struct repo_image_filter {
    int64_t after_id;
    int limit;
    int state;        /* enum image_state, -1 = any */
    const char *name; /* NULL = any */
    bool hidden;      /* hidden ones too */
    bool deleted;     /* deleted ones too */
};

/** One page in order of id. */
int repo_image_list(struct db_tx *tx, const struct repo_image_filter *f, struct bt_arr *ret,
                    struct bt_err *err);

/** New row; sets id, row_version and created_at. */
int repo_image_insert(struct db_tx *tx, struct repo_image_row *r, struct bt_err *err);

/** Write every column and raise row_version. NOT_FOUND. */
int repo_image_update(struct db_tx *tx, struct repo_image_row *r, struct bt_err *err);

/** Mark deleted; instances that use it keep it. NOT_FOUND. */
int repo_image_delete(struct db_tx *tx, int64_t id, struct bt_err *err);

/** How many instances (trashed ones too) were made of this image. */
int repo_image_in_use(struct db_tx *tx, int64_t id, int64_t *ret, struct bt_err *err);

/** Kinds of an image: rows of struct repo_image_kind_row. */
int repo_image_kinds(struct db_tx *tx, int64_t image_id, struct bt_arr *ret, struct bt_err *err);

/** Add a kind, or replace the one of the same kind; sets its id. IN_USE (no such image). */
int repo_image_kind_set(struct db_tx *tx, struct repo_image_kind_row *k, struct bt_err *err);
