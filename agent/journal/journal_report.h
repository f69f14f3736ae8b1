/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/link.h"

/* A report that the controller has not acknowledged yet. */
struct journal_report {
    int64_t seq;
    char *op;
    char *body; /* JSON of struct link_report, seq included */
    int64_t at;
};

extern const struct db_table journal_report_table;

/** Number and store @r (its seq and at are set): seq grows for the life of the journal. */
int journal_report_append(struct db_tx *tx, struct link_report *r, struct bt_err *err);

/** At most @limit reports behind @after, oldest first, into a zeroed array. */
int journal_report_list(struct db_tx *tx, int64_t after, int limit, struct bt_arr *ret,
                        struct bt_err *err);

/** Forget what the controller has applied: everything up to @seq. */
int journal_report_ack(struct db_tx *tx, int64_t seq, struct bt_err *err);

/** Number of the newest report there ever was, 0 when there was none. */
int journal_report_last(struct db_tx *tx, int64_t *ret, struct bt_err *err);

/** Let the next number be greater than @seq: a journal that was put back from a copy must not use
 * numbers again that the controller has applied. */
int journal_report_raise(struct db_tx *tx, int64_t seq, struct bt_err *err);
