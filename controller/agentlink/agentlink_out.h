/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/json/json.h"
#include "proto/link.h"

/*
 * What a transaction wants to happen after its COMMIT: commands for agents, tasks that ended,
 * events to hand out. Filled inside apply (and emptied before each run of it), used on the loop.
 */
struct agentlink_cmd {
    int64_t host_id;
    const char *op;  /* static */
    char *body;      /* JSON, may hold password hashes: erased when freed */
    int64_t task_id; /* of an apply or cancel */
    char uuid[37];   /* of an apply */
};

struct agentlink_ended {
    int64_t task_id;
    int state;     /* enum task_state */
    char code[64]; /* error code, "" = none */
};

struct agentlink_out {
    struct bt_arr cmds;  /* struct agentlink_cmd, in order */
    struct bt_arr ended; /* struct agentlink_ended */
    bool events;         /* rows were added to the outbox */
    bool deadlines;      /* tasks with a deadline were made */
};

/** Empty @o; its memory is freed. */
void agentlink_out_reset(struct agentlink_out *o);

/** Send an `apply` to a host. @a stays the caller's. */
void agentlink_out_apply(struct agentlink_out *o, int64_t host_id, const struct link_apply *a);

/** Ask a host to end a task at its next step boundary. */
void agentlink_out_cancel(struct agentlink_out *o, int64_t host_id, int64_t task_id);

/** A task has ended. @code: error code, NULL = none. */
void agentlink_out_ended(struct agentlink_out *o, int64_t task_id, int state, const char *code);
