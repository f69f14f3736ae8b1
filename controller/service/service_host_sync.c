/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_link.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_spec.h"
#include "controller/service/service_trash.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_journal.h"
#include "db/repo/repo_orphan.h"
#include "db/repo/repo_tombstone.h"

/*
 * A complete inventory. What the host has and we know: its state counts, our spec goes where it is
 * newer. What it has and we do not know: an orphan, kept, with its addresses out of reach. What we
 * know and it does not have: an error and an alarm, never a new empty instance under the old name.
 */
#define SKEW_WARN_MS 2000
#define SKEW_ALARM_MS 30000

static int alarm_raise(struct db_tx *tx, const char *kind, const char *type, int64_t id,
                       const char *text, struct bt_err *err)
{
    struct repo_alarm_new a = {.kind = kind,
                               .severity = SEVERITY_CRITICAL,
                               .resource_type = type,
                               .resource_id = id,
                               .text = text};
    return repo_alarm_raise(tx, &a, NULL, err);
}

static int alarm_clear(struct db_tx *tx, const char *kind, const char *type, int64_t id,
                       struct bt_err *err)
{
    struct repo_alarm_new a = {.kind = kind, .resource_type = type, .resource_id = id};
    return repo_alarm_clear(tx, &a, NULL, err);
}

/* ---- the host itself ---- */

static void take_text(char **at, const char *text)
{
    free(*at);
    *at = bt_xstrdup(text);
}

static char *drivers_text(const struct bt_arr *drivers)
{
    struct bt_buf b = BT_BUF(8192);
    (void)bt_schema_emit_array(&link_driver_schema, drivers, &b);
    return bt_buf_take(&b);
}

static int write_facts(struct db_tx *tx, struct repo_host_row *h, const struct agentlink_sync *s,
                       struct bt_err *err)
{
    const struct link_hello *hello = s->hello;
    h->cpus = hello->host.cpus;
    h->memory_bytes = hello->host.memory_bytes;
    h->disk_bytes = hello->host.disk_bytes;
    free(h->drivers);
    h->drivers = drivers_text(&hello->host.drivers);
    free(h->facts);
    h->facts = bt_schema_emit_str(&link_host_schema, &hello->host);
    take_text(&h->agent_version, hello->agent_version);
    take_text(&h->boot_id, hello->boot_id);
    h->protocol = LINK_VERSION;
    h->clock_skew_ms = s->clock_skew_ms;
    h->last_seen_at = db_tx_now_ms(tx);
    if (h->state == HOST_UNREACHABLE)
        h->state = HOST_ONLINE;
    return repo_host_update(tx, h, err);
}

static int judge_clock(struct db_tx *tx, const struct repo_host_row *h, struct agentlink_out *out,
                       struct bt_err *err)
{
    int64_t skew = h->clock_skew_ms < 0 ? -h->clock_skew_ms : h->clock_skew_ms;
    char text[160];
    (void)snprintf(text, sizeof text, "the clock of host %s is off by %lld ms", h->name,
                   (long long)h->clock_skew_ms);
    if (skew <= SKEW_ALARM_MS) {
        int rc = alarm_clear(tx, "clock_skew", "host", h->id, err);
        return rc < 0 || skew <= SKEW_WARN_MS
                   ? rc
                   : service_host_event(tx, "host.clock_skew", h->id, text, out, err);
    }
    return alarm_raise(tx, "clock_skew", "host", h->id, text, err);
}

static int host_is_back(struct db_tx *tx, struct service *svc, struct agentlink_sync *s,
                        struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    int rc = repo_host_get(tx, s->host_id, &h, err);
    if (rc < 0)
        return rc;
    bool was_away = h.state == HOST_UNREACHABLE || h.epoch == 0;
    int64_t step = s->hello->epoch > h.epoch ? s->hello->epoch - h.epoch + 1 : 1;
    rc = repo_host_next_epoch(tx, h.id, step, &s->epoch, err);
    h.epoch = s->epoch;
    if (rc >= 0)
        rc = write_facts(tx, &h, s, err);
    if (rc >= 0)
        rc = judge_clock(tx, &h, out, err);
    if (rc >= 0)
        rc = alarm_clear(tx, "host_unreachable", "host", h.id, err);
    if (rc >= 0 && was_away && !s->joining)
        rc = service_host_event(tx, "host.online", h.id, NULL, out, err);
    if (rc >= 0)
        rc = service_host_sched_refresh(tx, svc, h.id, err);
    service_host_sched_silent(tx, svc, h.id, false);
    return rc < 0 ? rc : repo_journal_applied(tx, h.id, s->hello->journal_id, &s->applied_seq, err);
}

/* ---- orphans ---- */

static int mark_addresses(struct db_tx *tx, const struct link_item *item, struct bt_err *err)
{
    const struct spec_nic *nic = item->spec ? item->spec->nics.items : NULL;
    for (size_t n = 0; nic && n < item->spec->nics.len; n++) {
        const struct spec_address *a = nic[n].addresses.items;
        for (size_t i = 0; i < nic[n].addresses.len; i++) {
            int rc = repo_address_mark_orphan(tx, a[i].address, item->uuid, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int orphan(struct db_tx *tx, int64_t host_id, const struct link_item *item,
                  struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_orphan_row_free) struct repo_orphan_row old = {0};
    _cleanup_(repo_orphan_row_free) struct repo_orphan_row row = {
        .uuid = bt_xstrdup(item->uuid),
        .host_id = host_id,
        .name = bt_xstrdup(item->spec ? item->spec->name : NULL),
        .spec =
            item->spec ? bt_schema_emit_str(&instance_spec_schema, item->spec) : bt_xstrdup("{}"),
        .state = bt_xstrdup(enum_instance_state[item->state])};
    int had = repo_orphan_get(tx, item->uuid, &old, err);
    if (had < 0 && had != -BT_E_NOT_FOUND)
        return had;
    int rc = repo_orphan_put(tx, &row, err);
    if (rc >= 0)
        rc = mark_addresses(tx, item, err);
    if (rc >= 0 && had < 0)
        rc = service_host_event(tx, "orphan.found", host_id, item->uuid, out, err);
    return rc;
}

/* ---- what we know ---- */

/* Purged here, there still: only a tombstone may finish it, through the brake. */
static int finish_purge(struct db_tx *tx, struct repo_instance_row *row,
                        const struct link_item *item, struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_tombstone_row_free) struct repo_tombstone_row t = {
        .uuid = bt_xstrdup(row->uuid),
        .instance_id = row->id,
        .host_id = row->host_id,
        .reason = bt_xstrdup("purged"),
        .actor = bt_xstrdup("system:sync"),
        .purge_at = SERVICE_PURGE_NOW};
    int rc = repo_tombstone_insert(tx, &t, err);
    if (rc == -BT_E_EXISTS)
        rc = repo_tombstone_set_purge_at(tx, row->uuid, SERVICE_PURGE_NOW, err);
    if (rc < 0)
        return rc;
    rc = repo_instance_raise_generation(tx, row->id, item->generation, &row->generation, err);
    row->desired = DESIRED_DELETED;
    return rc < 0 ? rc : service_spec_sync(tx, row, out, err);
}

static int elsewhere(struct db_tx *tx, int64_t host_id, const struct repo_instance_row *row,
                     struct bt_err *err)
{
    char text[160];
    (void)snprintf(text, sizeof text, "instance %s of host %lld is on host %lld too", row->uuid,
                   (long long)row->host_id, (long long)host_id);
    return alarm_raise(tx, "instance_twice", "instance", row->id, text, err);
}

static int take_item(struct db_tx *tx, struct service *svc, const struct agentlink_sync *s,
                     const struct link_item *item, struct agentlink_out *out, struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    bool known;
    int rc = repo_instance_get_by_uuid(tx, item->uuid, &row, err);
    if (rc == -BT_E_NOT_FOUND)
        return orphan(tx, s->host_id, item, out, err);
    if (rc < 0)
        return rc;
    if (row.host_id != s->host_id)
        return elsewhere(tx, s->host_id, &row, err);
    if (row.purged_at)
        return s->joining ? 0 : finish_purge(tx, &row, item, out, err);
    rc = service_host_seen(tx, s->host_id, item, out, &known, err);
    if (rc < 0 || s->joining)
        return rc;
    return service_host_settle_generation(tx, svc, item->uuid, item, out, err);
}

/* ---- what is missing ---- */

static int missing(struct db_tx *tx, const struct repo_instance_row *row, struct agentlink_out *out,
                   struct bt_err *err)
{
    char text[200];
    if (row->trashed_at || row->observed_generation == 0 || row->state == INSTANCE_PENDING ||
        bt_streq(row->error_code, "not_found"))
        return 0; /* never there, on its way out, or told before */
    (void)snprintf(text, sizeof text, "host does not have instance %s (%s) any more", row->name,
                   row->uuid);
    struct repo_instance_error e = {.code = "not_found", .message = text};
    struct repo_event_new ev = {.type = "instance.missing",
                                .actor = "agent",
                                .tenant_id = row->tenant_id,
                                .resource_type = "instance",
                                .resource_id = row->id};
    int rc = repo_instance_set_state(tx, row->id, INSTANCE_ERROR, err);
    if (rc >= 0)
        rc = repo_instance_set_error(tx, row->id, &e, err);
    if (rc >= 0)
        rc = alarm_raise(tx, "instance_missing", "instance", row->id, text, err);
    if (rc >= 0)
        rc = repo_event_append(tx, &ev, NULL, err);
    out->events = true;
    return rc;
}

#define PAGE 200

static int find_missing(struct db_tx *tx, const struct agentlink_sync *s, const struct bt_map *have,
                        struct agentlink_out *out, struct bt_err *err)
{
    struct repo_instance_filter f = {
        .limit = PAGE, .host_id = s->host_id, .state = -1, .deleted = true};
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct bt_arr rows = {0};
        rc = repo_instance_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_instance_row *row = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++) {
            if (!bt_map_find(have, row[i].uuid))
                rc = missing(tx, &row[i], out, err);
            f.after_id = row[i].id;
        }
        db_rows_free(&repo_instance_table, &rows);
    }
    return rc < 0 ? rc : 0;
}

static int take_inventory(struct db_tx *tx, struct service *svc, const struct agentlink_sync *s,
                          struct agentlink_out *out, struct bt_err *err)
{
    struct bt_map have = BT_MAP_INIT;
    struct link_item *item = s->items->items;
    int64_t began = db_tx_now_ms(tx);
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < s->items->len; i++) {
        (void)bt_map_set(&have, item[i].uuid, &item[i]);
        rc = take_item(tx, svc, s, &item[i], out, err);
    }
    if (rc >= 0 && !s->joining)
        rc = find_missing(tx, s, &have, out, err);
    if (rc >= 0)
        rc = repo_orphan_prune(tx, s->host_id, began, NULL, err);
    bt_map_fini(&have);
    return rc;
}

int service_host_sync(struct db_tx *tx, void *ctx, struct agentlink_sync *s,
                      struct agentlink_out *out, struct bt_err *err)
{
    struct service *svc = ctx;
    int rc = host_is_back(tx, svc, s, out, err);
    if (rc >= 0)
        rc = take_inventory(tx, svc, s, out, err);
    if (rc >= 0 && !s->joining)
        rc = task_sync_host(svc->tasks, tx, s->host_id, out, err);
    return rc;
}
