/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * What each step does, and how it is taken back. A step is one call of the driver, except the halt:
 * a graceful stop asks the guest, then waits for its end here, so that a kill that comes meanwhile
 * need not wait for the guest's whole timeout.
 */
#define OVERDUE_MS (10 * 60 * 1000)
#define STOP_TIMEOUT_MS 60000
#define DELETE_STOP_TIMEOUT_MS 10000
#define ASK_MS 2000              /* how long one request to stop is watched by the driver */
#define ASK_AGAIN_MS 10000       /* and when it is repeated */
#define ASKED_MS (5 * 60 * 1000) /* a power-off so long after is still ours */

typedef void (*verb_cb)(struct driver *d, struct driver_req *req);
typedef void (*done_cb)(struct driver_req *req, int rc, const struct bt_err *err);

static void call(struct job_inst *in, verb_cb verb, done_cb done)
{
    struct driver_req *req = job_inst_req(in, done);
    bt_timer_start(&in->watchdog, OVERDUE_MS);
    verb(job_inst_driver(in), req);
}

static struct job_inst *called(struct driver_req *req)
{
    struct job_inst *in = req->owner;
    bt_timer_stop(&in->watchdog);
    return in;
}

static void step_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    job_run_step_done(called(req), rc, err);
}

/* ---- disk, port, image ---- */

static void run_image(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->image_ensure, step_done);
}

static void disk_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0)
        in->seen.disk = true;
    job_run_step_done(in, rc, err);
}

static void run_disk(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->disk_ensure, disk_done);
}

static void rebuild_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    in->run.rebuilt = rc == 0;
    job_run_step_done(in, rc, err);
}

static void run_rebuild(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->disk_rebuild, rebuild_done);
}

static void port_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0)
        in->seen.port = true;
    job_run_step_done(in, rc, err);
}

static void run_port(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->port_ensure, port_done);
}

static void cut_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0)
        in->seen.port = false;
    job_run_step_done(in, rc, err);
}

static void run_cut(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->port_remove, cut_done);
}

static void untrash_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    in->run.untrashed = rc == 0;
    if (rc == 0)
        in->seen.disk = true;
    job_run_step_done(in, rc, err);
}

static void run_untrash(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->disk_restore, untrash_done);
}

static void trash_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    in->run.trashed = rc == 0;
    if (rc == 0)
        in->seen.disk = false;
    job_run_step_done(in, rc, err);
}

static void run_trash(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->disk_trash, trash_done);
}

static void purge_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    in->run.purged = rc == 0;
    job_run_step_done(in, rc, err);
}

static void run_purge(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->disk_purge, purge_done);
}

/* ---- power ---- */

static void saw_end(struct job_inst *in)
{
    if (in->watched)
        job_inst_driver(in)->ops->watch(job_inst_driver(in), in->uuid, false);
    in->watched = false;
    in->seen.state = INSTANCE_STOPPED;
    in->seen.pid = in->seen.pid_start = in->seen.started_at = 0;
    in->seen.monitor_lost = false;
}

static void start_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0) {
        in->seen = req->observed;
        in->seen.state = INSTANCE_RUNNING;
        in->seen.disk = in->seen.port = true;
        in->asked_until_ms = 0;
        in->effective = req->effective;
        in->has_effective = true;
        in->run.started = true;
        in->watched = true;
        job_inst_driver(in)->ops->watch(job_inst_driver(in), in->uuid, true);
    }
    job_run_step_done(in, rc, err);
}

static void run_start(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->start, start_done);
}

static void limits_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0) {
        in->effective = req->effective;
        in->has_effective = true;
    }
    job_run_step_done(in, rc, err);
}

static void run_limits(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->limits, limits_done);
}

static void freeze_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0)
        in->seen.state = req->on ? INSTANCE_PAUSED : INSTANCE_RUNNING;
    job_run_step_done(in, rc, err);
}

static void freeze(struct job_inst *in, bool on)
{
    struct driver_req *req = job_inst_req(in, freeze_done);
    req->on = on;
    bt_timer_start(&in->watchdog, OVERDUE_MS);
    job_inst_driver(in)->ops->freeze(job_inst_driver(in), req);
}

static void run_freeze(struct job_inst *in)
{
    freeze(in, true);
}

static void run_thaw(struct job_inst *in)
{
    freeze(in, false);
}

/* ---- halt ---- */

static bool may_force(const struct job_inst *in)
{
    int action = in->run.action;
    bool asks = action == ACTION_STOP || action == ACTION_RESTART;
    return !asks || in->run.args.force;
}

static void killed(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0)
        saw_end(in);
    job_run_step_done(in, rc, err);
}

static void halt_kill(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->kill, killed);
}

static void guest_is_deaf(struct job_inst *in, const struct bt_err *err)
{
    int64_t left = in->run.halt_until_ms - job_mono(in->job);
    if (in->run.cancel) {
        job_run_step_done(in, 0, NULL); /* the boundary ends the run */
    } else if (left > 0) {
        in->run.waits = true;
        bt_timer_start(&in->timer, left < ASK_AGAIN_MS ? left : ASK_AGAIN_MS);
    } else if (may_force(in)) {
        halt_kill(in);
    } else {
        job_run_step_done(in, -(int)err->code, err);
    }
}

static void asked(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0) {
        saw_end(in);
        job_run_step_done(in, 0, NULL);
    } else if (rc == -(int)BT_E_GUEST_TIMEOUT) {
        guest_is_deaf(in, err);
    } else if (may_force(in)) {
        bt_log(BT_WARN, "job", "instance=%s stop: %s", in->uuid, err->msg);
        halt_kill(in);
    } else {
        job_run_step_done(in, rc, err);
    }
}

static void halt_ask(struct job_inst *in)
{
    int64_t left = in->run.halt_until_ms - job_mono(in->job);
    struct driver_req *req = job_inst_req(in, asked);
    in->asked_until_ms = job_mono(in->job) + ASKED_MS;
    req->timeout_ms = left < 1 ? 1 : left < ASK_MS ? left : ASK_MS;
    bt_timer_start(&in->watchdog, OVERDUE_MS);
    job_inst_driver(in)->ops->stop(job_inst_driver(in), req);
}

static void run_halt(struct job_inst *in)
{
    int64_t timeout_ms = in->run.args.timeout_ms;
    if (job_plan_kills(in)) {
        halt_kill(in);
        return;
    }
    if (timeout_ms == 0)
        timeout_ms = in->run.action == ACTION_DELETE ? DELETE_STOP_TIMEOUT_MS : STOP_TIMEOUT_MS;
    in->run.halt_until_ms = job_mono(in->job) + timeout_ms;
    halt_ask(in);
}

void job_step_halt_wake(struct job_inst *in)
{
    if (!in->run.waits)
        return;
    in->run.waits = false;
    bt_timer_stop(&in->timer);
    if (in->run.cancel)
        job_run_step_done(in, 0, NULL);
    else
        halt_ask(in);
}

/* ---- undo ---- */

static void undone(struct driver_req *req, int rc, const struct bt_err *err)
{
    job_undo_step_done(called(req), rc, err);
}

static void undone_start(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct job_inst *in = called(req);
    if (rc == 0)
        saw_end(in);
    job_undo_step_done(in, rc, err);
}

static void undo_start(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->kill, undone_start);
}

static void undo_port(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->port_remove, undone);
}

static void undo_disk(struct job_inst *in)
{
    call(in, job_inst_driver(in)->ops->disk_purge, undone);
}

const struct job_step job_steps[STEP__COUNT] = {
    [STEP_UNTRASH] = {"restore", run_untrash, NULL},
    [STEP_IMAGE] = {"image", run_image, NULL},
    [STEP_THAW] = {"thaw", run_thaw, NULL},
    [STEP_HALT] = {"stop", run_halt, NULL},
    [STEP_DISK] = {"disk", run_disk, undo_disk},
    [STEP_REBUILD] = {"rebuild", run_rebuild, NULL},
    [STEP_PORT] = {"port", run_port, undo_port},
    [STEP_LIMITS] = {"limits", run_limits, NULL},
    [STEP_START] = {"start", run_start, undo_start},
    [STEP_FREEZE] = {"freeze", run_freeze, NULL},
    [STEP_BRAKE_DELETE] = {"brake", job_brake_step, NULL},
    [STEP_CUT] = {"network", run_cut, NULL},
    [STEP_TRASH] = {"trash", run_trash, NULL},
    [STEP_BRAKE_PURGE] = {"brake", job_brake_step, NULL},
    [STEP_PURGE] = {"purge", run_purge, NULL},
};
