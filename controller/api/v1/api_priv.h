/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/api/v1/api.h"
#include "controller/event/event.h"

struct api {
    struct api_config cfg;
    size_t load; /* requests not answered, uploads and followers not ended */
    char *openapi;
};

/** A whole request (http_handler.request). */
void api_on_request(void *ctx, struct http_request *req);

/** Headers of a request: a sink when it is an upload (http_handler.upload). */
struct http_sink *api_on_upload(void *ctx, struct http_request *req, uint64_t content_length,
                                bool *replied);

/** WebSocket handshake (http_handler.websocket). */
struct http_ws *api_on_websocket(void *ctx, const struct http_request *req, const char *protocol,
                                 struct bt_err *err);

/** Follow events as SSE for an authenticated caller; @req is consumed. */
void api_follow_events(struct api *a, struct http_request *req, const struct principal *who);

/** The bearer secret of an Authorization header, NULL when there is none. */
const char *api_bearer(const char *authorization);

/** GET /doctor (api_route.answer). */
void api_doctor(struct api *a, struct http_request *req);
