/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_place.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_sched.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_ref.h"

/* Hosts that an error names; more are counted. */
#define NAMED_MAX 4

static int64_t value_of(struct bt_opt_int v)
{
    return v.is == BT_VALUE ? v.v : 0;
}

int service_place_init(struct service_place *p, const struct repo_plan_row *plan,
                       const struct limits *limits, int driver, struct bt_err *err)
{
    if (limits->memory_bytes.is != BT_VALUE || limits->disk_bytes.is != BT_VALUE)
        return bt_fail(err, BT_E_INVALID, "plan %s says no memory_bytes or disk_bytes", plan->name);
    p->request.driver = driver;
    p->request.need = (struct sched_amount){.cpus = value_of(limits->cpus),
                                            .memory_bytes = limits->memory_bytes.v,
                                            .disk_bytes = limits->disk_bytes.v,
                                            .instances = 1};
    p->ipv4 = value_of(limits->ipv4_count);
    p->ipv6 = value_of(limits->ipv6_prefixes);
    int rc = service_json_ids(plan->host_groups, &p->groups, err);
    p->request.groups = p->groups.ids;
    p->request.n_groups = p->groups.n;
    return rc;
}

/* ---- addresses ---- */

static int take_family(struct db_tx *tx, const struct repo_instance_row *row, int family, int64_t n,
                       struct bt_err *err)
{
    struct bt_arr pools = {0};
    int rc = n > 0 ? repo_pool_list_for_host(tx, row->host_id, family, &pools, err) : 0;
    const struct repo_pool_row *pool = pools.items;
    size_t at = 0;
    while (rc >= 0 && n > 0 && at < pools.len) {
        struct repo_address_row a;
        rc = repo_address_take(tx, &pool[at], row->id, &a, err);
        if (rc == -BT_E_POOL_EXHAUSTED) {
            at++;
            rc = 0;
        } else if (rc >= 0) {
            repo_address_row_free(&a);
            n--;
        }
    }
    db_rows_free(&repo_pool_table, &pools);
    if (rc >= 0 && n > 0)
        return bt_fail(err, BT_E_POOL_EXHAUSTED, "no pool has a free IPv%d address for this host",
                       family);
    return rc < 0 ? rc : 0;
}

int service_place_addresses(struct db_tx *tx, const struct repo_instance_row *row, int64_t ipv4,
                            int64_t ipv6, struct bt_err *err)
{
    int rc = take_family(tx, row, 4, ipv4, err);
    return rc < 0 ? rc : take_family(tx, row, 6, ipv6, err);
}

/* The pool of this host in which @text lies takes it. */
static int take_wanted(struct db_tx *tx, const struct repo_instance_row *row, const char *text,
                       int *ret_family, struct bt_err *err)
{
    struct bt_ip ip;
    struct bt_arr pools = {0};
    int rc = bt_ip_parse(text, &ip, err);
    if (rc >= 0)
        rc = repo_pool_list_for_host(tx, row->host_id, ip.family, &pools, err);
    if (rc < 0)
        return rc;
    const struct repo_pool_row *pool = pools.items;
    rc = bt_fail(err, BT_E_POOL_EXHAUSTED, "no pool of this host has the address %s", text);
    for (size_t i = 0; i < pools.len; i++) {
        int64_t n;
        if (repo_pool_index(&pool[i], &ip, &n, NULL) < 0)
            continue;
        rc = repo_address_take_exact(tx, &pool[i], text, row->id, err);
        break;
    }
    db_rows_free(&repo_pool_table, &pools);
    *ret_family = ip.family;
    return rc;
}

static int take_all(struct db_tx *tx, const struct service_place *p,
                    const struct repo_instance_row *row, struct bt_err *err)
{
    int64_t ipv4 = p->ipv4, ipv6 = p->ipv6;
    size_t n = p->wanted ? p->wanted->len : 0;
    for (size_t i = 0; i < n; i++) {
        int family = 0;
        int rc = take_wanted(tx, row, ((char **)p->wanted->items)[i], &family, err);
        if (rc < 0)
            return rc;
        ipv4 -= family == 4;
        ipv6 -= family == 6;
    }
    if (ipv4 < 0 || ipv6 < 0)
        return bt_fail(err, BT_E_INVALID, "more addresses are wanted than the plan has");
    return service_place_addresses(tx, row, ipv4, ipv6, err);
}

/* ---- why nobody takes it ---- */

struct refusal {
    char text[240];
    size_t named, hosts;
    bool pools; /* a host had room, but no addresses */
};

static void name_host(struct db_tx *tx, struct refusal *r, int64_t id, const char *reason,
                      const char *detail)
{
    r->hosts++;
    if (r->named == NAMED_MAX)
        return;
    _cleanup_free_ char *name = NULL;
    (void)repo_ref_name(tx, REPO_REF_HOST, id, &name, NULL);
    size_t at = strlen(r->text);
    (void)snprintf(r->text + at, sizeof r->text - at, "%s%s: %s%s%s%s", at ? "; " : "",
                   name ? name : "?", reason, *detail ? " (" : "", detail, *detail ? ")" : "");
    r->named++;
}

static int refuse(struct db_tx *tx, const struct service *svc, const struct service_place *p,
                  struct bt_err *err)
{
    struct refusal r = {.text = ""};
    struct sched_host h;
    for (int64_t after = 0; sched_next_host(svc->sched, after, &h); after = h.id) {
        char detail[120];
        enum sched_reason why = sched_explain(&h, &p->request, detail, sizeof detail);
        if (why == SCHED_PINNED)
            continue;
        if (why == SCHED_OK) {
            r.pools = true;
            why = SCHED_POOL;
            (void)bt_strcpy(detail, sizeof detail, "no free address");
        }
        name_host(tx, &r, h.id, sched_reason_str(why), detail);
    }
    int rc = r.pools ? bt_fail(err, BT_E_POOL_EXHAUSTED, "no host has free addresses: %s", r.text)
                     : bt_fail(err, BT_E_NO_CAPACITY, "no host has room: %s",
                               r.text[0] ? r.text : "there is none");
    if (r.hosts > r.named)
        bt_hint(err, "%zu hosts more: placement explain tells all", r.hosts - r.named);
    return rc;
}

/* ---- insert ---- */

static int try_host(struct db_tx *tx, struct service *svc, const struct service_place *p,
                    int64_t host_id, struct repo_instance_row *row, struct bt_err *err)
{
    int rc = service_host_sched_prove(tx, host_id, &p->request.need, err);
    if (rc < 0)
        return rc;
    row->host_id = host_id;
    rc = row->id ? repo_instance_update(tx, row, err) : repo_instance_insert(tx, row, err);
    if (rc >= 0)
        rc = take_all(tx, p, row, err);
    if (rc >= 0)
        sched_alloc(svc->sched, tx, host_id, &p->request.need);
    return rc;
}

int service_place_insert(struct db_tx *tx, struct service *svc, const struct service_place *p,
                         struct repo_instance_row *row, struct bt_err *err)
{
    struct sched_cursor at = {0};
    int64_t host_id;
    while (sched_pick(svc->sched, &p->request, &at, &host_id)) {
        struct bt_err why = BT_ERR_INIT;
        int rc = try_host(tx, svc, p, host_id, row, &why);
        if (rc >= 0)
            return 0;
        if (rc != -BT_E_NO_CAPACITY && rc != -BT_E_POOL_EXHAUSTED) {
            *err = why;
            return rc;
        }
        if (row->id) /* what it got there goes back before the next is tried */
            rc = repo_address_release_instance(tx, row->id, NULL, err);
        if (rc < 0 && rc != -BT_E_NO_CAPACITY)
            return rc;
    }
    return refuse(tx, svc, p, err);
}
