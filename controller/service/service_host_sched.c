/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_host_sched.h"

#include <string.h>

#include "common/base/mem.h"
#include "db/repo/repo_host_group.h"
#include "proto/link.h"

/* facts and drivers of a host row as objects: the columns hold what field tables emitted. */
struct drivers_text {
    struct bt_arr drivers; /* struct link_driver */
};

static const struct bt_field drivers_text_fields[] = {
    {.key = "drivers",
     .type = BT_F_ARR_OBJ,
     .off = offsetof(struct drivers_text, drivers),
     .max = 8,
     .sub = &link_driver_schema},
    {.key = NULL}};
static const struct bt_schema drivers_text_schema = {
    .name = "DriversText", .fields = drivers_text_fields, .size = sizeof(struct drivers_text)};

static uint32_t drivers_of(const struct repo_host_row *h)
{
    struct drivers_text t;
    uint32_t set = 0;
    _cleanup_free_ char *text = bt_xasprintf("{\"drivers\":%s}", h->drivers ? h->drivers : "[]");
    if (bt_schema_parse(&drivers_text_schema, text, strlen(text), BT_LENIENT | BT_ALLOW_RO, &t,
                        NULL, NULL) < 0)
        return 0;
    const struct link_driver *d = t.drivers.items;
    for (size_t i = 0; i < t.drivers.len; i++) {
        int kind = enum_from_str(enum_driver, d[i].name);
        if (kind >= 0 && d[i].available)
            set |= 1u << kind;
    }
    bt_schema_free(&drivers_text_schema, &t);
    return set;
}

static uint64_t features_of(const struct repo_host_row *h)
{
    struct link_host facts;
    const char *text = h->facts ? h->facts : "{}";
    if (bt_schema_parse(&link_host_schema, text, strlen(text), BT_LENIENT | BT_ALLOW_RO, &facts,
                        NULL, NULL) < 0)
        return 0;
    uint64_t set = facts.features;
    bt_schema_free(&link_host_schema, &facts);
    return set;
}

/* ---- ratios ---- */

static int choose(struct db_tx *tx, const struct bt_opt_int *own, const struct bt_opt_int *group,
                  const char *setting, int64_t *ret, struct bt_err *err)
{
    if (own->is == BT_VALUE)
        *ret = own->v;
    else if (group->is == BT_VALUE)
        *ret = group->v;
    else
        return service_setting_int(tx, setting, ret, err);
    return 0;
}

static int ratios(struct db_tx *tx, const struct repo_host_row *h,
                  const struct repo_host_group_row *g, struct sched_ratios *ret, struct bt_err *err)
{
    int rc = choose(tx, &h->overcommit_cpu_milli, &g->overcommit_cpu_milli, "overcommit_cpu_milli",
                    &ret->cpu_milli, err);
    if (rc >= 0)
        rc = choose(tx, &h->overcommit_memory_milli, &g->overcommit_memory_milli,
                    "overcommit_memory_milli", &ret->memory_milli, err);
    if (rc >= 0)
        rc = choose(tx, &h->overcommit_disk_milli, &g->overcommit_disk_milli,
                    "overcommit_disk_milli", &ret->disk_milli, err);
    if (rc >= 0)
        rc = choose(tx, &h->reserve_memory_bytes, &g->reserve_memory_bytes, "reserve_memory_bytes",
                    &ret->reserve_memory_bytes, err);
    if (rc >= 0)
        rc = choose(tx, &h->reserve_disk_bytes, &g->reserve_disk_bytes, "reserve_disk_bytes",
                    &ret->reserve_disk_bytes, err);
    return rc;
}

static int group_of(struct db_tx *tx, const struct repo_host_row *h,
                    struct repo_host_group_row *ret, struct bt_err *err)
{
    return h->host_group_id ? repo_host_group_get(tx, h->host_group_id, ret, err) : 0;
}

int service_host_sched_ratios(struct db_tx *tx, const struct repo_host_row *h,
                              struct sched_ratios *ret, struct bt_err *err)
{
    _cleanup_(repo_host_group_row_free) struct repo_host_group_row g = {0};
    int rc = group_of(tx, h, &g, err);
    return rc < 0 ? rc : ratios(tx, h, &g, ret, err);
}

static struct sched_amount physical_of(const struct repo_host_row *h)
{
    return (struct sched_amount){
        .cpus = h->cpus, .memory_bytes = h->memory_bytes, .disk_bytes = h->disk_bytes};
}

int service_host_sched_sellable(struct db_tx *tx, const struct repo_host_row *h,
                                struct sched_amount *ret, struct bt_err *err)
{
    struct sched_ratios q;
    struct sched_amount physical = physical_of(h);
    int rc = service_host_sched_ratios(tx, h, &q, err);
    if (rc >= 0)
        sched_sellable(&physical, &q, ret);
    return rc;
}

/* ---- into the placement state ---- */

static int refresh(struct db_tx *tx, struct service *svc, const struct repo_host_row *h,
                   struct bt_err *err)
{
    if (h->state == HOST_JOINING || h->state == HOST_REMOVED) {
        sched_host_remove(svc->sched, tx, h->id);
        return 0;
    }
    _cleanup_(repo_host_group_row_free) struct repo_host_group_row g = {0};
    struct sched_ratios q;
    struct repo_host_allocated a;
    struct sched_host s = {0};
    int rc = group_of(tx, h, &g, err);
    if (rc >= 0)
        rc = ratios(tx, h, &g, &q, err);
    if (rc >= 0)
        rc = repo_host_allocated(tx, h->id, &a, err);
    if (rc < 0)
        return rc;
    (void)sched_host_get(svc->sched, h->id, &s); /* what no row knows: silent, real disk */
    struct sched_amount physical = physical_of(h);
    s.id = h->id;
    s.location_id = h->location_id;
    s.group_id = h->host_group_id;
    s.state = h->state;
    s.policy = g.policy;
    s.cordoned = h->cordoned;
    s.drivers = drivers_of(h);
    s.features = features_of(h);
    s.max_instances = h->max_instances;
    s.allocated = (struct sched_amount){a.cpus, a.memory_bytes, a.disk_bytes, a.instances};
    sched_sellable(&physical, &q, &s.sellable);
    sched_host_put(svc->sched, tx, &s);
    return 0;
}

int service_host_sched_refresh(struct db_tx *tx, struct service *svc, int64_t id,
                               struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    int rc = repo_host_get(tx, id, &h, err);
    return rc < 0 ? rc : refresh(tx, svc, &h, err);
}

#define PAGE 200

static int refresh_where(struct db_tx *tx, struct service *svc, int64_t group_id,
                         struct bt_err *err)
{
    struct repo_host_filter f = {
        .limit = PAGE, .state = -1, .removed = true, .host_group_id = group_id};
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct bt_arr rows = {0};
        rc = repo_host_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_host_row *h = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++) {
            rc = refresh(tx, svc, &h[i], err);
            f.after_id = h[i].id;
        }
        db_rows_free(&repo_host_table, &rows);
    }
    return rc < 0 ? rc : 0;
}

int service_host_sched_refresh_group(struct db_tx *tx, struct service *svc, int64_t group_id,
                                     struct bt_err *err)
{
    return refresh_where(tx, svc, group_id, err);
}

int service_host_sched_refresh_all(struct db_tx *tx, struct service *svc, struct bt_err *err)
{
    return refresh_where(tx, svc, 0, err);
}

void service_host_sched_silent(struct db_tx *tx, struct service *svc, int64_t id, bool silent)
{
    struct sched_host s;
    if (!sched_host_get(svc->sched, id, &s) || s.silent == silent)
        return;
    s.silent = silent;
    sched_host_put(svc->sched, tx, &s);
}

void service_host_sched_disk(struct db_tx *tx, struct service *svc, int64_t id, int64_t used_bytes,
                             int64_t free_bytes)
{
    struct sched_host s;
    if (!sched_host_get(svc->sched, id, &s))
        return;
    s.disk_used_bytes = used_bytes;
    s.disk_free_bytes = free_bytes;
    sched_host_put(svc->sched, tx, &s);
}

int service_host_sched_prove(struct db_tx *tx, int64_t id, const struct sched_amount *need,
                             struct bt_err *err)
{
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    struct repo_host_allocated a;
    struct sched_amount s;
    int rc = repo_host_get(tx, id, &h, err);
    if (rc >= 0)
        rc = repo_host_allocated(tx, id, &a, err);
    if (rc >= 0)
        rc = service_host_sched_sellable(tx, &h, &s, err);
    if (rc < 0)
        return rc;
    bool many = h.max_instances.is == BT_VALUE && need->instances > 0 &&
                a.instances + need->instances > h.max_instances.v;
    if (many || (need->cpus > 0 && a.cpus + need->cpus > s.cpus) ||
        (need->memory_bytes > 0 && a.memory_bytes + need->memory_bytes > s.memory_bytes) ||
        (need->disk_bytes > 0 && a.disk_bytes + need->disk_bytes > s.disk_bytes))
        return bt_fail(err, BT_E_NO_CAPACITY, "host %s has no room", h.name);
    return 0;
}
