/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_route.h"
#include "controller/service/service_console.h"
#include "controller/service/service_instance.h"
#include "controller/service/service_task.h"
#include "proto/field.h"

#define FT service_instance_query
static const struct bt_field instance_query_fields[] = {
    F_REF(tenant, 0, "only this tenant's"),
    F_REF(host, 0, "only on this host"),
    F_REF(plan, 0, "only of this plan"),
    F_REF(image, 0, "only of this image"),
    F_ENUM(state, enum_instance_state, 0, "only in this state"),
    F_STR(name, 63, "name", 0, "exact name"),
    F_STR(source, 63, "", 0, "billing installation"),
    F_STR(external_id, 128, "", 0, "id in a billing system"),
    F_BOOL(deleted, 0, "trashed ones too"),
    F_BOOL(only_deleted, 0, "trashed ones only"),
    F_END};
static F_SCHEMA(instance_query, "InstanceQuery", NULL);
#undef FT

#define FT service_task_query
static const struct bt_field task_query_fields[] = {
    F_REF(instance, 0, "only of this instance"),
    F_REF(host, 0, "only of this host"),
    F_ENUM(state, enum_task_state, 0, "only in this state"),
    F_STR(action, 32, "", 0, "only this action"),
    F_BOOL(open, 0, "only unfinished ones"),
    F_END};
static F_SCHEMA(task_query, "TaskQuery", NULL);
#undef FT

static const struct service_verb *action_of(const char *const *segs)
{
    const struct service_instance_action *a = service_instance_action_find(segs[1]);
    return a ? a->verb : NULL;
}

static const struct service_verb *delete_verb(const char *const *segs)
{
    (void)segs;
    return service_instance_action_find("delete")->verb;
}

const struct api_route api_instance_routes[] = {
    {.method = HTTP_POST,
     .path = "/instances",
     .verb = &service_instance_create,
     .summary = "Make an instance"},
    {.method = HTTP_GET,
     .path = "/instances",
     .verb = &service_instance_list,
     .query = &instance_query,
     .summary = "List instances"},
    {.method = HTTP_GET,
     .path = "/instances/{}",
     .verb = &service_instance_get,
     .summary = "Show an instance"},
    {.method = HTTP_PATCH,
     .path = "/instances/{}",
     .verb = &service_instance_patch,
     .summary = "Change fields of an instance"},
    {.method = HTTP_DELETE,
     .path = "/instances/{}",
     .choose = delete_verb,
     .query = &api_action_schema,
     .summary = "Delete an instance (to the trash)"},
    {.method = HTTP_POST,
     .path = "/instances/{}/actions/{}",
     .choose = action_of,
     .summary = "Run a verb"},
    {.method = HTTP_POST,
     .path = "/instances/{}/exec",
     .verb = &service_instance_exec,
     .summary = "Ticket to run a command"},
    {.method = HTTP_POST,
     .path = "/instances/{}/console",
     .verb = &service_instance_console,
     .summary = "Ticket for the console"},
    {.method = HTTP_GET,
     .path = "/tasks",
     .verb = &service_task_list,
     .query = &task_query,
     .summary = "List tasks"},
    {.method = HTTP_GET, .path = "/tasks/{}", .verb = &service_task_get, .summary = "Show a task"},
    {.method = HTTP_POST,
     .path = "/tasks/{}/actions/cancel",
     .verb = &service_task_cancel,
     .summary = "Cancel a task"},
    {.path = NULL}};
