/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_task.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/repo/repo_ref.h"

static struct bt_opt_int time_or_null(int64_t v)
{
    return v ? BT_OPT_V(v) : BT_OPT_NULL;
}

static void view_row(const struct service *svc, const struct repo_task_row *row,
                     struct api_task *ret)
{
    *ret = (struct api_task){
        .id = row->id,
        .action = enum_from_str(enum_action, row->action),
        .state = row->state,
        .progress = row->progress,
        .step = bt_xstrdup(row->step),
        .waiting_for = bt_xstrdup(row->waiting_for),
        .actor = bt_xstrdup(row->actor),
        .source = bt_xstrdup(row->source),
        .created_at = row->created_at,
        .started_at = time_or_null(row->started_at),
        .finished_at = time_or_null(row->finished_at),
        .cancellable = svc->tasks && task_cancellable(svc->tasks, row),
    };
    if (!row->error_code)
        return;
    ret->error = bt_xcalloc(1, sizeof *ret->error);
    ret->error->code = bt_xstrdup(row->error_code);
    ret->error->message = bt_xstrdup(row->error_message);
    ret->error->hint = bt_xstrdup(row->error_hint);
    ret->error->task = row->id;
    ret->error->retryable = bt_code_retry(bt_code_from_str(row->error_code)) != BT_RETRY_NEVER;
}

int service_task_view(struct db_tx *tx, const struct service *svc, const struct repo_task_row *row,
                      struct api_task *ret, struct bt_err *err)
{
    struct api_task v;
    view_row(svc, row, &v);
    int rc = repo_ref_get(tx, REPO_REF_INSTANCE, row->instance_id, &v.instance, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_HOST, row->host_id, &v.host, err);
    if (rc >= 0)
        rc = repo_ref_get(tx, REPO_REF_IMAGE, row->image_id, &v.image, err);
    if (rc < 0)
        bt_schema_free(&api_task_schema, &v);
    else
        *ret = v;
    return rc < 0 ? rc : 0;
}

static int answer(struct db_tx *tx, struct service_call *c, int status,
                  const struct repo_task_row *row, struct bt_err *err)
{
    struct api_task v;
    int rc = service_task_view(tx, c->svc, row, &v, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, status, &api_task_schema, &v);
    bt_schema_free(&api_task_schema, &v);
    service_audited(c, "task", row->id, row->tenant_id);
    c->answer.task_id = row->id;
    return 0;
}

static int load(struct db_tx *tx, const struct service_call *c, struct repo_task_row *ret,
                struct bt_err *err)
{
    int rc = c->target.id ? repo_task_get(tx, c->target.id, ret, err) : -BT_E_NOT_FOUND;
    if (rc == -BT_E_NOT_FOUND || (rc >= 0 && !auth_sees(&c->who, ret->tenant_id))) {
        repo_task_row_free(ret);
        return bt_fail(err, BT_E_NOT_FOUND, "no such task");
    }
    return rc;
}

static int task_get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row row = {0};
    int rc = load(tx, c, &row, err);
    return rc < 0 ? rc : answer(tx, c, 200, &row, err);
}

/* A reference that resolves to nothing (or to another's) finds nothing. */
static int filter_ref(struct db_tx *tx, enum repo_ref_kind kind, const struct bt_ref *ref,
                      int64_t *ret, struct bt_err *err)
{
    if (!ref->id && !ref->name)
        return 0;
    return repo_ref_resolve(tx, kind, ref, ret, err);
}

static int list_page(struct db_tx *tx, struct service_call *c, const struct repo_task_filter *f,
                     struct bt_err *err)
{
    struct bt_arr rows = {0};
    int rc = repo_task_list(tx, f, &rows, err);
    size_t limit = (size_t)service_page_limit(c), n = rows.len < limit ? rows.len : limit;
    const struct repo_task_row *row = rows.items;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_task v;
        rc = service_task_view(tx, c->svc, &row[i], &v, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_task_schema, &v);
        bt_schema_free(&api_task_schema, &v);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_task_table, &rows);
    return rc < 0 ? rc : 0;
}

static int task_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    static const struct service_task_query any = {.state = -1};
    const struct service_task_query *q = c->args ? c->args : &any;
    struct repo_task_filter f = {.after_id = c->page.after_id,
                                 .limit = service_page_limit(c) + 1,
                                 .tenant_id = c->who.tenant_id,
                                 .state = q->state,
                                 .action = q->action,
                                 .open = q->open};
    int rc = filter_ref(tx, REPO_REF_INSTANCE, &q->instance, &f.instance_id, err);
    if (rc >= 0)
        rc = filter_ref(tx, REPO_REF_HOST, &q->host, &f.host_id, err);
    return rc < 0 ? rc : list_page(tx, c, &f, err);
}

static int cancel(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row row = {0};
    _cleanup_(repo_task_row_free) struct repo_task_row after = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0)
        rc = task_cancel(c->svc->tasks, tx, row.id, &c->out, err);
    if (rc >= 0)
        rc = repo_task_get(tx, row.id, &after, err);
    return rc < 0 ? rc : answer(tx, c, 202, &after, err);
}

const struct service_verb service_task_get = {
    .name = "task.get", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = task_get};
const struct service_verb service_task_list = {
    .name = "task.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = task_list};
const struct service_verb service_task_cancel = {
    .name = "task.cancel", .scope = SCOPE_POWER, .apply = cancel};
