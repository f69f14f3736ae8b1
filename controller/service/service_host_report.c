/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_link.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_spec.h"
#include "controller/service/service_trash.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_journal.h"

/* ---- what an agent has of an instance ---- */

static int state_event(struct db_tx *tx, const struct repo_instance_row *row, int state,
                       struct agentlink_out *out, struct bt_err *err)
{
    char data[96];
    (void)snprintf(data, sizeof data, "{\"from\":\"%s\",\"state\":\"%s\"}",
                   enum_instance_state[row->state], enum_instance_state[state]);
    struct repo_event_new e = {.type = "instance.state",
                               .actor = "agent",
                               .tenant_id = row->tenant_id,
                               .resource_type = "instance",
                               .resource_id = row->id,
                               .data = data};
    out->events = true;
    return repo_event_append(tx, &e, NULL, err);
}

/* What the guest, or its end, has changed counts when the agent knew our newest wish. */
static bool take_guest(struct repo_instance_row *row, const struct link_item *item)
{
    if (item->generation < row->generation)
        return false;
    bool off = item->desired_by == DESIRED_BY_GUEST && item->desired == DESIRED_STOPPED &&
               row->desired == DESIRED_RUNNING;
    bool thawed = row->paused && !item->paused; /* a pause does not outlive the run it froze */
    /* The host's own trash time may be longer than ours. */
    bool later = row->trashed_at && item->trashed && item->purge_at > row->delete_at;
    if (off) {
        row->desired = DESIRED_STOPPED;
        row->desired_by = DESIRED_BY_GUEST;
    }
    if (thawed)
        row->paused = false;
    if (later)
        row->delete_at = item->purge_at;
    return off || thawed || later;
}

static int write_seen(struct db_tx *tx, struct repo_instance_row *row, const struct link_item *item,
                      struct bt_err *err)
{
    _cleanup_free_ char *effective =
        item->effective ? bt_schema_emit_str(&limits_schema, item->effective) : NULL;
    struct repo_instance_seen seen = {.state = item->state,
                                      .observed_generation = item->done_generation,
                                      .started_at = item->started_at,
                                      .effective = effective};
    int rc = repo_instance_set_seen(tx, row->id, &seen, err);
    if (rc < 0)
        return rc;
    repo_instance_row_free(row);
    rc = repo_instance_get_by_uuid(tx, item->uuid, row, err);
    return rc < 0 || !take_guest(row, item) ? rc : repo_instance_update(tx, row, err);
}

int service_host_seen(struct db_tx *tx, int64_t host_id, const struct link_item *item,
                      struct agentlink_out *out, bool *ret_known, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    int rc = repo_instance_get_by_uuid(tx, item->uuid, &row, err);
    *ret_known = rc >= 0 && row.host_id == host_id && !row.purged_at;
    if (rc == -BT_E_NOT_FOUND || (rc >= 0 && !*ret_known))
        return 0;
    if (rc < 0)
        return rc;
    if (row.state != item->state)
        rc = state_event(tx, &row, item->state, out, err);
    return rc < 0 ? rc : write_seen(tx, &row, item, err);
}

int service_host_settle_generation(struct db_tx *tx, struct service *svc, const char *uuid,
                                   const struct link_item *item, struct agentlink_out *out,
                                   struct bt_err *err)
{
    (void)svc;
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    int rc = repo_instance_get_by_uuid(tx, uuid, &row, err);
    if (rc < 0 || row.purged_at)
        return rc;
    bool ahead = item->generation > row.generation;
    if (ahead) {
        struct repo_event_new e = {.type = "instance.stale",
                                   .actor = "agent",
                                   .tenant_id = row.tenant_id,
                                   .resource_type = "instance",
                                   .resource_id = row.id};
        out->events = true;
        rc = repo_event_append(tx, &e, NULL, err);
        if (rc >= 0)
            rc = repo_instance_raise_generation(tx, row.id, item->generation, &row.generation, err);
    }
    /* What is locked is said by its task. */
    if (rc < 0 || row.locked_by || item->done_generation >= row.generation)
        return rc;
    return service_spec_sync(tx, &row, out, err);
}

/* ---- reports ---- */

static int take_result(struct db_tx *tx, struct service *svc, const struct link_report *r,
                       struct agentlink_out *out, struct bt_err *err)
{
    const struct link_result *l = r->result;
    struct task_result t = {.ok = l->ok,
                            .cancelled = l->cancelled,
                            .code = l->code ? l->code : bt_code_str(BT_E_INTERNAL),
                            .message = l->message,
                            .hint = l->hint,
                            .item = r->item};
    return task_end(svc->tasks, tx, l->task_id, &t, out, err);
}

/* The host has emptied its trash by its own clock. */
static int host_purged(struct db_tx *tx, struct service *svc, const struct link_item *item,
                       struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    if (item->state != INSTANCE_DELETED || item->trashed)
        return 0;
    int rc = repo_instance_get_by_uuid(tx, item->uuid, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return 0;
    if (rc < 0 || !row.trashed_at || row.purged_at || row.locked_by)
        return rc; /* a task that is open ends it */
    return service_trash_purged(tx, svc, row.id, "instance.purged", out, err);
}

/* A change that was made while a task held the instance goes out now. */
static int catch_up(struct db_tx *tx, const struct link_item *item, struct agentlink_out *out,
                    struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    int rc = repo_instance_get_by_uuid(tx, item->uuid, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return 0;
    if (rc < 0 || row.purged_at || row.locked_by || item->generation >= row.generation)
        return rc;
    return service_spec_sync(tx, &row, out, err);
}

/* Lower-case words with dots: what an agent calls an event. */
static bool sane_type(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    return n > 2 && n < 64 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == n;
}

static int event_alarm(struct db_tx *tx, int64_t host_id, const struct link_report *r,
                       struct bt_err *err)
{
    struct repo_alarm_new a = {.kind = "brake_held",
                               .severity = SEVERITY_CRITICAL,
                               .resource_type = "host",
                               .resource_id = host_id,
                               .text = r->text ? r->text : ""};
    if (bt_streq(r->event, "host.brake_held"))
        return repo_alarm_raise(tx, &a, NULL, err);
    if (bt_streq(r->event, "host.brake_released"))
        return repo_alarm_clear(tx, &a, NULL, err);
    return 0;
}

static int take_event(struct db_tx *tx, int64_t host_id, const struct link_report *r,
                      struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    if (!sane_type(r->event))
        return bt_fail(err, BT_E_PROTOCOL, "an event without a proper type");
    int rc = event_alarm(tx, host_id, r, err);
    if (rc < 0)
        return rc;
    if (!r->uuid)
        return service_host_event(tx, r->event, host_id, r->text, out, err);
    rc = repo_instance_get_by_uuid(tx, r->uuid, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return service_host_event(tx, r->event, host_id, r->text, out, err);
    if (rc < 0)
        return rc;
    _cleanup_buf_ struct bt_buf data = BT_BUF(2048);
    (void)bt_buf_adds(&data, "{\"text\":");
    (void)bt_json_quote(r->text ? r->text : "", &data);
    (void)bt_buf_addc(&data, '}');
    struct repo_event_new e = {.type = r->event,
                               .actor = "agent",
                               .tenant_id = row.tenant_id,
                               .resource_type = "instance",
                               .resource_id = row.id,
                               .data = data.overflow ? NULL : data.data};
    out->events = true;
    return repo_event_append(tx, &e, NULL, err);
}

static int take(struct db_tx *tx, struct service *svc, int64_t host_id, const struct link_report *r,
                struct agentlink_out *out, struct bt_err *err)
{
    bool known;
    int rc = r->item ? service_host_seen(tx, host_id, r->item, out, &known, err) : 0;
    if (rc >= 0 && r->kind == REPORT_RESULT && r->result)
        rc = take_result(tx, svc, r, out, err);
    if (rc >= 0 && r->kind == REPORT_EVENT)
        rc = take_event(tx, host_id, r, out, err);
    if (rc >= 0 && r->item)
        rc = host_purged(tx, svc, r->item, out, err);
    if (rc >= 0 && r->item)
        rc = catch_up(tx, r->item, out, err);
    return rc;
}

static int advance(struct db_tx *tx, const struct agentlink_record *r, bool *ret_fresh,
                   struct bt_err *err)
{
    struct repo_journal_row j = {.host_id = r->host_id,
                                 .journal_id = (char *)(uintptr_t)r->journal_id,
                                 .applied_seq = r->report->seq};
    return repo_journal_advance(tx, &j, ret_fresh, err);
}

int service_host_report(struct db_tx *tx, void *ctx, const struct agentlink_record *r,
                        struct agentlink_out *out, struct bt_err *err)
{
    bool fresh = false;
    int rc = advance(tx, r, &fresh, err);
    return rc < 0 || !fresh ? rc : take(tx, ctx, r->host_id, r->report, out, err);
}

int service_host_report_skip(struct db_tx *tx, void *ctx, const struct agentlink_record *r,
                             struct agentlink_out *out, struct bt_err *err)
{
    (void)ctx;
    bool fresh = false;
    char text[400];
    (void)snprintf(text, sizeof text, "record %lld cannot be applied: %s: %s",
                   (long long)r->report->seq, bt_code_str(r->why->code), r->why->msg);
    struct repo_alarm_new a = {.kind = "report_skipped",
                               .severity = SEVERITY_WARNING,
                               .resource_type = "host",
                               .resource_id = r->host_id,
                               .text = text};
    int rc = advance(tx, r, &fresh, err);
    if (rc >= 0 && fresh)
        rc = repo_alarm_raise(tx, &a, NULL, err);
    if (rc >= 0 && fresh)
        rc = service_host_event(tx, "host.report_skipped", r->host_id, text, out, err);
    return rc;
}

/* ---- refusals ---- */

static int send_task_again(struct db_tx *tx, struct service *svc, int64_t task_id,
                           struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row t = {0};
    int rc = repo_task_get(tx, task_id, &t, err);
    if (rc == -BT_E_NOT_FOUND)
        return 0;
    return rc < 0 || t.finished_at ? rc : task_dispatch(svc->tasks, tx, &t, out, err);
}

static int stale(struct db_tx *tx, struct service *svc, const char *uuid,
                 const struct link_accepted *a, struct agentlink_out *out, struct bt_err *err)
{
    struct link_item item = {.generation = a->generation, .done_generation = 0};
    int rc = service_host_settle_generation(tx, svc, uuid, &item, out, err);
    if (rc == -BT_E_NOT_FOUND)
        return 0;
    return rc < 0 || !a->task_id ? rc : send_task_again(tx, svc, a->task_id, out, err);
}

int service_host_refused(struct db_tx *tx, void *ctx, const struct agentlink_refusal *what,
                         struct agentlink_out *out, struct bt_err *err)
{
    struct service *svc = ctx;
    const struct link_accepted *a = what->answer;
    enum bt_code code = bt_code_from_str(a->code);
    if (bt_streq(a->code, "joining")) /* it obeys nobody here until it is adopted */
        return service_host_event(tx, "host.joining", what->host_id, a->message, out, err);
    if (code == BT_E_STALE_GENERATION)
        return stale(tx, svc, what->uuid, a, out, err);
    if (!a->task_id)
        return 0;               /* a spec without a task: the next inventory or report shows it */
    if (code == BT_E_CANCELLED) /* a newer message took its place before it began */
        return send_task_again(tx, svc, a->task_id, out, err);
    struct task_result r = {.code = a->code, .message = a->message};
    return task_end(svc->tasks, tx, a->task_id, &r, out, err);
}

/* ---- lease, figures ---- */

static int unreachable(struct db_tx *tx, struct service *svc, const struct repo_host_row *h,
                       struct agentlink_out *out, struct bt_err *err)
{
    char text[128];
    int64_t n = 0, host_id = h->id;
    int rc = 0;
    (void)snprintf(text, sizeof text, "host %s does not answer", h->name);
    struct repo_alarm_new a = {.kind = "host_unreachable",
                               .severity = SEVERITY_CRITICAL,
                               .resource_type = "host",
                               .resource_id = host_id,
                               .text = text};
    if (h->state == HOST_ONLINE)
        rc = repo_host_set_state(tx, host_id, HOST_UNREACHABLE, err);
    if (rc >= 0)
        rc = repo_instance_set_host_unknown(tx, host_id, &n, err);
    if (rc >= 0)
        rc = repo_alarm_raise(tx, &a, NULL, err);
    if (rc >= 0)
        rc = service_host_event(tx, "host.unreachable", host_id, text, out, err);
    return rc < 0 ? rc : service_host_sched_refresh(tx, svc, host_id, err);
}

int service_host_lease(struct db_tx *tx, void *ctx, int64_t host_id, int level,
                       struct agentlink_out *out, struct bt_err *err)
{
    struct service *svc = ctx;
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    int rc = repo_host_get(tx, host_id, &h, err);
    if (rc < 0 || h.state == HOST_JOINING || h.state == HOST_REMOVED)
        return rc == -BT_E_NOT_FOUND ? 0 : rc;
    service_host_sched_silent(tx, svc, host_id, level > 0);
    if (level == 0)
        return task_sync_host(svc->tasks, tx, host_id, out, err);
    rc = task_host_lost(svc->tasks, tx, host_id, err);
    return rc < 0 || level == 1 ? rc : unreachable(tx, svc, &h, out, err);
}

int service_host_figures(struct db_tx *tx, void *ctx, int64_t host_id, const struct link_renew *r,
                         struct bt_err *err)
{
    (void)err;
    service_host_sched_disk(tx, ctx, host_id, r->disk_used_bytes, r->disk_free_bytes);
    return 0;
}
