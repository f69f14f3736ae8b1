/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/json/json.h"
#include "controller/http/http_request.h"

/* An error as it goes out. */
struct api_refusal {
    const struct bt_err *err;
    const struct bt_field_errors *errors; /* may be NULL */
    int64_t task;                         /* holder of a locked resource, 0 = none */
};

/** Answer with problem+json (RFC 9457); @req is consumed. */
void api_reply_problem(struct http_request *req, const struct api_refusal *r);

/** Answer with a body of JSON text (or none when @body is NULL). */
void api_reply_json(struct http_request *req, int status, const char *body, size_t len);
