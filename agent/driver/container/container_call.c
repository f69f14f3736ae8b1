/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static void reply_error(struct container_call *c, const struct helper_err *e)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, bt_code_from_str(e->code), "%s%s%s", e->step ? e->step : "",
                  e->step ? ": " : "", e->message ? e->message : "berth-container failed");
    if (e->hint)
        bt_hint(&err, "%s", e->hint);
    c->done(c, NULL, &err);
}

static void on_frame(struct sys_helper *h, const char *json, size_t len)
{
    struct container_call *c = h->owner;
    struct helper_container_reply r;
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&helper_container_reply_schema, json, len, BT_LENIENT, &r, NULL, &err) <
        0) {
        if (!c->replied) {
            c->replied = true;
            c->done(c, NULL, &err);
        }
        return;
    }
    if (r.exit && c->exited) {
        c->exited(c, (int)r.exit->status);
    } else if (!c->replied && (r.ok || r.err)) {
        c->replied = true;
        if (r.ok)
            c->done(c, r.ok, NULL);
        else
            reply_error(c, r.err);
        if (r.ok && c->keep)
            c->cd->cfg.sys->helper->close(c->cd->cfg.sys, &c->helper);
    }
    bt_schema_free(&helper_container_reply_schema, &r);
}

static void call_free(struct container_call *c)
{
    bt_list_remove(&c->link);
    if (c->gone)
        c->gone(c);
    free(c);
}

static void on_ended(struct sys_helper *h, int status, int signum, const struct bt_err *why)
{
    struct container_call *c = h->owner;
    if (!c->replied) {
        struct bt_err err = BT_ERR_INIT;
        c->replied = true;
        (void)bt_fail(&err, BT_E_HELPER,
                      "berth-container ended without an answer (status %d, signal %d)%s%s", status,
                      signum, why && why->code ? ": " : "", why && why->code ? why->msg : "");
        c->done(c, NULL, &err);
    }
    call_free(c);
}

/* Failures to start come later, like every answer. */
struct late {
    struct bt_post post;
    struct container_driver *cd;
    struct container_call *call;
    struct bt_err err;
};

static void on_late(struct bt_post *p)
{
    struct late *l = BT_CONTAINER_OF(p, struct late, post);
    struct container_call *c = l->call;
    if (!l->cd->dead) {
        c->replied = true;
        c->done(c, NULL, &l->err);
        call_free(c);
    }
    container_return(l->cd, NULL, 0, NULL);
    free(l);
}

static void fail_later(struct container_call *c, const struct bt_err *err)
{
    struct late *l = bt_xcalloc(1, sizeof *l);
    l->cd = c->cd;
    l->call = c;
    l->err = *err;
    l->post.cb = on_late;
    container_expect(c->cd);
    bt_loop_post(c->cd->cfg.sys->loop, &l->post);
}

static int send_request(struct container_call *c, const struct helper_container_request *request,
                        struct bt_err *err)
{
    struct sys *sys = c->cd->cfg.sys;
    char *text = bt_schema_emit_str(&helper_container_request_schema, request);
    const struct sys_helper_frame frame = {.json = text, .len = strlen(text)};
    int rc = sys->helper->send(sys, &c->helper, &frame, err);
    bt_erase(text, strlen(text)); /* password hashes and keys */
    free(text);
    return rc;
}

struct container_call *container_call_start(struct container_driver *cd, const char *uuid,
                                            struct helper_container_request *request,
                                            const struct container_call *how)
{
    struct container_call *c = bt_xcalloc(1, sizeof *c);
    struct bt_err err = BT_ERR_INIT;
    *c = *how;
    c->cd = cd;
    bt_list_init(&c->link);
    bt_list_push(&cd->calls, &c->link);
    (void)bt_strcpy(c->uuid, sizeof c->uuid, uuid);
    c->helper = (struct sys_helper){.frame = on_frame, .ended = on_ended, .owner = c};
    const char *const argv[] = {cd->helper, helper_container_op[request->op], c->uuid, NULL};
    const struct sys_helper_start start = {.argv = argv, .detached = c->keep};
    if (!request->run_dir)
        request->run_dir = bt_xstrdup(cd->run_dir);
    if (cd->cfg.sys->helper->start(cd->cfg.sys, &c->helper, &start, &err) < 0)
        fail_later(c, &err);
    else if (send_request(c, request, NULL) < 0)
        /* Without its request it would wait for ever; on_ended answers. */
        cd->cfg.sys->helper->kill(cd->cfg.sys, &c->helper, SIGKILL);
    return c;
}

static void abandon_calls(struct container_driver *cd)
{
    for (struct bt_list *l; (l = bt_list_pop(&cd->calls));) {
        struct container_call *c = BT_CONTAINER_OF(l, struct container_call, link);
        if (c->helper.impl)
            cd->cfg.sys->helper->abandon(cd->cfg.sys, &c->helper);
        bt_list_init(&c->link);
        call_free(c);
    }
}

/* ---- requests that come back from elsewhere ---- */

static void driver_unref(struct container_driver *cd)
{
    if (!cd->dead || cd->busy > 0)
        return;
    free(cd->helper);
    free(cd->run_dir);
    free(cd->state_dir);
    free(cd->cgroup_parent);
    free(cd->log_dir);
    free(cd);
}

void container_expect(struct container_driver *cd)
{
    cd->busy++;
}

void container_return(struct container_driver *cd, struct driver_req *req, int rc,
                      const struct bt_err *err)
{
    if (req && !cd->dead) {
        req->impl = NULL;
        req->done(req, rc, err);
    }
    cd->busy--;
    driver_unref(cd);
}

void container_bury(struct container_driver *cd)
{
    container_expect(cd);
    cd->dead = true;
    abandon_calls(cd);
    container_return(cd, NULL, 0, NULL);
}

struct req_end {
    struct bt_post post;
    struct container_driver *cd;
    struct driver_req *req;
    int rc;
    struct bt_err err;
};

static void on_req_end(struct bt_post *p)
{
    struct req_end *e = BT_CONTAINER_OF(p, struct req_end, post);
    container_return(e->cd, e->req, e->rc, &e->err);
    free(e);
}

void container_req_end(struct container_driver *cd, struct driver_req *req, int rc,
                       const struct bt_err *err)
{
    struct req_end *e = bt_xcalloc(1, sizeof *e);
    e->cd = cd;
    e->req = req;
    e->rc = rc;
    if (err)
        e->err = *err;
    e->post.cb = on_req_end;
    container_expect(cd);
    bt_loop_post(cd->cfg.sys->loop, &e->post);
}
