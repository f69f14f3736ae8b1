/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/json/json.h"

/* Problem details (RFC 9457) and small shared shapes of API v1. */
struct api_field_error {
    char *field, *code, *message;
};

struct api_problem {
    char *type, *title;
    int64_t status;
    char *code, *detail, *hint;
    bool retryable;
    struct bt_arr errors; /* struct api_field_error */
    char *request_id;
    int64_t task; /* the task that holds the resource (code locked), 0 = none */
};

struct api_error {
    char *code, *message, *hint;
    int64_t task;
    bool retryable;
};

extern const struct bt_schema api_field_error_schema, api_problem_schema, api_error_schema;
