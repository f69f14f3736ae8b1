/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_reply.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "proto/api_common.h"

/* api_problem borrows all its texts here: it is emitted, never freed as a whole. */
static char *borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void borrow_errors(const struct bt_field_errors *errors, struct bt_arr *ret)
{
    for (size_t i = 0; errors && i < errors->n; i++) {
        struct api_field_error *e = bt_arr_push(ret, sizeof *e);
        e->field = borrow(errors->list[i].field);
        e->code = borrow(errors->list[i].code);
        e->message = borrow(errors->list[i].message);
    }
}

void api_reply_problem(struct http_request *req, const struct api_refusal *r)
{
    enum bt_code code = r->err->code == BT_E_OK ? BT_E_INTERNAL : r->err->code;
    _cleanup_free_ char *type = bt_xasprintf("urn:berth:error:%s", bt_code_str(code));
    struct api_problem p = {.type = type,
                            .title = borrow(bt_code_text(code)),
                            .status = bt_code_http(code),
                            .code = borrow(bt_code_str(code)),
                            .detail = borrow(r->err->msg),
                            .hint = r->err->hint[0] ? borrow(r->err->hint) : NULL,
                            .retryable = bt_code_retry(code) != BT_RETRY_NEVER,
                            .request_id = req->request_id,
                            .task = r->task};
    borrow_errors(r->errors, &p.errors);
    _cleanup_buf_ struct bt_buf body = BT_BUF(1u << 20);
    (void)bt_schema_emit(&api_problem_schema, &p, &body);
    free(p.errors.items);
    struct http_response res = {.status = (int)p.status,
                                .content_type = "application/problem+json",
                                .body = body.data,
                                .body_len = body.len};
    res.headers[res.n_headers++] = (struct http_header){"Request-Id", req->request_id};
    if (code == BT_E_UNAUTHENTICATED)
        res.headers[res.n_headers++] = (struct http_header){"WWW-Authenticate", "Bearer"};
    if (bt_code_retry(code) == BT_RETRY_LATER && res.status >= 500)
        res.headers[res.n_headers++] = (struct http_header){"Retry-After", "1"};
    http_reply(req, &res);
}

void api_reply_json(struct http_request *req, int status, const char *body, size_t len)
{
    struct http_response res = {.status = status, .body = body, .body_len = len};
    res.headers[res.n_headers++] = (struct http_header){"Request-Id", req->request_id};
    res.headers[res.n_headers++] = (struct http_header){"Cache-Control", "no-store"};
    http_reply(req, &res);
}
