/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * The agent's start: rules (nft queue) -> sysctls, bridges, lists (link queue) -> learn (loop) ->
 * sweep (link queue). Learning tells which port each row belongs to: elements by their interface
 * name, counters by theirs, forwarding entries by device, neighbours by MAC, routes by neighbour.
 * Neighbours and routes of nobody are what a removal that was cut short left: they are swept.
 */
struct setup {
    struct net *net;
    struct net_setup *owner;
    struct sys_op op;
    char *prefix, *rules, version[20]; /* copies for the threads */
    bool check;
    struct sys_rows gateways;
    struct sys_rows elems, counters;             /* nft */
    struct sys_rows links, fdbs, neighs, routes; /* link */
    struct net_stale sweep;
};

static void setup_free(struct setup *su)
{
    free(su->prefix);
    free(su->rules);
    sys_rows_fini(&su->gateways);
    sys_rows_fini(&su->elems);
    sys_rows_fini(&su->counters);
    sys_rows_fini(&su->links);
    sys_rows_fini(&su->fdbs);
    sys_rows_fini(&su->neighs);
    sys_rows_fini(&su->routes);
    net_stale_fini(&su->sweep);
    free(su);
}

static void finish(struct setup *su, int rc, const struct bt_err *err)
{
    struct net *net = su->net;
    struct net_setup *owner = su->owner;
    struct bt_err copy = rc < 0 ? *err : BT_ERR_INIT;
    setup_free(su);
    if (!net->closing) {
        owner->impl = NULL;
        owner->done(owner, rc, &copy);
    }
    net_unuse(net);
}

/* ---- learn ---- */

static uint64_t mac_key(const unsigned char *mac)
{
    uint64_t key = 0;
    for (int i = 0; i < SYS_MAC_LEN; i++)
        key = key << 8 | mac[i];
    return key;
}

/* Ports by the MACs of their grants. */
static void index_macs(struct net *net, struct bt_map *ret)
{
    size_t pos = 0;
    for (struct net_port *p = bt_map_next(&net->ports, &pos); p;
         p = bt_map_next(&net->ports, &pos)) {
        SYS_ROWS_FOREACH(struct net_grant, g, &p->grants) {
            if (mac_key(g->mac) != 0)
                (void)bt_map_set_u64(ret, mac_key(g->mac), p);
        }
    }
}

/* A grant without an address stands for the MAC alone (ip.family 0). */
static void learn_mac(struct net_port *p, const unsigned char *mac)
{
    struct net_grant g;
    memset(&g, 0, sizeof g);
    memcpy(g.mac, mac, SYS_MAC_LEN);
    net_rows_add(&p->grants, &g, sizeof g);
}

static void learn_link(struct net *net, const struct sys_link_info *l)
{
    if (!net_is_port(l->name) || l->group == SYS_LINK_GROUP_TRASH)
        return;
    struct net_port *p = net_port_get(net, l->name);
    int n = net_bridge_number(net->prefix, l->master);
    if (p->bridge < 0 && n >= 0)
        net_port_place(net, p, n);
}

static int v6_len_of(const char *set)
{
    const char *at = strrchr(set, '_');
    int64_t len = 0;
    return at && bt_parse_i64(at + 1, 64, 128, &len, NULL) == 0 ? (int)len : 0;
}

/* bridge: ifname 16 | MAC 6 + 2 | address */
static void learn_guard(struct net *net, const struct sys_nft_elem *e)
{
    char name[SYS_IFNAME_MAX + 1] = "";
    memcpy(name, e->key.bytes, SYS_IFNAME_MAX);
    if (!net_is_port(name))
        return;
    struct net_port *p = net_port_get(net, name);
    struct net_grant g;
    memset(&g, 0, sizeof g);
    memcpy(g.mac, e->key.bytes + 16, SYS_MAC_LEN);
    learn_mac(p, g.mac);
    if (strcmp(e->set, "mac") == 0)
        return;
    g.ip.family = strcmp(e->set, "ip4") == 0 ? 4 : 6;
    g.prefix = g.ip.family == 4 ? 32 : v6_len_of(e->set);
    memcpy(g.ip.bytes, e->key.bytes + 24, (size_t)g.prefix / 8);
    net_rows_add(&p->grants, &g, sizeof g);
}

/* A counted address whose guard element is gone (cut, or half removed): the MAC does not matter. */
static void learn_counted(struct net *net, const struct sys_nft_elem *e)
{
    char name[BT_PORT_LEN + 1];
    char direction = 0;
    if (!net_counter_port(e->object, name, &direction))
        return;
    struct net_port *p = net_port_get(net, name);
    struct net_grant g;
    memset(&g, 0, sizeof g);
    g.ip.family = bt_starts_with(e->set, "cin6") || bt_starts_with(e->set, "cout6") ? 6 : 4;
    g.prefix = g.ip.family == 4 ? 32 : v6_len_of(e->set);
    memcpy(g.ip.bytes, e->key.bytes, (size_t)g.prefix / 8);
    SYS_ROWS_FOREACH(struct net_grant, have, &p->grants) {
        if (have->prefix == g.prefix && bt_ip_cmp(&have->ip, &g.ip) == 0)
            return;
    }
    net_rows_add(&p->grants, &g, sizeof g);
}

static void learn_counter(struct net *net, const struct sys_nft_counter *c)
{
    char name[BT_PORT_LEN + 1];
    char direction = 0;
    if (net_counter_port(c->name, name, &direction))
        (void)net_port_get(net, name);
}

static void learn_elems(struct setup *su)
{
    SYS_ROWS_FOREACH(struct sys_nft_elem, e, &su->elems) {
        if (e->family == SYS_NFT_BRIDGE)
            learn_guard(su->net, e);
    }
    SYS_ROWS_FOREACH(struct sys_nft_elem, e, &su->elems) {
        if (e->family == SYS_NFT_INET)
            learn_counted(su->net, e);
    }
    SYS_ROWS_FOREACH(struct sys_nft_counter, c, &su->counters)
        learn_counter(su->net, c);
}

static void learn_fdbs(struct setup *su)
{
    SYS_ROWS_FOREACH(struct sys_fdb, f, &su->fdbs) {
        if (bt_map_find(&su->net->ports, f->dev))
            learn_mac(net_port_get(su->net, f->dev), f->mac);
    }
}

static void learn_neighs(struct setup *su, struct bt_map *ret_by_ip)
{
    struct bt_map macs = BT_MAP_INIT;
    index_macs(su->net, &macs);
    SYS_ROWS_FOREACH(struct sys_neigh, n, &su->neighs) {
        char text[BT_IP_STR_MAX];
        if (net_bridge_number(su->net->prefix, n->dev) < 0)
            continue;
        struct net_port *p = bt_map_find_u64(&macs, mac_key(n->mac));
        net_rows_add(p ? &p->neighs : &su->sweep.neighs, n, sizeof *n);
        if (p)
            (void)bt_map_set(ret_by_ip, bt_ip_str(&n->ip, text), p);
    }
    bt_map_fini(&macs);
}

/* A route leads through a neighbour, or straight to one. */
static void learn_routes(struct setup *su, const struct bt_map *by_ip)
{
    SYS_ROWS_FOREACH(struct sys_route, r, &su->routes) {
        char text[BT_IP_STR_MAX];
        if (net_bridge_number(su->net->prefix, r->dev) < 0)
            continue;
        struct net_port *p =
            bt_map_find(by_ip, bt_ip_str(r->via.family ? &r->via : &r->dst.ip, text));
        net_rows_add(p ? &p->routes : &su->sweep.routes, r, sizeof *r);
    }
}

static void learn(struct setup *su)
{
    struct net *net = su->net;
    struct bt_map by_ip = BT_MAP_INIT;
    net->bridge_made[0] = true;
    SYS_ROWS_FOREACH(struct sys_link_info, l, &su->links) {
        int n = net_bridge_number(net->prefix, l->name);
        if (n >= 0)
            net->bridge_made[n] = true;
        learn_link(net, l);
    }
    learn_elems(su);
    learn_fdbs(su);
    learn_neighs(su, &by_ip);
    learn_routes(su, &by_ip);
    bt_map_fini(&by_ip);
}

/* ---- the hops ---- */

static int sweep_run(struct sys_op *op, struct bt_err *err)
{
    struct setup *su = BT_CONTAINER_OF(op, struct setup, op);
    int rc = net_kernel_stale(op->sys, &su->sweep, err);
    return rc < 0 ? rc : op->sys->link->trash_empty(op->sys, err);
}

static void sweep_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    finish(BT_CONTAINER_OF(op, struct setup, op), rc, err);
}

static int link_lists(struct sys *s, struct setup *su, struct bt_err *err)
{
    int rc = s->link->fdb_list(s, &su->fdbs, err);
    if (rc == 0)
        rc = s->link->neigh_list(s, &su->neighs, err);
    return rc < 0 ? rc : s->link->route_list(s, &su->routes, err);
}

/* The first bridge, and every other one that is there. */
static int bridges(struct sys *s, struct setup *su, struct bt_err *err)
{
    int rc = s->link->list(s, &su->links, err);
    for (int n = 0; rc == 0 && n < NET_BRIDGES_MAX; n++) {
        struct net_bridge_want b = {.gateways = su->gateways};
        bool wanted = n == 0;
        net_bridge_name(su->prefix, n, b.name);
        SYS_ROWS_FOREACH(struct sys_link_info, l, &su->links)
            wanted = wanted || strcmp(l->name, b.name) == 0;
        if (wanted)
            rc = net_kernel_bridge(s, &b, err);
    }
    return rc;
}

static int link_run(struct sys_op *op, struct bt_err *err)
{
    struct setup *su = BT_CONTAINER_OF(op, struct setup, op);
    int rc = net_kernel_sysctls(op->sys, su->check, err);
    if (rc == 0)
        rc = bridges(op->sys, su, err);
    return rc < 0 ? rc : link_lists(op->sys, su, err);
}

static void link_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct setup *su = BT_CONTAINER_OF(op, struct setup, op);
    if (rc < 0 || su->net->closing) {
        finish(su, rc, err);
        return;
    }
    learn(su);
    su->op.run = sweep_run;
    su->op.done = sweep_done;
    sys_op_start(su->net->sys, SYS_Q_LINK, &su->op);
}

static int nft_run(struct sys_op *op, struct bt_err *err)
{
    struct setup *su = BT_CONTAINER_OF(op, struct setup, op);
    struct sys *s = op->sys;
    int rc = net_rules_ensure(s, su->rules, su->version, err);
    if (rc == 0)
        rc = net_rules_elems(s, &su->elems, err);
    return rc < 0 ? rc : s->nft->counters(s, SYS_NFT_INET, NET_TABLE, &su->counters, err);
}

static void nft_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct setup *su = BT_CONTAINER_OF(op, struct setup, op);
    if (rc < 0 || su->net->closing) {
        finish(su, rc, err);
        return;
    }
    su->op.run = link_run;
    su->op.done = link_done;
    sys_op_start(su->net->sys, SYS_Q_LINK, &su->op);
}

void net_setup_start(struct net *net, struct net_setup *setup)
{
    struct setup *su = bt_xcalloc(1, sizeof *su);
    assert(!setup->impl);
    net_use(net);
    su->net = net;
    su->owner = setup;
    su->prefix = bt_xstrdup(net->prefix);
    su->rules = bt_xstrdup(net->rules);
    (void)bt_strcpy(su->version, sizeof su->version, net->version);
    su->check = net->sysctls_check;
    net_rows_copy(&net->gateways, sizeof(struct bt_ip), &su->gateways);
    setup->impl = su;
    su->op.run = nft_run;
    su->op.done = nft_done;
    sys_op_start(net->sys, SYS_Q_NFT, &su->op);
}
