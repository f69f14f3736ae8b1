/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/core/db_sql.h"
#include "proto/enums.h"

/* Alarms: at most one open for each (kind, resource). */
struct repo_alarm_row {
    int64_t id;
    char *kind;
    int severity; /* enum severity */
    char *resource_type;
    int64_t resource_id;
    char *text;
    int64_t since, cleared_at;
    char *acknowledged_by;
};

extern const struct db_table repo_alarm_table;

/** Free what @r owns and zero it. */
void repo_alarm_row_free(struct repo_alarm_row *r);

/** Row by id. NOT_FOUND. */
int repo_alarm_get(struct db_tx *tx, int64_t id, struct repo_alarm_row *ret, struct bt_err *err);

/* An alarm to raise; texts stay the caller's. */
struct repo_alarm_new {
    const char *kind;
    int severity;
    const char *resource_type;
    int64_t resource_id;
    const char *text;
};

/** Raise it, or renew severity and text of the open one; *@ret_new (may be NULL) = it was not open.
 */
int repo_alarm_raise(struct db_tx *tx, const struct repo_alarm_new *a, bool *ret_new,
                     struct bt_err *err);

/** Clear the open alarm of (kind, resource); *@ret_was (may be NULL) = there was one. */
int repo_alarm_clear(struct db_tx *tx, const struct repo_alarm_new *a, bool *ret_was,
                     struct bt_err *err);

/** Note who has seen it. NOT_FOUND. */
int repo_alarm_ack(struct db_tx *tx, int64_t id, const char *by, struct bt_err *err);

struct repo_alarm_filter {
    int64_t after_id;
    int limit;
    bool cleared; /* cleared ones too */
};

/** One page in order of id. */
int repo_alarm_list(struct db_tx *tx, const struct repo_alarm_filter *f, struct bt_arr *ret,
                    struct bt_err *err);
