/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/journal/journal_instance.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/enums.h"

const char *const journal_desired_by[] = {"spec", "guest", NULL};

#define COL(n, ...)                                                                                \
    {                                                                                              \
        .name = #n, .off = offsetof(struct journal_instance, n), __VA_ARGS__                       \
    }

static const struct db_col cols[] = {
    COL(id, .type = DB_C_INT),
    COL(uuid, .type = DB_C_TEXT),
    COL(driver, .type = DB_C_ENUM, .names = enum_driver),
    COL(generation, .type = DB_C_INT),
    COL(done_generation, .type = DB_C_INT),
    COL(spec, .type = DB_C_TEXT, .secret = true),
    COL(state, .type = DB_C_ENUM, .names = enum_instance_state),
    COL(desired, .type = DB_C_ENUM, .names = enum_desired),
    COL(desired_by, .type = DB_C_ENUM, .names = journal_desired_by),
    COL(paused, .type = DB_C_BOOL),
    COL(local_suspend, .type = DB_C_TEXT, .null_as = ""),
    COL(id_base, .type = DB_C_ID),
    COL(done_restart_seq, .type = DB_C_INT),
    COL(done_reset_seq, .type = DB_C_INT),
    COL(done_rebuild_seq, .type = DB_C_INT),
    COL(done_password_seq, .type = DB_C_INT),
    COL(started_at, .type = DB_C_INT),
    COL(boot_id, .type = DB_C_TEXT),
    COL(init_pid, .type = DB_C_INT),
    COL(init_start, .type = DB_C_INT),
    COL(fails, .type = DB_C_INT),
    COL(next_start_at, .type = DB_C_INT),
    COL(trashed_at, .type = DB_C_INT),
    COL(purge_at, .type = DB_C_INT),
    COL(created_at, .type = DB_C_INT),
    COL(effective, .type = DB_C_TEXT),
    COL(boots, .type = DB_C_INT),
    {.name = NULL}};

const struct db_table journal_instance_table = {
    .name = "instances", .cols = cols, .row_size = sizeof(struct journal_instance)};

void journal_instance_free(struct journal_instance *r)
{
    db_row_free(&journal_instance_table, r);
}

void journal_instance_copy(const struct journal_instance *src, struct journal_instance *dst)
{
    *dst = *src;
    for (const struct db_col *c = cols; c->name; c++) {
        if (c->type == DB_C_TEXT) {
            char **text = (char **)(void *)((char *)dst + c->off);
            *text = bt_xstrdup(*text);
        }
    }
}

int journal_instance_list(struct db_tx *tx, struct bt_arr *ret, struct bt_err *err)
{
    return db_rows(tx, &journal_instance_table, "SELECT * FROM instances ORDER BY id LIMIT 1000000",
                   DB_NOARGS, ret, err);
}

int journal_instance_put(struct db_tx *tx, struct journal_instance *r, struct bt_err *err)
{
    if (r->id != 0)
        return db_update(tx, &journal_instance_table, r, err);
    return db_insert(tx, &journal_instance_table, r, &r->id, err);
}

int journal_instance_delete(struct db_tx *tx, const char *uuid, struct bt_err *err)
{
    return db_exec(tx, "DELETE FROM instances WHERE uuid = ?1", DB_ARGS(DB_T(uuid)), NULL, err);
}

/* A free range begins at the base or right behind a taken one (which may lie unaligned when
 * agent.conf was changed), and no taken one begins within a range's length of it. */
int journal_instance_free_ids(struct db_tx *tx, const struct journal_ids *in, int64_t *ret_base,
                              struct bt_err *err)
{
    static const char sql[] =
        "WITH starts (b) AS (SELECT ?1 UNION ALL SELECT id_base + 65536 FROM instances"
        " WHERE id_base + 65536 >= ?1)"
        " SELECT b FROM starts WHERE b + 65536 <= ?1 + ?2 AND NOT EXISTS"
        " (SELECT 1 FROM instances WHERE id_base > b - 65536 AND id_base < b + 65536)"
        " ORDER BY b LIMIT 1";
    int64_t base = 0;
    int rc = db_int(tx, sql, DB_ARGS(DB_I(in->base), DB_I(in->count)), &base, err);
    if (rc == -(int)BT_E_NOT_FOUND) {
        (void)bt_fail(err, BT_E_NO_CAPACITY, "no free range of host ids is left");
        bt_hint(err, "Raise id_count in agent.conf");
        return -(int)BT_E_NO_CAPACITY;
    }
    if (rc == 0)
        *ret_base = base;
    return rc;
}
