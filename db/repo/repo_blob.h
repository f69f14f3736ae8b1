/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* Files of the blob store, by the SHA-256 of their content (lower-case hex). */
struct repo_blob_row {
    int64_t id;
    char *sha256;
    int64_t bytes;
    int64_t created_at;
};

extern const struct db_table repo_blob_table;

/** Free what @r owns and zero it. */
void repo_blob_row_free(struct repo_blob_row *r);

/** Row by hash. NOT_FOUND. */
int repo_blob_get(struct db_tx *tx, const char *sha256, struct repo_blob_row *ret,
                  struct bt_err *err);

/** Note a blob; fine when it is known already. */
int repo_blob_put(struct db_tx *tx, const char *sha256, int64_t bytes, struct bt_err *err);

/** Blobs that no image kind refers to (of images that are not deleted or still in use), at most
 * @limit. */
int repo_blob_list_unused(struct db_tx *tx, int limit, struct bt_arr *ret, struct bt_err *err);

/** Forget a blob; fine when it is not known. */
int repo_blob_delete(struct db_tx *tx, const char *sha256, struct bt_err *err);
