/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Life of one request:
 *   routed -> authenticated (a reader) -> parsed -> submitted (pool, writer) -> [waiting] ->
 * answered The struct lives until the answer is handed to the transport; nothing else owns it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/api/v1/api_args.h"
#include "controller/api/v1/api_priv.h"
#include "controller/api/v1/api_reply.h"
#include "controller/http/http_problem.h"
#include "controller/service/service_log.h"

#define KEY_MAX 255

struct api_call {
    struct api *api;
    struct http_request *req;
    struct api_target target;
    struct auth_request auth;
    struct api_args args;
    struct service_call call;
    struct task_wait wait;
};

static void call_free(struct api_call *c)
{
    service_call_fini(&c->call);
    api_args_fini(&c->args);
    bt_erase(c->auth.secret, sizeof c->auth.secret);
    c->api->load--;
    free(c);
}

static void refuse(struct api_call *c, const struct bt_err *err)
{
    const struct http_problem p = {
        .err = err, .fields = &c->call.errors, .task = c->call.error_task};
    http_problem_reply(c->req, &p);
    call_free(c);
}

static void add_header(struct http_response *res, const char *name, const char *value)
{
    if (value && *value && res->n_headers < HTTP_HEADERS_MAX)
        res->headers[res->n_headers++] = (struct http_header){name, value};
}

/* @task_state and @task_error: Prefer: wait adds headers, never other bytes. */
static void answer(struct api_call *c, const char *task_state, const char *task_error)
{
    const struct service_answer *a = &c->call.answer;
    char etag[32] = "";
    struct http_response res = {.status = a->status, .body = a->body.data, .body_len = a->body.len};
    if (a->etag > 0)
        (void)snprintf(etag, sizeof etag, "\"%lld\"", (long long)a->etag);
    add_header(&res, "Request-Id", c->req->request_id);
    add_header(&res, "Cache-Control", "no-store");
    add_header(&res, "Location", a->location);
    add_header(&res, "ETag", etag);
    add_header(&res, "Idempotency-Replayed", a->replayed ? "true" : NULL);
    add_header(&res, "Task-State", task_state);
    add_header(&res, "Task-Error", task_error);
    http_reply(c->req, &res);
    call_free(c);
}

static void on_waited(struct task_wait *w, int state, const char *code)
{
    struct api_call *c = w->owner;
    answer(c, state < 0 ? "running" : enum_task_state[state], code);
}

/* GET /tasks/{id} with Prefer: wait asks again after the end, so that the body shows it. */
static void on_task_ended(struct task_wait *w, int state, const char *code)
{
    (void)state;
    (void)code;
    struct api_call *c = w->owner;
    c->args.wait_ms = 0;
    service_call_fini(&c->call);
    c->call.answer = (struct service_answer){0};
    service_submit(&c->call);
}

static bool is_open_task(const struct api_call *c)
{
    static const char *const ended[] = {"\"state\":\"success\"", "\"state\":\"error\"",
                                        "\"state\":\"cancelled\""};
    for (size_t i = 0; i < BT_ARRAY_LEN(ended); i++) {
        if (c->call.answer.body.data && strstr(c->call.answer.body.data, ended[i]))
            return false;
    }
    return true;
}

static void on_done(struct service_call *call, int rc, const struct bt_err *err)
{
    struct api_call *c = call->owner;
    if (rc < 0) {
        refuse(c, err);
        return;
    }
    bool read = c->target.verb->kind != SERVICE_WRITE;
    if (c->args.wait_ms > 0 && call->answer.task_id > 0 && !c->call.dry_run &&
        (!read || is_open_task(c))) {
        c->wait.done = read ? on_task_ended : on_waited;
        c->wait.owner = c;
        task_wait_start(&c->wait, c->api->cfg.svc->tasks, call->answer.task_id, c->args.wait_ms);
        return;
    }
    answer(c, NULL, NULL);
}

static int take_key(struct api_call *c, struct bt_err *err)
{
    const char *key = c->req->idempotency_key;
    if (!key)
        return 0;
    size_t n = strlen(key);
    if (n < 1 || n > KEY_MAX || !bt_utf8_clean(key, n, NULL))
        return bt_fail(err, BT_E_BAD_REQUEST, "Idempotency-Key must be 1 to %d characters",
                       KEY_MAX);
    c->call.idem = (struct service_idem){
        .key = key, .method = http_method_str(c->req->method), .path = c->req->path};
    service_fingerprint(&c->call, c->req->query, c->req->body, c->req->body_len);
    return 0;
}

static void run(struct api_call *c)
{
    struct bt_err err = BT_ERR_INIT;
    struct service_call *call = &c->call;
    int rc = api_args_parse(&c->target, c->req, &c->args, &call->errors, &err);
    if (rc >= 0)
        rc = take_key(c, &err);
    if (rc < 0) {
        refuse(c, &err);
        return;
    }
    call->svc = c->api->cfg.svc;
    call->verb = c->target.verb;
    if (c->target.n_segs > 0)
        call->target = service_ref(c->target.segs[0]);
    call->sub = c->target.n_segs > 1 ? c->target.segs[1] : NULL;
    call->args = c->args.obj;
    call->page = c->args.page;
    call->if_match = c->args.if_match;
    call->dry_run = c->args.dry_run;
    call->done = on_done;
    call->owner = c;
    service_submit(call);
}

static void name_caller(struct api_call *c)
{
    struct principal *who = &c->call.who;
    (void)bt_strcpy(who->ip, sizeof who->ip, c->req->peer_ip ? c->req->peer_ip : "");
    (void)bt_strcpy(who->request_id, sizeof who->request_id, c->req->request_id);
}

static bool wants_stream(const struct http_request *req)
{
    return req->accept && strstr(req->accept, "text/event-stream") && req->transport->stream;
}

static void on_auth(struct auth_request *r, int rc, const struct bt_err *err)
{
    struct api_call *c = r->owner;
    if (rc < 0) {
        refuse(c, err);
        return;
    }
    c->call.who = r->who;
    name_caller(c);
    if (c->target.verb == &service_event_list && wants_stream(c->req) &&
        auth_may(&r->who, SCOPE_READ, NULL) >= 0) {
        api_follow_events(c->api, c->req, &r->who);
        call_free(c);
        return;
    }
    run(c);
}

static void authenticate(struct api_call *c)
{
    struct bt_err err = BT_ERR_INIT;
    const char *secret = api_bearer(c->req->authorization);
    if (!secret) {
        (void)bt_fail(&err, BT_E_UNAUTHENTICATED, "a bearer token is needed");
        refuse(c, &err);
        return;
    }
    c->auth.done = on_auth;
    c->auth.owner = c;
    if (auth_start(&c->auth, c->api->cfg.svc->db, secret, &err) < 0)
        refuse(c, &err);
}

static void reply_error(struct http_request *req, enum bt_code code, const char *text)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, code, "%s", text);
    http_problem(req, &err);
}

static void reply_health(struct api *a, struct http_request *req)
{
    char text[256] = "";
    bool ok = !a->cfg.healthy || a->cfg.healthy(a->cfg.ctx, text, sizeof text);
    _cleanup_buf_ struct bt_buf body = BT_BUF(1024);
    (void)bt_buf_adds(&body, ok ? "{\"status\":\"ok\"" : "{\"status\":\"degraded\",\"detail\":");
    if (!ok)
        (void)bt_json_quote(text, &body);
    (void)bt_buf_adds(&body, ",\"version\":\"" BT_VERSION "\"}");
    api_reply_json(req, ok ? 200 : 503, body.data, body.len);
}

void api_on_request(void *ctx, struct http_request *req)
{
    struct api *a = ctx;
    struct api_target target;
    if (strcmp(req->path, "/health") == 0 &&
        (req->method == HTTP_GET || req->method == HTTP_HEAD)) {
        reply_health(a, req);
        return;
    }
    switch (api_route_find(req->method, req->path, &target)) {
    case API_NO_PATH:
        reply_error(req, BT_E_NOT_FOUND, "no such path");
        return;
    case API_NO_METHOD:
        reply_error(req, BT_E_METHOD_NOT_ALLOWED, "this path does not take this method");
        return;
    case API_FOUND:
        break;
    }
    if (!target.verb) {
        target.route->answer(a, req);
        return;
    }
    struct api_call *c = bt_xcalloc(1, sizeof *c);
    c->api = a;
    c->req = req;
    c->target = target;
    a->load++;
    if (target.route->flags & API_OPEN) {
        auth_system(&c->call.who, "anonymous");
        c->call.who.scopes = 0;
        name_caller(c);
        run(c);
    } else {
        authenticate(c);
    }
}
