/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * The machine of one instance. Whatever ends leads to JOB_IDLE, and job_inst_kick decides what
 * comes next by a table of wishes, most urgent first.
 */
#define LONGEST_NAP_MS (3600 * 1000)

static const struct bt_state states[] = {
    [JOB_NEW] = {"new", BT_ST(JOB_PROBE) | BT_ST(JOB_IDLE)},
    [JOB_PROBE] = {"probe", BT_ST(JOB_RECORD) | BT_ST(JOB_IDLE)},
    [JOB_RECORD] = {"record", BT_ST(JOB_IDLE)},
    [JOB_IDLE] = {"idle", BT_ST(JOB_PROBE) | BT_ST(JOB_INTENT) | BT_ST(JOB_WORK) | BT_ST(JOB_UNDO)},
    [JOB_INTENT] = {"intent", BT_ST(JOB_IDLE) | BT_ST(JOB_WORK) | BT_ST(JOB_HELD)},
    [JOB_WORK] = {"work", BT_ST(JOB_HELD) | BT_ST(JOB_UNDO) | BT_ST(JOB_END)},
    [JOB_HELD] = {"held", BT_ST(JOB_WORK) | BT_ST(JOB_END)},
    [JOB_UNDO] = {"undo", BT_ST(JOB_END)},
    [JOB_END] = {"end", BT_ST(JOB_IDLE)},
};

const struct bt_sm_def job_sm = {"agent instance", states, BT_ARRAY_LEN(states)};

int64_t job_utc(const struct job *j)
{
    return bt_utc_ms(bt_loop_clock(j->cfg.loop));
}

int64_t job_mono(const struct job *j)
{
    return bt_mono_ms(bt_loop_clock(j->cfg.loop));
}

int64_t job_backoff(int tries, int64_t max_ms)
{
    int64_t ms = tries > 20 ? max_ms : INT64_C(1000) << (tries < 1 ? 0 : tries - 1);
    return ms < max_ms ? ms : max_ms;
}

void job_inst_move(struct job_inst *in, enum job_phase phase)
{
    if (!bt_sm_move(&job_sm, &in->phase, phase))
        bt_log(BT_ERROR, "job", "instance=%s phase=%s refused=%s", in->uuid,
               bt_sm_name(&job_sm, in->phase), bt_sm_name(&job_sm, phase));
}

/* ---- life ---- */

static void timer_fired(struct bt_timer *t);

static void watchdog_fired(struct bt_timer *t)
{
    struct job_inst *in = BT_CONTAINER_OF(t, struct job_inst, watchdog);
    bt_log(BT_WARN, "job", "instance=%s a driver call does not end", in->uuid);
    job_event(in->job, in->uuid, "instance.stuck", "a step has been running for too long");
}

struct job_inst *job_inst_get(struct job *j, const char *uuid)
{
    struct job_inst *in = bt_map_find(&j->insts, uuid);
    if (in)
        return in;
    in = bt_xcalloc(1, sizeof *in);
    in->job = j;
    in->phase = JOB_NEW;
    in->seen.state = INSTANCE_UNKNOWN;
    in->stale = true;
    (void)bt_strcpy(in->uuid, sizeof in->uuid, uuid);
    bt_list_init(&in->link);
    bt_timer_init(&in->timer, j->cfg.loop, timer_fired);
    bt_timer_init(&in->watchdog, j->cfg.loop, watchdog_fired);
    bt_timer_init(&in->look, j->cfg.loop, job_observe_look);
    (void)bt_map_set(&j->insts, uuid, in);
    return in;
}

static void request_free(struct job_request *r)
{
    if (r)
        bt_schema_free(&link_apply_schema, &r->apply);
    free(r);
}

void job_inst_free(struct job_inst *in)
{
    (void)bt_map_remove(&in->job->insts, in->uuid);
    bt_timer_stop(&in->timer);
    bt_timer_stop(&in->watchdog);
    bt_timer_stop(&in->look);
    bt_list_remove(&in->link);
    request_free(in->next);
    request_free(in->later);
    job_run_clear(&in->run);
    journal_instance_free(&in->row);
    bt_schema_free(&instance_spec_schema, &in->spec);
    free(in);
}

struct driver *job_inst_driver(const struct job_inst *in)
{
    int kind = in->row.id ? in->row.driver : in->next ? in->next->apply.spec.driver : -1;
    return kind >= 0 && kind < JOB_DRIVERS ? in->job->cfg.drivers[kind] : NULL;
}

struct driver_req *job_inst_req(struct job_inst *in,
                                void (*done)(struct driver_req *, int, const struct bt_err *))
{
    in->req = (struct driver_req){
        .spec = in->row.id ? &in->spec : &in->next->apply.spec,
        .place = {.id_base = (uint32_t)in->row.id_base, .boots = in->row.boots},
        .done = done,
        .owner = in,
    };
    return &in->req;
}

void job_inst_emit_spec(const struct instance_spec *spec, struct journal_instance *row)
{
    if (row->spec)
        bt_erase(row->spec, strlen(row->spec));
    free(row->spec);
    row->spec = bt_schema_emit_str(&instance_spec_schema, spec);
}

void job_inst_commit_row(struct job_inst *in, struct job_write *w)
{
    struct journal_instance row = w->row;
    memset(&w->row, 0, sizeof w->row);
    row.id = w->ret_row_id;
    row.id_base = w->ret_id_base;
    if (row.spec)
        bt_erase(row.spec, strlen(row.spec));
    free(row.spec);
    row.spec = NULL; /* the parsed one is kept */
    journal_instance_free(&in->row);
    in->row = row;
}

/* ---- what comes next ---- */

static bool due(struct job_inst *in, int64_t at_utc_ms)
{
    int64_t left = at_utc_ms - job_utc(in->job);
    if (left <= 0)
        return true;
    bt_timer_start(&in->timer, left < LONGEST_NAP_MS ? left : LONGEST_NAP_MS);
    return false;
}

static bool want_probe(struct job_inst *in)
{
    return in->stale && (in->row.id || in->next);
}

static bool want_resume(struct job_inst *in)
{
    return in->resume;
}

static bool want_request(struct job_inst *in)
{
    return in->next != NULL;
}

static bool want_nothing_left(struct job_inst *in)
{
    return in->row.id == 0;
}

static bool want_sync(struct job_inst *in)
{
    return in->unsynced;
}

/* Runs of ours that fail are not begun again at once. */
static bool calm(struct job_inst *in)
{
    int64_t left = in->calm_until_ms - job_mono(in->job);
    if (left > 0)
        bt_timer_start(&in->timer, left);
    return left <= 0;
}

static bool alive(const struct job_inst *in)
{
    return in->seen.state == INSTANCE_RUNNING || in->seen.state == INSTANCE_PAUSED;
}

/* Suspended ones do not run. */
static bool want_halt(struct job_inst *in)
{
    if (!alive(in) || in->row.trashed_at ||
        (in->spec.suspended == 0 && !(in->row.local_suspend && in->row.local_suspend[0])))
        return false;
    return calm(in);
}

static bool want_purge(struct job_inst *in)
{
    return in->row.trashed_at && in->spec.tombstone && due(in, in->row.purge_at) && calm(in);
}

static bool want_start(struct job_inst *in)
{
    if (in->seen.state != INSTANCE_STOPPED || !job_observe_should_run(&in->spec, &in->row) ||
        in->spec.rebuild_seq > in->row.done_rebuild_seq || in->row.done_generation == 0)
        return false;
    return due(in, in->row.next_start_at);
}

/* The last wish: nothing now, but what cannot be told is looked at again later. */
static bool want_second_look(struct job_inst *in)
{
    if (in->seen.state == INSTANCE_UNKNOWN && !in->row.trashed_at)
        bt_timer_start(&in->timer, job_backoff(++in->retries, 30000));
    return false;
}

static void do_resume(struct job_inst *in)
{
    in->resume = false;
    job_run_resume(in);
}

static void do_sync(struct job_inst *in)
{
    in->unsynced = false;
    job_run_local(in, ACTION_SYNC);
}

static void do_halt(struct job_inst *in)
{
    job_run_local(in, ACTION_SUSPEND);
}

static void do_purge(struct job_inst *in)
{
    job_run_local(in, ACTION_PURGE);
}

static void do_start(struct job_inst *in)
{
    struct job *j = in->job;
    struct bt_list *at = &j->starts;
    if (!bt_list_empty(&in->link))
        return;
    BT_LIST_FOREACH(l, &j->starts) {
        if (BT_CONTAINER_OF(l, struct job_inst, link)->spec.id > in->spec.id) {
            at = l;
            break;
        }
    }
    bt_list_push(at, &in->link);
    if (j->ready)
        bt_timer_start(&j->pump_timer, 0);
}

static const struct wish {
    bool (*wanted)(struct job_inst *in);
    void (*begin)(struct job_inst *in);
} wishes[] = {
    {want_probe, job_observe_start},
    {want_resume, do_resume},
    {want_request, job_apply_begin},
    {want_nothing_left, job_inst_free},
    {want_sync, do_sync},
    {want_halt, do_halt},
    {want_purge, do_purge},
    {want_start, do_start},
    {want_second_look, NULL},
};

void job_inst_kick(struct job_inst *in)
{
    if (in->phase != JOB_IDLE)
        return;
    bt_timer_stop(&in->timer);
    for (size_t i = 0; i < BT_ARRAY_LEN(wishes); i++) {
        if (!wishes[i].wanted(in))
            continue;
        if (wishes[i].begin != do_start)
            bt_list_remove(&in->link); /* off the queue of starts */
        wishes[i].begin(in);
        return;
    }
}

void job_inst_idle(struct job_inst *in)
{
    job_inst_move(in, JOB_IDLE);
    job_inst_kick(in);
}

/* ---- timer of the phase ---- */

static void timer_fired(struct bt_timer *t)
{
    struct job_inst *in = BT_CONTAINER_OF(t, struct job_inst, timer);
    switch ((enum job_phase)in->phase) {
    case JOB_IDLE:
        in->stale = in->seen.state == INSTANCE_UNKNOWN && !in->row.trashed_at;
        job_inst_kick(in);
        return;
    case JOB_PROBE:
        job_observe_overdue(in);
        return;
    case JOB_RECORD:
        job_observe_record(in);
        return;
    case JOB_WORK:
        job_step_halt_wake(in);
        return;
    case JOB_UNDO:
        job_undo_again(in);
        return;
    case JOB_END:
        job_end_again(in);
        return;
    case JOB_NEW:
    case JOB_INTENT:
    case JOB_HELD:
        return;
    }
}
