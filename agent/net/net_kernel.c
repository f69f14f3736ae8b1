/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* What runs on the link thread: copies in, results out, no object of the loop. */

struct setting {
    const char *key, *value;
    bool at_least; /* a larger number is as good */
    bool optional; /* absent is fine: another namespace's, or not compiled */
};

/*
 * Of the host. Redirects are sent if `all` or the link says so. Where br_netfilter is there,
 * bridged frames would pass inet forward a second time. Neighbour tables are the whole machine's.
 */
static const struct setting host_settings[] = {
    {"net/ipv4/ip_forward", "1", false, false},
    {"net/ipv6/conf/all/forwarding", "1", false, false},
    {"net/ipv4/conf/all/send_redirects", "0", false, false},
    {"net/bridge/bridge-nf-call-iptables", "0", false, true},
    {"net/bridge/bridge-nf-call-ip6tables", "0", false, true},
    {"net/bridge/bridge-nf-call-arptables", "0", false, true},
    {"net/ipv4/neigh/default/gc_thresh3", "16384", true, true},
    {"net/ipv6/neigh/default/gc_thresh3", "16384", true, true},
    {"net/ipv4/neigh/default/gc_thresh2", "8192", true, true},
    {"net/ipv6/neigh/default/gc_thresh2", "8192", true, true},
};

/*
 * Of each bridge (%s). The host answers for other instances of the same bridge (proxy_arp_pvlan)
 * and of the others (proxy_arp), so that they reach each other through it only; guests alone ask
 * here. arp_ignore: no address of the host's other links is answered for.
 * Documentation/networking/ip-sysctl.rst.
 */
static const struct {
    const char *key, *value;
} bridge_settings[] = {
    {"net/ipv4/conf/%s/forwarding", "1"},
    {"net/ipv4/conf/%s/send_redirects", "0"},
    {"net/ipv4/conf/%s/accept_redirects", "0"},
    {"net/ipv4/conf/%s/accept_source_route", "0"},
    {"net/ipv4/conf/%s/rp_filter", "1"},
    {"net/ipv4/conf/%s/arp_ignore", "1"},
    {"net/ipv4/conf/%s/proxy_arp", "1"},
    {"net/ipv4/conf/%s/proxy_arp_pvlan", "1"},
    {"net/ipv4/conf/%s/drop_unicast_in_l2_multicast", "1"},
    {"net/ipv4/neigh/%s/proxy_delay", "0"},
    {"net/ipv6/conf/%s/disable_ipv6", "0"},
    {"net/ipv6/conf/%s/forwarding", "1"},
    {"net/ipv6/conf/%s/accept_ra", "0"},
    {"net/ipv6/conf/%s/accept_dad", "0"},
    {"net/ipv6/conf/%s/autoconf", "0"},
    {"net/ipv6/conf/%s/accept_redirects", "0"},
};

/* ---- sysctls ---- */

static bool is_right(const struct setting *w, const char *now)
{
    int64_t have = 0;
    int64_t want = 0;
    if (!w->at_least)
        return strcmp(now, w->value) == 0;
    return bt_parse_i64(now, 0, INT64_MAX, &have, NULL) == 0 &&
           bt_parse_i64(w->value, 0, INT64_MAX, &want, NULL) == 0 && have >= want;
}

int net_kernel_sysctl_findings(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    (void)err;
    for (size_t i = 0; i < BT_ARRAY_LEN(host_settings); i++) {
        const struct setting *w = &host_settings[i];
        char now[SYS_SYSCTL_MAX] = "";
        struct bt_err why = BT_ERR_INIT;
        int rc = s->sysctl->read(s, w->key, now, &why);
        if ((rc == -BT_E_NOT_FOUND && w->optional) || (rc == 0 && is_right(w, now)))
            continue;
        struct net_finding *f = sys_rows_push(ret, sizeof *f);
        f->kind = DOCTOR_SYSCTL;
        (void)bt_strcpy(f->object, sizeof f->object, w->key);
        (void)bt_strcpy(f->expected, sizeof f->expected, w->value);
        (void)bt_strcpy(f->found, sizeof f->found, rc == 0 ? now : "unreadable");
    }
    return 0;
}

static int check_settings(struct sys *s, struct bt_err *err)
{
    _cleanup_rows_ struct sys_rows found = {0};
    _cleanup_buf_ struct bt_buf names = BT_BUF(240);
    int rc = net_kernel_sysctl_findings(s, &found, err);
    if (rc < 0 || found.len == 0)
        return rc;
    SYS_ROWS_FOREACH(struct net_finding, f, &found)
        (void)bt_buf_addf(&names, "%s%s = %s", names.len ? ", " : "", f->object, f->expected);
    return bt_fail(err, BT_E_PRECONDITION, "sysctls are to be set: %s", names.data);
}

/* Forwarding makes a host deaf to router advertisements unless accept_ra is 2: an uplink that lives
 * on them would lose its default route. */
static int keep_router_adverts(struct sys *s, struct bt_err *err)
{
    char now[SYS_SYSCTL_MAX];
    _cleanup_rows_ struct sys_rows links = {0};
    int rc = s->sysctl->read(s, "net/ipv6/conf/all/forwarding", now, err);
    if (rc == -BT_E_NOT_FOUND || (rc == 0 && strcmp(now, "1") == 0))
        return 0;
    if (rc == 0)
        rc = s->link->list(s, &links, err);
    SYS_ROWS_FOREACH(struct sys_link_info, l, &links) {
        char key[96];
        (void)snprintf(key, sizeof key, "net/ipv6/conf/%s/accept_ra", l->name);
        if (rc == 0 && strcmp(l->name, "lo") != 0 && s->sysctl->read(s, key, now, NULL) == 0 &&
            strcmp(now, "1") == 0)
            rc = s->sysctl->ensure(s, key, "2", err);
    }
    return rc;
}

static int set_one(struct sys *s, const struct setting *w, struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    char now[SYS_SYSCTL_MAX];
    int rc = s->sysctl->read(s, w->key, now, &why);
    if (rc == 0 && !is_right(w, now))
        rc = s->sysctl->ensure(s, w->key, w->value, &why);
    if (rc == -BT_E_NOT_FOUND && w->optional)
        return 0;
    if (rc < 0 && err)
        *err = why;
    return rc;
}

int net_kernel_sysctls(struct sys *s, bool check, struct bt_err *err)
{
    int rc = check ? check_settings(s, err) : keep_router_adverts(s, err);
    for (size_t i = 0; !check && rc == 0 && i < BT_ARRAY_LEN(host_settings); i++)
        rc = set_one(s, &host_settings[i], err);
    return rc;
}

/* ---- bridges ---- */

static int bridge_sysctls(struct sys *s, const char *name, struct bt_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < BT_ARRAY_LEN(bridge_settings); i++) {
        char key[96];
        (void)snprintf(key, sizeof key, bridge_settings[i].key, name);
        rc = s->sysctl->ensure(s, key, bridge_settings[i].value, err);
    }
    return rc;
}

static int bridge_address(struct sys *s, const char *name, const struct bt_ip *ip,
                          struct bt_err *err)
{
    struct sys_addr a = {.ip = *ip, .prefix = ip->family == 4 ? 32 : 64};
    (void)bt_strcpy(a.dev, sizeof a.dev, name);
    return s->link->addr_ensure(s, &a, err);
}

int net_kernel_bridge(struct sys *s, const struct net_bridge_want *b, struct bt_err *err)
{
    static const struct bt_ip router = {.family = 6, .bytes = {0xfe, 0x80, [15] = 1}};
    struct sys_bridge want = {.name = b->name};
    memcpy(want.mac, NET_BRIDGE_MAC, SYS_MAC_LEN);
    int rc = s->link->bridge_ensure(s, &want, err);
    if (rc == 0)
        rc = bridge_sysctls(s, b->name, err);
    if (rc == 0)
        rc = bridge_address(s, b->name, &router, err);
    SYS_ROWS_FOREACH(struct bt_ip, ip, &b->gateways) {
        if (rc == 0)
            rc = bridge_address(s, b->name, ip, err);
    }
    return rc;
}

/* ---- ports ---- */

/* A port that somebody took off its bridge is up alone: down first. */
static int join_bridge(struct sys *s, const struct net_want *w, struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    int rc = s->link->port_ensure(s, w->port, w->bridge, &why);
    if (rc == -BT_E_BAD_STATE) {
        rc = s->link->set_up(s, w->port, false, &why);
        if (rc == 0)
            rc = s->link->port_ensure(s, w->port, w->bridge, &why);
    }
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* Up comes last: no frame passes before the port is isolated and its entries stand. */
int net_kernel_open(struct sys *s, const struct net_want *w, struct bt_err *err)
{
    struct sys_veth v = {.name = w->port, .peer = w->peer, .mtu = w->mtu};
    struct sys_fdb f = {0};
    memcpy(v.mac, w->host_mac, SYS_MAC_LEN);
    memcpy(v.peer_mac, w->mac, SYS_MAC_LEN);
    memcpy(f.mac, w->mac, SYS_MAC_LEN);
    (void)bt_strcpy(f.dev, sizeof f.dev, w->port);
    int rc = s->link->veth_ensure(s, &v, err);
    if (rc == 0)
        rc = join_bridge(s, w, err);
    if (rc == 0)
        rc = s->link->fdb_ensure(s, &f, err);
    SYS_ROWS_FOREACH(struct sys_addr, a, &w->gateways)
        rc = rc < 0 ? rc : s->link->addr_ensure(s, a, err);
    SYS_ROWS_FOREACH(struct sys_neigh, n, &w->neighs)
        rc = rc < 0 ? rc : s->link->neigh_ensure(s, n, err);
    SYS_ROWS_FOREACH(struct sys_route, r, &w->routes)
        rc = rc < 0 ? rc : s->link->route_ensure(s, r, err);
    return rc < 0 ? rc : s->link->set_up(s, w->port, true, err);
}

int net_kernel_stale(struct sys *s, const struct net_stale *stale, struct bt_err *err)
{
    int rc = 0;
    SYS_ROWS_FOREACH(struct sys_route, r, &stale->routes)
        rc = rc < 0 ? rc : s->link->route_remove(s, r, err);
    SYS_ROWS_FOREACH(struct sys_neigh, n, &stale->neighs)
        rc = rc < 0 ? rc : s->link->neigh_remove(s, n, err);
    SYS_ROWS_FOREACH(struct sys_fdb, f, &stale->fdbs)
        rc = rc < 0 ? rc : s->link->fdb_remove(s, f, err);
    return rc;
}

void net_stale_fini(struct net_stale *stale)
{
    sys_rows_fini(&stale->fdbs);
    sys_rows_fini(&stale->neighs);
    sys_rows_fini(&stale->routes);
}
