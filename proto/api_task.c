/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/api_task.h"

#include "proto/field.h"

#define FT api_task
static const struct bt_field api_task_schema_fields[] = {
    F_ID(id, BT_READONLY, NULL),
    F_ENUM(action, enum_action, BT_READONLY, NULL),
    F_ENUM(state, enum_task_state, BT_READONLY, NULL),
    F_INT(progress, 0, 100, BT_READONLY, "percent"),
    F_STR(step, 64, "", BT_READONLY | BT_NULLABLE, NULL),
    F_STR(waiting_for, 128, "", BT_READONLY | BT_NULLABLE, NULL),
    F_REF(instance, BT_READONLY | BT_NULLABLE, NULL),
    F_REF(host, BT_READONLY | BT_NULLABLE, NULL),
    F_REF(image, BT_READONLY | BT_NULLABLE, NULL),
    F_STR(actor, 128, "", BT_READONLY, NULL),
    F_STR(source, 63, "", BT_READONLY, "billing installation"),
    F_OPTR(error, &api_error_schema, BT_READONLY | BT_NULLABLE, NULL),
    F_TIME(created_at, BT_READONLY, NULL),
    F_OPT(started_at, 0, F_MAX_INT, BT_READONLY | BT_NULLABLE, NULL),
    F_OPT(finished_at, 0, F_MAX_INT, BT_READONLY | BT_NULLABLE, NULL),
    F_BOOL(cancellable, BT_READONLY, NULL),
    F_END};
F_SCHEMA(api_task_schema, "Task", "A slow verb at work");
#undef FT

#define FT api_event
static const struct bt_field api_event_schema_fields[] = {
    F_ID(id, BT_READONLY, NULL),
    F_STR(type, 64, "", BT_READONLY, "instance.created ..."),
    F_TIME(at, BT_READONLY, NULL),
    F_STR(actor, 128, "", BT_READONLY, NULL),
    F_RAW(resource, 256, BT_READONLY, "{type, id}"),
    F_RAW(data, 65536, BT_READONLY, NULL),
    F_END};
F_SCHEMA(api_event_schema, "Event", "Something happened");
#undef FT

#define FT api_alarm
static const struct bt_field api_alarm_schema_fields[] = {
    F_ID(id, BT_READONLY, NULL),
    F_STR(kind, 64, "", BT_READONLY, NULL),
    F_ENUM(severity, enum_severity, BT_READONLY, NULL),
    F_RAW(resource, 256, BT_READONLY, "{type, id}"),
    F_STR(text, 400, "", BT_READONLY, NULL),
    F_TIME(since, BT_READONLY, NULL),
    F_OPT(cleared_at, 0, F_MAX_INT, BT_READONLY | BT_NULLABLE, NULL),
    F_STR(acknowledged_by, 128, "", BT_READONLY | BT_NULLABLE, NULL),
    F_END};
F_SCHEMA(api_alarm_schema, "Alarm", "Something is wrong since");
#undef FT

#define FT api_audit
static const struct bt_field api_audit_schema_fields[] = {
    F_ID(seq, BT_READONLY, NULL),
    F_TIME(at, BT_READONLY, NULL),
    F_STR(actor, 128, "", BT_READONLY, NULL),
    F_STR(action, 64, "", BT_READONLY, NULL),
    F_RAW(resource, 256, BT_READONLY, "{type, id}"),
    F_STR(result, 64, "", BT_READONLY, NULL),
    F_STR(ip, 45, "", BT_READONLY, NULL),
    F_STR(request_id, 64, "", BT_READONLY, NULL),
    F_RAW(data, 65536, BT_READONLY, NULL),
    F_END};
F_SCHEMA(api_audit_schema, "AuditRecord", "One entry of the hash-chained audit log");
#undef FT
