/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * Ends of runs. A failed create is taken back, newest step first; that it is being taken back, and
 * why, goes into the journal before, so that a crash meanwhile does not make it begin again. The
 * result, the row and the report of it are one transaction, tried until the journal takes it.
 */
#define UNDO_TRIES 3
#define WRITE_BACKOFF_MAX_MS 10000
#define LOCAL_BACKOFF_MAX_MS 60000

/* ---- undo ---- */

static void undo_walk(struct job_inst *in)
{
    struct job_run *run = &in->run;
    while (run->at > 0) {
        unsigned id = run->plan->steps[--run->at];
        bool begun = run->resumed || (run->begun & JOB_BIT(id));
        if (!begun || !job_steps[id].undo)
            continue;
        run->undo_tries = 0;
        job_steps[id].undo(in);
        return;
    }
    job_end_start(in);
}

void job_undo_again(struct job_inst *in)
{
    job_steps[in->run.plan->steps[in->run.at]].undo(in);
}

void job_undo_step_done(struct job_inst *in, int rc, const struct bt_err *err)
{
    struct job_run *run = &in->run;
    if (rc < 0 && ++run->undo_tries < UNDO_TRIES) {
        bt_timer_start(&in->timer, job_backoff(run->undo_tries, WRITE_BACKOFF_MAX_MS));
        return;
    }
    if (rc < 0) {
        bt_log(BT_ERROR, "job", "instance=%s step=%s cannot be taken back: %s", in->uuid,
               job_steps[run->plan->steps[run->at]].name, err->msg);
        run->undo_failed = true;
        bt_hint(&run->err, "Some of it is still on the host; delete the instance");
    }
    undo_walk(in);
}

static void undo_noted(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job_inst *in = w->in;
    if (rc < 0)
        bt_log(BT_WARN, "job", "instance=%s undo: %s", in->uuid, err->msg);
    else
        in->run.job.state = JOURNAL_JOB_UNDOING;
    undo_walk(in);
}

void job_undo_start(struct job_inst *in)
{
    struct job_run *run = &in->run;
    while (run->plan->steps[run->at] != STEP__COUNT)
        run->at++;
    job_inst_move(in, JOB_UNDO);
    if (!run->job.id || run->job.state == JOURNAL_JOB_UNDOING) {
        undo_walk(in);
        return;
    }
    struct job_write *w = job_write_new(in->job, in);
    w->job = (struct journal_job){.id = run->job.id,
                                  .task_id = run->job.task_id,
                                  .state = JOURNAL_JOB_UNDOING,
                                  .result = job_result_text(run)};
    w->job_op = JOB_JOB_MOVE;
    w->then = undo_noted;
    job_write_submit(w);
}

/* ---- the row at the end ---- */

static void end_trash(struct job_inst *in, struct journal_instance *row)
{
    const struct job_run *run = &in->run;
    int64_t now = job_utc(in->job);
    if (run->trashed && row->trashed_at == 0) {
        const struct spec_tombstone *t = in->spec.tombstone;
        row->trashed_at = now;
        row->purge_at = now + in->job->cfg.brake.trash_ms;
        if (t && t->purge_at > row->purge_at)
            row->purge_at = t->purge_at;
    }
    if (run->untrashed)
        row->trashed_at = row->purge_at = 0;
}

static void end_power(struct job_inst *in, struct journal_instance *row)
{
    const struct driver_observed *seen = &in->seen;
    if (seen->state == INSTANCE_STOPPED) {
        row->started_at = row->init_pid = row->init_start = 0;
        return;
    }
    if (seen->state != INSTANCE_RUNNING && seen->state != INSTANCE_PAUSED)
        return;
    row->started_at = seen->started_at ? seen->started_at : job_utc(in->job);
    row->init_pid = seen->pid;
    row->init_start = seen->pid_start;
    free(row->boot_id);
    row->boot_id = bt_xstrdup(in->job->boot_id);
    if (in->run.started)
        row->boots++;
}

/* A counter is one attempt: whatever came of it, it is not made again behind the user's back. Only
 * a rebuild that has begun must be finished before the instance can start again. */
static void end_counters(const struct job_inst *in, struct journal_instance *row)
{
    const struct job_run *run = &in->run;
    bool lives = run->plan == job_plan_find(ACTION_SYNC, DESIRED_RUNNING);
    bool never_begun = run->action == ACTION_REBUILD && !(run->begun & JOB_BIT(STEP_REBUILD)) &&
                       in->spec.rebuild_seq == row->done_rebuild_seq + 1;
    row->done_restart_seq = in->spec.restart_seq;
    row->done_reset_seq = in->spec.reset_seq;
    if (lives && run->rc == 0)
        row->done_password_seq = in->spec.password_seq;
    if (run->rebuilt || (lives && run->rc == 0) || never_begun)
        row->done_rebuild_seq = in->spec.rebuild_seq;
}

/* A plan that is not about power may end well while the guest runs against the spec: then the spec
 * is not done, and a resync will say so. */
static bool fits(const struct job_inst *in, const struct journal_instance *row)
{
    bool alive = in->seen.state == INSTANCE_RUNNING || in->seen.state == INSTANCE_PAUSED;
    return !alive || job_observe_should_run(&in->spec, row);
}

static void end_row(struct job_inst *in, struct journal_instance *row)
{
    struct job_run *run = &in->run;
    bool of_spec = !run->local || run->action == ACTION_SYNC;
    end_trash(in, row);
    end_power(in, row);
    if (of_spec)
        end_counters(in, row);
    if (of_spec && run->rc == 0 && fits(in, row))
        row->done_generation = row->generation;
    if (in->has_effective) {
        free(row->effective);
        row->effective = bt_schema_emit_str(&limits_schema, &in->effective);
    }
    bool wanted_start = (run->begun & JOB_BIT(STEP_START)) || run->action == ACTION_START;
    if (run->rc < 0 && wanted_start && !run->started)
        job_observe_failed_start(in, row);
    row->state = job_observe_state(in, row);
}

static bool is_gone(const struct job_run *run)
{
    return run->purged || (run->args.fresh && run->rc < 0 && !run->undo_failed);
}

static void gone_row(const struct job_inst *in, struct journal_instance *row)
{
    row->trashed_at = row->purge_at = row->started_at = 0;
    row->state = INSTANCE_DELETED; /* nothing of it is left */
    if (in->run.purged)
        row->done_generation = row->generation;
}

/* ---- the write ---- */

static void run_over(struct job_inst *in, struct job_write *w)
{
    struct job *j = in->job;
    struct job_run *run = &in->run;
    bt_log(run->rc < 0 ? BT_WARN : BT_INFO, "job", "instance=%s task=%lld action=%s %s%s%s",
           in->uuid, (long long)run->job.task_id, enum_action[run->action],
           run->rc < 0 ? bt_code_str(run->err.code) : "done", run->rc < 0 ? ": " : "",
           run->rc < 0 ? run->err.msg : "");
    if (run->local) {
        in->local_fails = run->rc < 0 ? in->local_fails + 1 : 0;
        in->calm_until_ms =
            run->rc < 0 ? job_mono(j) + job_backoff(in->local_fails, LOCAL_BACKOFF_MAX_MS) : 0;
    }
    if (in->starting) {
        in->starting = false;
        j->starting--;
        bt_timer_start(&j->pump_timer, 0);
    }
    in->retries = 0;
    in->has_effective = false;
    /* What failed may have taken effect; and a request for one that is gone begins with a look. */
    in->stale = in->stale || run->rc < 0 || w->row_op == JOB_ROW_DELETE;
    if (w->row_op == JOB_ROW_DELETE)
        journal_instance_free(&in->row);
    else
        job_inst_commit_row(in, w);
    job_run_clear(run);
    job_inst_idle(in);
}

static void end_written(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job_inst *in = w->in;
    if (rc == 0) {
        run_over(in, w);
        return;
    }
    bt_log(BT_ERROR, "job", "instance=%s the result is not in the journal: %s", in->uuid, err->msg);
    bt_timer_start(&in->timer, job_backoff(++in->retries, WRITE_BACKOFF_MAX_MS));
}

static void end_reports(struct job_inst *in, struct job_write *w)
{
    struct job_run *run = &in->run;
    if (run->job.id) {
        job_report_result(w, run, &w->row);
        return;
    }
    job_report_state(w, &in->row);
    if (run->purged)
        job_report_event(w, in->uuid, "instance.purged", "its time in the trash was over");
    else if (run->rc < 0 && run->action == ACTION_START && w->row.fails == 1)
        job_report_event(w, in->uuid, "instance.start_failed", "%s", run->err.msg);
    else if (run->rc < 0 && (!run->local || run->action == ACTION_SYNC))
        job_report_event(w, in->uuid, "instance.sync_failed", "%s", run->err.msg);
}

static int end_state(const struct job_run *run)
{
    if (run->rc == 0)
        return JOURNAL_JOB_SUCCESS;
    return run->rc == -(int)BT_E_CANCELLED ? JOURNAL_JOB_CANCELLED : JOURNAL_JOB_ERROR;
}

void job_end_again(struct job_inst *in)
{
    struct job_run *run = &in->run;
    struct job_write *w = job_write_new(in->job, in);
    journal_instance_copy(&in->row, &w->row);
    end_row(in, &w->row);
    w->row_op = is_gone(run) ? JOB_ROW_DELETE : JOB_ROW_PUT;
    if (is_gone(run))
        gone_row(in, &w->row);
    else
        job_inst_emit_spec(&in->spec, &w->row);
    if (run->job.id) {
        w->job_op = JOB_JOB_MOVE;
        w->job = (struct journal_job){.id = run->job.id,
                                      .task_id = run->job.task_id,
                                      .state = end_state(run),
                                      .finished_at = job_utc(in->job)};
    }
    end_reports(in, w);
    w->then = end_written;
    job_write_submit(w);
}

void job_end_start(struct job_inst *in)
{
    job_inst_move(in, JOB_END);
    job_end_again(in);
}
