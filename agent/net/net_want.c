/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* What a port needs, computed from its spec alone: no kernel, no state. */

/* ---- names ---- */

bool net_is_port(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz234567");
    return strlen(name) == BT_PORT_LEN && bt_starts_with(name, NET_PORT_PREFIX) &&
           n >= BT_PORT_LEN - 1 && name[BT_PORT_LEN - 1] >= '0' && name[BT_PORT_LEN - 1] <= '9';
}

void net_peer_name(const char *uuid, int nic, char dst[BT_PORT_LEN + 1])
{
    bt_port_name(uuid, nic, dst);
    dst[1] = 'p';
}

void net_counter_name(const char *port, char direction, char dst[NET_COUNTER_MAX])
{
    (void)snprintf(dst, NET_COUNTER_MAX, "%c%s", direction, port + 2);
}

bool net_counter_port(const char *name, char ret_port[BT_PORT_LEN + 1], char *ret_direction)
{
    char port[BT_PORT_LEN + 1];
    if ((name[0] != 'i' && name[0] != 'o') || strlen(name) != BT_PORT_LEN - 1)
        return false;
    (void)snprintf(port, sizeof port, NET_PORT_PREFIX "%.13s", name + 1);
    if (!net_is_port(port))
        return false;
    (void)bt_strcpy(ret_port, BT_PORT_LEN + 1, port);
    *ret_direction = name[0];
    return true;
}

void net_bridge_name(const char *prefix, int n, char dst[SYS_IFNAME_MAX])
{
    (void)snprintf(dst, SYS_IFNAME_MAX, "%s%d", prefix, n);
}

int net_bridge_number(const char *prefix, const char *name)
{
    int64_t n = 0;
    if (!bt_starts_with(name, prefix) ||
        bt_parse_i64(name + strlen(prefix), 0, NET_BRIDGES_MAX - 1, &n, NULL) < 0)
        return -1;
    return (int)n;
}

/* ---- from the instance's spec ---- */

static int parse_address(const struct spec_address *a, struct net_address *ret, struct bt_err *err)
{
    struct net_address out = {.prefix = (int)a->prefix};
    int rc = bt_ip_parse(a->address ? a->address : "", &out.ip, err);
    if (rc == 0 && a->gateway)
        rc = bt_ip_parse(a->gateway, &out.gateway, err);
    if (rc < 0)
        return rc;
    if (a->prefix < 1 || a->prefix > bt_ip_bits(out.ip.family))
        return bt_fail(err, BT_E_INVALID, "prefix length %lld of %s", (long long)a->prefix,
                       a->address);
    *ret = out;
    return 0;
}

int net_port_spec_from(const struct instance_spec *spec, int nic, struct net_port_spec *ret,
                       struct bt_err *err)
{
    struct net_port_spec out = {.nic = nic};
    if (!spec->uuid || !bt_uuid_ok(spec->uuid))
        return bt_fail(err, BT_E_INVALID, "the spec has no uuid");
    if (nic < 0 || nic > 9 || (size_t)nic >= spec->nics.len)
        return bt_fail(err, BT_E_NOT_FOUND, "%s has no network interface %d", spec->uuid, nic);
    const struct spec_nic *n = (const struct spec_nic *)spec->nics.items + nic;
    int rc = sys_mac_parse(n->mac, out.mac, err);
    if (rc == 0 && n->addresses.len > NET_ADDRESSES_MAX)
        rc = bt_fail(err, BT_E_INVALID, "more than %d addresses", NET_ADDRESSES_MAX);
    const struct spec_address *a = n->addresses.items;
    for (size_t i = 0; rc == 0 && i < n->addresses.len; i++)
        rc = parse_address(&a[i], &out.addrs[out.n_addrs++], err);
    if (rc < 0)
        return rc;
    (void)bt_strcpy(out.uuid, sizeof out.uuid, spec->uuid);
    *ret = out;
    return 0;
}

/* ---- want ---- */

static bool same_mac(const unsigned char *a, const unsigned char *b)
{
    return memcmp(a, b, SYS_MAC_LEN) == 0;
}

static int check_mac(const struct net_port_spec *spec, struct bt_err *err)
{
    static const unsigned char none[SYS_MAC_LEN];
    char text[SYS_MAC_STR_MAX];
    if (spec->mac[0] & 1 || same_mac(spec->mac, none) ||
        same_mac(spec->mac, (const unsigned char *)NET_BRIDGE_MAC))
        return bt_fail(err, BT_E_INVALID, "%s cannot be an instance's MAC address",
                       sys_mac_str(spec->mac, text));
    return 0;
}

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i])
            return false;
    }
    return true;
}

/* Addresses that are nobody's, everybody's, or the gateway's own are no instance's. */
static int check_address(const struct net_address *a, struct bt_err *err)
{
    char text[BT_IP_STR_MAX];
    const unsigned char *b = a->ip.bytes;
    bool bad = true;
    if (a->ip.family == 4)
        bad = b[0] == 0 || b[0] == 127 || b[0] >= 224 || a->prefix < 1 || a->prefix > 32;
    else if (a->ip.family == 6)
        bad = b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || all_zero(b, 8) ||
              a->prefix < 64 || a->prefix > 128;
    if (bad || bt_ip_cmp(&a->ip, &a->gateway) == 0)
        return bt_fail(err, BT_E_INVALID, "%s/%d cannot be an instance's address",
                       bt_ip_str(&a->ip, text), a->prefix);
    if (a->gateway.family != 0 && a->gateway.family != a->ip.family)
        return bt_fail(err, BT_E_INVALID, "the gateway of %s is of another family",
                       bt_ip_str(&a->ip, text));
    return 0;
}

static void mask(struct bt_ip *ip, int bits)
{
    for (int i = 0; i < 16; i++) {
        int keep = bits - i * 8;
        if (keep <= 0)
            ip->bytes[i] = 0;
        else if (keep < 8)
            ip->bytes[i] = (unsigned char)(ip->bytes[i] & (0xff << (8 - keep)));
    }
}

/* A prefix that ends inside a byte is all the prefixes that end with that byte (at most 128). */
static void add_grants(struct net_want *w, const struct net_address *a)
{
    struct net_grant g;
    memset(&g, 0, sizeof g);
    memcpy(g.mac, w->mac, SYS_MAC_LEN);
    g.ip = a->ip;
    g.prefix = a->ip.family == 4 ? 32 : (a->prefix + 7) / 8 * 8;
    int given = a->ip.family == 4 ? 32 : a->prefix;
    mask(&g.ip, given);
    for (unsigned i = 0; i < 1u << (g.prefix - given); i++) {
        struct net_grant one = g;
        one.ip.bytes[g.prefix / 8 - 1] = (unsigned char)(one.ip.bytes[g.prefix / 8 - 1] | i);
        net_rows_add(&w->grants, &one, sizeof one);
    }
}

/* The MAC alone: a port without addresses has it too. */
static void add_station(struct net_want *w)
{
    struct net_grant g;
    memset(&g, 0, sizeof g);
    memcpy(g.mac, w->mac, SYS_MAC_LEN);
    net_rows_add(&w->grants, &g, sizeof g);
}

static void add_neigh(struct net_want *w, const struct net_address *a)
{
    struct sys_neigh n;
    memset(&n, 0, sizeof n);
    (void)bt_strcpy(n.dev, sizeof n.dev, w->bridge);
    memcpy(n.mac, w->mac, SYS_MAC_LEN);
    n.ip = a->ip;
    net_rows_add(&w->neighs, &n, sizeof n);
}

/* A prefix is reached through its first address, whose neighbour is permanent: nobody outside can
 * make the host ask for the others (RFC 6583). */
static void add_route(struct net_want *w, const struct net_address *a)
{
    struct sys_route r;
    memset(&r, 0, sizeof r);
    (void)bt_strcpy(r.dev, sizeof r.dev, w->bridge);
    r.dst.ip = a->ip;
    r.dst.len = a->ip.family == 4 ? 32 : a->prefix;
    mask(&r.dst.ip, r.dst.len);
    if (a->ip.family == 6 && a->prefix < 128)
        r.via = a->ip;
    net_rows_add(&w->routes, &r, sizeof r);
}

static void add_gateway(struct net_want *w, const struct net_address *a)
{
    struct sys_addr g;
    if (a->gateway.family != 4) /* fe80::1 is on every bridge */
        return;
    memset(&g, 0, sizeof g);
    (void)bt_strcpy(g.dev, sizeof g.dev, w->bridge);
    g.ip = a->gateway;
    g.prefix = 32;
    net_rows_add(&w->gateways, &g, sizeof g);
}

/* The host's end: the guest's MAC with another first byte. */
static void host_mac(const unsigned char *mac, unsigned char *ret)
{
    memcpy(ret, mac, SYS_MAC_LEN);
    ret[0] = mac[0] == 0xfe ? 0xfa : 0xfe;
}

int net_want_init(struct net_want *w, const struct net_port_spec *spec, const char *bridge,
                  struct bt_err *err)
{
    int rc = bt_uuid_ok(spec->uuid) && spec->nic >= 0 && spec->nic <= 9
                 ? check_mac(spec, err)
                 : bt_fail(err, BT_E_INVALID, "not a port's name: %.40s", spec->uuid);
    if (rc == 0 && spec->n_addrs > NET_ADDRESSES_MAX)
        rc = bt_fail(err, BT_E_INVALID, "more than %d addresses", NET_ADDRESSES_MAX);
    for (size_t i = 0; rc == 0 && i < spec->n_addrs; i++)
        rc = check_address(&spec->addrs[i], err);
    if (rc < 0)
        return rc;
    *w = (struct net_want){.mtu = spec->mtu};
    bt_port_name(spec->uuid, spec->nic, w->port);
    net_peer_name(spec->uuid, spec->nic, w->peer);
    (void)bt_strcpy(w->bridge, sizeof w->bridge, bridge);
    memcpy(w->mac, spec->mac, SYS_MAC_LEN);
    host_mac(spec->mac, w->host_mac);
    add_station(w);
    for (size_t i = 0; i < spec->n_addrs; i++) {
        add_grants(w, &spec->addrs[i]);
        add_neigh(w, &spec->addrs[i]);
        add_route(w, &spec->addrs[i]);
        add_gateway(w, &spec->addrs[i]);
    }
    return 0;
}

void net_want_fini(struct net_want *w)
{
    sys_rows_fini(&w->grants);
    sys_rows_fini(&w->neighs);
    sys_rows_fini(&w->routes);
    sys_rows_fini(&w->gateways);
}

/* ---- elements ---- */

static void add_guard(const char *port, const struct net_grant *g, struct sys_rows *ret)
{
    struct sys_nft_elem e;
    memset(&e, 0, sizeof e);
    e.family = SYS_NFT_BRIDGE;
    e.table = NET_TABLE;
    e.set = "mac";
    sys_nft_key_ifname(&e.key, port);
    sys_nft_key_mac(&e.key, g->mac);
    net_rows_add(ret, &e, sizeof e);
    if (g->ip.family == 0)
        return;
    e.set = g->ip.family == 4 ? "ip4" : net_set_v6("ip6", g->prefix);
    sys_nft_key_ip(&e.key, &g->ip, g->prefix);
    net_rows_add(ret, &e, sizeof e);
}

static void add_counted(const char *port, const struct net_grant *g, char direction,
                        struct sys_rows *ret)
{
    struct sys_nft_elem e;
    bool in = direction == 'i';
    memset(&e, 0, sizeof e);
    e.family = SYS_NFT_INET;
    e.table = NET_TABLE;
    if (g->ip.family == 4)
        e.set = in ? "cin4" : "cout4";
    else
        e.set = net_set_v6(in ? "cin6" : "cout6", g->prefix);
    sys_nft_key_masked(&e.key, &g->ip, g->prefix);
    net_counter_name(port, direction, e.object);
    net_rows_add(ret, &e, sizeof e);
}

void net_guard_elems(const char *port, const struct sys_rows *grants, struct sys_rows *ret)
{
    SYS_ROWS_FOREACH(struct net_grant, g, grants)
        add_guard(port, g, ret);
}

void net_elems(const char *port, const struct sys_rows *grants, struct sys_rows *ret)
{
    net_guard_elems(port, grants, ret);
    SYS_ROWS_FOREACH(struct net_grant, g, grants) {
        if (g->ip.family == 0)
            continue;
        add_counted(port, g, 'i', ret);
        add_counted(port, g, 'o', ret);
    }
}
