/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "common/base/err.h"
#include "common/json/json.h"
#include "db/core/db_sql.h"

/* Kinds of objects that are referred to by id, name (or e-mail address), or uuid. */
enum repo_ref_kind {
    REPO_REF_TENANT,
    REPO_REF_USER,
    REPO_REF_LOCATION,
    REPO_REF_HOST_GROUP,
    REPO_REF_HOST,
    REPO_REF_PLAN,
    REPO_REF_IMAGE, /* the newest ready version of a name */
    REPO_REF_POOL,
    REPO_REF_INSTANCE, /* over all tenants: AMBIGUOUS when several share the name */
};

/**
 * Resolve @ref (by id, by uuid text for instances, or by name) to an id. Reads only. Errors:
 * NOT_FOUND (deleted and trashed ones too), AMBIGUOUS with the ids in the hint, INVALID (empty
 * ref).
 */
int repo_ref_resolve(struct db_tx *tx, enum repo_ref_kind kind, const struct bt_ref *ref,
                     int64_t *ret_id, struct bt_err *err);

/** Name of @id, also of a deleted object, into a new string: for {id, name} in answers. NOT_FOUND.
 */
int repo_ref_name(struct db_tx *tx, enum repo_ref_kind kind, int64_t id, char **ret,
                  struct bt_err *err);

/** As repo_ref_name into a bt_ref (overwritten; its name is the caller's). An id of 0 gives an
 * empty one. */
int repo_ref_get(struct db_tx *tx, enum repo_ref_kind kind, int64_t id, struct bt_ref *ret,
                 struct bt_err *err);
