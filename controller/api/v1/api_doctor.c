/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /doctor: no verb, because it asks hosts after its transaction. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/api/v1/api_priv.h"
#include "controller/api/v1/api_reply.h"
#include "controller/http/http_problem.h"
#include "controller/service/service_doctor.h"

struct call {
    struct api *api;
    struct http_request *req;
    struct auth_request auth;
};

static void finish(struct call *c, const char *body, size_t len, const struct bt_err *err)
{
    if (body)
        api_reply_json(c->req, 200, body, len);
    else
        http_problem(c->req, err);
    bt_erase(c->auth.secret, sizeof c->auth.secret);
    c->api->load--;
    free(c);
}

static void on_findings(void *ctx, const char *body, size_t len, const struct bt_err *err)
{
    finish(ctx, body, len, err);
}

static void on_auth(struct auth_request *r, int rc, const struct bt_err *err)
{
    struct call *c = r->owner;
    if (rc < 0)
        finish(c, NULL, 0, err);
    else
        service_doctor_start(c->api->cfg.svc, &r->who, on_findings, c);
}

void api_doctor(struct api *a, struct http_request *req)
{
    struct bt_err err = BT_ERR_INIT;
    const char *secret = api_bearer(req->authorization);
    struct call *c = bt_xcalloc(1, sizeof *c);
    c->api = a;
    c->req = req;
    c->auth.done = on_auth;
    c->auth.owner = c;
    a->load++;
    if (!secret)
        (void)bt_fail(&err, BT_E_UNAUTHENTICATED, "a bearer token is needed");
    if (!secret || auth_start(&c->auth, a->cfg.svc->db, secret, &err) < 0)
        finish(c, NULL, 0, &err);
}
