/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/id.h"
#include "common/base/world.h"
#include "common/loop/loop.h"
#include "db/core/db.h"
#include "db/core/db_sql.h"

/*
 * The agent's own database: what it was told, what it did, what it has to report
 * (docs/decisions/0030-agent-journal.md). The typed functions of journal_*.h run inside a
 * transaction of db/core; who calls them decides what goes together.
 */
#define JOURNAL_APPLICATION_ID 0x42544a31 /* "BTJ1" */

struct journal_config {
    const char *path; /* database file; its directory exists */
    struct bt_loop *loop;
    const struct bt_random *random;
    bool sync_off;   /* simulations only */
    const char *vfs; /* tests only, NULL = default */
};

/* Facts of the whole journal. */
struct journal_meta {
    char journal_id[BT_UUID_LEN + 1];    /* random, life of the journal */
    char controller_id[BT_UUID_LEN + 1]; /* the one that it obeys; "" = none yet */
    char joining_id[BT_UUID_LEN + 1];    /* one that said "joining" here; "" = none */
    int64_t epoch;                       /* highest epoch of controller_id */
    int64_t confirm_until_ms;            /* destroys are confirmed until then (UTC) */
};

/**
 * Open (make) the database, give it a journal id on first use, read its facts. Blocking, before the
 * loop runs. Errors: those of db_open.
 */
int journal_open(const struct journal_config *cfg, struct db **ret_db,
                 struct journal_meta *ret_meta, struct bt_err *err);

/** Read the facts. */
int journal_meta_load(struct db_tx *tx, struct journal_meta *ret, struct bt_err *err);

/** Store who is obeyed: @m's controller_id, joining_id and epoch. */
int journal_meta_store_controller(struct db_tx *tx, const struct journal_meta *m,
                                  struct bt_err *err);

/** Store until when destroys are confirmed. */
int journal_meta_store_confirm(struct db_tx *tx, int64_t until_ms, struct bt_err *err);
