/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* rtnetlink(7): links. Addresses, routes and neighbours are in sys_addr_real.c. */

/* ---- reading ---- */

/* A link with the numbers that become names when all links are known. */
struct link_row {
    struct sys_link_info info;
    int master;
};

static void parse_port(struct nlattr *data, struct sys_link_port *ret)
{
    struct nlattr *tb[IFLA_BRPORT_MAX + 1];
    if (!data || nla_parse_nested(tb, IFLA_BRPORT_MAX, data, NULL) < 0)
        return;
#define FLAG(attr) (tb[attr] && nla_get_u8(tb[attr]) != 0)
    ret->isolated = FLAG(IFLA_BRPORT_ISOLATED);
    ret->learning = FLAG(IFLA_BRPORT_LEARNING);
    ret->flood = FLAG(IFLA_BRPORT_UNICAST_FLOOD);
    ret->mcast_flood = FLAG(IFLA_BRPORT_MCAST_FLOOD);
    ret->bcast_flood = FLAG(IFLA_BRPORT_BCAST_FLOOD);
    ret->neigh_suppress = FLAG(IFLA_BRPORT_NEIGH_SUPPRESS);
#undef FLAG
    if (tb[IFLA_BRPORT_GROUP_FWD_MASK])
        ret->group_fwd_mask = nla_get_u16(tb[IFLA_BRPORT_GROUP_FWD_MASK]);
}

static void parse_linkinfo(struct nlattr *linkinfo, struct sys_link_info *ret)
{
    struct nlattr *tb[IFLA_INFO_MAX + 1];
    if (!linkinfo || nla_parse_nested(tb, IFLA_INFO_MAX, linkinfo, NULL) < 0)
        return;
    if (tb[IFLA_INFO_KIND])
        (void)bt_strcpy(ret->kind, sizeof ret->kind, nla_get_string(tb[IFLA_INFO_KIND]));
    ret->is_port =
        tb[IFLA_INFO_SLAVE_KIND] && strcmp(nla_get_string(tb[IFLA_INFO_SLAVE_KIND]), "bridge") == 0;
    if (ret->is_port)
        parse_port(tb[IFLA_INFO_SLAVE_DATA], &ret->port);
}

static void parse_stats(struct nlattr *stats, struct sys_link_info *ret)
{
    struct rtnl_link_stats64 s = {0};
    if (!stats)
        return;
    (void)nla_memcpy(&s, stats, sizeof s);
    ret->rx_bytes = s.rx_bytes;
    ret->tx_bytes = s.tx_bytes;
}

static bool parse_link(struct nlmsghdr *h, struct link_row *ret)
{
    struct nlattr *tb[IFLA_MAX + 1];
    const struct ifinfomsg *m = nlmsg_data(h);
    struct sys_link_info *i = &ret->info;
    if (h->nlmsg_type != RTM_NEWLINK || nlmsg_parse(h, sizeof *m, tb, IFLA_MAX, NULL) < 0 ||
        !tb[IFLA_IFNAME])
        return false;
    *ret = (struct link_row){0};
    i->ifindex = m->ifi_index;
    i->up = m->ifi_flags & IFF_UP;
    i->carrier = m->ifi_flags & IFF_LOWER_UP;
    (void)bt_strcpy(i->name, sizeof i->name, nla_get_string(tb[IFLA_IFNAME]));
    if (tb[IFLA_MTU])
        i->mtu = nla_get_u32(tb[IFLA_MTU]);
    if (tb[IFLA_GROUP])
        i->group = nla_get_u32(tb[IFLA_GROUP]);
    if (tb[IFLA_ADDRESS])
        (void)nla_memcpy(i->mac, tb[IFLA_ADDRESS], sizeof i->mac);
    if (tb[IFLA_LINK])
        i->peer_ifindex = nla_get_s32(tb[IFLA_LINK]);
    i->peer_elsewhere = tb[IFLA_LINK_NETNSID] != NULL;
    if (tb[IFLA_MASTER])
        ret->master = nla_get_s32(tb[IFLA_MASTER]);
    parse_linkinfo(tb[IFLA_LINKINFO], i);
    parse_stats(tb[IFLA_STATS64], i);
    return true;
}

static void keep_link(void *arg, struct nlmsghdr *h)
{
    struct link_row *row = arg;
    struct link_row found;
    if (parse_link(h, &found))
        *row = found;
}

/* By name, or by number when @name is NULL. Returns 0 or -errno. */
static int ask_link(struct sys_nl *nl, const char *name, int ifindex, struct link_row *ret)
{
    struct ifinfomsg m = {.ifi_index = name ? 0 : ifindex};
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_GETLINK, 0);
    *ret = (struct link_row){0};
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    if (name)
        (void)nla_put_string(msg, IFLA_IFNAME, name);
    int rc = sys_nl_talk(nl, msg, keep_link, ret);
    if (rc == 0 && ret->info.ifindex == 0)
        return -ENODEV;
    return rc;
}

int sys_real_ifindex(struct sys_nl *nl, const char *name)
{
    struct link_row row;
    return ask_link(nl, name, 0, &row) == 0 ? row.info.ifindex : 0;
}

static int link_get(struct sys *s, const char *name, struct sys_link_info *ret, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    struct link_row row;
    struct link_row master;
    int rc = ask_link(nl, name, 0, &row);
    if (rc == -ENODEV)
        return bt_fail(err, BT_E_NOT_FOUND, "no link %s", name);
    if (rc < 0)
        return sys_nl_fail(nl, rc, err, "link %s", name);
    if (row.master && ask_link(nl, NULL, row.master, &master) == 0)
        (void)bt_strcpy(row.info.master, sizeof row.info.master, master.info.name);
    *ret = row.info;
    return 0;
}

static void keep_row(void *arg, struct nlmsghdr *h)
{
    struct link_row found;
    if (parse_link(h, &found))
        *(struct link_row *)sys_rows_push(arg, sizeof found) = found;
}

static int cmp_index(const void *a, const void *b)
{
    const struct link_row *x = a;
    const struct link_row *y = b;
    return (x->info.ifindex > y->info.ifindex) - (x->info.ifindex < y->info.ifindex);
}

static void name_masters(const struct sys_rows *rows, struct sys_rows *ret)
{
    SYS_ROWS_FOREACH(struct link_row, it, rows) {
        struct link_row key = {.info = {.ifindex = it->master}};
        const struct link_row *master =
            it->master ? bsearch(&key, rows->items, rows->len, sizeof key, cmp_index) : NULL;
        if (master)
            (void)bt_strcpy(it->info.master, sizeof it->info.master, master->info.name);
        *(struct sys_link_info *)sys_rows_push(ret, sizeof it->info) = it->info;
    }
}

static int link_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    for (int tries = 0;; tries++) {
        struct ifinfomsg m = {0};
        _cleanup_rows_ struct sys_rows rows = {0};
        _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_GETLINK, NLM_F_DUMP);
        (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
        int rc = sys_nl_talk(nl, msg, keep_row, &rows);
        if (rc == -EAGAIN && tries < 5)
            continue;
        if (rc < 0)
            return sys_nl_fail(nl, rc, err, "list links");
        if (rows.len > 0)
            qsort(rows.items, rows.len, sizeof(struct link_row), cmp_index);
        name_masters(&rows, ret);
        return 0;
    }
}

/* ---- changing ---- */

static struct nl_msg *change(int ifindex, unsigned flags, unsigned mask)
{
    struct ifinfomsg m = {.ifi_index = ifindex, .ifi_flags = flags, .ifi_change = mask};
    struct nl_msg *msg = sys_nl_msg(RTM_NEWLINK, 0);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    return msg;
}

/* Without it the kernel gives the link fe80::/64 addresses and talks on it as soon as it is up. */
static void put_no_link_local(struct nl_msg *msg)
{
    struct nlattr *spec = nla_nest_start(msg, IFLA_AF_SPEC);
    struct nlattr *v6 = nla_nest_start(msg, AF_INET6);
    (void)nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    (void)nla_nest_end(msg, v6);
    (void)nla_nest_end(msg, spec);
}

static int no_link_local(struct sys_nl *nl, int ifindex)
{
    _cleanup_nl_msg_ struct nl_msg *msg = change(ifindex, 0, 0);
    put_no_link_local(msg);
    int rc = sys_nl_talk(nl, msg, NULL, NULL);
    return rc == -EAFNOSUPPORT ? 0 : rc; /* IPv6 is off on this machine */
}

static int up_down(struct sys_nl *nl, int ifindex, bool up)
{
    _cleanup_nl_msg_ struct nl_msg *msg = change(ifindex, up ? IFF_UP : 0, IFF_UP);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

static int set_group(struct sys_nl *nl, int ifindex, uint32_t group)
{
    _cleanup_nl_msg_ struct nl_msg *msg = change(ifindex, 0, 0);
    (void)nla_put_u32(msg, IFLA_GROUP, group);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

static int delete_index(struct sys_nl *nl, int ifindex)
{
    struct ifinfomsg m = {.ifi_index = ifindex};
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_DELLINK, 0);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    int rc = sys_nl_talk(nl, msg, NULL, NULL);
    return rc == -ENODEV ? 0 : rc;
}

static void put_bridge_data(struct nl_msg *msg)
{
    struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
    (void)nla_put_string(msg, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
    (void)nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0);
    (void)nla_put_u32(msg, IFLA_BR_STP_STATE, 0);
    (void)nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0);
    (void)nla_nest_end(msg, data);
    (void)nla_nest_end(msg, info);
}

static int bridge_make(struct sys_nl *nl, const struct sys_bridge *b)
{
    struct ifinfomsg m = {0};
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    (void)nla_put_string(msg, IFLA_IFNAME, b->name);
    (void)nla_put(msg, IFLA_ADDRESS, SYS_MAC_LEN, b->mac);
    put_bridge_data(msg);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

/* Bring a bridge that is there to what it should be. */
static int bridge_mend(struct sys_nl *nl, const struct sys_bridge *b, const struct link_row *row)
{
    int rc = 0;
    {
        _cleanup_nl_msg_ struct nl_msg *msg = change(row->info.ifindex, 0, 0);
        if (memcmp(row->info.mac, b->mac, SYS_MAC_LEN) != 0)
            (void)nla_put(msg, IFLA_ADDRESS, SYS_MAC_LEN, b->mac);
        put_bridge_data(msg);
        rc = sys_nl_talk(nl, msg, NULL, NULL);
    }
    if (rc == 0)
        rc = no_link_local(nl, row->info.ifindex);
    if (rc == 0 && !row->info.up)
        rc = up_down(nl, row->info.ifindex, true);
    return rc;
}

static int bridge_ensure(struct sys *s, const struct sys_bridge *b, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    struct link_row row;
    int rc = ask_link(nl, b->name, 0, &row);
    if (rc == -ENODEV) {
        rc = bridge_make(nl, b);
        if (rc == 0)
            rc = ask_link(nl, b->name, 0, &row);
    }
    if (rc == 0 && strcmp(row.info.kind, "bridge") != 0)
        return bt_fail(err, BT_E_CONFLICT, "link %s is there and no bridge", b->name);
    if (rc == 0)
        rc = bridge_mend(nl, b, &row);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "bridge %s", b->name) : 0;
}

static void put_end(struct nl_msg *msg, const char *name, const unsigned char *mac, uint32_t mtu)
{
    (void)nla_put_string(msg, IFLA_IFNAME, name);
    (void)nla_put(msg, IFLA_ADDRESS, SYS_MAC_LEN, mac);
    if (mtu)
        (void)nla_put_u32(msg, IFLA_MTU, mtu);
}

static int veth_make(struct sys_nl *nl, const struct sys_veth *v)
{
    struct ifinfomsg m = {0};
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    put_end(msg, v->name, v->mac, v->mtu);
    struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
    (void)nla_put_string(msg, IFLA_INFO_KIND, "veth");
    struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
    struct nlattr *peer = nla_nest_start(msg, VETH_INFO_PEER);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    put_end(msg, v->peer, v->peer_mac, v->mtu);
    (void)nla_nest_end(msg, peer);
    (void)nla_nest_end(msg, data);
    (void)nla_nest_end(msg, info);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

/* One end of a pair that is kept: MAC, MTU, and out of the trash. */
static int end_mend(struct sys_nl *nl, const struct link_row *row, const unsigned char *mac,
                    uint32_t mtu)
{
    bool other_mac = memcmp(row->info.mac, mac, SYS_MAC_LEN) != 0;
    bool other_mtu = row->info.mtu != (mtu ? mtu : 1500);
    if (!other_mac && !other_mtu && row->info.group != SYS_LINK_GROUP_TRASH)
        return 0;
    _cleanup_nl_msg_ struct nl_msg *msg = change(row->info.ifindex, 0, 0);
    if (other_mac)
        (void)nla_put(msg, IFLA_ADDRESS, SYS_MAC_LEN, mac);
    if (other_mtu)
        (void)nla_put_u32(msg, IFLA_MTU, mtu ? mtu : 1500);
    (void)nla_put_u32(msg, IFLA_GROUP, 0);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

/* 1 = the pair is right and kept, 0 = it is not there (any more), else -errno. */
static int veth_keep(struct sys_nl *nl, const struct sys_veth *v)
{
    struct link_row host;
    struct link_row peer;
    int rc = ask_link(nl, v->name, 0, &host);
    if (rc == 0 && host.info.peer_elsewhere) {
        rc = end_mend(nl, &host, v->mac, v->mtu);
        return rc < 0 ? rc : 1;
    }
    int peer_rc = ask_link(nl, v->peer, 0, &peer);
    if (rc == 0 && peer_rc == 0 && host.info.peer_ifindex == peer.info.ifindex) {
        rc = end_mend(nl, &host, v->mac, v->mtu);
        if (rc == 0)
            rc = end_mend(nl, &peer, v->peer_mac, v->mtu);
        if (rc == 0 && peer.info.up) /* a guest left it so */
            rc = up_down(nl, peer.info.ifindex, false);
        return rc < 0 ? rc : 1;
    }
    if (rc == 0)
        rc = delete_index(nl, host.info.ifindex);
    if ((rc == 0 || rc == -ENODEV) && peer_rc == 0)
        rc = delete_index(nl, peer.info.ifindex);
    return rc == -ENODEV ? 0 : rc;
}

static int veth_ensure(struct sys *s, const struct sys_veth *v, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    int rc = veth_keep(nl, v);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = veth_make(nl, v);
    if (rc == 0)
        rc = no_link_local(nl, sys_real_ifindex(nl, v->name));
    if (rc == 0)
        rc = no_link_local(nl, sys_real_ifindex(nl, v->peer));
    return rc < 0 ? sys_nl_fail(nl, rc, err, "pair %s, %s", v->name, v->peer) : 0;
}

static int port_flags(struct sys_nl *nl, int ifindex)
{
    static const struct {
        int attr;
        uint8_t value;
    } flags[] = {
        {IFLA_BRPORT_ISOLATED, 1},       {IFLA_BRPORT_LEARNING, 0},
        {IFLA_BRPORT_UNICAST_FLOOD, 0},  {IFLA_BRPORT_MCAST_FLOOD, 0},
        {IFLA_BRPORT_BCAST_FLOOD, 0},    {IFLA_BRPORT_GUARD, 1},
        {IFLA_BRPORT_NEIGH_SUPPRESS, 0},
    };
    _cleanup_nl_msg_ struct nl_msg *msg = change(ifindex, 0, 0);
    struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
    (void)nla_put_string(msg, IFLA_INFO_SLAVE_KIND, "bridge");
    struct nlattr *data = nla_nest_start(msg, IFLA_INFO_SLAVE_DATA);
    for (size_t i = 0; i < BT_ARRAY_LEN(flags); i++)
        (void)nla_put_u8(msg, flags[i].attr, flags[i].value);
    (void)nla_put_u16(msg, IFLA_BRPORT_GROUP_FWD_MASK, SYS_LINK_GROUP_FWD);
    (void)nla_nest_end(msg, data);
    (void)nla_nest_end(msg, info);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

static bool port_right(const struct sys_link_port *p)
{
    return p->isolated && !p->learning && !p->flood && !p->mcast_flood && !p->bcast_flood &&
           p->group_fwd_mask == SYS_LINK_GROUP_FWD;
}

static int port_ensure(struct sys *s, const char *name, const char *master, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    struct sys_link_info now;
    int rc = link_get(s, name, &now, err);
    if (rc < 0)
        return rc;
    if (strcmp(now.master, master) != 0) {
        int master_index = sys_real_ifindex(nl, master);
        if (master_index == 0)
            return bt_fail(err, BT_E_NOT_FOUND, "no bridge %s", master);
        if (now.up)
            return bt_fail(err, BT_E_BAD_STATE, "link %s is up and no port of %s", name, master);
        _cleanup_nl_msg_ struct nl_msg *msg = change(now.ifindex, 0, 0);
        (void)nla_put_s32(msg, IFLA_MASTER, master_index);
        rc = sys_nl_talk(nl, msg, NULL, NULL);
        if (rc < 0)
            return sys_nl_fail(nl, rc, err, "make %s a port of %s", name, master);
        now.is_port = false;
    }
    if (now.is_port && port_right(&now.port))
        return 0;
    rc = port_flags(nl, now.ifindex);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "isolate port %s", name) : 0;
}

static int set_up(struct sys *s, const char *name, bool up, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    struct link_row row;
    int rc = ask_link(nl, name, 0, &row);
    if (rc == -ENODEV)
        return bt_fail(err, BT_E_NOT_FOUND, "no link %s", name);
    if (rc == 0 && row.info.up != up)
        rc = up_down(nl, row.info.ifindex, up);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "set link %s %s", name, up ? "up" : "down") : 0;
}

static int trash(struct sys *s, const char *name, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    int ifindex = sys_real_ifindex(nl, name);
    int rc = ifindex ? set_group(nl, ifindex, SYS_LINK_GROUP_TRASH) : 0;
    return rc < 0 && rc != -ENODEV ? sys_nl_fail(nl, rc, err, "put away link %s", name) : 0;
}

static int trash_empty(struct sys *s, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    struct ifinfomsg m = {0};
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_DELLINK, 0);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    (void)nla_put_u32(msg, IFLA_GROUP, SYS_LINK_GROUP_TRASH);
    int rc = sys_nl_talk(nl, msg, NULL, NULL);
    return rc < 0 && rc != -ENODEV ? sys_nl_fail(nl, rc, err, "delete links") : 0;
}

static int link_remove(struct sys *s, const char *name, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    int ifindex = sys_real_ifindex(nl, name);
    int rc = ifindex ? delete_index(nl, ifindex) : 0;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "delete link %s", name) : 0;
}

const struct sys_link_ops sys_real_link_ops = {
    .get = link_get,
    .list = link_list,
    .bridge_ensure = bridge_ensure,
    .veth_ensure = veth_ensure,
    .port_ensure = port_ensure,
    .set_up = set_up,
    .trash = trash,
    .trash_empty = trash_empty,
    .remove = link_remove,
    .fdb_ensure = sys_real_fdb_ensure,
    .fdb_remove = sys_real_fdb_remove,
    .fdb_list = sys_real_fdb_list,
    .neigh_ensure = sys_real_neigh_ensure,
    .neigh_remove = sys_real_neigh_remove,
    .neigh_list = sys_real_neigh_list,
    .route_ensure = sys_real_route_ensure,
    .route_remove = sys_real_route_remove,
    .route_list = sys_real_route_list,
    .addr_ensure = sys_real_addr_ensure,
    .addr_remove = sys_real_addr_remove,
    .addr_list = sys_real_addr_list,
    .guest_net = sys_real_guest_net,
};
