/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs of a running (or stopped) container: start, stop, kill, freeze, limits, probe. */
#include <stdlib.h>
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static void end(struct driver_req *req, int rc, const struct bt_err *err)
{
    req->done(req, rc, err);
}

void container_observed(const struct helper_container_stat *st, struct driver_observed *ret)
{
    static const int states[] = {[HELPER_CONTAINER_STOPPED] = INSTANCE_STOPPED,
                                 [HELPER_CONTAINER_RUNNING] = INSTANCE_RUNNING,
                                 [HELPER_CONTAINER_PAUSED] = INSTANCE_PAUSED};
    bool known = st->state >= 0 && st->state < (int)BT_ARRAY_LEN(states);
    ret->state = known ? states[st->state] : INSTANCE_UNKNOWN;
    ret->monitor_lost = st->monitor_lost;
    ret->pid = st->pid;
    ret->pid_start = st->pid_start;
    ret->started_at = st->started_at;
    if (st->exit) {
        (void)bt_strcpy(ret->cause, sizeof ret->cause,
                        st->exit->cause < 0 ? "" : helper_container_cause[st->exit->cause]);
        ret->ended_at = st->exit->ended_at;
    }
}

/* Take a stat: into the request and into what is watched. */
static int take_stat(struct container_call *c, struct driver_req *req, const char *ok,
                     struct bt_err *err)
{
    struct helper_container_stat st;
    int rc =
        bt_schema_parse(&helper_container_stat_schema, ok, strlen(ok), BT_LENIENT, &st, NULL, err);
    if (rc < 0)
        return rc;
    container_observed(&st, &req->observed);
    req->effective = st.effective;
    container_watch_know(c->cd, c->uuid, &st);
    bt_schema_free(&helper_container_stat_schema, &st);
    return 0;
}

static void on_stat(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct driver_req *req = c->owner;
    struct bt_err why = BT_ERR_INIT;
    if (!ok)
        end(req, -(int)err->code, err);
    else
        end(req, take_stat(c, req, ok, &why), &why);
}

static void simple(struct container_driver *cd, struct driver_req *req,
                   struct helper_container_request *request)
{
    const struct container_call how = {.done = on_stat, .owner = req};
    (void)container_call_start(cd, req->spec->uuid, request, &how);
    bt_schema_free(&helper_container_request_schema, request);
}

/* ---- probe: a helper that cannot tell gives UNKNOWN, never STOPPED ---- */

static void on_probe(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct driver_req *req = c->owner;
    struct bt_err why = BT_ERR_INIT;
    (void)err;
    if (!ok || take_stat(c, req, ok, &why) < 0)
        req->observed.state = INSTANCE_UNKNOWN;
    req->observed.disk = storage_has(c->cd->cfg.storage, c->uuid);
    req->observed.port = net_port_known(c->cd->cfg.net, c->uuid, 0);
    end(req, 0, NULL);
}

/* Since this host's start. What cannot be told is left to the helper, which says why. */
static bool ever_ran(struct container_driver *cd, const char *uuid)
{
    struct sys_fs_stat st;
    struct bt_err err = BT_ERR_INIT;
    _cleanup_free_ char *path = bt_xasprintf("%s/%s", cd->run_dir, uuid);
    return cd->cfg.sys->fs->stat(cd->cfg.sys, path, &st, &err) >= 0 || err.code != BT_E_NOT_FOUND;
}

void container_probe(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    req->observed = (struct driver_observed){.state = INSTANCE_STOPPED};
    if (!ever_ran(cd, req->spec->uuid)) {
        req->observed.disk = storage_has(cd->cfg.storage, req->spec->uuid);
        req->observed.port = net_port_known(cd->cfg.net, req->spec->uuid, 0);
        container_req_end(cd, req, 0, NULL);
        return;
    }
    struct helper_container_request request = {.op = HELPER_CONTAINER_STAT};
    const struct container_call how = {.done = on_probe, .owner = req};
    (void)container_call_start(cd, req->spec->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

/* ---- start ---- */

static void on_started(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct driver_req *req = c->owner;
    struct helper_container_started s;
    struct bt_err why = BT_ERR_INIT;
    if (!ok) {
        end(req, -(int)err->code, err);
        return;
    }
    int rc = bt_schema_parse(&helper_container_started_schema, ok, strlen(ok), BT_LENIENT, &s, NULL,
                             &why);
    if (rc >= 0) {
        const struct helper_container_stat st = {.state = HELPER_CONTAINER_RUNNING,
                                                 .pid = s.pid,
                                                 .pid_start = s.pid_start,
                                                 .monitor = s.monitor,
                                                 .monitor_start = s.monitor_start,
                                                 .boot = s.boot,
                                                 .started_at = s.started_at};
        container_watch_know(c->cd, c->uuid, &st);
        container_observed(&st, &req->observed);
        req->effective = s.effective;
        bt_schema_free(&helper_container_started_schema, &s);
    }
    end(req, rc, &why);
}

static void run(struct container_driver *cd, struct driver_req *req)
{
    struct helper_container_request request;
    struct bt_err err = BT_ERR_INIT;
    int rc = container_spec_build(cd, req, &request, &err);
    if (rc < 0) {
        container_req_end(cd, req, rc, &err);
        return;
    }
    const struct container_call how = {.done = on_started, .owner = req, .keep = true};
    (void)container_call_start(cd, req->spec->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

/* A crash may have come between the start and its record: what runs already is not started twice.
 */
static void on_look(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct driver_req *req = c->owner;
    struct container_driver *cd = c->cd;
    struct bt_err why = BT_ERR_INIT;
    (void)err;
    if (ok && take_stat(c, req, ok, &why) >= 0 && req->observed.state != INSTANCE_STOPPED)
        end(req, 0, NULL);
    else
        run(cd, req);
}

void container_start(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    if (!ever_ran(cd, req->spec->uuid)) {
        run(cd, req);
        return;
    }
    struct helper_container_request request = {.op = HELPER_CONTAINER_STAT};
    const struct container_call how = {.done = on_look, .owner = req};
    (void)container_call_start(cd, req->spec->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

/* ---- stop, kill ---- */

#define KILL_MS 10000
#define STOP_MS 30000

static void kill_now(struct container_driver *cd, struct driver_req *req)
{
    struct helper_container_stop *stop = bt_xcalloc(1, sizeof *stop);
    *stop = (struct helper_container_stop){.how = HELPER_STOP_KILL, .timeout_ms = KILL_MS};
    struct helper_container_request request = {.op = HELPER_CONTAINER_STOP, .stop = stop};
    simple(cd, req, &request);
}

static void on_stopped(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct driver_req *req = c->owner;
    if (!ok && err->code == BT_E_GUEST_TIMEOUT && req->force)
        kill_now(c->cd, req);
    else
        on_stat(c, ok, err);
}

void container_stop(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    if (!ever_ran(cd, req->spec->uuid)) {
        req->observed = (struct driver_observed){.state = INSTANCE_STOPPED};
        container_req_end(cd, req, 0, NULL);
        return;
    }
    struct helper_container_stop *stop = bt_xcalloc(1, sizeof *stop);
    *stop = (struct helper_container_stop){
        .how = HELPER_STOP_SIGNAL, .timeout_ms = req->timeout_ms ? req->timeout_ms : STOP_MS};
    struct helper_container_request request = {.op = HELPER_CONTAINER_STOP, .stop = stop};
    const struct container_call how = {.done = on_stopped, .owner = req};
    (void)container_call_start(cd, req->spec->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

void container_kill(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    if (ever_ran(cd, req->spec->uuid)) {
        kill_now(cd, req);
        return;
    }
    req->observed = (struct driver_observed){.state = INSTANCE_STOPPED};
    container_req_end(cd, req, 0, NULL);
}

/* ---- freeze, limits ---- */

void container_freeze(struct driver *d, struct driver_req *req)
{
    struct helper_container_freeze *freeze = bt_xcalloc(1, sizeof *freeze);
    freeze->on = req->on;
    struct helper_container_request request = {.op = HELPER_CONTAINER_FREEZE, .freeze = freeze};
    simple(container_of(d), req, &request);
}

void container_limits(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    struct helper_container_limits *limits = bt_xcalloc(1, sizeof *limits);
    limits->limits = req->spec->limits;
    limits->cpuset = container_cpuset(cd, req->spec);
    if (!limits->cpuset)
        limits->cpuset = bt_xstrdup("");
    struct helper_container_request request = {.op = HELPER_CONTAINER_LIMITS, .limits = limits};
    simple(cd, req, &request);
}
