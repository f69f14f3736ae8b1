/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"

/*
 * Which steps an action walks. A step says itself whether it is needed, by spec, journal and what
 * was seen, so a plan is safe to walk again from its beginning after a crash, and a spec that came
 * without its action (a resync) ends in the same place.
 */
#define END STEP__COUNT

/* To what the spec says, alive. */
static const struct job_plan live = {"live",
                                     {STEP_UNTRASH, STEP_IMAGE, STEP_THAW, STEP_HALT, STEP_DISK,
                                      STEP_REBUILD, STEP_PORT, STEP_LIMITS, STEP_START, STEP_FREEZE,
                                      END}};

/* The guest ends; disk and port stay. */
static const struct job_plan halt = {"halt", {STEP_THAW, STEP_HALT, END}};

static const struct job_plan freeze = {"freeze", {STEP_THAW, STEP_FREEZE, END}};

/* Into the trash, with purge_now (or as a purge) out of it for ever. */
static const struct job_plan gone = {
    "gone",
    {STEP_BRAKE_DELETE, STEP_HALT, STEP_CUT, STEP_TRASH, STEP_BRAKE_PURGE, STEP_PURGE, END}};

static const struct job_plan *const plans[] = {
    [ACTION_CREATE] = &live,    [ACTION_START] = &live,          [ACTION_STOP] = &halt,
    [ACTION_KILL] = &halt,      [ACTION_RESTART] = &live,        [ACTION_RESET] = &live,
    [ACTION_PAUSE] = &freeze,   [ACTION_RESUME] = &freeze,       [ACTION_SUSPEND] = &halt,
    [ACTION_UNSUSPEND] = &live, [ACTION_REBUILD] = &live,        [ACTION_RESIZE] = &live,
    [ACTION_SET] = &live,       [ACTION_RESET_PASSWORD] = &live, [ACTION_DELETE] = &gone,
    [ACTION_RESTORE] = &live,   [ACTION_PURGE] = &gone,          [ACTION_ADOPT] = &live,
    [ACTION_SYNC] = &live,
};

const struct job_plan *job_plan_find(int action, int desired)
{
    if (desired == DESIRED_DELETED)
        return &gone;
    if (action < 0 || (size_t)action >= BT_ARRAY_LEN(plans) || !plans[action])
        return &live;
    return plans[action];
}

/* A task's restart was done before the crash when another boot of the guest runs than the one that
 * the intent found. */
static bool boot_is_new(const struct job_inst *in)
{
    return in->run.resumed && in->seen.state == INSTANCE_RUNNING && in->row.init_pid &&
           (in->seen.pid != in->row.init_pid || in->seen.pid_start != in->row.init_start);
}

static bool reboots(const struct job_inst *in, const struct instance_spec *spec,
                    const struct journal_instance *row)
{
    if (spec->rebuild_seq > row->done_rebuild_seq)
        return true;
    return (spec->restart_seq > row->done_restart_seq || spec->reset_seq > row->done_reset_seq) &&
           !boot_is_new(in);
}

bool job_plan_reboots(const struct job_inst *in)
{
    return reboots(in, &in->spec, &in->row);
}

static bool alive(const struct job_inst *in)
{
    return in->seen.state == INSTANCE_RUNNING || in->seen.state == INSTANCE_PAUSED;
}

static bool must_halt(const struct job_inst *in, const struct instance_spec *spec,
                      const struct journal_instance *row)
{
    return in->run.plan != &freeze &&
           (in->run.plan == &halt || !job_observe_should_run(spec, row) || reboots(in, spec, row));
}

/* Without asking the guest. */
bool job_plan_kills(const struct job_inst *in)
{
    int action = in->run.action;
    return action == ACTION_KILL || action == ACTION_RESET || action == ACTION_PURGE ||
           (action == ACTION_DELETE && in->run.args.force) ||
           in->spec.rebuild_seq > in->row.done_rebuild_seq;
}

/* Row as the run leaves it while it works: what its steps have done is not in the journal yet. */
static bool in_trash(const struct job_inst *in)
{
    return (in->row.trashed_at != 0 && !in->run.untrashed) || in->run.trashed;
}

static bool should_run(const struct job_inst *in)
{
    struct journal_instance row = in->row;
    if (in->run.untrashed)
        row.trashed_at = 0;
    return job_observe_should_run(&in->spec, &row);
}

/* ---- is it needed? ---- */

/* Also when the disk is not where it should be: a delete that failed late has left it in the trash;
 * and nobody shall get an empty disk in place of one that is lost. */
static bool need_untrash(const struct job_inst *in)
{
    bool lost = !in->seen.disk && in->seen.state == INSTANCE_STOPPED && !in->run.args.fresh &&
                in->row.done_generation > 0 && in->spec.rebuild_seq == in->row.done_rebuild_seq;
    return in_trash(in) || lost;
}

static bool need_image(const struct job_inst *in)
{
    return !alive(in) || job_plan_reboots(in);
}

static bool need_thaw(const struct job_inst *in)
{
    if (in->seen.state != INSTANCE_PAUSED)
        return false;
    return must_halt(in, &in->spec, &in->row) ? !job_plan_kills(in) : !in->row.paused;
}

static bool need_halt(const struct job_inst *in)
{
    if (in->seen.state == INSTANCE_STOPPED)
        return false;
    /* What cannot be told is stopped where that is wanted, and left alone where it shall run. */
    return must_halt(in, &in->spec, &in->row);
}

static bool need_always(const struct job_inst *in)
{
    (void)in;
    return true;
}

static bool need_rebuild(const struct job_inst *in)
{
    return in->spec.rebuild_seq > in->row.done_rebuild_seq;
}

static bool need_limits(const struct job_inst *in)
{
    return alive(in);
}

static bool need_start(const struct job_inst *in)
{
    return should_run(in) && !alive(in);
}

static bool need_freeze(const struct job_inst *in)
{
    return in->row.paused && in->seen.state == INSTANCE_RUNNING;
}

static bool need_brake_delete(const struct job_inst *in)
{
    return !in_trash(in) && !(in->run.passed & JOB_BIT(STEP_BRAKE_DELETE));
}

static bool need_cut(const struct job_inst *in)
{
    return !in_trash(in) || in->seen.port;
}

static bool need_trash(const struct job_inst *in)
{
    return !in_trash(in) || in->seen.disk;
}

static bool need_purge(const struct job_inst *in)
{
    return in->run.action == ACTION_PURGE || (in->spec.tombstone && in->spec.tombstone->purge_now);
}

bool (*const job_plan_needed[STEP__COUNT])(const struct job_inst *in) = {
    [STEP_UNTRASH] = need_untrash,
    [STEP_IMAGE] = need_image,
    [STEP_THAW] = need_thaw,
    [STEP_HALT] = need_halt,
    [STEP_DISK] = need_always,
    [STEP_REBUILD] = need_rebuild,
    [STEP_PORT] = need_always,
    [STEP_LIMITS] = need_limits,
    [STEP_START] = need_start,
    [STEP_FREEZE] = need_freeze,
    [STEP_BRAKE_DELETE] = need_brake_delete,
    [STEP_CUT] = need_cut,
    [STEP_TRASH] = need_trash,
    [STEP_BRAKE_PURGE] = need_purge,
    [STEP_PURGE] = need_purge,
};

/* ---- the state meanwhile ---- */

int job_plan_state(const struct job_inst *in, const struct instance_spec *spec,
                   const struct journal_instance *row)
{
    if (in->run.plan == &gone)
        return row->state; /* the brake may hold it for long */
    if (row->trashed_at)
        return INSTANCE_RESTORING;
    if (in->run.args.fresh)
        return INSTANCE_INITIALIZING;
    if (spec->rebuild_seq > row->done_rebuild_seq)
        return INSTANCE_REBUILDING;
    if (in->seen.state != INSTANCE_STOPPED && must_halt(in, spec, row))
        return INSTANCE_STOPPING;
    if (in->run.plan == &live && job_observe_should_run(spec, row) && !alive(in))
        return INSTANCE_STARTING;
    return row->state;
}
