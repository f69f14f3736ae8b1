/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_setting.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_audit.h"
#include "db/repo/repo_setting.h"
#include "proto/api_fleet.h"
#include "proto/api_task.h"

static char *borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

static char *resource_text(const char *type, int64_t id)
{
    return bt_xasprintf("{\"type\":\"%s\",\"id\":%lld}", type, (long long)id);
}

static void event_view(const struct repo_event_row *row, struct api_event *ret)
{
    *ret = (struct api_event){.id = row->seq,
                              .type = borrow(row->type),
                              .at = row->at,
                              .actor = borrow(row->actor),
                              .resource = resource_text(row->resource_type, row->resource_id),
                              .data = borrow(row->data)};
}

bool service_event_emit(const struct repo_event_row *row, struct bt_buf *out)
{
    struct api_event e;
    event_view(row, &e);
    bool ok = bt_schema_emit(&api_event_schema, &e, out);
    free(e.resource);
    return ok;
}

static int event_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_event_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_event_filter f = {.after_seq = c->page.after_id > q->after ? c->page.after_id
                                                                                 : q->after,
                                        .limit = limit + 1,
                                        .tenant_id = c->who.tenant_id,
                                        .type = q->type};
    int rc = repo_event_list(tx, &f, &rows, err);
    const struct repo_event_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; i < n; i++) {
        struct api_event e;
        event_view(&row[i], &e);
        service_list_add(c, &api_event_schema, &e);
        free(e.resource);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].seq : 0);
    db_rows_free(&repo_event_table, &rows);
    return rc;
}

static void alarm_view(const struct repo_alarm_row *row, struct api_alarm *ret)
{
    *ret =
        (struct api_alarm){.id = row->id,
                           .kind = borrow(row->kind),
                           .severity = row->severity,
                           .resource = resource_text(row->resource_type, row->resource_id),
                           .text = borrow(row->text),
                           .since = row->since,
                           .cleared_at = row->cleared_at ? BT_OPT_V(row->cleared_at) : BT_OPT_NULL,
                           .acknowledged_by = borrow(row->acknowledged_by)};
}

static int alarm_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_alarm_filter f = {
        .after_id = c->page.after_id, .limit = limit + 1, .cleared = q->deleted};
    int rc = repo_alarm_list(tx, &f, &rows, err);
    const struct repo_alarm_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; i < n; i++) {
        struct api_alarm a;
        alarm_view(&row[i], &a);
        service_list_add(c, &api_alarm_schema, &a);
        free(a.resource);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_alarm_table, &rows);
    return rc;
}

static int alarm_ack(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_alarm_row_free) struct repo_alarm_row row = {0};
    int rc = repo_alarm_ack(tx, c->target.id, c->who.name, err);
    if (rc >= 0)
        rc = repo_alarm_get(tx, c->target.id, &row, err);
    if (rc < 0)
        return rc;
    struct api_alarm a;
    alarm_view(&row, &a);
    service_answer_obj(c, 200, &api_alarm_schema, &a);
    service_audited(c, "alarm", row.id, 0);
    free(a.resource);
    return 0;
}

static int audit_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_audit_filter f = {.after_seq = c->page.after_id, .limit = limit + 1};
    int rc = repo_audit_list(tx, &f, &rows, err);
    const struct repo_audit_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; i < n; i++) {
        struct api_audit a = {.seq = row[i].seq,
                              .at = row[i].at,
                              .actor = row[i].actor,
                              .action = row[i].action,
                              .resource = resource_text(row[i].resource_type, row[i].resource_id),
                              .result = row[i].result,
                              .ip = row[i].ip,
                              .request_id = row[i].request_id,
                              .data = row[i].data};
        service_list_add(c, &api_audit_schema, &a);
        free(a.resource);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].seq : 0);
    db_rows_free(&repo_audit_table, &rows);
    return rc;
}

static int audit_verify(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct repo_audit_head at = {0};
    int64_t n = 0;
    int rc = 0;
    do
        rc = repo_audit_verify(tx, &at, 1000, &n, err);
    while (rc >= 0 && n == 1000);
    if (rc < 0)
        return rc;
    char head[65];
    bt_hex(at.head, sizeof at.head, head);
    c->answer.status = 200;
    (void)bt_buf_addf(&c->answer.body, "{\"ok\":true,\"count\":%lld,\"head\":\"%s\"}",
                      (long long)at.count, head);
    return 0;
}

static int setting_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    service_list_begin(c);
    for (const struct service_setting *s = service_settings; s->key; s++) {
        _cleanup_free_ char *value = NULL;
        int rc = service_setting_text(tx, s->key, &value, err);
        if (rc < 0)
            return rc;
        const struct api_setting out = {.key = borrow(s->key), .value = value};
        service_list_add(c, &api_setting_schema, &out);
    }
    service_list_end(c, false, 0);
    return 0;
}

static int setting_put(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_setting *in = c->args;
    const struct service_setting *s = service_setting_find(c->target.name ? c->target.name : "");
    if (!s)
        return bt_fail(err, BT_E_NOT_FOUND, "no such setting");
    if (strcmp(in->key, s->key) != 0)
        return service_bad_field(c, err, "key", "range", "is not the one of the path");
    int rc = service_setting_check(s, in->value, err);
    if (rc >= 0)
        rc = repo_setting_set(tx, s->key, in->value, err);
    if (rc >= 0 && s->places)
        rc = service_host_sched_refresh_all(tx, c->svc, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, 200, &api_setting_schema, in);
    service_audited(c, "setting", 0, 0);
    return 0;
}

const struct service_verb service_event_list = {
    .name = "event.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = event_list};
const struct service_verb service_alarm_list = {
    .name = "alarm.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = alarm_list};
const struct service_verb service_alarm_ack = {
    .name = "alarm.ack", .scope = SCOPE_OPERATOR, .apply = alarm_ack};
const struct service_verb service_audit_list = {
    .name = "audit.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = audit_list};
const struct service_verb service_audit_verify = {
    .name = "audit.verify", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = audit_verify};
const struct service_verb service_setting_list = {
    .name = "setting.list", .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = setting_list};
const struct service_verb service_setting_put = {.name = "setting.set",
                                                 .scope = SCOPE_OPERATOR,
                                                 .args_schema = &api_setting_schema,
                                                 .apply = setting_put};
