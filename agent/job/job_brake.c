/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * The destroy brake (docs/decisions/0032-destroy-brake.md): more deletes or purges in a window than
 * agent.conf allows wait, oldest first, until the window has passed or an operator confirms.
 */
#define ASK_AGAIN_MS 15000
#define WAITING_FOR "destroy brake"

void job_brake_question(const struct job_inst *in, enum journal_destroy_kind kind,
                        struct journal_destroy *ret)
{
    const struct job_brake *b = &in->job->cfg.brake;
    bool deletes = kind == JOURNAL_DESTROY_DELETE;
    *ret = (struct journal_destroy){.kind = kind,
                                    .uuid = in->uuid,
                                    .max = deletes ? b->deletes : b->purges,
                                    .max_pct = deletes ? b->delete_pct : b->purge_pct,
                                    .window_ms = b->window_ms,
                                    .confirm_until_ms = in->job->confirm_until_ms};
}

void job_brake_event(struct job_write *w, const struct job_inst *in)
{
    if (!bt_list_empty(&in->job->held))
        return;
    w->held_event.kind = REPORT_EVENT;
    w->held_event.event = bt_xstrdup("host.brake_held");
    w->held_event.uuid = bt_xstrdup(in->uuid);
    w->held_event.text =
        bt_xstrdup("more destroys than the host allows: they wait for a confirmation");
}

void job_brake_hold(struct job_inst *in)
{
    struct job *j = in->job;
    bt_log(BT_WARN, "job", "instance=%s task=%lld held by the destroy brake", in->uuid,
           (long long)in->run.job.task_id);
    if (in->phase != JOB_HELD)
        job_inst_move(in, JOB_HELD);
    if (bt_list_empty(&in->link))
        bt_list_push(&j->held, &in->link);
    if (!bt_timer_running(&j->held_timer))
        bt_timer_start(&j->held_timer, ASK_AGAIN_MS);
    job_run_progress(in, WAITING_FOR);
}

void job_brake_release(struct job_inst *in)
{
    struct job *j = in->job;
    bt_list_remove(&in->link);
    if (bt_list_empty(&j->held)) {
        bt_timer_stop(&j->held_timer);
        job_event(j, NULL, "host.brake_released", "no destroy waits any more");
    }
}

static void asked(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job_inst *in = w->in;
    if (rc < 0) {
        job_run_step_done(in, rc, err);
        return;
    }
    if (w->ret_held)
        job_brake_hold(in);
    else
        job_run_step_done(in, 0, NULL);
}

static struct job_write *question(struct job_inst *in)
{
    struct job_write *w = job_write_new(in->job, in);
    unsigned step = in->run.plan->steps[in->run.at];
    w->ask = true;
    job_brake_question(
        in, step == STEP_BRAKE_PURGE ? JOURNAL_DESTROY_PURGE : JOURNAL_DESTROY_DELETE, &w->destroy);
    return w;
}

void job_brake_step(struct job_inst *in)
{
    struct job_write *w = question(in);
    job_brake_event(w, in);
    w->then = asked;
    job_write_submit(w);
}

/* ---- those that wait ---- */

static void asked_again(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job_inst *in = w->in;
    struct job *j = in->job;
    (void)err;
    bool goes = rc == 0 && !w->ret_held;
    j->asking = false;
    /* Cancelled meanwhile: what was counted for it counts. */
    if (in->phase == JOB_HELD && goes) {
        job_brake_release(in);
        job_inst_move(in, JOB_WORK);
        job_run_step_done(in, 0, NULL);
    }
    if (!bt_list_empty(&j->held))
        bt_timer_start(&j->held_timer, goes ? 0 : ASK_AGAIN_MS);
}

void job_brake_timer(struct bt_timer *t)
{
    struct job *j = BT_CONTAINER_OF(t, struct job, held_timer);
    if (bt_list_empty(&j->held) || j->asking)
        return;
    struct job_inst *in = BT_CONTAINER_OF(j->held.next, struct job_inst, link);
    struct job_write *w = question(in);
    j->asking = true;
    w->then = asked_again;
    job_write_submit(w);
}

/* ---- an operator confirms ---- */

static void confirmed(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job *j = w->owner;
    if (rc == 0) {
        bt_log(BT_WARN, "job", "destroys are confirmed until=%lld", (long long)w->confirm_until_ms);
        j->confirm_until_ms = w->confirm_until_ms;
        if (!bt_list_empty(&j->held))
            bt_timer_start(&j->held_timer, 0);
    }
    if (j->cfg.events.confirmed)
        j->cfg.events.confirmed(j->cfg.events.ctx, w->from, rc, err);
}

void job_confirm(struct job *j, int64_t until_ms, struct job_from from)
{
    struct job_write *w = job_write_new(j, NULL);
    w->confirm = true;
    w->confirm_until_ms = until_ms;
    w->from = from;
    w->owner = j;
    w->then = confirmed;
    job_write_submit(w);
}
