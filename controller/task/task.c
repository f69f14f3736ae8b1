/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/task/task.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/task/task_priv.h"
#include "db/core/db_sql.h"
#include "db/repo/repo_event.h"

/*
 * Writer side. Invariants:
 *  1. instances.locked_by is an open task of that instance, or none of its tasks is open.
 *  2. Of the open tasks of an instance the holder is the oldest; all others are queued.
 *  3. A task that never began (started_at = 0) was never sent to a host.
 */
static const struct bt_state states[] = {
    [TASK_QUEUED] = {"queued", BT_ST(TASK_WAITING) | BT_ST(TASK_RUNNING) | BT_ST(TASK_CANCELLED) |
                                   BT_ST(TASK_ERROR)},
    [TASK_WAITING] = {"waiting", BT_ST(TASK_RUNNING) | BT_ST(TASK_CANCELLING) |
                                     BT_ST(TASK_SUCCESS) | BT_ST(TASK_ERROR) |
                                     BT_ST(TASK_CANCELLED)},
    [TASK_RUNNING] = {"running", BT_ST(TASK_WAITING) | BT_ST(TASK_CANCELLING) |
                                     BT_ST(TASK_SUCCESS) | BT_ST(TASK_ERROR) |
                                     BT_ST(TASK_CANCELLED)},
    [TASK_CANCELLING] = {"cancelling",
                         BT_ST(TASK_SUCCESS) | BT_ST(TASK_ERROR) | BT_ST(TASK_CANCELLED)},
    [TASK_SUCCESS] = {"success", 0},
    [TASK_ERROR] = {"error", 0},
    [TASK_CANCELLED] = {"cancelled", 0},
};

const struct bt_sm_def task_sm = {"task", states, BT_ARRAY_LEN(states)};

const struct task_action *task_action_find(const struct tasks *t, int action)
{
    for (const struct task_action *a = t->cfg.actions; a->action >= 0; a++)
        if (a->action == action)
            return a;
    return NULL;
}

static const struct task_action *action_of(const struct tasks *t, const struct repo_task_row *row)
{
    int action = enum_from_str(enum_action, row->action);
    return action < 0 ? NULL : task_action_find(t, action);
}

static int move(struct db_tx *tx, struct repo_task_row *row, int to, const char *waiting_for,
                struct bt_err *err)
{
    unsigned state = (unsigned)row->state;
    if (!bt_sm_move(&task_sm, &state, (unsigned)to))
        return bt_fail(err, BT_E_INTERNAL, "task %lld cannot go from %s to %s", (long long)row->id,
                       enum_task_state[row->state], enum_task_state[to]);
    struct repo_task_move m = {.state = to, .progress = -1, .waiting_for = waiting_for};
    int rc = repo_task_move(tx, row->id, &m, err);
    if (rc >= 0)
        row->state = to;
    return rc;
}

/* ---- begin ---- */

/* Where a task that has the lock (or needs none) stands: with its host, or waiting for it. */
static int place(struct tasks *t, struct db_tx *tx, int64_t host_id, int *ret_state,
                 char waiting_for[96], struct bt_err *err)
{
    struct task_host h = {.live = true};
    waiting_for[0] = '\0';
    int rc = host_id ? t->cfg.host(tx, t->cfg.ctx, host_id, &h, err) : 0;
    if (rc < 0)
        return rc;
    *ret_state = h.live ? TASK_RUNNING : TASK_WAITING;
    if (!h.live)
        (void)snprintf(waiting_for, 96, "host %s", h.name);
    return 0;
}

static int insert(struct tasks *t, struct db_tx *tx, const struct task_new *n, int64_t behind,
                  struct repo_task_row *ret, struct bt_err *err)
{
    const struct task_action *a = task_action_find(t, n->action);
    int64_t now = db_tx_now_ms(tx), deadline = t->cfg.deadline_ms;
    char waiting_for[96];
    int state = TASK_QUEUED;
    int rc = 0;
    if (behind)
        (void)snprintf(waiting_for, sizeof waiting_for, "task %lld", (long long)behind);
    else
        rc = place(t, tx, n->sync ? 0 : n->host_id, &state, waiting_for, err);
    if (rc < 0)
        return rc;
    if (n->sync)
        state = TASK_SUCCESS;
    struct repo_task_row row = {
        .action = bt_xstrdup(enum_action[n->action]),
        .state = state,
        .progress = n->sync ? 100 : 0,
        .waiting_for = waiting_for[0] ? bt_xstrdup(waiting_for) : NULL,
        .instance_id = n->inst ? n->inst->id : 0,
        .host_id = n->host_id,
        .image_id = n->image_id,
        .tenant_id = n->tenant_id,
        .actor = bt_xstrdup(n->actor),
        .source = bt_xstrdup(n->source ? n->source : ""),
        .args = bt_xstrdup(n->args ? n->args : "{}"),
        .fingerprint = bt_xstrdup(n->fingerprint ? n->fingerprint : ""),
        .generation = n->generation,
        .deadline_at = (a && a->patient) || n->sync ? 0 : now + deadline,
        .started_at = state == TASK_RUNNING || n->sync ? now : 0,
        .finished_at = n->sync ? now : 0,
    };
    rc = repo_task_insert(tx, &row, err);
    if (rc < 0)
        repo_task_row_free(&row);
    else
        *ret = row;
    return rc;
}

/* The holder must end: at once when nothing was sent, else its host is asked. */
static int preempt(struct tasks *t, struct db_tx *tx, struct repo_task_row *holder,
                   struct agentlink_out *out, bool *ret_ended, struct bt_err *err)
{
    *ret_ended = holder->started_at == 0;
    if (*ret_ended)
        return task_end(t, tx, holder->id,
                        &(struct task_result){.cancelled = true, .superseded = true}, out, err);
    if (holder->state == TASK_CANCELLING)
        return 0;
    int rc = move(tx, holder, TASK_CANCELLING, NULL, err);
    if (rc >= 0 && holder->host_id)
        agentlink_out_cancel(out, holder->host_id, holder->id);
    return rc;
}

static bool same(const struct repo_task_row *row, const struct task_new *n)
{
    return row->state != TASK_CANCELLING && bt_streq(row->action, enum_action[n->action]) &&
           n->fingerprint && bt_streq(row->fingerprint, n->fingerprint);
}

/* A beginning that has met other tasks of the instance. */
struct contest {
    struct tasks *t;
    struct db_tx *tx;
    const struct task_new *n;
    struct agentlink_out *out;
    struct bt_arr open;         /* struct repo_task_row, the holder first */
    int64_t behind;             /* who must end first, 0 = nobody */
    struct repo_task_row *same; /* the running one that this is */
};

/* End what is queued, ask the holder to end. */
static int make_way(struct contest *k, struct bt_err *err)
{
    struct repo_task_row *rows = k->open.items;
    struct task_result cancelled = {.cancelled = true, .superseded = true};
    for (size_t i = k->open.len; i-- > 1;) {
        int rc = task_end(k->t, k->tx, rows[i].id, &cancelled, k->out, err);
        if (rc < 0)
            return rc;
    }
    bool ended = false;
    int rc = preempt(k->t, k->tx, &rows[0], k->out, &ended, err);
    k->behind = ended ? 0 : rows[0].id;
    return rc;
}

/* Another task holds the instance: the same one again, or go next, or refuse. */
static int contend(struct contest *k, struct bt_err *err)
{
    struct repo_task_row *rows = k->open.items, *last = &rows[k->open.len - 1];
    const struct task_action *a = task_action_find(k->t, k->n->action);
    if (same(last, k->n)) {
        int rc = repo_task_get(k->tx, last->id, k->same, err);
        return rc < 0 ? rc : TASK_SAME;
    }
    if (!k->n->preempt && !(a && a->preempts)) {
        if (k->n->ret_holder)
            *k->n->ret_holder = rows[0].id;
        return bt_fail(err, BT_E_LOCKED, "task %lld (%s) holds the instance", (long long)rows[0].id,
                       rows[0].action);
    }
    int rc = make_way(k, err);
    return rc < 0 ? rc : TASK_MADE;
}

static int lock(struct db_tx *tx, const struct task_new *n, int64_t task_id, struct bt_err *err)
{
    int rc = repo_instance_lock(tx, n->inst->id, task_id, NULL, err);
    if (rc >= 0)
        n->inst->locked_by = task_id;
    return rc;
}

int task_begin(struct tasks *t, struct db_tx *tx, const struct task_new *n,
               struct agentlink_out *out, struct repo_task_row *ret, struct bt_err *err)
{
    struct contest k = {.t = t, .tx = tx, .n = n, .out = out, .same = ret};
    int rc = TASK_MADE;
    if (n->inst && n->inst->locked_by) {
        rc = repo_task_list_open(tx, n->inst->id, &k.open, err);
        if (rc >= 0 && k.open.len)
            rc = contend(&k, err);
        db_rows_free(&repo_task_table, &k.open);
        if (rc < 0 || rc == TASK_SAME)
            return rc;
        n->inst->locked_by = k.behind;
    }
    rc = insert(t, tx, n, k.behind, ret, err);
    if (rc < 0)
        return rc;
    if (n->inst && !k.behind && !n->sync)
        rc = lock(tx, n, ret->id, err);
    if (n->sync)
        agentlink_out_ended(out, ret->id, TASK_SUCCESS, NULL);
    out->deadlines |= ret->deadline_at != 0;
    return rc < 0 ? rc : TASK_MADE;
}

int task_dispatch(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                  struct agentlink_out *out, struct bt_err *err)
{
    if (row->state != TASK_RUNNING || !row->host_id || !row->instance_id)
        return 0;
    struct link_apply a = {0};
    int rc = t->cfg.build(tx, t->cfg.ctx, row, &a, err);
    if (rc < 0)
        return rc;
    agentlink_out_apply(out, row->host_id, &a);
    bt_schema_free(&link_apply_schema, &a);
    return 0;
}

/* ---- end ---- */

static int tell(struct db_tx *tx, const struct repo_task_row *row, int state, const char *code,
                struct agentlink_out *out, struct bt_err *err)
{
    char type[32], data[160];
    (void)snprintf(type, sizeof type, "task.%s", enum_task_state[state]);
    (void)snprintf(data, sizeof data, "{\"action\":\"%s\",\"instance\":%lld,\"code\":\"%s\"}",
                   row->action, (long long)row->instance_id, code ? code : "");
    struct repo_event_new e = {.type = type,
                               .actor = row->actor,
                               .tenant_id = row->tenant_id,
                               .resource_type = "task",
                               .resource_id = row->id,
                               .data = data};
    out->events = true;
    agentlink_out_ended(out, row->id, state, code);
    return repo_event_append(tx, &e, NULL, err);
}

/* @to (0 = nobody) takes the lock that @from had, or has let go of (a purge does). */
static int pass_lock(struct db_tx *tx, const struct repo_task_row *from, int64_t holder, int64_t to,
                     struct bt_err *err)
{
    if (holder == from->id)
        return repo_instance_unlock(tx, from->instance_id, from->id, to, err);
    return to ? repo_instance_lock(tx, from->instance_id, to, NULL, err) : 0;
}

/* The oldest queued task of the instance takes the lock. */
static int hand_on(struct tasks *t, struct db_tx *tx, const struct repo_task_row *row,
                   int64_t holder, struct agentlink_out *out, struct bt_err *err)
{
    struct bt_arr open = {0};
    int rc = repo_task_list_open(tx, row->instance_id, &open, err);
    struct repo_task_row *next = open.len ? open.items : NULL;
    char waiting_for[96];
    int state = TASK_RUNNING;
    if (rc >= 0)
        rc = pass_lock(tx, row, holder, next ? next->id : 0, err);
    if (rc >= 0 && next)
        rc = place(t, tx, next->host_id, &state, waiting_for, err);
    if (rc >= 0 && next)
        rc = move(tx, next, state, waiting_for[0] ? waiting_for : NULL, err);
    if (rc >= 0 && next)
        rc = task_dispatch(t, tx, next, out, err);
    db_rows_free(&repo_task_table, &open);
    return rc < 0 ? rc : 0;
}

static int end_row(struct db_tx *tx, struct repo_task_row *row, const struct task_result *r,
                   struct bt_err *err)
{
    if (r->ok)
        return move(tx, row, TASK_SUCCESS, NULL, err);
    if (r->cancelled)
        return move(tx, row, TASK_CANCELLED, NULL, err);
    struct bt_err e = {.code = bt_code_from_str(r->code)};
    (void)bt_strcpy(e.msg, sizeof e.msg, r->message ? r->message : "");
    (void)bt_strcpy(e.hint, sizeof e.hint, r->hint ? r->hint : "");
    return repo_task_fail(tx, row->id, &e, err);
}

/* Who holds the instance of @row, 0 = nobody, -1 = it has none. */
static int holder_of(struct db_tx *tx, const struct repo_task_row *row, int64_t *ret,
                     struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row inst = {0};
    *ret = -1;
    int rc = row->instance_id ? repo_instance_get(tx, row->instance_id, &inst, err) : 0;
    if (rc >= 0 && row->instance_id)
        *ret = inst.locked_by;
    return rc;
}

static int end_open(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                    const struct task_result *r, struct agentlink_out *out, struct bt_err *err)
{
    const struct task_action *a = action_of(t, row);
    int64_t holder = -1;
    int state = r->ok ? TASK_SUCCESS : r->cancelled ? TASK_CANCELLED : TASK_ERROR;
    int rc = a && a->on_result ? a->on_result(tx, t->cfg.ctx, row, r, out, err) : 0;
    if (rc >= 0)
        rc = end_row(tx, row, r, err);
    if (rc >= 0)
        rc = holder_of(tx, row, &holder, err);
    if (rc >= 0)
        rc = tell(tx, row, state, r->ok || r->cancelled ? NULL : r->code, out, err);
    if (rc >= 0 && (holder == row->id || holder == 0))
        rc = hand_on(t, tx, row, holder, out, err);
    return rc;
}

int task_end(struct tasks *t, struct db_tx *tx, int64_t task_id, const struct task_result *r,
             struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row row = {0};
    int rc = repo_task_get(tx, task_id, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return 0; /* pruned long ago, or of a controller that is gone */
    if (rc < 0 || row.finished_at)
        return rc;
    return end_open(t, tx, &row, r, out, err);
}

/* ---- hosts come and go ---- */

static int resend(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                  struct agentlink_out *out, struct bt_err *err)
{
    int rc = 0;
    if (row->state == TASK_WAITING)
        rc = move(tx, row, TASK_RUNNING, NULL, err);
    if (rc >= 0 && row->state == TASK_RUNNING)
        rc = task_dispatch(t, tx, row, out, err);
    if (rc >= 0 && row->state == TASK_CANCELLING)
        agentlink_out_cancel(out, row->host_id, row->id);
    return rc;
}

static int wait_again(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                      struct agentlink_out *out, struct bt_err *err)
{
    (void)out;
    struct task_host h = {0};
    char waiting_for[96];
    if (row->state != TASK_RUNNING)
        return 0;
    int rc = t->cfg.host(tx, t->cfg.ctx, row->host_id, &h, err);
    if (rc < 0)
        return rc;
    (void)snprintf(waiting_for, sizeof waiting_for, "host %s", h.name);
    return move(tx, row, TASK_WAITING, waiting_for, err);
}

typedef int (*task_row_fn)(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                           struct agentlink_out *out, struct bt_err *err);

#define SYNC_PAGE 200

static int each_open(struct tasks *t, struct db_tx *tx, int64_t host_id, task_row_fn fn,
                     struct agentlink_out *out, struct bt_err *err)
{
    struct repo_task_filter f = {.host_id = host_id, .state = -1, .open = true, .limit = SYNC_PAGE};
    size_t got = SYNC_PAGE;
    int rc = 0;
    while (rc >= 0 && got == SYNC_PAGE) {
        struct bt_arr rows = {0};
        rc = repo_task_list(tx, &f, &rows, err);
        got = rows.len;
        struct repo_task_row *row = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++) {
            rc = fn(t, tx, &row[i], out, err);
            f.after_id = row[i].id;
        }
        db_rows_free(&repo_task_table, &rows);
    }
    return rc < 0 ? rc : 0;
}

int task_sync_host(struct tasks *t, struct db_tx *tx, int64_t host_id, struct agentlink_out *out,
                   struct bt_err *err)
{
    return each_open(t, tx, host_id, resend, out, err);
}

int task_host_lost(struct tasks *t, struct db_tx *tx, int64_t host_id, struct bt_err *err)
{
    return each_open(t, tx, host_id, wait_again, NULL, err);
}

/* ---- people ---- */

bool task_cancellable(const struct tasks *t, const struct repo_task_row *row)
{
    if (row->finished_at || row->state == TASK_CANCELLING)
        return false;
    const struct task_action *a = action_of(t, row);
    return row->started_at == 0 || (a && a->cancellable);
}

int task_cancel(struct tasks *t, struct db_tx *tx, int64_t task_id, struct agentlink_out *out,
                struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row row = {0};
    bool ended;
    int rc = repo_task_get(tx, task_id, &row, err);
    if (rc < 0)
        return rc;
    if (!task_cancellable(t, &row))
        return bt_fail(err, BT_E_BAD_STATE, "task %lld (%s, %s) cannot be cancelled",
                       (long long)task_id, row.action, enum_task_state[row.state]);
    if (row.started_at == 0)
        return end_open(t, tx, &row, &(struct task_result){.cancelled = true}, out, err);
    return preempt(t, tx, &row, out, &ended, err);
}

/* ---- deadlines ---- */

static int late(struct tasks *t, struct db_tx *tx, struct repo_task_row *row,
                struct agentlink_out *out, struct bt_err *err)
{
    struct task_host h = {.live = row->host_id == 0};
    int rc = row->host_id ? t->cfg.host(tx, t->cfg.ctx, row->host_id, &h, err) : 0;
    if (rc < 0)
        return rc;
    if (h.live) { /* the host works on it and has deadlines of its own */
        row->deadline_at = db_tx_now_ms(tx) + t->cfg.deadline_ms;
        return repo_task_update(tx, row, err);
    }
    char text[128];
    (void)snprintf(text, sizeof text, "host %s did not answer in time", h.name);
    struct task_result r = {.code = bt_code_str(BT_E_HOST_UNREACHABLE), .message = text};
    return end_open(t, tx, row, &r, out, err);
}

int task_late_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct tasks *t = BT_CONTAINER_OF(w, struct tasks, late);
    struct bt_arr rows = {0};
    agentlink_out_reset(&t->late_out);
    int rc = repo_task_list_late(tx, db_tx_now_ms(tx), TASK_LATE_BATCH, &rows, err);
    struct repo_task_row *row = rows.items;
    for (size_t i = 0; rc >= 0 && i < rows.len; i++)
        rc = late(t, tx, &row[i], &t->late_out, err);
    db_rows_free(&repo_task_table, &rows);
    return rc < 0 ? rc : repo_task_count_open(tx, &t->late_open, err);
}
