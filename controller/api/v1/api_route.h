/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "controller/http/http_request.h"
#include "controller/service/service.h"

#define API_PREFIX "/api/v1"
#define API_SEGS_MAX 3

struct api;

enum api_route_flag {
    API_OPEN = 1 << 0, /* no token */
    API_ROOT = 1 << 1, /* path is at the root, not under the prefix */
};

struct api_route {
    enum http_method method;
    const char *path; /* "/instances/{}/actions/{}": {} is one segment */
    const struct service_verb *verb;
    /* Instead of `verb`: by the segments (actions). NULL = no such path. */
    const struct service_verb *(*choose)(const char *const *segs);
    const struct bt_schema *query; /* filters: become the verb's args */
    unsigned flags;
    const char *summary;
    /* Instead of a verb: answers by itself (health, openapi). */
    void (*answer)(struct api *a, struct http_request *req);
};

/* The tables, each ends with path NULL (api_routes_*.c). */
extern const struct api_route api_instance_routes[], api_fleet_routes[], api_other_routes[];
extern const struct api_route *const api_route_tables[];

/* Filters of plain lists: become struct service_query. */
extern const struct bt_schema api_query_schema;

enum api_match { API_FOUND, API_NO_PATH, API_NO_METHOD };

struct api_target {
    const struct api_route *route;
    const struct service_verb *verb; /* NULL = route->answer */
    char segs[API_SEGS_MAX][256];
    size_t n_segs;
};

/** Find the route of a method and a decoded path. */
enum api_match api_route_find(enum http_method method, const char *path, struct api_target *ret);
