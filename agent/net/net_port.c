/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * Operations on one port. Each is two hops: sets (nft queue), then links (link queue):
 *
 *   ensure: close what the spec no longer has, open what it has -> pair, bridge, entries, up
 *   cut:    close -> down
 *   remove: close, read and drop counters -> entries away, pair to the trash
 *
 * Before a hop the port's memory becomes the union of old and new; after success it becomes the
 * new. So whatever fails, a later operation knows everything that may be in the kernel.
 */
enum verb { ENSURE, CUT, REMOVE };

struct running {
    struct net *net;
    struct net_port_op *owner;
    enum verb verb;
    char name[BT_PORT_LEN + 1];
    struct net_port *port; /* loop only */
    struct net_change change;
    struct sys_op op;
    /* of the link thread while op runs */
    struct net_want want;
    struct net_stale stale;
    struct net_bridge_want bridge;
    bool make_bridge;
    /* an early end */
    struct bt_post post;
    int rc;
    struct bt_err err;
};

static void finish(struct running *r, int rc, const struct bt_err *err)
{
    struct net *net = r->net;
    struct net_port_op *owner = r->owner;
    struct bt_err copy = rc < 0 && err ? *err : BT_ERR_INIT;
    if (!net->closing) {
        owner->traffic = r->change.traffic;
        owner->impl = NULL;
    }
    net_change_fini(&r->change);
    net_want_fini(&r->want);
    net_stale_fini(&r->stale);
    sys_rows_fini(&r->bridge.gateways);
    free(r);
    if (!net->closing)
        owner->done(owner, rc, &copy);
    net_unuse(net);
}

static void finish_posted(struct bt_post *p)
{
    struct running *r = BT_CONTAINER_OF(p, struct running, post);
    finish(r, r->rc, &r->err);
}

static void finish_later(struct running *r, int rc)
{
    r->rc = rc;
    r->post.cb = finish_posted;
    bt_list_init(&r->post.link);
    bt_loop_post(r->net->sys->loop, &r->post);
}

/* ---- links ---- */

static int link_run(struct sys_op *op, struct bt_err *err)
{
    struct running *r = BT_CONTAINER_OF(op, struct running, op);
    struct sys *s = op->sys;
    int rc = 0;
    switch (r->verb) {
    case ENSURE:
        if (r->make_bridge)
            rc = net_kernel_bridge(s, &r->bridge, err);
        if (rc == 0)
            rc = net_kernel_stale(s, &r->stale, err);
        return rc < 0 ? rc : net_kernel_open(s, &r->want, err);
    case CUT: {
        struct bt_err why = BT_ERR_INIT;
        rc = s->link->set_up(s, r->name, false, &why);
        if (rc == -BT_E_NOT_FOUND)
            return 0;
        if (rc < 0 && err)
            *err = why;
        return rc;
    }
    case REMOVE:
        rc = net_kernel_stale(s, &r->stale, err);
        return rc < 0 ? rc : s->link->trash(s, r->name, err);
    }
    return rc;
}

static void become(struct net_port *p, const struct net_want *w)
{
    net_rows_copy(&w->grants, sizeof(struct net_grant), &p->grants);
    net_rows_copy(&w->neighs, sizeof(struct sys_neigh), &p->neighs);
    net_rows_copy(&w->routes, sizeof(struct sys_route), &p->routes);
}

static void link_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct running *r = BT_CONTAINER_OF(op, struct running, op);
    if (rc == 0 && r->verb == ENSURE) {
        become(r->port, &r->want);
        r->net->bridge_made[r->port->bridge] = true;
    }
    if (rc == 0 && r->verb == REMOVE) {
        net_port_forget(r->net, r->name);
        net_trash_soon(r->net);
    }
    finish(r, rc, err);
}

static void change_done(struct net_change *c, int rc, const struct bt_err *err)
{
    struct running *r = BT_CONTAINER_OF(c, struct running, change);
    if (rc < 0 || r->net->closing) {
        finish(r, rc, err);
        return;
    }
    r->op.run = link_run;
    r->op.done = link_done;
    sys_op_start(r->net->sys, SYS_Q_LINK, &r->op);
}

/* ---- the three verbs ---- */

static struct running *begin(struct net *net, struct net_port_op *op, enum verb verb)
{
    struct running *r = bt_xcalloc(1, sizeof *r);
    assert(!op->impl);
    net_use(net);
    r->net = net;
    r->owner = op;
    r->verb = verb;
    r->change.done = change_done;
    op->impl = r;
    op->traffic = (struct net_traffic){0};
    if (!bt_uuid_ok(op->spec.uuid) || op->spec.nic < 0 || op->spec.nic > 9) {
        finish_later(r, bt_fail(&r->err, BT_E_INVALID, "not a port's name: %.40s", op->spec.uuid));
        return NULL;
    }
    bt_port_name(op->spec.uuid, op->spec.nic, op->port);
    net_peer_name(op->spec.uuid, op->spec.nic, op->peer);
    (void)bt_strcpy(r->name, sizeof r->name, op->port);
    (void)bt_strcpy(r->change.port, sizeof r->change.port, op->port);
    r->port = bt_map_find(&net->ports, op->port);
    return r;
}

/* Prefixes of whole bytes meet when the shorter one is the beginning of the other. */
static bool overlap(const struct net_grant *a, const struct net_grant *b)
{
    int bits = a->prefix < b->prefix ? a->prefix : b->prefix;
    return a->ip.family != 0 && a->ip.family == b->ip.family &&
           memcmp(a->ip.bytes, b->ip.bytes, (size_t)bits / 8) == 0;
}

/* Does @theirs stand in the way of one of ours? */
static int check_grant(const struct net_grant *theirs, const char *port, const struct net_want *w,
                       struct bt_err *err)
{
    if (memcmp(theirs->mac, w->mac, SYS_MAC_LEN) == 0)
        return bt_fail(err, BT_E_CONFLICT, "%s has this MAC address", port);
    SYS_ROWS_FOREACH(struct net_grant, ours, &w->grants) {
        char text[BT_IP_STR_MAX];
        if (overlap(theirs, ours))
            return bt_fail(err, BT_E_CONFLICT, "%s has the address %s", port,
                           bt_ip_str(&ours->ip, text));
    }
    return 0;
}

/* Two ports with one address or MAC would take each other's traffic. */
static int check_others(struct net *net, const struct net_want *w, struct bt_err *err)
{
    size_t pos = 0;
    int rc = 0;
    for (struct net_port *p = bt_map_next(&net->ports, &pos); p && rc == 0;
         p = bt_map_next(&net->ports, &pos)) {
        if (strcmp(p->name, w->port) == 0)
            continue;
        SYS_ROWS_FOREACH(struct net_grant, theirs, &p->grants)
            rc = rc < 0 ? rc : check_grant(theirs, p->name, w, err);
    }
    return rc;
}

/* What the kernel may have and the spec has not. */
static void plan_stale(struct running *r)
{
    struct sys_rows old = {0};
    struct sys_rows new = {0};
    net_elems(r->port->name, &r->port->grants, &old);
    net_elems(r->port->name, &r->want.grants, &new);
    net_rows_minus(&old, &new, sizeof(struct sys_nft_elem), &r->change.del);
    sys_rows_fini(&old);
    r->change.add = new;
    net_rows_minus(&r->port->neighs, &r->want.neighs, sizeof(struct sys_neigh), &r->stale.neighs);
    net_rows_minus(&r->port->routes, &r->want.routes, sizeof(struct sys_route), &r->stale.routes);
    SYS_ROWS_FOREACH(struct net_grant, g, &r->port->grants) {
        struct sys_fdb f;
        memset(&f, 0, sizeof f);
        (void)bt_strcpy(f.dev, sizeof f.dev, r->port->name);
        memcpy(f.mac, g->mac, SYS_MAC_LEN);
        if (r->verb == REMOVE || memcmp(g->mac, r->want.mac, SYS_MAC_LEN) != 0)
            net_rows_add(&r->stale.fdbs, &f, sizeof f);
    }
}

static void remember_both(struct net_port *p, const struct net_want *w)
{
    net_rows_join(&p->grants, &w->grants, sizeof(struct net_grant));
    net_rows_join(&p->neighs, &w->neighs, sizeof(struct sys_neigh));
    net_rows_join(&p->routes, &w->routes, sizeof(struct sys_route));
}

static int plan_ensure(struct running *r)
{
    struct net *net = r->net;
    char bridge[SYS_IFNAME_MAX];
    int n = r->port ? r->port->bridge : -1;
    int rc = n < 0 ? net_bridge_pick(net, &n, &r->err) : 0;
    if (rc < 0)
        return rc;
    net_bridge_name(net->prefix, n, bridge);
    rc = net_want_init(&r->want, &r->owner->spec, bridge, &r->err);
    if (rc == 0)
        rc = check_others(net, &r->want, &r->err);
    if (rc < 0)
        return rc;
    r->port = net_port_get(net, r->name);
    if (r->port->bridge < 0)
        net_port_place(net, r->port, n);
    r->make_bridge = !net->bridge_made[n];
    (void)bt_strcpy(r->bridge.name, sizeof r->bridge.name, bridge);
    net_rows_copy(&net->gateways, sizeof(struct bt_ip), &r->bridge.gateways);
    plan_stale(r);
    remember_both(r->port, &r->want);
    r->change.counters_add = true;
    return 0;
}

void net_port_ensure_start(struct net *net, struct net_port_op *op)
{
    struct running *r = begin(net, op, ENSURE);
    if (!r)
        return;
    int rc = plan_ensure(r);
    if (rc < 0)
        finish_later(r, rc);
    else
        net_change_start(net, &r->change);
}

void net_port_cut_start(struct net *net, struct net_port_op *op)
{
    struct running *r = begin(net, op, CUT);
    if (!r)
        return;
    if (r->port)
        net_guard_elems(r->port->name, &r->port->grants, &r->change.del);
    net_change_start(net, &r->change);
}

void net_port_remove_start(struct net *net, struct net_port_op *op)
{
    struct running *r = begin(net, op, REMOVE);
    if (!r)
        return;
    if (r->port)
        plan_stale(r);
    r->change.counters_del = true;
    net_change_start(net, &r->change);
}
