/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* Destroying needs one of these; made only by a delete verb, never by absence. */
struct repo_tombstone_row {
    char *uuid;
    int64_t instance_id;
    int64_t host_id; /* 0 = was never placed */
    char *reason;
    char *actor;
    int64_t created_at, purge_at, purged_at;
};

extern const struct db_table repo_tombstone_table;

/** Free what @r owns and zero it. */
void repo_tombstone_row_free(struct repo_tombstone_row *r);

/** Row by instance uuid. NOT_FOUND. */
int repo_tombstone_get(struct db_tx *tx, const char *uuid, struct repo_tombstone_row *ret,
                       struct bt_err *err);

/** New row; sets created_at. EXISTS. */
int repo_tombstone_insert(struct db_tx *tx, struct repo_tombstone_row *r, struct bt_err *err);

/** Move the purge time (delete --purge). NOT_FOUND. */
int repo_tombstone_set_purge_at(struct db_tx *tx, const char *uuid, int64_t purge_at_ms,
                                struct bt_err *err);

/** Note the purge. NOT_FOUND. */
int repo_tombstone_set_purged(struct db_tx *tx, const char *uuid, struct bt_err *err);

/** Take it back (restore). BAD_STATE when it was purged, NOT_FOUND. */
int repo_tombstone_delete(struct db_tx *tx, const char *uuid, struct bt_err *err);

/** Tombstones of a host that are not purged, by uuid after @after_uuid ("" = from the start). */
int repo_tombstone_list_host(struct db_tx *tx, int64_t host_id, const char *after_uuid,
                             struct bt_arr *ret, struct bt_err *err);
