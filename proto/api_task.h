/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/api_common.h"
#include "proto/enums.h"

struct api_task {
    int64_t id;
    int action, state;
    int64_t progress;
    char *step, *waiting_for;
    struct bt_ref instance, host, image;
    char *actor, *source;
    struct api_error *error;
    int64_t created_at;
    struct bt_opt_int started_at, finished_at;
    bool cancellable;
};

struct api_event {
    int64_t id;
    char *type;
    int64_t at;
    char *actor;
    char *resource; /* raw {type, id} */
    char *data;     /* raw object */
};

struct api_alarm {
    int64_t id;
    char *kind;
    int severity;
    char *resource; /* raw {type, id} */
    char *text;
    int64_t since;
    struct bt_opt_int cleared_at;
    char *acknowledged_by;
};

struct api_audit {
    int64_t seq, at;
    char *actor, *action, *resource, *result, *ip, *request_id, *data;
};

extern const struct bt_schema api_task_schema, api_event_schema, api_alarm_schema, api_audit_schema;
