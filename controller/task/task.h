/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/loop/loop.h"
#include "common/sm/sm.h"
#include "controller/agentlink/agentlink.h"
#include "controller/agentlink/agentlink_out.h"
#include "db/core/db.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_task.h"

/*
 * Tasks: one holds an instance at a time (DESIGN 4, docs/decisions/0042-tasks.md). The rows are the
 * truth; memory has only what must not cost a write (progress) and who waits for an end. What a
 * result means for an instance is the service's: it hands a table of actions to tasks_new.
 *
 *   queued    behind another task of the same instance
 *   waiting   its host has no session (waiting_for = "host h1"); nothing was sent yet
 *   running   sent, or about to be; sent again after every new session until a result comes
 *   cancelling the host was asked to end it at its next step boundary
 */
struct tasks;

/* Result of a task as it is applied, in the transaction that stores the agent's seq. */
struct task_result {
    bool ok, cancelled;
    bool superseded;                   /* cancelled by a verb that goes next */
    const char *code, *message, *hint; /* of an error; "host_unreachable" when a deadline passed */
    const struct link_item *item;      /* what the agent has now; NULL = nobody knows */
};

struct task_action {
    int action; /* enum action */
    /* Writer, optional: what the end means for the instance and other rows. The task row is ended
     * and the lock handed on by the engine afterwards. */
    int (*on_result)(struct db_tx *tx, void *ctx, const struct repo_task_row *t,
                     const struct task_result *r, struct agentlink_out *out, struct bt_err *err);
    bool cancellable; /* by a person, while it runs */
    bool preempts;    /* always ends the holder and goes next: kill, delete, suspend, purge */
    bool patient;     /* no deadline: stop, kill, delete, purge */
};

/* What the writer knows of a host. */
struct task_host {
    bool live; /* it has a session, or had one a moment ago */
    char name[64];
};

struct tasks_config {
    struct db *db;
    struct bt_loop *loop;
    const struct task_action *actions; /* ends with action -1 */
    /* Writer: the apply message of a task from the rows as they are now. */
    int (*build)(struct db_tx *tx, void *ctx, const struct repo_task_row *t, struct link_apply *ret,
                 struct bt_err *err);
    /* Writer. NOT_FOUND. */
    int (*host)(struct db_tx *tx, void *ctx, int64_t host_id, struct task_host *ret,
                struct bt_err *err);
    /* Loop: a transaction of the engine's own has committed. */
    void (*committed)(void *ctx, struct agentlink_out *out);
    void *ctx;
    int64_t deadline_ms; /* 0 = 10 min */
};

extern const struct bt_sm_def task_sm;

/** Make the engine. Nothing runs before tasks_start. */
struct tasks *tasks_new(const struct tasks_config *cfg);

/** Free a stopped engine. NULL is fine. */
void tasks_free(struct tasks *t);

/** Arm the deadlines of what is open in the database. Loop thread. */
void tasks_start(struct tasks *t);

/** Stop timers; waiters are called with CANCELLED. */
void tasks_stop(struct tasks *t);

/* ---- writer thread, inside a transaction ---- */

struct task_new {
    int action;   /* enum action */
    bool preempt; /* ends the holder (stop --force; else the action's row says) */
    bool sync;    /* the result holds already: made in state success, sends nothing */
    struct repo_instance_row *inst; /* NULL = of no instance; locked_by is set */
    int64_t host_id, image_id, tenant_id;
    const char *actor, *source;
    const char *args;        /* JSON object: force, timeout_ms ... as build wants them; NULL = {} */
    const char *fingerprint; /* verb + arguments; NULL = none is like it */
    int64_t generation;      /* of the spec that it sends */
    int64_t *ret_holder;     /* LOCKED: who holds the instance; may be NULL */
};

enum task_begin { TASK_MADE, TASK_SAME };

/**
 * Take the lock of @n->inst for a new task, by the rules: free = made (running, or waiting when the
 * host has no session); the same verb with the same arguments holds or waits = that task again
 * (TASK_SAME, nothing else was done and the caller must change nothing); a verb that preempts asks
 * the holder to end and is queued behind it (an already queued one ends as cancelled); else LOCKED
 * with the holder in *@n->ret_holder. @ret is the caller's to free. Write the instance (whose
 * locked_by was set) between this and task_dispatch.
 */
int task_begin(struct tasks *t, struct db_tx *tx, const struct task_new *n,
               struct agentlink_out *out, struct repo_task_row *ret, struct bt_err *err);

/** Build and queue the apply message of a task that task_begin made (nothing when it must wait). */
int task_dispatch(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                  struct agentlink_out *out, struct bt_err *err);

/** Apply a result: the action's on_result, the end of the task, the lock to the next queued one.
 * Nothing when the task has ended already. */
int task_end(struct tasks *t, struct db_tx *tx, int64_t task_id, const struct task_result *r,
             struct agentlink_out *out, struct bt_err *err);

/** Every open task of a host, after its inventory: sent (again). */
int task_sync_host(struct tasks *t, struct db_tx *tx, int64_t host_id, struct agentlink_out *out,
                   struct bt_err *err);

/** The host does not answer: what was sent waits for it. */
int task_host_lost(struct tasks *t, struct db_tx *tx, int64_t host_id, struct bt_err *err);

/** A person cancels: a waiting or queued one ends now, a running one is asked to. BAD_STATE (ended,
 * not cancellable), NOT_FOUND. */
int task_cancel(struct tasks *t, struct db_tx *tx, int64_t task_id, struct agentlink_out *out,
                struct bt_err *err);

/** May a person cancel it now? */
bool task_cancellable(const struct tasks *t, const struct repo_task_row *row);

/* ---- loop thread ---- */

/* Somebody waits for an end (Prefer: wait). */
struct task_wait {
    struct bt_list link;
    struct bt_timer timer;
    int64_t task_id;
    struct tasks *tasks;
    /* @state: enum task_state at the end, or -1 when the time is over. @code: error code or "". */
    void (*done)(struct task_wait *w, int state, const char *code);
    void *owner;
};

/**
 * Wait until a task ends or @timeout_ms is over; done follows exactly once, never inside. Start it
 * in the done() of the call that made the task: an end that was committed before is found too.
 */
void task_wait_start(struct task_wait *w, struct tasks *t, int64_t task_id, int64_t timeout_ms);

/** Stop waiting without done(). */
void task_wait_stop(struct task_wait *w);

/** Ends of a committed transaction: wake who waits. */
void tasks_committed(struct tasks *t, const struct agentlink_out *out);

/** Newest progress of a running task that is not in its row yet; false when there is none. */
bool tasks_progress(const struct tasks *t, int64_t task_id, int64_t *ret_progress, char *ret_step,
                    size_t step_size);

/** A progress message of an agent (throttled to a write a second for a task). */
void tasks_on_progress(struct tasks *t, const struct link_progress *p);
