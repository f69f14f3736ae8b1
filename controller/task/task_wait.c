/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/task/task_priv.h"
#include "db/core/db_sql.h"

/* Loop side: who waits, progress, the clock of the deadlines. */
#define PROGRESS_WRITE_MS 1000

struct task_progress {
    int64_t task_id;
    int64_t progress, written_mono_ms;
    char step[64], waiting_for[96];
};

/* One write of progress. */
struct progress_write {
    struct db_work work;
    struct tasks *tasks;
    struct task_progress p;
    bool over; /* the task has ended: nothing is kept of it */
};

/* Has a task ended before somebody began to wait for it? */
struct probe {
    struct db_read read;
    struct tasks *tasks;
    int64_t task_id;
    struct repo_task_row row;
};

static void tick(struct bt_timer *timer)
{
    struct tasks *t = BT_CONTAINER_OF(timer, struct tasks, tick);
    if (t->late_busy || t->stopped)
        return;
    t->late = (struct db_work){.apply = task_late_apply, .done = task_late_done};
    t->late_busy = db_submit(t->cfg.db, &t->late, NULL) >= 0;
    if (!t->late_busy)
        task_late_arm(t);
}

void task_late_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct tasks *t = BT_CONTAINER_OF(w, struct tasks, late);
    (void)err; /* a look that failed is followed by the next */
    t->late_busy = false;
    if (rc >= 0)
        t->cfg.committed(t->cfg.ctx, &t->late_out);
    agentlink_out_reset(&t->late_out);
    if (rc < 0 || t->late_open > 0)
        task_late_arm(t);
}

void task_late_arm(struct tasks *t)
{
    if (!t->stopped && !t->late_busy && !bt_timer_running(&t->tick))
        bt_timer_start(&t->tick, TASK_LATE_TICK_MS);
}

struct tasks *tasks_new(const struct tasks_config *cfg)
{
    struct tasks *t = bt_xcalloc(1, sizeof *t);
    t->cfg = *cfg;
    if (!t->cfg.deadline_ms)
        t->cfg.deadline_ms = TASK_DEADLINE_MS;
    bt_list_init(&t->waits);
    bt_timer_init(&t->tick, cfg->loop, tick);
    return t;
}

void tasks_free(struct tasks *t)
{
    if (!t)
        return;
    assert(!t->late_busy && bt_list_empty(&t->waits));
    size_t pos = 0;
    for (struct task_progress *p; (p = bt_map_next(&t->progress, &pos));)
        free(p);
    bt_map_fini(&t->progress);
    agentlink_out_reset(&t->late_out);
    free(t);
}

void tasks_start(struct tasks *t)
{
    task_late_arm(t);
}

/* ---- waiters ---- */

static struct task_wait *wait_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct task_wait, link);
}

void task_wait_stop(struct task_wait *w)
{
    bt_list_remove(&w->link);
    bt_timer_stop(&w->timer);
}

/* done() may stop other waits: look again from the front. */
static struct task_wait *wait_find(struct tasks *t, int64_t task_id)
{
    BT_LIST_FOREACH(it, &t->waits)
        if (wait_of(it)->task_id == task_id)
            return wait_of(it);
    return NULL;
}

static void wake(struct tasks *t, int64_t task_id, int state, const char *code)
{
    struct task_wait *w;
    while ((w = wait_find(t, task_id))) {
        task_wait_stop(w);
        w->done(w, state, code);
    }
}

static int probe_read(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    struct probe *p = BT_CONTAINER_OF(r, struct probe, read);
    return repo_task_get(tx, p->task_id, &p->row, err);
}

static void probe_done(struct db_read *r, int rc, const struct bt_err *err)
{
    struct probe *p = BT_CONTAINER_OF(r, struct probe, read);
    (void)err; /* then the waiter's own time ends it */
    if (rc >= 0 && p->row.finished_at)
        wake(p->tasks, p->task_id, p->row.state, p->row.error_code ? p->row.error_code : "");
    repo_task_row_free(&p->row);
    free(p);
}

static void wait_over(struct bt_timer *timer)
{
    struct task_wait *w = BT_CONTAINER_OF(timer, struct task_wait, timer);
    task_wait_stop(w);
    w->done(w, -1, "");
}

void task_wait_start(struct task_wait *w, struct tasks *t, int64_t task_id, int64_t timeout_ms)
{
    w->tasks = t;
    w->task_id = task_id;
    bt_list_push(&t->waits, &w->link);
    bt_timer_init(&w->timer, t->cfg.loop, wait_over);
    bt_timer_start(&w->timer, timeout_ms);
    struct probe *p = bt_xcalloc(1, sizeof *p);
    *p = (struct probe){
        .read = {.read = probe_read, .done = probe_done}, .tasks = t, .task_id = task_id};
    if (db_read_submit(t->cfg.db, &p->read, NULL) < 0)
        free(p);
}

void tasks_stop(struct tasks *t)
{
    t->stopped = true;
    bt_timer_stop(&t->tick);
    while (!bt_list_empty(&t->waits)) {
        struct task_wait *w = wait_of(t->waits.next);
        task_wait_stop(w);
        w->done(w, -1, bt_code_str(BT_E_CANCELLED));
    }
}

void tasks_committed(struct tasks *t, const struct agentlink_out *out)
{
    const struct agentlink_ended *e = out->ended.items;
    for (size_t i = 0; i < out->ended.len; i++) {
        free(bt_map_remove_u64(&t->progress, (uint64_t)e[i].task_id));
        wake(t, e[i].task_id, e[i].state, e[i].code);
    }
    if (out->deadlines)
        task_late_arm(t);
}

/* ---- progress ---- */

bool tasks_progress(const struct tasks *t, int64_t task_id, int64_t *ret_progress, char *ret_step,
                    size_t step_size)
{
    const struct task_progress *p = bt_map_find_u64(&t->progress, (uint64_t)task_id);
    if (!p)
        return false;
    *ret_progress = p->progress;
    (void)bt_strcpy(ret_step, step_size, p->step);
    return true;
}

static int write_progress(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct progress_write *pw = BT_CONTAINER_OF(w, struct progress_write, work);
    _cleanup_(repo_task_row_free) struct repo_task_row row = {0};
    int rc = repo_task_get(tx, pw->p.task_id, &row, err);
    pw->over = rc == -BT_E_NOT_FOUND || row.finished_at;
    if (rc < 0 || (row.state != TASK_RUNNING && row.state != TASK_CANCELLING))
        return rc;
    struct repo_task_move m = {.state = row.state,
                               .progress = pw->p.progress,
                               .step = pw->p.step,
                               .waiting_for = pw->p.waiting_for[0] ? pw->p.waiting_for : NULL};
    return repo_task_move(tx, row.id, &m, err);
}

static void progress_written(struct db_work *w, int rc, const struct bt_err *err)
{
    struct progress_write *pw = BT_CONTAINER_OF(w, struct progress_write, work);
    (void)rc, (void)err; /* progress is a courtesy */
    pw->tasks->writes--;
    if (pw->over)
        free(bt_map_remove_u64(&pw->tasks->progress, (uint64_t)pw->p.task_id));
    free(pw);
}

void tasks_on_progress(struct tasks *t, const struct link_progress *p)
{
    struct task_progress *at = bt_map_find_u64(&t->progress, (uint64_t)p->task_id);
    int64_t now = bt_mono_ms(bt_loop_clock(t->cfg.loop));
    if (!at) {
        at = bt_xcalloc(1, sizeof *at);
        at->written_mono_ms = now - PROGRESS_WRITE_MS;
        (void)bt_map_set_u64(&t->progress, (uint64_t)p->task_id, at);
    }
    at->task_id = p->task_id;
    at->progress = p->progress;
    (void)bt_strcpy(at->step, sizeof at->step, p->step ? p->step : "");
    (void)bt_strcpy(at->waiting_for, sizeof at->waiting_for, p->waiting_for ? p->waiting_for : "");
    if (now - at->written_mono_ms < PROGRESS_WRITE_MS)
        return;
    at->written_mono_ms = now;
    struct progress_write *pw = bt_xcalloc(1, sizeof *pw);
    *pw = (struct progress_write){
        .work = {.apply = write_progress, .done = progress_written}, .tasks = t, .p = *at};
    t->writes++;
    if (db_submit(t->cfg.db, &pw->work, NULL) < 0) {
        t->writes--;
        free(pw);
    }
}
