/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * Walking the steps of a run. Nothing of the walk is in the journal but that it began: after a
 * crash it begins again, and steps that are done say that they are not needed or do nothing.
 */

void job_run_clear(struct job_run *run)
{
    journal_job_free(&run->job);
    memset(run, 0, sizeof *run);
}

static size_t plan_len(const struct job_plan *p)
{
    size_t n = 0;
    while (p->steps[n] != STEP__COUNT)
        n++;
    return n;
}

void job_run_progress(struct job_inst *in, const char *waiting_for)
{
    const struct job_run *run = &in->run;
    struct job *j = in->job;
    size_t n = plan_len(run->plan);
    if (!run->job.id || !j->cfg.events.progress)
        return;
    struct link_progress p = {
        .task_id = run->job.task_id,
        .progress = n ? (int64_t)(run->at * 100 / n) : 0,
        .step = run->at < n ? (char *)job_steps[run->plan->steps[run->at]].name : NULL,
        .waiting_for = (char *)waiting_for};
    j->cfg.events.progress(j->cfg.events.ctx, &p);
}

/* ---- ends ---- */

static const char *step_name(const struct job_run *run)
{
    unsigned id = run->plan->steps[run->at];
    return id == STEP__COUNT ? NULL : job_steps[id].name;
}

static void run_failed(struct job_inst *in, const struct bt_err *err)
{
    struct job_run *run = &in->run;
    run->rc = -(int)err->code;
    run->err = *err;
    run->step = step_name(run);
    if (run->args.fresh)
        job_undo_start(in);
    else
        job_end_start(in);
}

static bool cancelled(struct job_inst *in)
{
    struct bt_err err = BT_ERR_INIT;
    if (!in->run.cancel || in->run.plan->steps[in->run.at] == STEP__COUNT)
        return false;
    (void)bt_fail(&err, BT_E_CANCELLED, "cancelled before step %s", step_name(&in->run));
    run_failed(in, &err);
    return true;
}

static void walk(struct job_inst *in)
{
    struct job_run *run = &in->run;
    for (; run->plan->steps[run->at] != STEP__COUNT; run->at++) {
        unsigned id = run->plan->steps[run->at];
        if (cancelled(in))
            return;
        if (!job_plan_needed[id](in))
            continue;
        run->begun |= JOB_BIT(id);
        job_run_progress(in, NULL);
        job_steps[id].run(in);
        return;
    }
    job_end_start(in);
}

void job_run_step_done(struct job_inst *in, int rc, const struct bt_err *err)
{
    struct job_run *run = &in->run;
    if (rc < 0) {
        run_failed(in, err);
        return;
    }
    /* A halt that a cancel cut short is no halt: the boundary is before it. */
    bool cut =
        run->cancel && run->plan->steps[run->at] == STEP_HALT && in->seen.state != INSTANCE_STOPPED;
    if (!cut)
        run->at++;
    walk(in);
}

/* ---- begins ---- */

void job_run_start(struct job_inst *in)
{
    struct job_run *run = &in->run;
    run->on = true;
    bt_log(BT_INFO, "job", "instance=%s task=%lld action=%s generation=%lld%s", in->uuid,
           (long long)run->job.task_id, enum_action[run->action], (long long)in->row.generation,
           run->resumed ? " resumed" : "");
    job_inst_move(in, JOB_WORK);
    walk(in);
}

void job_run_local(struct job_inst *in, int action)
{
    struct job_run *run = &in->run;
    *run = (struct job_run){.action = action, .local = true};
    run->plan = job_plan_find(action, in->row.desired);
    run->args.force = true;
    run->job.uuid = bt_xstrdup(in->uuid);
    run->job.generation = in->row.generation;
    job_run_start(in);
}

static void load_undo(struct job_inst *in)
{
    struct job_run *run = &in->run;
    struct link_result r = {0};
    const char *text = run->job.result ? run->job.result : "";
    run->err.code = BT_E_INTERNAL;
    if (bt_schema_parse(&link_result_schema, text, strlen(text), BT_LENIENT, &r, NULL, NULL) == 0) {
        (void)bt_fail(&run->err, bt_code_from_str(r.code), "%s", r.message ? r.message : "");
        for (unsigned i = 0; i < STEP__COUNT; i++) {
            if (bt_streq(job_steps[i].name, r.step))
                run->step = job_steps[i].name;
        }
        bt_schema_free(&link_result_schema, &r);
    }
    run->rc = -(int)run->err.code;
}

void job_run_resume(struct job_inst *in)
{
    struct job_run *run = &in->run;
    run->on = true;
    run->plan = job_plan_find(run->action, in->row.desired);
    if (run->job.state == JOURNAL_JOB_UNDOING) {
        load_undo(in);
        job_undo_start(in);
        return;
    }
    job_run_start(in);
}

/* ---- cancel ---- */

/* A purge that a crash has cut short may have begun to destroy: it can only be finished. */
static bool too_late(const struct job_inst *in)
{
    return in->run.resumed && in->phase != JOB_HELD && in->row.desired == DESIRED_DELETED &&
           job_plan_needed[STEP_PURGE](in);
}

void job_run_cancel(struct job_inst *in)
{
    if (too_late(in))
        return;
    in->run.cancel = true;
    if (in->phase == JOB_HELD) {
        job_brake_release(in);
        job_inst_move(in, JOB_WORK);
        walk(in);
    } else if (in->phase == JOB_WORK) {
        job_step_halt_wake(in);
    }
}
