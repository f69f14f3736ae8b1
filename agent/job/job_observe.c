/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * What an instance does by itself. Events of drivers are hints: they make us look again, and what
 * the probe says counts, the same at the start of the agent as later. What it means goes into the
 * journal before anything is done about it: a power-off inside makes `desired` stopped, any other
 * end is followed by a start with back-off, and what cannot be told changes nothing but `unknown`.
 */
#define PROBES_AT_ONCE 16
#define PROBE_OVERDUE_MS 10000
#define BACKOFF_MAX_MS 60000
#define UP_FOR_GOOD_MS 60000
#define RECORD_BACKOFF_MAX_MS 10000
#define LOOK_EVERY_MS 500

bool job_observe_should_run(const struct instance_spec *spec, const struct journal_instance *row)
{
    return row->desired == DESIRED_RUNNING && spec->suspended == 0 && row->trashed_at == 0 &&
           !(row->local_suspend && row->local_suspend[0]);
}

int job_observe_state(const struct job_inst *in, const struct journal_instance *row)
{
    if (row->trashed_at)
        return INSTANCE_DELETED;
    /* Its creation failed and could not be taken back, or its rebuild has left half a disk. */
    bool unfit = row->done_generation == 0 || row->done_rebuild_seq < in->spec.rebuild_seq;
    return unfit && in->seen.state == INSTANCE_STOPPED ? INSTANCE_ERROR : in->seen.state;
}

/* ---- what an end means ---- */

static const char *cause_of(const struct job_inst *in)
{
    const struct driver_observed *seen = &in->seen;
    if (seen->ended_at && seen->ended_at < in->row.started_at)
        return ""; /* the record of an earlier run */
    return seen->cause[0] ? seen->cause : in->hint_cause;
}

static void schedule_start(const struct job_inst *in, struct journal_instance *row, bool was_good)
{
    row->fails = was_good ? 1 : row->fails + 1;
    row->next_start_at = job_utc(in->job) + job_backoff((int)row->fails, BACKOFF_MAX_MS);
}

void job_observe_failed_start(const struct job_inst *in, struct journal_instance *row)
{
    schedule_start(in, row, false);
}

static bool host_rebooted(const struct job_inst *in)
{
    return in->row.boot_id && !bt_streq(in->row.boot_id, in->job->boot_id);
}

static void ended(struct job_inst *in, struct job_write *w)
{
    struct journal_instance *row = &w->row;
    const char *cause = cause_of(in);
    int64_t end = in->seen.ended_at ? in->seen.ended_at : job_utc(in->job);
    bool was_good = end - in->row.started_at >= UP_FOR_GOOD_MS;
    row->paused = false;
    if (row->desired != DESIRED_RUNNING)
        return;
    bool asked = job_mono(in->job) < in->asked_until_ms;
    if (bt_streq(cause, "poweroff") && !asked) {
        row->desired = DESIRED_STOPPED;
        row->desired_by = DESIRED_BY_GUEST;
        row->fails = row->next_start_at = 0;
        job_report_event(w, in->uuid, "instance.guest_poweroff", "powered off inside");
    } else if (asked || host_rebooted(in) || bt_streq(cause, "host_reboot")) {
        row->fails = row->next_start_at = 0;
    } else if (job_observe_should_run(&in->spec, &in->row)) {
        schedule_start(in, row, was_good);
        job_report_event(w, in->uuid, "instance.ended", "ended by itself (%s), start %lld follows",
                         cause[0] ? cause : "unknown", (long long)row->fails);
    }
}

/* ---- what a probe means ---- */

static void saw_alive(struct job_inst *in, struct job_write *w)
{
    struct journal_instance *row = &w->row;
    const struct driver_observed *seen = &in->seen;
    if (in->row.started_at && seen->started_at != in->row.started_at && in->row.init_pid &&
        seen->pid != in->row.init_pid)
        job_report_event(w, in->uuid, "instance.guest_reboot", "rebooted inside");
    row->started_at = seen->started_at ? seen->started_at : job_utc(in->job);
    row->init_pid = seen->pid;
    row->init_start = seen->pid_start;
    if (!bt_streq(row->boot_id, in->job->boot_id)) {
        free(row->boot_id);
        row->boot_id = bt_xstrdup(in->job->boot_id);
    }
    if (seen->monitor_lost && !in->lost)
        job_report_event(w, in->uuid, "instance.monitor_lost",
                         "its monitor is dead; it runs on, and its next end is final");
}

static void saw_stopped(struct job_inst *in, struct job_write *w)
{
    struct journal_instance *row = &w->row;
    if (in->row.started_at)
        ended(in, w);
    row->started_at = row->init_pid = row->init_start = 0;
}

/* An unfinished job explains what is seen; its end writes the state. A power-off inside during a
 * job that does not halt the guest is news all the same. */
static bool explained_by_job(const struct job_inst *in)
{
    if (!in->resume)
        return false;
    switch ((enum action)in->run.action) {
    case ACTION_RESIZE:
    case ACTION_SET:
    case ACTION_PAUSE:
    case ACTION_RESUME:
    case ACTION_UNSUSPEND:
    case ACTION_RESET_PASSWORD:
    case ACTION_ADOPT:
    case ACTION_SYNC:
        return in->seen.state != INSTANCE_STOPPED || job_plan_reboots(in);
    case ACTION_CREATE:
    case ACTION_START:
    case ACTION_STOP:
    case ACTION_KILL:
    case ACTION_RESTART:
    case ACTION_RESET:
    case ACTION_SUSPEND:
    case ACTION_REBUILD:
    case ACTION_DELETE:
    case ACTION_RESTORE:
    case ACTION_PURGE:
    case ACTION_IMPORT_IMAGE:
        return true;
    }
    return true;
}

static bool row_differs(const struct journal_instance *a, const struct journal_instance *b)
{
    return a->state != b->state || a->desired != b->desired || a->paused != b->paused ||
           a->started_at != b->started_at || a->init_pid != b->init_pid || a->fails != b->fails ||
           a->next_start_at != b->next_start_at || !bt_streq(a->boot_id, b->boot_id);
}

/* The row after what was seen; false when nothing is new. */
static bool record_fill(struct job_inst *in, struct job_write *w)
{
    journal_instance_copy(&in->row, &w->row);
    switch ((enum instance_state)in->seen.state) {
    case INSTANCE_RUNNING:
    case INSTANCE_PAUSED:
        saw_alive(in, w);
        break;
    case INSTANCE_STOPPED:
        saw_stopped(in, w);
        break;
    case INSTANCE_PENDING:
    case INSTANCE_INITIALIZING:
    case INSTANCE_STARTING:
    case INSTANCE_STOPPING:
    case INSTANCE_REBUILDING:
    case INSTANCE_MIGRATING:
    case INSTANCE_RESTORING:
    case INSTANCE_DELETING:
    case INSTANCE_DELETED:
    case INSTANCE_ERROR:
    case INSTANCE_UNKNOWN:
        break;
    }
    w->row.state = job_observe_state(in, &w->row);
    if (!row_differs(&in->row, &w->row) && w->n_reports == 0)
        return false;
    job_report_state(w, &in->row);
    job_inst_emit_spec(&in->spec, &w->row);
    w->row_op = JOB_ROW_PUT;
    return true;
}

static void first_done(struct job_inst *in)
{
    struct job *j = in->job;
    if (!in->first)
        return;
    in->first = false;
    j->probing--;
    if (--j->first_left == 0)
        bt_timer_start(&j->ready_timer, 0);
    bt_timer_start(&j->pump_timer, 0);
}

static void record_written(struct job_write *w, int rc, const struct bt_err *err)
{
    struct job_inst *in = w->in;
    first_done(in);
    if (rc < 0) {
        bt_log(BT_ERROR, "job", "instance=%s what was seen is not in the journal: %s", in->uuid,
               err->msg);
        bt_timer_start(&in->timer, job_backoff(++in->retries, RECORD_BACKOFF_MAX_MS));
        return;
    }
    in->retries = 0;
    in->hint_cause[0] = '\0';
    in->lost = in->seen.monitor_lost;
    job_inst_commit_row(in, w);
    job_inst_idle(in);
}

void job_observe_record(struct job_inst *in)
{
    struct job_write *w = job_write_new(in->job, in);
    if (!record_fill(in, w)) {
        job_write_free(w);
        first_done(in);
        job_inst_idle(in);
        return;
    }
    if (in->phase == JOB_PROBE)
        job_inst_move(in, JOB_RECORD);
    w->then = record_written;
    job_write_submit(w);
}

/* ---- probes ---- */

static void watch_it(struct job_inst *in, struct driver *d)
{
    bool on = in->seen.state == INSTANCE_RUNNING || in->seen.state == INSTANCE_PAUSED;
    if (d && on != in->watched)
        d->ops->watch(d, in->uuid, on);
    in->watched = on;
}

static void probe_end(struct job_inst *in)
{
    bt_timer_stop(&in->timer);
    in->blind = false;
    in->looked_ms = job_mono(in->job);
    if (in->seen.state != INSTANCE_UNKNOWN) {
        in->retries = 0;
        watch_it(in, job_inst_driver(in));
    }
    if (in->row.id && !explained_by_job(in)) {
        job_observe_record(in);
        return;
    }
    first_done(in);
    job_inst_idle(in);
}

static void probe_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = req->owner;
    if (rc < 0)
        bt_log(BT_WARN, "job", "instance=%s cannot be looked at: %s", in->uuid, err->msg);
    in->seen = rc < 0 ? (struct driver_observed){.state = INSTANCE_UNKNOWN} : req->observed;
    probe_end(in);
}

void job_observe_start(struct job_inst *in)
{
    struct driver *d = job_inst_driver(in);
    job_inst_move(in, JOB_PROBE);
    in->stale = false;
    if (!d) {
        in->seen = (struct driver_observed){.state = INSTANCE_UNKNOWN};
        probe_end(in);
        return;
    }
    bt_timer_start(&in->timer, PROBE_OVERDUE_MS);
    d->ops->probe(d, job_inst_req(in, probe_done));
}

void job_observe_overdue(struct job_inst *in)
{
    bt_log(BT_WARN, "job", "instance=%s a probe does not end", in->uuid);
    in->blind = true;
    first_done(in);
}

void job_observe_pump(struct job *j)
{
    while (j->probing < PROBES_AT_ONCE) {
        struct bt_list *l = bt_list_pop(&j->probes);
        if (!l)
            return;
        struct job_inst *in = BT_CONTAINER_OF(l, struct job_inst, link);
        j->probing++;
        job_inst_idle(in);
    }
}

/* ---- events of drivers ---- */

void job_observe_look(struct bt_timer *t)
{
    struct job_inst *in = BT_CONTAINER_OF(t, struct job_inst, look);
    in->stale = true;
    job_inst_kick(in);
}

/* A guest that reboots in a loop is looked at twice a second, no more. */
static void look_soon(struct job_inst *in)
{
    int64_t since = job_mono(in->job) - in->looked_ms;
    if (!bt_timer_running(&in->look))
        bt_timer_start(&in->look, since < LOOK_EVERY_MS ? LOOK_EVERY_MS - since : 0);
}

static void on_ended(void *ctx, const char *uuid, const struct driver_observed *what)
{
    struct job_inst *in = bt_map_find(&((struct job *)ctx)->insts, uuid);
    if (!in)
        return;
    (void)bt_strcpy(in->hint_cause, sizeof in->hint_cause, what->cause);
    look_soon(in);
    if (in->phase == JOB_WORK)
        job_step_halt_wake(in);
}

static void on_rebooted(void *ctx, const char *uuid, int64_t started_at)
{
    (void)started_at;
    struct job_inst *in = bt_map_find(&((struct job *)ctx)->insts, uuid);
    if (in)
        look_soon(in);
}

static void on_alarm(void *ctx, const char *uuid, const char *event, const char *text)
{
    job_event(ctx, uuid, event, text);
}

const struct driver_events job_observe_events = {
    .ended = on_ended, .rebooted = on_rebooted, .alarm = on_alarm};
