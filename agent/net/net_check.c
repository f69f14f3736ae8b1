/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * Doctor: the kernel's own lists against what the specs say, both ways. Two hops collect (nft, then
 * links), the loop compares. Each object is one line of text; what is expected and not found is
 * missing, what is found, ours by its name, and not expected is left over. Flags come extra.
 */
struct check {
    struct net *net;
    struct net_check *owner;
    struct sys_op op;
    char version[20];
    bool rules_loaded;
    struct sys_rows elems, counters;                      /* nft */
    struct sys_rows links, fdbs, neighs, routes, sysctls; /* link */
};

static void check_free(struct check *c)
{
    sys_rows_fini(&c->elems);
    sys_rows_fini(&c->counters);
    sys_rows_fini(&c->links);
    sys_rows_fini(&c->fdbs);
    sys_rows_fini(&c->neighs);
    sys_rows_fini(&c->routes);
    sys_rows_fini(&c->sysctls);
    free(c);
}

static void finding(struct sys_rows *ret, int kind, const char *const texts[3])
{
    struct net_finding *f = sys_rows_push(ret, sizeof *f);
    f->kind = kind;
    (void)bt_strcpy(f->object, sizeof f->object, texts[0]);
    (void)bt_strcpy(f->expected, sizeof f->expected, texts[1]);
    (void)bt_strcpy(f->found, sizeof f->found, texts[2]);
}

/* ---- lines: the kind as one character, then the object ---- */

static void put(struct sys_rows *lines, int kind, const char *text)
{
    char line[256];
    (void)snprintf(line, sizeof line, "%c%s", 'A' + kind, text);
    sys_rows_push_str(lines, line);
}

static void put_elem(struct sys_rows *lines, const struct sys_nft_elem *e)
{
    bool guard = e->family == SYS_NFT_BRIDGE;
    size_t skip = guard ? SYS_IFNAME_MAX : 0; /* the port's name is readable, the rest is hex */
    char who[SYS_NFT_NAME_MAX + 1] = "";
    char hex[2 * SYS_NFT_KEY_MAX + 1];
    char text[240];
    if (guard)
        memcpy(who, e->key.bytes, SYS_IFNAME_MAX);
    else
        (void)bt_strcpy(who, sizeof who, e->object);
    bt_hex(e->key.bytes + skip, e->key.len - skip, hex);
    (void)snprintf(text, sizeof text, "element %s %s %s", e->set, who, hex);
    put(lines, DOCTOR_RULE, text);
}

static void put_fdb(struct sys_rows *lines, const struct sys_fdb *f)
{
    char mac[SYS_MAC_STR_MAX];
    char text[80];
    (void)snprintf(text, sizeof text, "forwarding %s %s", f->dev, sys_mac_str(f->mac, mac));
    put(lines, DOCTOR_NEIGHBOUR, text);
}

static void put_neigh(struct sys_rows *lines, const struct sys_neigh *n)
{
    char mac[SYS_MAC_STR_MAX];
    char ip[BT_IP_STR_MAX];
    char text[120];
    (void)snprintf(text, sizeof text, "neighbour %s %s %s", n->dev, bt_ip_str(&n->ip, ip),
                   sys_mac_str(n->mac, mac));
    put(lines, DOCTOR_NEIGHBOUR, text);
}

static void put_route(struct sys_rows *lines, const struct sys_route *r)
{
    char dst[BT_CIDR_STR_MAX];
    char via[BT_IP_STR_MAX] = "";
    char text[140];
    if (r->via.family)
        (void)bt_ip_str(&r->via, via);
    (void)snprintf(text, sizeof text, "route %s %s%s%s", bt_cidr_str(&r->dst, dst), r->dev,
                   via[0] ? " via " : "", via);
    put(lines, DOCTOR_ROUTE, text);
}

static void put_named(struct sys_rows *lines, int kind, const char *what, const char *name)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s %s", what, name);
    put(lines, kind, text);
}

/* ---- expected ---- */

static void expect_port(struct sys_rows *lines, const struct net_want *w)
{
    struct sys_rows elems = {0};
    struct sys_fdb f = {0};
    char name[NET_COUNTER_MAX];
    put_named(lines, DOCTOR_LINK, "link", w->port);
    net_elems(w->port, &w->grants, &elems);
    SYS_ROWS_FOREACH(struct sys_nft_elem, e, &elems)
        put_elem(lines, e);
    sys_rows_fini(&elems);
    net_counter_name(w->port, 'i', name);
    put_named(lines, DOCTOR_RULE, "counter", name);
    net_counter_name(w->port, 'o', name);
    put_named(lines, DOCTOR_RULE, "counter", name);
    (void)bt_strcpy(f.dev, sizeof f.dev, w->port);
    memcpy(f.mac, w->mac, SYS_MAC_LEN);
    put_fdb(lines, &f);
    SYS_ROWS_FOREACH(struct sys_neigh, n, &w->neighs)
        put_neigh(lines, n);
    SYS_ROWS_FOREACH(struct sys_route, r, &w->routes)
        put_route(lines, r);
}

static void expect_all(const struct check *c, struct sys_rows *lines)
{
    for (size_t i = 0; i < c->owner->n_specs; i++) {
        const struct net_port_spec *spec = &c->owner->specs[i];
        struct net_want w;
        char name[BT_PORT_LEN + 1];
        char bridge[SYS_IFNAME_MAX];
        bt_port_name(spec->uuid, spec->nic, name);
        const struct net_port *p = bt_map_find(&c->net->ports, name);
        net_bridge_name(c->net->prefix, p && p->bridge >= 0 ? p->bridge : 0, bridge);
        if (net_want_init(&w, spec, bridge, NULL) < 0)
            continue;
        expect_port(lines, &w);
        net_want_fini(&w);
    }
}

/* ---- found ---- */

static void found_all(const struct check *c, struct sys_rows *lines)
{
    const char *prefix = c->net->prefix;
    SYS_ROWS_FOREACH(struct sys_link_info, l, &c->links) {
        if (net_is_port(l->name) && l->group != SYS_LINK_GROUP_TRASH)
            put_named(lines, DOCTOR_LINK, "link", l->name);
    }
    SYS_ROWS_FOREACH(struct sys_nft_elem, e, &c->elems)
        put_elem(lines, e);
    SYS_ROWS_FOREACH(struct sys_nft_counter, n, &c->counters)
        put_named(lines, DOCTOR_RULE, "counter", n->name);
    SYS_ROWS_FOREACH(struct sys_fdb, f, &c->fdbs) {
        if (net_is_port(f->dev))
            put_fdb(lines, f);
    }
    SYS_ROWS_FOREACH(struct sys_neigh, n, &c->neighs) {
        if (net_bridge_number(prefix, n->dev) >= 0)
            put_neigh(lines, n);
    }
    SYS_ROWS_FOREACH(struct sys_route, r, &c->routes) {
        if (net_bridge_number(prefix, r->dev) >= 0)
            put_route(lines, r);
    }
}

/* ---- compare ---- */

static void one_sided(struct sys_rows *ret, const char *line, bool missing)
{
    const char *texts[3] = {line + 1, missing ? "there" : "nothing", missing ? "nothing" : "there"};
    finding(ret, line[0] - 'A', texts);
}

/* Two sorted lists without repeats. */
static void diff(const struct sys_rows *expected, const struct sys_rows *found,
                 struct sys_rows *ret)
{
    char *const *a = expected->items;
    char *const *b = found->items;
    size_t i = 0;
    size_t k = 0;
    while (i < expected->len || k < found->len) {
        int order = i == expected->len ? 1 : (k == found->len ? -1 : strcmp(a[i], b[k]));
        if (order < 0)
            one_sided(ret, a[i], true);
        if (order > 0)
            one_sided(ret, b[k], false);
        i += order <= 0;
        k += order >= 0;
    }
}

static const char *wrong_with(const struct check *c, const struct sys_link_info *l)
{
    const struct sys_link_port *p = &l->port;
    if (!l->is_port || net_bridge_number(c->net->prefix, l->master) < 0)
        return "no port of our bridges";
    if (!p->isolated || p->learning || p->flood || p->mcast_flood || p->bcast_flood ||
        p->group_fwd_mask != SYS_LINK_GROUP_FWD)
        return "not isolated, or it learns or is flooded";
    return l->up ? NULL : "down";
}

/* A port that is there must be safe and open. */
static void check_flags(const struct check *c, struct sys_rows *ret)
{
    for (size_t i = 0; i < c->owner->n_specs; i++) {
        char name[BT_PORT_LEN + 1];
        bt_port_name(c->owner->specs[i].uuid, c->owner->specs[i].nic, name);
        SYS_ROWS_FOREACH(struct sys_link_info, l, &c->links) {
            const char *wrong = strcmp(l->name, name) == 0 ? wrong_with(c, l) : NULL;
            const char *texts[3] = {name, "an isolated port, up", wrong};
            if (wrong)
                finding(ret, DOCTOR_LINK, texts);
        }
    }
}

static void compare(const struct check *c, struct sys_rows *ret)
{
    _cleanup_rows_str_ struct sys_rows expected = {0};
    _cleanup_rows_str_ struct sys_rows found = {0};
    expect_all(c, &expected);
    found_all(c, &found);
    sys_rows_sort_str(&expected);
    sys_rows_sort_str(&found);
    diff(&expected, &found, ret);
    check_flags(c, ret);
    if (!c->rules_loaded) {
        const char *texts[3] = {"tables bridge " NET_TABLE " and inet " NET_TABLE, c->version,
                                "another version, or none"};
        finding(ret, DOCTOR_RULE, texts);
    }
    SYS_ROWS_FOREACH(struct net_finding, f, &c->sysctls)
        *(struct net_finding *)sys_rows_push(ret, sizeof *f) = *f;
}

/* ---- the hops ---- */

static void finish(struct check *c, int rc, const struct bt_err *err)
{
    struct net *net = c->net;
    struct net_check *owner = c->owner;
    struct bt_err copy = rc < 0 ? *err : BT_ERR_INIT;
    if (rc == 0 && !net->closing)
        compare(c, &owner->findings);
    check_free(c);
    if (!net->closing) {
        owner->impl = NULL;
        owner->done(owner, rc, &copy);
    }
    net_unuse(net);
}

static int link_run(struct sys_op *op, struct bt_err *err)
{
    struct check *c = BT_CONTAINER_OF(op, struct check, op);
    struct sys *s = op->sys;
    int rc = s->link->list(s, &c->links, err);
    if (rc == 0)
        rc = s->link->fdb_list(s, &c->fdbs, err);
    if (rc == 0)
        rc = s->link->neigh_list(s, &c->neighs, err);
    if (rc == 0)
        rc = s->link->route_list(s, &c->routes, err);
    return rc < 0 ? rc : net_kernel_sysctl_findings(s, &c->sysctls, err);
}

static void link_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    finish(BT_CONTAINER_OF(op, struct check, op), rc, err);
}

static int nft_run(struct sys_op *op, struct bt_err *err)
{
    struct check *c = BT_CONTAINER_OF(op, struct check, op);
    struct sys *s = op->sys;
    int rc = net_rules_loaded(s, c->version, &c->rules_loaded, err);
    if (rc == 0)
        rc = net_rules_elems(s, &c->elems, err);
    return rc < 0 ? rc : s->nft->counters(s, SYS_NFT_INET, NET_TABLE, &c->counters, err);
}

static void nft_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct check *c = BT_CONTAINER_OF(op, struct check, op);
    if (rc < 0 || c->net->closing) {
        finish(c, rc, err);
        return;
    }
    c->op.run = link_run;
    c->op.done = link_done;
    sys_op_start(c->net->sys, SYS_Q_LINK, &c->op);
}

void net_check_start(struct net *net, struct net_check *check)
{
    struct check *c = bt_xcalloc(1, sizeof *c);
    assert(!check->impl);
    check->findings = (struct sys_rows){0};
    check->impl = c;
    net_use(net);
    c->net = net;
    c->owner = check;
    (void)bt_strcpy(c->version, sizeof c->version, net->version);
    c->op.run = nft_run;
    c->op.done = nft_done;
    sys_op_start(net->sys, SYS_Q_NFT, &c->op);
}
