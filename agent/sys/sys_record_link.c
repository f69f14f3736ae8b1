/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_record_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The fake's links, addresses, routes, neighbours and forwarding entries. */

static struct sys_record_link *link_find(struct sys *s, const char *name)
{
    return bt_map_find(&sys_record_of(s)->links, name);
}

static struct sys_record_link *link_add(struct sys *s, const char *name, const char *kind,
                                        const unsigned char *mac)
{
    struct sys_record *r = sys_record_of(s);
    struct sys_record_link *l = bt_xcalloc(1, sizeof *l);
    (void)bt_strcpy(l->info.name, sizeof l->info.name, name);
    (void)bt_strcpy(l->info.kind, sizeof l->info.kind, kind);
    memcpy(l->info.mac, mac, SYS_MAC_LEN);
    l->info.ifindex = r->next_ifindex++;
    l->info.mtu = 1500;
    free(bt_map_set(&r->links, name, l));
    return l;
}

/* Everything that the kernel keeps by device goes with it. */
static void drop_of_dev(struct sys *s, const char *dev)
{
    static const char *const kinds[] = {"addr", "route", "neigh", "fdb"};
    for (size_t i = 0; i < BT_ARRAY_LEN(kinds); i++) {
        char prefix[64];
        (void)snprintf(prefix, sizeof prefix, "%s %s ", kinds[i], dev);
        sys_record_drop_all(s, prefix);
    }
}

static void link_drop(struct sys *s, const char *name)
{
    struct sys_record *r = sys_record_of(s);
    struct sys_record_link *l = bt_map_remove(&r->links, name);
    if (!l)
        return;
    drop_of_dev(s, name);
    _cleanup_free_ struct sys_record_link *peer =
        l->peer[0] ? bt_map_remove(&r->links, l->peer) : NULL;
    if (peer)
        drop_of_dev(s, peer->info.name);
    free(l);
}

static int no_link(struct bt_err *err, const char *name)
{
    return bt_fail(err, BT_E_NOT_FOUND, "no link %s", name);
}

static int rec_get(struct sys *s, const char *name, struct sys_link_info *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link get %s", name);
    const struct sys_record_link *l = link_find(s, name);
    if (rc < 0)
        return rc;
    if (!l || l->info.ifindex < 0)
        return no_link(err, name);
    *ret = l->info;
    return 0;
}

static int rec_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    _cleanup_rows_str_ struct sys_rows names = {0};
    const struct bt_map *m = &sys_record_of(s)->links;
    size_t pos = 0;
    int rc = sys_record_call(s, err, "link list");
    if (rc < 0)
        return rc;
    for (struct sys_record_link *l = bt_map_next(m, &pos); l; l = bt_map_next(m, &pos))
        sys_rows_push_str(&names, l->info.name);
    sys_rows_sort_str(&names);
    SYS_ROWS_FOREACH(char *, it, &names) {
        const struct sys_record_link *l = link_find(s, *it);
        if (l->info.ifindex > 0) /* not in a guest */
            *(struct sys_link_info *)sys_rows_push(ret, sizeof l->info) = l->info;
    }
    return 0;
}

static int rec_bridge_ensure(struct sys *s, const struct sys_bridge *b, struct bt_err *err)
{
    char mac[SYS_MAC_STR_MAX];
    int rc = sys_record_call(s, err, "link bridge_ensure %s %s", b->name, sys_mac_str(b->mac, mac));
    struct sys_record_link *l = link_find(s, b->name);
    if (rc < 0)
        return rc;
    if (l && strcmp(l->info.kind, "bridge") != 0)
        return bt_fail(err, BT_E_CONFLICT, "link %s is there and no bridge", b->name);
    if (!l)
        l = link_add(s, b->name, "bridge", b->mac);
    memcpy(l->info.mac, b->mac, SYS_MAC_LEN);
    l->info.up = true;
    return 0;
}

static void join(struct sys_record_link *a, struct sys_record_link *b)
{
    (void)bt_strcpy(a->peer, sizeof a->peer, b->info.name);
    (void)bt_strcpy(b->peer, sizeof b->peer, a->info.name);
    a->info.peer_ifindex = b->info.ifindex;
    b->info.peer_ifindex = a->info.ifindex;
}

static int rec_veth_ensure(struct sys *s, const struct sys_veth *v, struct bt_err *err)
{
    char mac[SYS_MAC_STR_MAX];
    char peer_mac[SYS_MAC_STR_MAX];
    int rc = sys_record_call(s, err, "link veth_ensure %s %s peer %s %s mtu %u", v->name,
                             sys_mac_str(v->mac, mac), v->peer, sys_mac_str(v->peer_mac, peer_mac),
                             v->mtu ? v->mtu : 1500);
    if (rc < 0)
        return rc;
    struct sys_record_link *host = link_find(s, v->name);
    if (host && strcmp(host->peer, v->peer) != 0) {
        link_drop(s, v->name);
        host = NULL;
    }
    if (!host) {
        link_drop(s, v->peer);
        host = link_add(s, v->name, "veth", v->mac);
        join(host, link_add(s, v->peer, "veth", v->peer_mac));
    }
    host->info.group = 0;
    host->info.mtu = v->mtu ? v->mtu : 1500;
    memcpy(host->info.mac, v->mac, SYS_MAC_LEN);
    return 0;
}

static int rec_port_ensure(struct sys *s, const char *name, const char *master, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link port_ensure %s %s", name, master);
    struct sys_record_link *l = link_find(s, name);
    if (rc < 0)
        return rc;
    if (!l || !link_find(s, master))
        return no_link(err, l ? master : name);
    if (l->info.up && strcmp(l->info.master, master) != 0)
        return bt_fail(err, BT_E_BAD_STATE, "link %s is up and no port of %s", name, master);
    (void)bt_strcpy(l->info.master, sizeof l->info.master, master);
    l->info.is_port = true;
    l->info.port = (struct sys_link_port){.isolated = true, .group_fwd_mask = SYS_LINK_GROUP_FWD};
    return 0;
}

static int rec_set_up(struct sys *s, const char *name, bool up, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link set_%s %s", up ? "up" : "down", name);
    struct sys_record_link *l = link_find(s, name);
    if (rc < 0)
        return rc;
    if (!l)
        return no_link(err, name);
    l->info.up = up;
    return 0;
}

static int rec_trash(struct sys *s, const char *name, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link trash %s", name);
    struct sys_record_link *l = link_find(s, name);
    if (rc == 0 && l) {
        l->info.group = SYS_LINK_GROUP_TRASH;
        l->info.up = false;
    }
    return rc;
}

static int rec_trash_empty(struct sys *s, struct bt_err *err)
{
    const struct bt_map *m = &sys_record_of(s)->links;
    _cleanup_rows_str_ struct sys_rows gone = {0};
    size_t pos = 0;
    int rc = sys_record_call(s, err, "link trash_empty");
    if (rc < 0)
        return rc;
    for (struct sys_record_link *l = bt_map_next(m, &pos); l; l = bt_map_next(m, &pos)) {
        if (l->info.group == SYS_LINK_GROUP_TRASH)
            sys_rows_push_str(&gone, l->info.name);
    }
    SYS_ROWS_FOREACH(char *, it, &gone)
        link_drop(s, *it);
    return 0;
}

static int rec_remove(struct sys *s, const char *name, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link remove %s", name);
    if (rc == 0)
        link_drop(s, name);
    return rc;
}

/* ---- objects by device: "KIND DEV WHAT" ---- */

#define KEY_MAX 160

static int rec_fdb(struct sys *s, const struct sys_fdb *f, bool add, struct bt_err *err)
{
    char mac[SYS_MAC_STR_MAX];
    char key[KEY_MAX];
    (void)snprintf(key, sizeof key, "fdb %s %s", f->dev, sys_mac_str(f->mac, mac));
    int rc = sys_record_call(s, err, "link fdb_%s %s %s", add ? "ensure" : "remove", f->dev, mac);
    if (rc < 0 || !add) {
        if (rc == 0)
            sys_record_drop(s, key);
        return rc;
    }
    if (!link_find(s, f->dev))
        return no_link(err, f->dev);
    sys_record_put(s, key, f, sizeof *f);
    return 0;
}

static int rec_fdb_ensure(struct sys *s, const struct sys_fdb *f, struct bt_err *err)
{
    return rec_fdb(s, f, true, err);
}

static int rec_fdb_remove(struct sys *s, const struct sys_fdb *f, struct bt_err *err)
{
    return rec_fdb(s, f, false, err);
}

static int rec_fdb_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link fdb_list");
    if (rc == 0)
        sys_record_rows(s, "fdb ", sizeof(struct sys_fdb), ret);
    return rc;
}

static int rec_neigh_ensure(struct sys *s, const struct sys_neigh *n, struct bt_err *err)
{
    char mac[SYS_MAC_STR_MAX];
    char ip[BT_IP_STR_MAX];
    char key[KEY_MAX];
    (void)snprintf(key, sizeof key, "neigh %s %s", n->dev, bt_ip_str(&n->ip, ip));
    int rc =
        sys_record_call(s, err, "link neigh_ensure %s %s %s", n->dev, ip, sys_mac_str(n->mac, mac));
    if (rc < 0)
        return rc;
    if (!link_find(s, n->dev))
        return no_link(err, n->dev);
    sys_record_put(s, key, n, sizeof *n);
    return 0;
}

static int rec_neigh_remove(struct sys *s, const struct sys_neigh *n, struct bt_err *err)
{
    char ip[BT_IP_STR_MAX];
    char key[KEY_MAX];
    (void)snprintf(key, sizeof key, "neigh %s %s", n->dev, bt_ip_str(&n->ip, ip));
    int rc = sys_record_call(s, err, "link neigh_remove %s %s", n->dev, ip);
    if (rc == 0)
        sys_record_drop(s, key);
    return rc;
}

static int rec_neigh_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link neigh_list");
    if (rc == 0)
        sys_record_rows(s, "neigh ", sizeof(struct sys_neigh), ret);
    return rc;
}

static void route_text(const struct sys_route *r, char *dst, size_t size)
{
    char cidr[BT_CIDR_STR_MAX];
    char via[BT_IP_STR_MAX] = "";
    if (r->via.family)
        (void)bt_ip_str(&r->via, via);
    (void)snprintf(dst, size, "%s %s%s%s", r->unreachable ? "unreachable" : r->dev,
                   bt_cidr_str(&r->dst, cidr), via[0] ? " via " : "", via);
}

static void route_key(const struct sys_route *r, char *dst, size_t size)
{
    struct sys_route bare = *r;
    char text[120];
    bare.via = (struct bt_ip){0};
    route_text(&bare, text, sizeof text);
    (void)snprintf(dst, size, "route %s", text);
}

static int rec_route_ensure(struct sys *s, const struct sys_route *r, struct bt_err *err)
{
    char key[KEY_MAX];
    char text[120];
    route_key(r, key, sizeof key);
    route_text(r, text, sizeof text);
    int rc = sys_record_call(s, err, "link route_ensure %s", text);
    if (rc < 0)
        return rc;
    if (!r->unreachable && !link_find(s, r->dev))
        return no_link(err, r->dev);
    sys_record_put(s, key, r, sizeof *r);
    return 0;
}

static int rec_route_remove(struct sys *s, const struct sys_route *r, struct bt_err *err)
{
    char key[KEY_MAX];
    char text[120];
    route_key(r, key, sizeof key);
    route_text(r, text, sizeof text);
    int rc = sys_record_call(s, err, "link route_remove %s", text);
    if (rc == 0)
        sys_record_drop(s, key);
    return rc;
}

static int rec_route_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link route_list");
    if (rc == 0)
        sys_record_rows(s, "route ", sizeof(struct sys_route), ret);
    return rc;
}

static int rec_addr(struct sys *s, const struct sys_addr *a, bool add, struct bt_err *err)
{
    char ip[BT_IP_STR_MAX];
    char key[KEY_MAX];
    (void)snprintf(key, sizeof key, "addr %s %s/%d", a->dev, bt_ip_str(&a->ip, ip), a->prefix);
    int rc = sys_record_call(s, err, "link addr_%s %s %s/%d", add ? "ensure" : "remove", a->dev, ip,
                             a->prefix);
    if (rc < 0 || !add) {
        if (rc == 0)
            sys_record_drop(s, key);
        return rc;
    }
    if (!link_find(s, a->dev))
        return no_link(err, a->dev);
    sys_record_put(s, key, a, sizeof *a);
    return 0;
}

static int rec_addr_ensure(struct sys *s, const struct sys_addr *a, struct bt_err *err)
{
    return rec_addr(s, a, true, err);
}

static int rec_addr_remove(struct sys *s, const struct sys_addr *a, struct bt_err *err)
{
    return rec_addr(s, a, false, err);
}

static int rec_addr_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    int rc = sys_record_call(s, err, "link addr_list");
    if (rc == 0)
        sys_record_rows(s, "addr ", sizeof(struct sys_addr), ret);
    return rc;
}

static int rec_guest_net(struct sys *s, int netns_fd, const struct sys_guest_net *g,
                         struct bt_err *err)
{
    (void)netns_fd;
    int rc = sys_record_call(s, err, "link guest_net %s %s", g->from, g->name);
    for (size_t i = 0; rc == 0 && i < g->n_addrs; i++) {
        char ip[BT_IP_STR_MAX];
        sys_record_more(s, "addr %s/%d", bt_ip_str(&g->addrs[i].ip, ip), g->addrs[i].prefix);
    }
    for (size_t i = 0; rc == 0 && i < g->n_routes; i++) {
        char text[120];
        route_text(&g->routes[i], text, sizeof text);
        sys_record_more(s, "route %s", text);
    }
    return rc;
}

const struct sys_link_ops sys_record_link_ops = {
    .get = rec_get,
    .list = rec_list,
    .bridge_ensure = rec_bridge_ensure,
    .veth_ensure = rec_veth_ensure,
    .port_ensure = rec_port_ensure,
    .set_up = rec_set_up,
    .trash = rec_trash,
    .trash_empty = rec_trash_empty,
    .remove = rec_remove,
    .fdb_ensure = rec_fdb_ensure,
    .fdb_remove = rec_fdb_remove,
    .fdb_list = rec_fdb_list,
    .neigh_ensure = rec_neigh_ensure,
    .neigh_remove = rec_neigh_remove,
    .neigh_list = rec_neigh_list,
    .route_ensure = rec_route_ensure,
    .route_remove = rec_route_remove,
    .route_list = rec_route_list,
    .addr_ensure = rec_addr_ensure,
    .addr_remove = rec_addr_remove,
    .addr_list = rec_addr_list,
    .guest_net = rec_guest_net,
};

void sys_record_lose_link(struct sys *s, const char *name)
{
    link_drop(s, name);
}

void sys_record_move_peer(struct sys *s, const char *peer, bool away)
{
    struct sys_record_link *p = link_find(s, peer);
    if (!p)
        return;
    struct sys_record_link *host = link_find(s, p->peer);
    p->info.ifindex = (p->info.ifindex < 0) == away ? p->info.ifindex : -p->info.ifindex;
    if (host)
        host->info.peer_elsewhere = away;
}
