/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/* The outbox: events in the order of their commits, never with a gap that is filled later. */
struct repo_event_row {
    int64_t seq;
    int64_t at;
    char *type; /* "instance.created" */
    char *actor;
    int64_t tenant_id; /* 0 = operators only */
    char *resource_type;
    int64_t resource_id;
    char *data; /* JSON object */
};

extern const struct db_table repo_event_table;

/** Free what @r owns and zero it. */
void repo_event_row_free(struct repo_event_row *r);

/* An event to write; texts stay the caller's. */
struct repo_event_new {
    const char *type;
    const char *actor;
    int64_t tenant_id;
    const char *resource_type;
    int64_t resource_id;
    const char *data; /* JSON object, NULL = {} */
};

/** Append at the present time; *@ret_seq may be NULL. */
int repo_event_append(struct db_tx *tx, const struct repo_event_new *e, int64_t *ret_seq,
                      struct bt_err *err);

struct repo_event_filter {
    int64_t after_seq;
    int limit;
    int64_t tenant_id;         /* 0 = any */
    const char *type;          /* exact, NULL = any */
    const char *resource_type; /* NULL = any */
    int64_t resource_id;       /* 0 = any */
};

/** One page in order of seq. */
int repo_event_list(struct db_tx *tx, const struct repo_event_filter *f, struct bt_arr *ret,
                    struct bt_err *err);

/** Highest seq ever given, 0 = none. */
int repo_event_last_seq(struct db_tx *tx, int64_t *ret, struct bt_err *err);

/** Remove events older than @before_ms, at most @limit; *@ret_n = how many. */
int repo_event_prune(struct db_tx *tx, int64_t before_ms, int limit, int64_t *ret_n,
                     struct bt_err *err);
