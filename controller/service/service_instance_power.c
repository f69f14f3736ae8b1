/* SPDX-License-Identifier: GPL-2.0-or-later */
/* start, stop, kill, restart, reset, pause, resume. */
#include "common/base/mem.h"
#include "controller/service/service_instance_priv.h"

static const struct api_action no_args = {.reasons = 0};

static const struct api_action *args_of(const struct service_call *c)
{
    return c->args ? c->args : &no_args;
}

static int no_change(struct repo_instance_row *row, struct bt_err *err)
{
    return service_instance_live(row, err);
}

static int startable(const struct repo_instance_row *row, struct bt_err *err)
{
    int rc = service_instance_live(row, err);
    if (rc >= 0 && row->suspended) {
        rc = bt_fail(err, BT_E_SUSPENDED, "instance %s is suspended", row->name);
        bt_hint(err, "unsuspend it first");
    }
    return rc;
}

static void wish(struct repo_instance_row *row, int desired)
{
    row->desired = desired;
    row->desired_by = DESIRED_BY_USER;
    row->paused = false;
}

/* Has the agent done all that it was told? */
static bool settled(const struct repo_instance_row *row)
{
    return row->observed_generation == row->generation && !row->trashed_at;
}

/* ---- start ---- */

static int change_start(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    (void)tx;
    int rc = startable(&v->row, err);
    if (rc >= 0)
        wish(&v->row, DESIRED_RUNNING);
    return rc;
}

static int start(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_START;
    v.holds =
        settled(&v.row) && v.row.state == INSTANCE_RUNNING && v.row.desired == DESIRED_RUNNING;
    return service_instance_run(tx, &v, change_start, err);
}

/* ---- stop, kill ---- */

static int change_stop(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    (void)tx;
    int rc = no_change(&v->row, err);
    if (rc >= 0)
        wish(&v->row, DESIRED_STOPPED);
    return rc;
}

static bool is_off(const struct repo_instance_row *row)
{
    return settled(row) && row->state == INSTANCE_STOPPED && row->desired == DESIRED_STOPPED;
}

static int stop(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_action *a = args_of(c);
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int64_t timeout_ms = 0;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc >= 0)
        rc = service_setting_int(tx, "stop_timeout_ms", &timeout_ms, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_STOP;
    v.holds = is_off(&v.row);
    v.preempt = a->force;
    v.args.force = a->force;
    v.args.timeout_ms = a->timeout_ms.is == BT_VALUE ? a->timeout_ms.v : timeout_ms;
    return service_instance_run(tx, &v, change_stop, err);
}

static int kill_it(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    v.action = ACTION_KILL;
    v.holds = is_off(&v.row);
    return service_instance_run(tx, &v, change_stop, err);
}

/* ---- restart, reset ---- */

static int change_restart(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    int rc = change_start(tx, v, err);
    if (rc < 0)
        return rc;
    if (v->action == ACTION_RESET)
        v->row.reset_seq++;
    else
        v->row.restart_seq++;
    return 0;
}

static int again(struct db_tx *tx, struct service_call *c, int action, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    const struct api_action *a = args_of(c);
    int64_t timeout_ms = 0;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc >= 0)
        rc = service_setting_int(tx, "stop_timeout_ms", &timeout_ms, err);
    if (rc < 0)
        return rc;
    v.action = action;
    v.args.force = a->force;
    v.args.timeout_ms = a->timeout_ms.is == BT_VALUE ? a->timeout_ms.v : timeout_ms;
    return service_instance_run(tx, &v, change_restart, err);
}

static int restart(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return again(tx, c, ACTION_RESTART, err);
}

static int reset(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return again(tx, c, ACTION_RESET, err);
}

/* ---- pause, resume ---- */

static int runs(const struct repo_instance_row *row, struct bt_err *err)
{
    int rc = startable(row, err);
    if (rc >= 0 && row->state != INSTANCE_RUNNING && row->state != INSTANCE_PAUSED)
        return bt_fail(err, BT_E_BAD_STATE, "instance %s is %s", row->name,
                       enum_instance_state[row->state]);
    return rc;
}

static int change_pause(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    (void)tx;
    int rc = runs(&v->row, err);
    if (rc >= 0)
        v->row.paused = v->action == ACTION_PAUSE;
    return rc;
}

static int freeze(struct db_tx *tx, struct service_call *c, int action, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    int state = action == ACTION_PAUSE ? INSTANCE_PAUSED : INSTANCE_RUNNING;
    v.action = action;
    v.holds = settled(&v.row) && v.row.state == state && v.row.paused == (action == ACTION_PAUSE);
    return service_instance_run(tx, &v, change_pause, err);
}

static int pause_it(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return freeze(tx, c, ACTION_PAUSE, err);
}

static int resume(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return freeze(tx, c, ACTION_RESUME, err);
}

#define POWER_VERB(nm, fn)                                                                         \
    {                                                                                              \
        .name = "instance." nm, .scope = SCOPE_POWER, .args_schema = &api_action_schema,           \
        .apply = fn                                                                                \
    }

const struct service_verb service_instance_start = POWER_VERB("start", start);
const struct service_verb service_instance_stop = POWER_VERB("stop", stop);
const struct service_verb service_instance_kill = POWER_VERB("kill", kill_it);
const struct service_verb service_instance_restart = POWER_VERB("restart", restart);
const struct service_verb service_instance_reset = POWER_VERB("reset", reset);
const struct service_verb service_instance_pause = POWER_VERB("pause", pause_it);
const struct service_verb service_instance_resume = POWER_VERB("resume", resume);
