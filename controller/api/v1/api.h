/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "controller/http/http_server.h"
#include "controller/service/service.h"

/*
 * API v1: a table of routes over the service's verbs. One request is one api_call: route,
 * principal, query and body by field tables, service_submit, answer (held back by Prefer: wait).
 * Loop thread.
 */
struct api;

struct api_config {
    struct service *svc;
    bool (*healthy)(void *ctx, char *text, size_t size); /* /health: false = degraded and why */
    void *ctx;
};

/** Make the API. Free with api_free after the listeners have stopped. */
struct api *api_new(const struct api_config *cfg);

/** Free it; no request may be under way. NULL is fine. */
void api_free(struct api *a);

/** Requests that are not answered yet. */
size_t api_load(const struct api *a);

/** What the listener calls (http_handler with @a as ctx). */
void api_handler(struct api *a, struct http_handler *ret);

/** The OpenAPI document, made once from the tables. */
const char *api_openapi(const struct api *a);
