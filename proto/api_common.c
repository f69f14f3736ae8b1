/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/api_common.h"

#include "proto/field.h"

#define FT api_field_error
static const struct bt_field api_field_error_schema_fields[] = {
    F_STR(field, 96, "", 0, "path of the field"), F_STR(code, 24, "", 0, "what is wrong"),
    F_STR(message, 160, "", 0, "for people"), F_END};
F_SCHEMA(api_field_error_schema, "FieldError", "One bad field");
#undef FT

#define FT api_problem
static const struct bt_field api_problem_schema_fields[] = {
    F_STR(type, 200, "", 0, NULL),
    F_STR(title, 200, "", 0, NULL),
    F_INT(status, 100, 599, 0, NULL),
    F_STR(code, 64, "", 0, "code of docs/ERRORS.md"),
    F_STR(detail, 400, "", 0, NULL),
    F_STR(hint, 200, "", 0, "what can be done"),
    F_BOOL(retryable, 0, NULL),
    F_AOBJ(errors, &api_field_error_schema, BT_FIELD_ERRORS_MAX, 0, NULL),
    F_STR(request_id, 64, "", 0, NULL),
    F_INT(task, 0, F_MAX_INT, BT_OMIT_ZERO, "task that holds the resource"),
    F_END};
F_SCHEMA(api_problem_schema, "Problem", "RFC 9457 problem details");
#undef FT

#define FT api_error
static const struct bt_field api_error_schema_fields[] = {
    F_STR(code, 64, "", 0, NULL),
    F_STR(message, 400, "", 0, NULL),
    F_STR(hint, 200, "", BT_NULLABLE, NULL),
    F_INT(task, 0, F_MAX_INT, BT_OMIT_ZERO, NULL),
    F_BOOL(retryable, 0, NULL),
    F_END};
F_SCHEMA(api_error_schema, "Error", "Why a task failed");
#undef FT
