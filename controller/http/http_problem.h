/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/json/json.h"
#include "controller/http/http_request.h"

/* Every error that leaves by HTTP is one of these (RFC 9457, docs/ERRORS.md). */
struct http_problem {
    const struct bt_err *err;
    const struct bt_field_errors *fields; /* NULL = none */
    int64_t task;                         /* that holds the resource; 0 = none */
    int status;                           /* 0 = that of the error's code */
    const char *allow;                    /* Allow header of a 405, NULL = none */
};

/** Answer @req (consumed) with a problem. */
void http_problem_reply(struct http_request *req, const struct http_problem *p);

/** Answer @req (consumed) with @err alone. */
void http_problem(struct http_request *req, const struct bt_err *err);

/** The JSON text of a problem (bulk answers carry several). Caller frees. */
char *http_problem_text(const struct http_problem *p, const char *request_id);
