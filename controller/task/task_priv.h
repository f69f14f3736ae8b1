/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/map.h"
#include "controller/task/task.h"

#define TASK_DEADLINE_MS (INT64_C(10) * 60 * 1000)
#define TASK_LATE_TICK_MS 1000
#define TASK_LATE_BATCH 100

struct tasks {
    struct tasks_config cfg;
    /* Loop thread. */
    struct bt_list waits;   /* struct task_wait */
    struct bt_map progress; /* task id -> struct task_progress */
    struct bt_timer tick;
    struct db_work late;
    struct agentlink_out late_out;
    int64_t late_open; /* tasks open after the last look */
    bool late_busy, stopped;
    unsigned writes; /* of progress, in flight */
};

/** Row of an action, NULL when it has none. */
const struct task_action *task_action_find(const struct tasks *t, int action);

/** Late tasks: one look soon when tasks with a deadline may be open. Loop thread. */
void task_late_arm(struct tasks *t);

/** The work of that look. */
int task_late_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err);

/** Its end: what it did goes out, the next look is armed. */
void task_late_done(struct db_work *w, int rc, const struct bt_err *err);
