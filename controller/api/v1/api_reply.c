/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_reply.h"

void api_reply_json(struct http_request *req, int status, const char *body, size_t len)
{
    struct http_response res = {.status = status, .body = body, .body_len = len};
    res.headers[res.n_headers++] = (struct http_header){"Request-Id", req->request_id};
    res.headers[res.n_headers++] = (struct http_header){"Cache-Control", "no-store"};
    http_reply(req, &res);
}
