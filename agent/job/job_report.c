/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* What the controller is told; every report is in the transaction of the change that it tells. */

void job_report_item(const struct journal_instance *row, struct link_item *ret)
{
    *ret = (struct link_item){.uuid = bt_xstrdup(row->uuid),
                              .generation = row->generation,
                              .done_generation = row->done_generation,
                              .state = row->state,
                              .desired = row->desired,
                              .desired_by = row->desired_by,
                              .paused = row->paused,
                              .trashed = row->trashed_at != 0,
                              .purge_at = row->purge_at,
                              .started_at = row->started_at};
    if (!row->effective)
        return;
    ret->effective = bt_xcalloc(1, sizeof *ret->effective);
    if (bt_schema_parse(&limits_schema, row->effective, strlen(row->effective), BT_LENIENT,
                        ret->effective, NULL, NULL) < 0) {
        free(ret->effective);
        ret->effective = NULL;
    }
}

static struct link_report *report_push(struct job_write *w, int kind)
{
    assert(w->n_reports < JOB_REPORTS_MAX);
    struct link_report *r = &w->reports[w->n_reports++];
    r->kind = kind;
    return r;
}

static bool same(const struct journal_instance *a, const struct journal_instance *b)
{
    return a->state == b->state && a->desired == b->desired && a->desired_by == b->desired_by &&
           a->paused == b->paused && a->started_at == b->started_at &&
           (a->trashed_at != 0) == (b->trashed_at != 0) && a->purge_at == b->purge_at &&
           a->done_generation == b->done_generation && bt_streq(a->effective, b->effective);
}

void job_report_state(struct job_write *w, const struct journal_instance *before)
{
    if (same(before, &w->row))
        return;
    struct link_report *r = report_push(w, REPORT_STATE);
    r->item = bt_xcalloc(1, sizeof *r->item);
    job_report_item(&w->row, r->item);
}

static void fill_result(const struct job_run *run, struct link_result *ret)
{
    *ret = (struct link_result){.task_id = run->job.task_id,
                                .action = run->action,
                                .ok = run->rc == 0,
                                .cancelled = run->rc == -(int)BT_E_CANCELLED};
    if (run->rc == 0)
        return;
    ret->code = bt_xstrdup(bt_code_str(run->err.code));
    ret->message = bt_xstrdup(run->err.msg);
    ret->hint = run->err.hint[0] ? bt_xstrdup(run->err.hint) : NULL;
    ret->step = bt_xstrdup(run->step);
    ret->retryable = bt_code_retry(run->err.code) != BT_RETRY_NEVER;
}

char *job_result_text(const struct job_run *run)
{
    struct link_result result = {0};
    fill_result(run, &result);
    char *text = bt_schema_emit_str(&link_result_schema, &result);
    bt_schema_free(&link_result_schema, &result);
    return text;
}

void job_report_result(struct job_write *w, const struct job_run *run,
                       const struct journal_instance *row)
{
    struct link_report *r = report_push(w, REPORT_RESULT);
    r->result = bt_xcalloc(1, sizeof *r->result);
    fill_result(run, r->result);
    if (row) {
        r->item = bt_xcalloc(1, sizeof *r->item);
        job_report_item(row, r->item);
    }
    free(w->job.result);
    w->job.result = job_result_text(run);
}

void job_report_event(struct job_write *w, const char *uuid, const char *event, const char *fmt,
                      ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct link_report *r = report_push(w, REPORT_EVENT);
    r->event = bt_xstrdup(event);
    r->uuid = bt_xstrdup(uuid);
    r->text = bt_xstrdup(text);
}

void job_event(struct job *j, const char *uuid, const char *event, const char *text)
{
    struct job_write *w = job_write_new(j, NULL);
    job_report_event(w, uuid, event, "%s", text ? text : "");
    job_write_submit(w);
}
