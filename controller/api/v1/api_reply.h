/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/http/http_request.h"

/** Answer with JSON text; @req is consumed. Errors go out by http_problem. */
void api_reply_json(struct http_request *req, int status, const char *body, size_t len);
