/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"

/* What the destroy brake counts (docs/decisions/0032-destroy-brake.md). */
enum journal_destroy_kind { JOURNAL_DESTROY_DELETE, JOURNAL_DESTROY_PURGE };

struct journal_destroy {
    enum journal_destroy_kind kind;
    const char *uuid;
    int64_t max, max_pct; /* more than the greater one is held; @max_pct of the instances here */
    int64_t window_ms;
    int64_t confirm_until_ms; /* 0 or past = not confirmed; what is older counts no more */
};

/**
 * Ask the brake: *@ret_held is false when the destroy may begin, and then it is counted, once per
 * instance and window. Held: nothing changes.
 */
int journal_destroy_ask(struct db_tx *tx, const struct journal_destroy *d, bool *ret_held,
                        struct bt_err *err);
