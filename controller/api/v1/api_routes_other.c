/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "controller/api/v1/api.h"
#include "controller/api/v1/api_priv.h"
#include "controller/api/v1/api_reply.h"
#include "controller/api/v1/api_route.h"
#include "controller/service/service_adopt.h"
#include "controller/service/service_log.h"
#include "proto/field.h"

#define FT service_event_query
static const struct bt_field event_query_fields[] = {
    F_ID(after, 0, "only later than this id"), F_STR(type, 64, "", 0, "only this type"), F_END};
static F_SCHEMA(event_query, "EventQuery", NULL);
#undef FT

static const struct bt_field history_query_fields[] = {
    {.key = "at",
     .type = BT_F_INT,
     .off = offsetof(struct service_event_query, after),
     .max = F_MAX_INT,
     .unit = "ms",
     .help = "who had it then"},
    F_END};
static const struct bt_schema history_query = {.name = "HistoryQuery",
                                               .fields = history_query_fields,
                                               .size = sizeof(struct service_event_query)};

static void openapi(struct api *a, struct http_request *req)
{
    const char *text = api_openapi(a);
    api_reply_json(req, 200, text, strlen(text));
}

#define LIST(p, v, s)                                                                              \
    {                                                                                              \
        .method = HTTP_GET, .path = p, .verb = &v, .query = &api_query_schema, .summary = s        \
    }

const struct api_route api_other_routes[] = {
    {.method = HTTP_GET,
     .path = "/events",
     .verb = &service_event_list,
     .query = &event_query,
     .summary = "List events; with Accept: text/event-stream they follow"},
    LIST("/alarms", service_alarm_list, "List alarms"),
    {.method = HTTP_POST,
     .path = "/alarms/{}/actions/ack",
     .verb = &service_alarm_ack,
     .summary = "Note who has seen an alarm"},
    LIST("/audit", service_audit_list, "List the audit log"),
    {.method = HTTP_GET,
     .path = "/audit/verify",
     .verb = &service_audit_verify,
     .summary = "Verify the audit chain"},
    LIST("/addresses", service_address_list, "List addresses that are not free"),
    {.method = HTTP_GET,
     .path = "/addresses/{}/history",
     .verb = &service_address_history,
     .query = &history_query,
     .summary = "Who had an address"},
    {.method = HTTP_POST,
     .path = "/addresses/{}/actions/hold",
     .verb = &service_address_hold,
     .summary = "Keep an address from being given away"},
    {.method = HTTP_POST,
     .path = "/addresses/{}/actions/release",
     .verb = &service_address_release,
     .summary = "Let a held address go"},
    LIST("/orphans", service_orphan_list, "List instances that only hosts know"),
    {.method = HTTP_POST,
     .path = "/orphans/{}/actions/adopt",
     .verb = &service_orphan_adopt,
     .summary = "Make an orphan a tenant's instance"},
    LIST("/settings", service_setting_list, "List settings"),
    {.method = HTTP_PUT,
     .path = "/settings/{}",
     .verb = &service_setting_put,
     .summary = "Set a setting"},
    {.method = HTTP_GET,
     .path = "/doctor",
     .answer = api_doctor,
     .summary = "What differs from what should be, here and on every host"},
    {.method = HTTP_GET,
     .path = "/openapi.json",
     .answer = openapi,
     .flags = API_OPEN,
     .summary = "This document"},
    {.path = NULL}};
