/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_ref.h"

#include <inttypes.h>

#include "common/base/buf.h"
#include "common/base/id.h"
#include "common/base/mem.h"
#include "db/repo/repo_instance.h"

/* How each kind is called and looked up. */
struct kind {
    const char *noun;
    const char *by_id;   /* 1 row when it exists and is not deleted */
    const char *by_name; /* its id */
    const char *name;    /* its name, deleted or not */
};

static const struct kind kinds[] = {
    [REPO_REF_TENANT] = {"tenant", "SELECT id FROM tenants WHERE id = ?1 AND deleted_at = 0",
                         "SELECT id FROM tenants WHERE name = ?1 AND deleted_at = 0",
                         "SELECT name FROM tenants WHERE id = ?1"},
    [REPO_REF_USER] = {"user", "SELECT id FROM users WHERE id = ?1",
                       "SELECT id FROM users WHERE email = ?1",
                       "SELECT email FROM users WHERE id = ?1"},
    [REPO_REF_LOCATION] = {"location", "SELECT id FROM locations WHERE id = ?1",
                           "SELECT id FROM locations WHERE name = ?1",
                           "SELECT name FROM locations WHERE id = ?1"},
    [REPO_REF_HOST_GROUP] = {"host group", "SELECT id FROM host_groups WHERE id = ?1",
                             "SELECT id FROM host_groups WHERE name = ?1",
                             "SELECT name FROM host_groups WHERE id = ?1"},
    [REPO_REF_HOST] = {"host", "SELECT id FROM hosts WHERE id = ?1 AND state <> 'removed'",
                       "SELECT id FROM hosts WHERE name = ?1 AND state <> 'removed'",
                       "SELECT name FROM hosts WHERE id = ?1"},
    [REPO_REF_PLAN] = {"plan", "SELECT id FROM plans WHERE id = ?1 AND deleted_at = 0",
                       "SELECT id FROM plans WHERE name = ?1 AND deleted_at = 0",
                       "SELECT name FROM plans WHERE id = ?1"},
    [REPO_REF_IMAGE] = {"image", "SELECT id FROM images WHERE id = ?1 AND deleted_at = 0",
                        "SELECT id FROM images WHERE name = ?1 AND state = 'ready'"
                        " AND deleted_at = 0 ORDER BY id DESC LIMIT 1",
                        "SELECT name FROM images WHERE id = ?1"},
    [REPO_REF_POOL] = {"pool", "SELECT id FROM pools WHERE id = ?1",
                       "SELECT id FROM pools WHERE name = ?1",
                       "SELECT name FROM pools WHERE id = ?1"},
    [REPO_REF_INSTANCE] = {"instance", "SELECT id FROM instances WHERE id = ?1 AND purged_at = 0",
                           "SELECT id FROM instances WHERE uuid = ?1 AND purged_at = 0",
                           "SELECT name FROM instances WHERE id = ?1"},
};

static int not_found(const struct kind *k, const struct bt_ref *ref, struct bt_err *err)
{
    if (ref->id)
        return bt_fail(err, BT_E_NOT_FOUND, "no %s with id %" PRId64, k->noun, ref->id);
    return bt_fail(err, BT_E_NOT_FOUND, "no %s \"%.80s\"", k->noun, ref->name);
}

static int ambiguous(const struct repo_instance_ids *ids, const char *name, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(256);
    for (size_t i = 0; i < ids->n; i++)
        (void)bt_buf_addf(&b, "%s%" PRId64, i ? ", " : "", ids->ids[i]);
    return bt_fail(err, BT_E_AMBIGUOUS, "several instances are called \"%.63s\": ids %s", name,
                   b.data ? b.data : "");
}

static int instance_by_name(struct db_tx *tx, const struct bt_ref *ref, int64_t *ret_id,
                            struct bt_err *err)
{
    struct repo_instance_ids ids;
    int rc = repo_instance_find_by_name(tx, ref->name, &ids, err);
    if (rc < 0)
        return rc;
    if (ids.n == 0)
        return not_found(&kinds[REPO_REF_INSTANCE], ref, err);
    if (ids.n > 1)
        return ambiguous(&ids, ref->name, err);
    *ret_id = ids.ids[0];
    return 0;
}

int repo_ref_resolve(struct db_tx *tx, enum repo_ref_kind kind, const struct bt_ref *ref,
                     int64_t *ret_id, struct bt_err *err)
{
    const struct kind *k = &kinds[kind];
    struct bt_err e = BT_ERR_INIT;
    if (!ref->id && !ref->name)
        return bt_fail(err, BT_E_INVALID, "no %s is named", k->noun);
    if (!ref->id && kind == REPO_REF_INSTANCE && !bt_uuid_ok(ref->name))
        return instance_by_name(tx, ref, ret_id, err);
    int rc = ref->id ? db_int(tx, k->by_id, DB_ARGS(DB_I(ref->id)), ret_id, &e)
                     : db_int(tx, k->by_name, DB_ARGS(DB_T(ref->name)), ret_id, &e);
    if (rc == -(int)BT_E_NOT_FOUND)
        return not_found(k, ref, err);
    if (rc < 0 && err)
        *err = e;
    return rc;
}

int repo_ref_name(struct db_tx *tx, enum repo_ref_kind kind, int64_t id, char **ret,
                  struct bt_err *err)
{
    return db_text(tx, kinds[kind].name, DB_ARGS(DB_I(id)), ret, err);
}

int repo_ref_get(struct db_tx *tx, enum repo_ref_kind kind, int64_t id, struct bt_ref *ret,
                 struct bt_err *err)
{
    char *name = NULL;
    int rc = id ? repo_ref_name(tx, kind, id, &name, err) : 0;
    if (rc == 0)
        *ret = (struct bt_ref){.id = id, .name = name};
    return rc;
}
