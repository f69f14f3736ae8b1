/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/http/http_problem.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/api_common.h"

static int status_of(const struct http_problem *p)
{
    return p->status ? p->status : bt_code_http(p->err->code);
}

char *http_problem_text(const struct http_problem *p, const char *request_id)
{
    const struct bt_err *err = p->err;
    struct api_problem out = {
        .type = bt_xasprintf("urn:berth:problem:%s", bt_code_str(err->code)),
        .title = bt_xstrdup(bt_code_text(err->code)),
        .status = status_of(p),
        .code = bt_xstrdup(bt_code_str(err->code)),
        .detail = bt_xstrdup(err->msg[0] ? err->msg : bt_code_text(err->code)),
        .hint = err->hint[0] ? bt_xstrdup(err->hint) : NULL,
        .retryable = bt_code_retry(err->code) != BT_RETRY_NEVER,
        .request_id = bt_xstrdup(request_id),
        .task = p->task,
    };
    for (size_t i = 0; p->fields && i < p->fields->n; i++) {
        struct api_field_error *e = bt_arr_push(&out.errors, sizeof(*e));
        e->field = bt_xstrdup(p->fields->list[i].field);
        e->code = bt_xstrdup(p->fields->list[i].code);
        e->message = bt_xstrdup(p->fields->list[i].message);
    }
    char *text = bt_schema_emit_str(&api_problem_schema, &out);
    bt_schema_free(&api_problem_schema, &out);
    return text;
}

void http_problem_reply(struct http_request *req, const struct http_problem *p)
{
    _cleanup_free_ char *text = http_problem_text(p, req->request_id);
    struct http_response res = {
        .status = status_of(p),
        .content_type = "application/problem+json",
        .body = text,
        .body_len = strlen(text),
    };
    if (p->allow)
        res.headers[res.n_headers++] = (struct http_header){"allow", p->allow};
    if (res.status == 401)
        res.headers[res.n_headers++] = (struct http_header){"www-authenticate", "Bearer"};
    if (res.status == 429 || res.status == 503)
        res.headers[res.n_headers++] = (struct http_header){"retry-after", "1"};
    http_reply(req, &res);
}

void http_problem(struct http_request *req, const struct bt_err *err)
{
    http_problem_reply(req, &(struct http_problem){.err = err});
}
