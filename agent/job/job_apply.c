/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * What the controller says. A request waits until its instance is idle (only the newest waits);
 * then spec, generation and job go into the journal in one transaction, the answer "accepted"
 * follows, then the first step. A task that the journal knows is never done twice.
 */

/* ---- answers ---- */

static void answer(struct job *j, const struct job_request *r, const struct bt_err *err,
                   int64_t generation)
{
    struct link_accepted a = {.task_id = r->apply.task_id, .generation = generation};
    char message[320];
    if (err) {
        (void)bt_strcpy(message, sizeof message, err->msg);
        a.code = (char *)bt_code_str(err->code);
        a.message = message;
    }
    if (j->cfg.events.accepted)
        j->cfg.events.accepted(j->cfg.events.ctx, r->from, &a);
}

static void request_free(struct job_request *r)
{
    bt_schema_free(&link_apply_schema, &r->apply);
    free(r);
}

void job_apply_refuse(struct job *j, struct job_request *r, const struct bt_err *err,
                      int64_t generation)
{
    answer(j, r, err, generation);
    request_free(r);
}

/* ---- what may be asked ---- */

static bool destroys(const struct link_apply *a)
{
    return a->spec.desired == DESIRED_DELETED;
}

static int check(const struct link_apply *a, struct bt_err *err)
{
    bool deletes = a->action == ACTION_DELETE || a->action == ACTION_PURGE;
    if (a->action == ACTION_IMPORT_IMAGE)
        return bt_fail(err, BT_E_UNSUPPORTED, "images are not imported by hosts");
    if (deletes && !destroys(a))
        return bt_fail(err, BT_E_INVALID, "%s needs desired = deleted", enum_action[a->action]);
    if (destroys(a) && !a->spec.tombstone)
        return bt_fail(err, BT_E_INVALID, "nothing is deleted without a tombstone");
    if (!destroys(a) && a->spec.tombstone)
        return bt_fail(err, BT_E_INVALID, "a tombstone needs desired = deleted");
    return 0;
}

/* With the row and what was seen: may it begin now? */
static int check_instance(const struct job_inst *in, const struct link_apply *a, struct bt_err *err)
{
    if (in->row.id && a->spec.generation < in->row.generation)
        return bt_fail(err, BT_E_STALE_GENERATION, "generation %lld is older than %lld",
                       (long long)a->spec.generation, (long long)in->row.generation);
    if (in->row.id && a->spec.driver != in->row.driver)
        return bt_fail(err, BT_E_UNSUPPORTED, "the driver of an instance cannot change");
    if (!job_inst_driver(in))
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "this host has no driver %s",
                       enum_driver[a->spec.driver]);
    if (a->action == ACTION_PURGE && !a->spec.tombstone->purge_now &&
        job_utc(in->job) < in->row.purge_at)
        return bt_fail(err, BT_E_BRAKE_HELD, "its time in the trash is not over");
    if (in->row.id || destroys(a))
        return 0;
    if (a->action != ACTION_CREATE)
        return bt_fail(err, BT_E_NOT_FOUND, "this host does not have the instance");
    if (in->seen.state == INSTANCE_UNKNOWN)
        return bt_fail(err, BT_E_UNAVAILABLE, "what is there of the instance cannot be told");
    if (in->seen.state != INSTANCE_STOPPED || in->seen.disk || in->seen.port)
        return bt_fail(err, BT_E_EXISTS,
                       "something of this instance is here that the journal does not know");
    return 0;
}

/* ---- the row as it shall be ---- */

static bool speaks_of_power(int action)
{
    return action == ACTION_CREATE || action == ACTION_START || action == ACTION_STOP ||
           action == ACTION_KILL || action == ACTION_RESTART || action == ACTION_RESET ||
           action == ACTION_DELETE || action == ACTION_RESTORE || action == ACTION_PURGE ||
           action == ACTION_ADOPT;
}

static bool ends_pause(int action)
{
    return action == ACTION_STOP || action == ACTION_KILL || action == ACTION_RESTART ||
           action == ACTION_RESET || action == ACTION_DELETE || action == ACTION_PURGE;
}

/* A power-off inside counts until somebody asks for power again: a change of limits that was under
 * way meanwhile must not start the guest. */
static void take_desired(struct journal_instance *row, const struct link_apply *a)
{
    bool guest_said_stop = row->desired_by == DESIRED_BY_GUEST && row->desired == DESIRED_STOPPED;
    if (guest_said_stop && a->spec.desired == DESIRED_RUNNING && !speaks_of_power(a->action))
        return;
    row->desired = a->spec.desired;
    row->desired_by = DESIRED_BY_USER;
}

static void new_row(struct job_inst *in, const struct link_apply *a, struct journal_instance *row)
{
    *row = (struct journal_instance){.uuid = bt_xstrdup(in->uuid),
                                     .driver = a->spec.driver,
                                     .state = in->seen.state,
                                     .local_suspend = bt_xstrdup(""),
                                     .done_restart_seq = a->spec.restart_seq,
                                     .done_reset_seq = a->spec.reset_seq,
                                     .done_rebuild_seq = a->spec.rebuild_seq,
                                     .done_password_seq = a->spec.password_seq,
                                     .created_at = job_utc(in->job)};
}

static void fill_row(struct job_inst *in, const struct link_apply *a, struct job_write *w)
{
    struct journal_instance *row = &w->row;
    if (in->row.id)
        journal_instance_copy(&in->row, row);
    else
        new_row(in, a, row);
    w->take_ids = row->id == 0 && !destroys(a);
    take_desired(row, a);
    row->generation = a->spec.generation;
    row->paused = a->spec.paused && !ends_pause(a->action);
    if (speaks_of_power(a->action))
        row->fails = row->next_start_at = 0;
    job_inst_emit_spec(&a->spec, row);
    w->row_op = JOB_ROW_PUT;
}

/* ---- the run ---- */

static void fill_run(struct job_inst *in, const struct link_apply *a, struct job_run *run)
{
    *run = (struct job_run){.on = true, .action = a->action};
    run->args = (struct journal_job_args){.force = a->force, .timeout_ms = a->timeout_ms};
    run->args.fresh = a->action == ACTION_CREATE && in->row.done_generation == 0;
    run->plan = job_plan_find(a->action, a->spec.desired);
    run->job.task_id = a->task_id;
    run->job.uuid = bt_xstrdup(in->uuid);
    run->job.action = a->action;
    run->job.generation = a->spec.generation;
    run->job.created_at = job_utc(in->job);
    run->job.args = bt_schema_emit_str(&journal_job_args_schema, &run->args);
}

static void job_row_copy(const struct journal_job *src, struct journal_job *dst)
{
    *dst = *src;
    dst->uuid = bt_xstrdup(src->uuid);
    dst->args = bt_xstrdup(src->args);
    dst->result = bt_xstrdup(src->result);
}

static struct job_request *request_take(struct job_inst *in)
{
    struct job_request *r = in->next;
    in->next = TAKE_PTR(in->later);
    return r;
}

static void after_intent(struct job_inst *in, struct job_write *w)
{
    struct job_request *r = request_take(in);
    job_inst_commit_row(in, w);
    bt_schema_free(&instance_spec_schema, &in->spec);
    in->spec = r->apply.spec;
    memset(&r->apply.spec, 0, sizeof r->apply.spec);
    in->run.job.id = in->run.job.task_id ? w->ret_job_id : 0;
    in->unsynced = false;
    answer(in->job, r, NULL, in->row.generation);
    request_free(r);
    if (w->ask && w->ret_held) {
        in->run.begun = JOB_BIT(STEP_BRAKE_DELETE); /* the plan's first step */
        job_brake_hold(in);
        return;
    }
    if (w->ask)
        in->run.passed = JOB_BIT(STEP_BRAKE_DELETE);
    job_run_start(in);
}

static void intent_written(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job_inst *in = w->in;
    if (rc == 0 && !w->ret_repeated && w->row_op == JOB_ROW_PUT) {
        after_intent(in, w);
        return;
    }
    struct job_request *r = request_take(in);
    job_run_clear(&in->run);
    answer(in->job, r, rc < 0 ? err : NULL, in->row.generation);
    request_free(r);
    job_inst_idle(in);
}

/* Nothing is here and nothing was: the delete has succeeded, and the journal can say so again. */
static void nothing_to_delete(struct job_inst *in, const struct link_apply *a, struct job_write *w)
{
    struct job_run *run = &in->run;
    struct journal_instance gone;
    new_row(in, a, &gone);
    gone.generation = gone.done_generation = a->spec.generation;
    gone.state = INSTANCE_DELETED;
    gone.desired = DESIRED_DELETED;
    if (a->task_id)
        job_report_result(w, run, &gone);
    journal_instance_free(&gone);
    w->job.state = JOURNAL_JOB_SUCCESS;
    w->job.finished_at = job_utc(in->job);
}

static bool nothing_there(const struct job_inst *in)
{
    return in->row.id == 0 && in->seen.state == INSTANCE_STOPPED && !in->seen.disk &&
           !in->seen.port;
}

static void fill_intent(struct job_inst *in, const struct link_apply *a, struct job_write *w)
{
    fill_run(in, a, &in->run);
    job_row_copy(&in->run.job, &w->job);
    if (a->task_id)
        w->job_op = JOB_JOB_INSERT;
    if (destroys(a) && nothing_there(in)) {
        nothing_to_delete(in, a, w);
        return;
    }
    fill_row(in, a, w);
    w->row.state = job_plan_state(in, &a->spec, &w->row);
    job_report_state(w, &in->row);
    if (destroys(a) && in->row.trashed_at == 0) {
        w->ask = true;
        job_brake_question(in, JOURNAL_DESTROY_DELETE, &w->destroy);
        job_brake_event(w, in);
    }
}

static bool known_and_done(const struct job_inst *in, const struct link_apply *a)
{
    return a->task_id == 0 && in->row.id && a->spec.generation == in->row.generation &&
           in->row.done_generation == in->row.generation;
}

void job_apply_begin(struct job_inst *in)
{
    struct link_apply *a = &in->next->apply;
    struct job_write *w = job_write_new(in->job, in);
    job_inst_move(in, JOB_INTENT);
    w->then = intent_written;
    if (check_instance(in, a, &w->refusal) < 0) {
        /* Unless the journal knows the task: then its answer counts. */
        w->job_op = JOB_JOB_LOOKUP;
        w->job.task_id = a->task_id;
        if (in->row.id)
            journal_instance_copy(&in->row, &w->row);
    } else if (!known_and_done(in, a)) {
        fill_intent(in, a, w);
    }
    job_write_submit(w);
}

/* ---- from the link ---- */

/* Its spec is in use by a probe or a write: it must stay. */
static bool next_is_borrowed(const struct job_inst *in)
{
    return in->next && (in->phase == JOB_INTENT || (in->phase == JOB_PROBE && in->row.id == 0));
}

/* Only the newest waits. The same task again, over a new session, is no newer one. */
static void request_push(struct job_inst *in, struct job_request *r)
{
    struct job_request **place = next_is_borrowed(in) ? &in->later : &in->next;
    struct job_request *old = *place;
    struct bt_err err = BT_ERR_INIT;
    *place = r;
    if (old && old->apply.task_id == r->apply.task_id) {
        request_free(old);
    } else if (old) {
        (void)bt_fail(&err, BT_E_CANCELLED, "a newer request has taken its place");
        job_apply_refuse(in->job, old, &err, in->row.generation);
    }
}

void job_apply(struct job *j, struct link_apply *a, struct job_from from)
{
    struct bt_err err = BT_ERR_INIT;
    struct job_request *r = bt_xcalloc(1, sizeof *r);
    r->apply = *a;
    r->from = from;
    memset(a, 0, sizeof *a);
    if (check(&r->apply, &err) < 0) {
        job_apply_refuse(j, r, &err, 0);
        return;
    }
    struct job_inst *in = job_inst_get(j, r->apply.spec.uuid);
    if (r->apply.task_id && in->run.on && in->run.job.id &&
        in->run.job.task_id == r->apply.task_id) {
        job_apply_refuse(j, r, NULL, in->row.generation); /* it is in the journal, and at work */
        return;
    }
    request_push(in, r);
    if (in->phase == JOB_NEW && !in->first)
        job_inst_idle(in);
    else
        job_inst_kick(in);
}
