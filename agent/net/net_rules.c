/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * The two tables (docs/decisions/0021-guard.md): `bridge berth` keeps instances to their own
 * addresses, `inet berth` keeps them from the host and counts. They are static: an instance adds
 * elements, never rules. A new version is loaded in one transaction that flushes and fills our
 * chains and leaves sets, maps and counters alone.
 */
#define TEXT_MAX 65536

const int net_v6_lens[] = {64, 72, 80, 88, 96, 104, 112, 120, 128, 0};

#define V6_NAMES(p)                                                                                \
    {                                                                                              \
        p "_64", p "_72", p "_80", p "_88", p "_96", p "_104", p "_112", p "_120", p "_128"        \
    }

static const struct {
    const char *which;
    const char *names[9];
} v6_sets[] = {
    {"ip6", V6_NAMES("ip6")},
    {"cin6", V6_NAMES("cin6")},
    {"cout6", V6_NAMES("cout6")},
};

const char *net_set_v6(const char *which, int len)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(v6_sets); i++) {
        if (strcmp(v6_sets[i].which, which) == 0 && len >= 64 && len <= 128 && len % 8 == 0)
            return v6_sets[i].names[(len - 64) / 8];
    }
    return NULL;
}

/* Chains in an order in which each is named after those that jump to it are declared. */
static const char *const bridge_chains[] = {"pre",       "local",   "guard",    "arp_in",
                                            "ip_in",     "ip6_in",  "ip6_link", "ip6_own",
                                            "ip6_group", "limited", "discovery"};
static const char *const inet_chains[] = {"forward", "from_instance", "to_instance", "input",
                                          "to_host", "count",         "count_out",   "count_in"};

static void put_head(struct bt_buf *b)
{
    (void)bt_buf_adds(b, "table bridge " NET_TABLE " {\n"
                         "set mac { typeof iifname . ether saddr; }\n"
                         "set ip4 { typeof iifname . ether saddr . ip saddr; }\n");
    for (const int *len = net_v6_lens; *len; len++)
        (void)bt_buf_addf(b, "set %s { typeof iifname . ether saddr . @nh,64,%d; }\n",
                          net_set_v6("ip6", *len), *len);
    (void)bt_buf_adds(
        b, "set rate { typeof iifname; size 16384; flags dynamic; timeout 1m; }\n"
           "set discovery_rate { typeof iifname; size 16384; flags dynamic; timeout 1m; }\n"
           "chain pre { type filter hook prerouting priority -300; policy accept; }\n"
           "chain local { type filter hook input priority -300; policy accept; }\n");
    for (size_t i = 2; i < BT_ARRAY_LEN(bridge_chains); i++)
        (void)bt_buf_addf(b, "chain %s { }\n", bridge_chains[i]);
    (void)bt_buf_adds(b, "}\ntable inet " NET_TABLE " {\n"
                         "map cin4 { type ipv4_addr : counter; }\n"
                         "map cout4 { type ipv4_addr : counter; }\n");
    for (const int *len = net_v6_lens; *len; len++)
        (void)bt_buf_addf(b,
                          "map %s { type ipv6_addr : counter; }\n"
                          "map %s { type ipv6_addr : counter; }\n",
                          net_set_v6("cin6", *len), net_set_v6("cout6", *len));
    (void)bt_buf_adds(b, "chain forward { type filter hook forward priority 0; policy accept; }\n"
                         "chain input { type filter hook input priority 0; policy accept; }\n"
                         "chain count { type filter hook forward priority 100; policy accept; }\n");
    for (size_t i = 0; i < BT_ARRAY_LEN(inet_chains); i++) {
        const char *c = inet_chains[i];
        if (strcmp(c, "forward") != 0 && strcmp(c, "input") != 0 && strcmp(c, "count") != 0)
            (void)bt_buf_addf(b, "chain %s { }\n", c);
    }
    (void)bt_buf_adds(b, "}\n");
}

static void put_flush(struct bt_buf *b)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(bridge_chains); i++)
        (void)bt_buf_addf(b, "flush chain bridge " NET_TABLE " %s\n", bridge_chains[i]);
    for (size_t i = 0; i < BT_ARRAY_LEN(inet_chains); i++)
        (void)bt_buf_addf(b, "flush chain inet " NET_TABLE " %s\n", inet_chains[i]);
}

/*
 * Frames from instances. `ip saddr` and the like look through VLAN tags, so the raw ether type is
 * first. Frames to 01:80:c2:00:00:0X never reach prerouting (br_handle_frame): chain local.
 */
static const char guard_rules[] =
    "chain pre { iifname \"" NET_PORT_PREFIX "*\" jump guard\n}\n"
    "chain local {\n"
    "iifname \"" NET_PORT_PREFIX
    "*\" ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop\n}\n"
    "chain guard {\n"
    "@ll,96,16 != { 0x0800, 0x0806, 0x86dd } drop\n"
    "iifname . ether saddr != @mac drop\n"
    "ether type ip jump ip_in\n"
    "ether type ip6 jump ip6_in\n"
    "ether type arp jump arp_in\n"
    "drop\n}\n"
    /* ARP: the sender is this station with an address of its own, or asks whether one is free. */
    "chain arp_in {\n"
    "arp htype != 1 drop\n"
    "arp ptype != ip drop\n"
    "arp hlen != 6 drop\n"
    "arp plen != 4 drop\n"
    "iifname . arp saddr ether != @mac drop\n"
    "arp operation request arp saddr ip 0.0.0.0 goto limited\n"
    "arp operation { request, reply } iifname . arp saddr ether . arp saddr ip @ip4 goto limited\n"
    "drop\n}\n"
    "chain ip_in {\n"
    "udp dport 68 drop\n"
    "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 goto limited\n"
    "iifname . ether saddr . ip saddr != @ip4 drop\n"
    "udp sport 67 drop\n"
    "ip protocol igmp drop\n"
    "ip daddr 224.0.0.0/3 drop\n"
    "meta pkttype { broadcast, multicast } drop\n"
    "accept\n}\n"
    "chain ip6_link {\n"
    "ip6 saddr fe80::1 drop\n"
    "ip6 nexthdr != icmpv6 drop\n"
    "ip6 daddr { fe80::1, ff02::1:ff00:1, ff02::2 } icmpv6 type { nd-neighbor-solicit, "
    "nd-neighbor-advert, nd-router-solicit, echo-request } goto discovery\n"
    "drop\n}\n"
    /* To a group, by its address or its frame, goes nothing but the question for a neighbour: so no
     * header can hide an advertisement (RFC 7113). */
    "chain ip6_own {\n"
    "icmpv6 type nd-neighbor-advert drop\n"
    "icmpv6 type nd-neighbor-solicit ip6 daddr fe80::1 goto discovery\n"
    "udp sport 547 drop\n"
    "ip6 daddr ff00::/8 goto ip6_group\n"
    "meta pkttype { broadcast, multicast } drop\n"
    "accept\n}\n"
    "chain ip6_group {\n"
    "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit goto discovery\n"
    "drop\n}\n"
    /* What the host answers and nobody needs often. */
    "chain limited {\n"
    "update @rate { iifname limit rate over 200/second burst 400 packets } drop\n"
    "accept\n}\n"
    /* What makes the host remember a neighbour, of 2^64 that a guest may invent: the machine's
     * table has a limit (gc_thresh3), and frees an entry after five seconds at the earliest. */
    "chain discovery {\n"
    "update @discovery_rate { iifname limit rate over 10/second burst 40 packets } drop\n"
    "accept\n}\n";

static void put_guard(struct bt_buf *b)
{
    (void)bt_buf_adds(b, "table bridge " NET_TABLE " {\n");
    (void)bt_buf_adds(b, guard_rules);
    (void)bt_buf_adds(b, "chain ip6_in {\n"
                         "icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } drop\n"
                         "ip6 saddr fe80::/10 goto ip6_link\n"
                         "ip6 saddr :: ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit goto "
                         "discovery\n");
    for (const int *len = net_v6_lens; *len; len++)
        (void)bt_buf_addf(b, "iifname . ether saddr . @nh,64,%d @%s goto ip6_own\n", *len,
                          net_set_v6("ip6", *len));
    (void)bt_buf_adds(b, "drop\n}\n}\n");
}

/* "{ a, b }" of the family's denied destinations, with the rule around it. */
static void put_denied(struct bt_buf *b, const struct net *net, int family)
{
    const char *sep = family == 4 ? "ip daddr { " : "ip6 daddr { ";
    bool any = false;
    SYS_ROWS_FOREACH(struct bt_cidr, c, &net->denied) {
        char text[BT_CIDR_STR_MAX];
        if (c->ip.family != family)
            continue;
        (void)bt_buf_addf(b, "%s%s", sep, bt_cidr_str(c, text));
        sep = ", ";
        any = true;
    }
    if (any)
        (void)bt_buf_adds(b, " } drop\n");
}

static void put_policy(struct bt_buf *b, const struct net *net)
{
    (void)bt_buf_addf(b,
                      "chain forward {\n"
                      "iifname \"%s*\" jump from_instance\n"
                      "oifname \"%s*\" jump to_instance\n}\n"
                      "chain input {\n"
                      "iifname \"%s*\" jump to_host\n"
                      "iifname \"" NET_PORT_PREFIX "*\" drop\n}\n",
                      net->prefix, net->prefix, net->prefix);
    (void)bt_buf_adds(b, "chain from_instance {\n");
    if (net->mgmt)
        (void)bt_buf_addf(b, "oifname \"%s\" drop\n", net->mgmt);
    put_denied(b, net, 4);
    put_denied(b, net, 6);
    (void)bt_buf_adds(b, "}\nchain to_instance {\n");
    if (net->mgmt)
        (void)bt_buf_addf(b, "iifname \"%s\" drop\n", net->mgmt);
    /* Without connection tracking: answers to connections of the host carry ACK. */
    (void)bt_buf_adds(
        b, "}\n"
           "chain to_host {\n"
           "icmp type { echo-request, echo-reply, destination-unreachable, time-exceeded, "
           "parameter-problem } accept\n"
           "icmpv6 type { echo-request, echo-reply, destination-unreachable, packet-too-big, "
           "time-exceeded, parameter-problem, nd-neighbor-solicit, nd-neighbor-advert, "
           "nd-router-solicit } accept\n"
           "tcp flags & ack == ack accept\n"
           "drop\n}\n");
}

/* "ffff:ffff::": a mask as nft wants it. */
static void mask_text(int bits, char dst[BT_IP_STR_MAX])
{
    struct bt_ip m = {.family = 6};
    memset(m.bytes, 0xff, (size_t)bits / 8);
    (void)bt_ip_str(&m, dst);
}

static void put_count(struct bt_buf *b, const char *chain, const char *side, const char *map)
{
    char v4[8];
    char v6[8];
    (void)snprintf(v4, sizeof v4, "%s4", map);
    (void)snprintf(v6, sizeof v6, "%s6", map);
    (void)bt_buf_addf(b, "chain %s {\ncounter name ip %s map @%s return\n", chain, side, v4);
    for (const int *len = net_v6_lens; *len; len++) {
        char mask[BT_IP_STR_MAX];
        mask_text(*len, mask);
        if (*len == 128)
            (void)bt_buf_addf(b, "counter name ip6 %s map @%s return\n", side,
                              net_set_v6(v6, *len));
        else
            (void)bt_buf_addf(b, "counter name ip6 %s & %s map @%s return\n", side, mask,
                              net_set_v6(v6, *len));
    }
    (void)bt_buf_adds(b, "}\n");
}

char *net_rules_text(const struct net *net)
{
    struct bt_buf b = BT_BUF(TEXT_MAX);
    put_head(&b);
    put_flush(&b);
    put_guard(&b);
    (void)bt_buf_adds(&b, "table inet " NET_TABLE " {\n");
    put_policy(&b, net);
    (void)bt_buf_addf(&b,
                      "chain count {\n"
                      "iifname \"%s*\" jump count_out\n"
                      "oifname \"%s*\" jump count_in\n}\n",
                      net->prefix, net->prefix);
    put_count(&b, "count_out", "saddr", "cout");
    put_count(&b, "count_in", "daddr", "cin");
    (void)bt_buf_adds(&b, "}\n");
    return bt_buf_take(&b);
}

/* FNV-1a: not against anybody, only to see a difference. */
void net_rules_version(const char *text, char dst[20])
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    (void)snprintf(dst, 20, "v_%016" PRIx64, h);
}

struct marks {
    bool present;             /* the wanted one */
    struct sys_rows obsolete; /* char * */
};

static int read_marks(struct sys *s, enum sys_nft_family family, const char *version,
                      struct marks *ret, struct bt_err *err)
{
    _cleanup_rows_str_ struct sys_rows chains = {0};
    int rc = s->nft->chains(s, family, NET_TABLE, &chains, err);
    *ret = (struct marks){0};
    SYS_ROWS_FOREACH(char *, it, &chains) {
        if (strcmp(*it, version) == 0)
            ret->present = true;
        else if (bt_starts_with(*it, "v_"))
            sys_rows_push_str(&ret->obsolete, *it);
    }
    return rc;
}

static void put_marks(struct bt_buf *b, const char *family, const struct marks *m,
                      const char *version)
{
    SYS_ROWS_FOREACH(char *, it, &m->obsolete)
        (void)bt_buf_addf(b, "delete chain %s " NET_TABLE " %s\n", family, *it);
    (void)bt_buf_addf(b, "table %s " NET_TABLE " {\nchain %s { }\n}\n", family, version);
}

int net_rules_loaded(struct sys *s, const char *version, bool *ret, struct bt_err *err)
{
    struct marks bridge = {0};
    struct marks inet = {0};
    int rc = read_marks(s, SYS_NFT_BRIDGE, version, &bridge, err);
    if (rc == 0)
        rc = read_marks(s, SYS_NFT_INET, version, &inet, err);
    if (rc == 0)
        *ret = bridge.present && inet.present;
    sys_rows_fini_str(&bridge.obsolete);
    sys_rows_fini_str(&inet.obsolete);
    return rc;
}

int net_rules_ensure(struct sys *s, const char *text, const char *version, struct bt_err *err)
{
    struct marks bridge = {0};
    struct marks inet = {0};
    _cleanup_buf_ struct bt_buf b = BT_BUF(TEXT_MAX);
    int rc = read_marks(s, SYS_NFT_BRIDGE, version, &bridge, err);
    if (rc == 0)
        rc = read_marks(s, SYS_NFT_INET, version, &inet, err);
    if (rc == 0 && !(bridge.present && inet.present)) {
        (void)bt_buf_adds(&b, text);
        put_marks(&b, "bridge", &bridge, version);
        put_marks(&b, "inet", &inet, version);
        rc = s->nft->run(s, b.data, err);
    }
    sys_rows_fini_str(&bridge.obsolete);
    sys_rows_fini_str(&inet.obsolete);
    return rc;
}

static int read_set(struct sys *s, enum sys_nft_family family, const char *set,
                    struct sys_rows *ret, struct bt_err *err)
{
    struct sys_nft_elem which = {.family = family, .table = NET_TABLE, .set = set};
    struct sys_rows found = {0};
    int rc = s->nft->elems(s, &which, &found, err);
    SYS_ROWS_FOREACH(struct sys_nft_elem, it, &found)
        memcpy(sys_rows_push(ret, sizeof *it), it, sizeof *it);
    sys_rows_fini(&found);
    return rc;
}

int net_rules_elems(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    static const char *const v6[] = {"ip6", "cin6", "cout6"};
    int rc = read_set(s, SYS_NFT_BRIDGE, "mac", ret, err);
    if (rc == 0)
        rc = read_set(s, SYS_NFT_BRIDGE, "ip4", ret, err);
    if (rc == 0)
        rc = read_set(s, SYS_NFT_INET, "cin4", ret, err);
    if (rc == 0)
        rc = read_set(s, SYS_NFT_INET, "cout4", ret, err);
    for (size_t i = 0; rc == 0 && i < BT_ARRAY_LEN(v6); i++) {
        for (const int *len = net_v6_lens; rc == 0 && *len; len++)
            rc = read_set(s, i == 0 ? SYS_NFT_BRIDGE : SYS_NFT_INET, net_set_v6(v6[i], *len), ret,
                          err);
    }
    return rc;
}
