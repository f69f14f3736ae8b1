/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* rtnetlink(7): addresses, routes, neighbours, forwarding entries. */

/* Marks routes as ours; free in the kernel's list (include/uapi/linux/rtnetlink.h). */
#define ROUTE_PROTOCOL 190
#define DUMP_TRIES 5

static int cmp_index(const void *a, const void *b)
{
    const struct sys_link_info *x = a;
    const struct sys_link_info *y = b;
    return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static const char *name_of(const struct sys_rows *links, int ifindex)
{
    struct sys_link_info key = {.ifindex = ifindex};
    const struct sys_link_info *found =
        links->len ? bsearch(&key, links->items, links->len, sizeof key, cmp_index) : NULL;
    return found ? found->name : NULL;
}

static int family_of(const struct bt_ip *ip)
{
    return ip->family == 4 ? AF_INET : AF_INET6;
}

static size_t bytes_of(const struct bt_ip *ip)
{
    return ip->family == 4 ? 4 : 16;
}

static void put_ip(struct nl_msg *msg, int attr, const struct bt_ip *ip)
{
    (void)nla_put(msg, attr, (int)bytes_of(ip), ip->bytes);
}

static void get_ip(const struct nlattr *attr, int family, struct bt_ip *ret)
{
    *ret = (struct bt_ip){.family = family == AF_INET ? 4 : 6};
    if (attr)
        (void)nla_memcpy(ret->bytes, attr, (int)bytes_of(ret));
}

/* A dump of one message type in each family, into rows; each tried again when it was torn. */
struct dump {
    int type;
    const int *families; /* ends with -1 */
    sys_nl_row_cb row;
    struct sys_rows links; /* known when rows are parsed */
    struct sys_rows *ret;
};

static int dump_family(struct sys_nl *nl, struct dump *d, int family)
{
    for (int tries = 0;; tries++) {
        struct rtmsg m = {.rtm_family = (unsigned char)family}; /* the longest of the heads */
        size_t had = d->ret->len;
        _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(d->type, NLM_F_DUMP);
        (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
        int rc = sys_nl_talk(nl, msg, d->row, d);
        if (rc != -EAGAIN || tries == DUMP_TRIES)
            return rc;
        d->ret->len = had;
    }
}

static int dump(struct sys *s, struct dump *d, const char *what, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    _cleanup_rows_ struct sys_rows found = {0};
    struct sys_rows *ret = d->ret;
    int rc = s->link->list(s, &d->links, err);
    d->ret = &found;
    for (const int *f = d->families; rc == 0 && *f >= 0; f++) {
        rc = dump_family(nl, d, *f);
        if (rc < 0)
            rc = sys_nl_fail(nl, rc, err, "list %s", what);
    }
    sys_rows_fini(&d->links);
    if (rc == 0) {
        *ret = found;
        found = (struct sys_rows){0};
    }
    return rc;
}

static const int both_families[] = {AF_INET, AF_INET6, -1};

/* ---- forwarding entries ---- */

static int fdb_change(struct sys_nl *nl, const struct sys_fdb *f, bool add)
{
    int flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct ndmsg m = {
        .ndm_family = AF_BRIDGE,
        .ndm_ifindex = sys_real_ifindex(nl, f->dev),
        .ndm_state = NUD_NOARP, /* static, not the bridge's own (NUD_PERMANENT) */
        .ndm_flags = NTF_MASTER,
    };
    if (m.ndm_ifindex == 0)
        return -ENODEV;
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(add ? RTM_NEWNEIGH : RTM_DELNEIGH, flags);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    (void)nla_put(msg, NDA_LLADDR, SYS_MAC_LEN, f->mac);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

int sys_real_fdb_ensure(struct sys *s, const struct sys_fdb *f, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    int rc = fdb_change(nl, f, true);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "forwarding entry of %s", f->dev) : 0;
}

/* An entry also goes with its port: no device, no port, no entry are all fine. */
int sys_real_fdb_remove(struct sys *s, const struct sys_fdb *f, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    int rc = fdb_change(nl, f, false);
    if (rc == -ENODEV || rc == -ENOENT || rc == -EOPNOTSUPP || rc == -EINVAL)
        rc = 0;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "remove forwarding entry of %s", f->dev) : 0;
}

static void fdb_row(void *arg, struct nlmsghdr *h)
{
    struct dump *d = arg;
    struct nlattr *tb[NDA_MAX + 1];
    const struct ndmsg *m = nlmsg_data(h);
    /* With default_pvid an entry shows a second time, with a VLAN. */
    if (h->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse(h, sizeof *m, tb, NDA_MAX, NULL) < 0 ||
        m->ndm_state != NUD_NOARP || !tb[NDA_MASTER] || !tb[NDA_LLADDR] || tb[NDA_VLAN])
        return;
    const char *dev = name_of(&d->links, m->ndm_ifindex);
    if (!dev)
        return;
    struct sys_fdb *row = sys_rows_push(d->ret, sizeof *row);
    (void)bt_strcpy(row->dev, sizeof row->dev, dev);
    (void)nla_memcpy(row->mac, tb[NDA_LLADDR], sizeof row->mac);
}

int sys_real_fdb_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    static const int bridge[] = {AF_BRIDGE, -1};
    struct dump d = {.type = RTM_GETNEIGH, .families = bridge, .row = fdb_row, .ret = ret};
    return dump(s, &d, "forwarding entries", err);
}

/* ---- neighbours ---- */

static int neigh_change(struct sys_nl *nl, const struct sys_neigh *n, bool add)
{
    int flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct ndmsg m = {
        .ndm_family = (unsigned char)family_of(&n->ip),
        .ndm_ifindex = sys_real_ifindex(nl, n->dev),
        .ndm_state = NUD_PERMANENT,
    };
    if (m.ndm_ifindex == 0)
        return -ENODEV;
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(add ? RTM_NEWNEIGH : RTM_DELNEIGH, flags);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    put_ip(msg, NDA_DST, &n->ip);
    if (add)
        (void)nla_put(msg, NDA_LLADDR, SYS_MAC_LEN, n->mac);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

int sys_real_neigh_ensure(struct sys *s, const struct sys_neigh *n, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    char text[BT_IP_STR_MAX];
    int rc = neigh_change(nl, n, true);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "neighbour %s", bt_ip_str(&n->ip, text)) : 0;
}

int sys_real_neigh_remove(struct sys *s, const struct sys_neigh *n, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    char text[BT_IP_STR_MAX];
    int rc = neigh_change(nl, n, false);
    if (rc == -ENODEV || rc == -ENOENT)
        rc = 0;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "remove neighbour %s", bt_ip_str(&n->ip, text)) : 0;
}

static void neigh_row(void *arg, struct nlmsghdr *h)
{
    struct dump *d = arg;
    struct nlattr *tb[NDA_MAX + 1];
    const struct ndmsg *m = nlmsg_data(h);
    if (h->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse(h, sizeof *m, tb, NDA_MAX, NULL) < 0 ||
        m->ndm_state != NUD_PERMANENT || m->ndm_flags & NTF_PROXY || !tb[NDA_DST] ||
        !tb[NDA_LLADDR])
        return;
    const char *dev = name_of(&d->links, m->ndm_ifindex);
    if (!dev)
        return;
    struct sys_neigh *row = sys_rows_push(d->ret, sizeof *row);
    (void)bt_strcpy(row->dev, sizeof row->dev, dev);
    (void)nla_memcpy(row->mac, tb[NDA_LLADDR], sizeof row->mac);
    get_ip(tb[NDA_DST], m->ndm_family, &row->ip);
}

int sys_real_neigh_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    struct dump d = {.type = RTM_GETNEIGH, .families = both_families, .row = neigh_row, .ret = ret};
    return dump(s, &d, "neighbours", err);
}

/* ---- routes ---- */

static struct nl_msg *route_msg(int type, int flags, int ifindex, const struct sys_route *r)
{
    struct rtmsg m = {
        .rtm_family = (unsigned char)family_of(&r->dst.ip),
        .rtm_dst_len = (unsigned char)r->dst.len,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = ROUTE_PROTOCOL,
        .rtm_type = r->unreachable ? RTN_UNREACHABLE : RTN_UNICAST,
    };
    bool direct = !r->unreachable && r->via.family == 0;
    m.rtm_scope = direct && r->dst.ip.family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (type == RTM_DELROUTE)
        m.rtm_scope = RT_SCOPE_NOWHERE; /* any */
    else if (r->via.family != 0)
        m.rtm_flags = RTNH_F_ONLINK;
    struct nl_msg *msg = sys_nl_msg(type, flags);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    put_ip(msg, RTA_DST, &r->dst.ip);
    if (r->via.family != 0 && type != RTM_DELROUTE)
        put_ip(msg, RTA_GATEWAY, &r->via);
    if (ifindex)
        (void)nla_put_u32(msg, RTA_OIF, (uint32_t)ifindex);
    if (r->metric)
        (void)nla_put_u32(msg, RTA_PRIORITY, r->metric);
    return msg;
}

int sys_real_route_on(struct sys_nl *nl, int ifindex, const struct sys_route *r)
{
    _cleanup_nl_msg_ struct nl_msg *msg =
        route_msg(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, ifindex, r);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

int sys_real_route_ensure(struct sys *s, const struct sys_route *r, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    char text[BT_CIDR_STR_MAX];
    int ifindex = r->unreachable ? 0 : sys_real_ifindex(nl, r->dev);
    int rc = ifindex || r->unreachable ? sys_real_route_on(nl, ifindex, r) : -ENODEV;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "route %s", bt_cidr_str(&r->dst, text)) : 0;
}

int sys_real_route_remove(struct sys *s, const struct sys_route *r, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    char text[BT_CIDR_STR_MAX];
    int ifindex = r->unreachable ? 0 : sys_real_ifindex(nl, r->dev);
    if (ifindex == 0 && !r->unreachable)
        return 0;
    _cleanup_nl_msg_ struct nl_msg *msg = route_msg(RTM_DELROUTE, 0, ifindex, r);
    int rc = sys_nl_talk(nl, msg, NULL, NULL);
    if (rc == -ESRCH || rc == -ENODEV || rc == -ENOENT)
        rc = 0;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "remove route %s", bt_cidr_str(&r->dst, text)) : 0;
}

static void route_row(void *arg, struct nlmsghdr *h)
{
    struct dump *d = arg;
    struct nlattr *tb[RTA_MAX + 1];
    const struct rtmsg *m = nlmsg_data(h);
    if (h->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(h, sizeof *m, tb, RTA_MAX, NULL) < 0 ||
        m->rtm_table != RT_TABLE_MAIN || m->rtm_flags & RTM_F_CLONED ||
        m->rtm_protocol != ROUTE_PROTOCOL)
        return;
    struct sys_route *row = sys_rows_push(d->ret, sizeof *row);
    const char *dev = tb[RTA_OIF] ? name_of(&d->links, (int)nla_get_u32(tb[RTA_OIF])) : NULL;
    row->unreachable = m->rtm_type == RTN_UNREACHABLE;
    if (dev && !row->unreachable)
        (void)bt_strcpy(row->dev, sizeof row->dev, dev);
    get_ip(tb[RTA_DST], m->rtm_family, &row->dst.ip);
    row->dst.len = m->rtm_dst_len;
    if (tb[RTA_GATEWAY])
        get_ip(tb[RTA_GATEWAY], m->rtm_family, &row->via);
    /* 1024 is what IPv6 makes of none. */
    uint32_t metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
    row->metric = m->rtm_family == AF_INET6 && metric == 1024 ? 0 : metric;
}

int sys_real_route_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    struct dump d = {.type = RTM_GETROUTE, .families = both_families, .row = route_row, .ret = ret};
    return dump(s, &d, "routes", err);
}

/* ---- addresses ---- */

static struct nl_msg *addr_msg(int type, int flags, int ifindex, const struct sys_addr *a)
{
    struct ifaddrmsg m = {
        .ifa_family = (unsigned char)family_of(&a->ip),
        .ifa_prefixlen = (unsigned char)a->prefix,
        .ifa_index = (unsigned)ifindex,
    };
    struct nl_msg *msg = sys_nl_msg(type, flags);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    put_ip(msg, IFA_LOCAL, &a->ip);
    put_ip(msg, IFA_ADDRESS, &a->ip);
    if (a->ip.family == 6)
        (void)nla_put_u32(msg, IFA_FLAGS, IFA_F_NODAD | IFA_F_PERMANENT);
    return msg;
}

int sys_real_addr_on(struct sys_nl *nl, int ifindex, const struct sys_addr *a)
{
    _cleanup_nl_msg_ struct nl_msg *msg =
        addr_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, a);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

int sys_real_addr_ensure(struct sys *s, const struct sys_addr *a, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    char text[BT_IP_STR_MAX];
    int ifindex = sys_real_ifindex(nl, a->dev);
    int rc = ifindex ? sys_real_addr_on(nl, ifindex, a) : -ENODEV;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "address %s of %s", bt_ip_str(&a->ip, text), a->dev)
                  : 0;
}

int sys_real_addr_remove(struct sys *s, const struct sys_addr *a, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->route;
    char text[BT_IP_STR_MAX];
    int ifindex = sys_real_ifindex(nl, a->dev);
    if (ifindex == 0)
        return 0;
    _cleanup_nl_msg_ struct nl_msg *msg = addr_msg(RTM_DELADDR, 0, ifindex, a);
    int rc = sys_nl_talk(nl, msg, NULL, NULL);
    if (rc == -EADDRNOTAVAIL || rc == -ENODEV)
        rc = 0;
    return rc < 0 ? sys_nl_fail(nl, rc, err, "remove address %s", bt_ip_str(&a->ip, text)) : 0;
}

static void addr_row(void *arg, struct nlmsghdr *h)
{
    struct dump *d = arg;
    struct nlattr *tb[IFA_MAX + 1];
    const struct ifaddrmsg *m = nlmsg_data(h);
    if (h->nlmsg_type != RTM_NEWADDR || nlmsg_parse(h, sizeof *m, tb, IFA_MAX, NULL) < 0)
        return;
    const char *dev = name_of(&d->links, (int)m->ifa_index);
    struct nlattr *ip = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
    if (!dev || !ip)
        return;
    struct sys_addr *row = sys_rows_push(d->ret, sizeof *row);
    (void)bt_strcpy(row->dev, sizeof row->dev, dev);
    get_ip(ip, m->ifa_family, &row->ip);
    row->prefix = m->ifa_prefixlen;
}

int sys_real_addr_list(struct sys *s, struct sys_rows *ret, struct bt_err *err)
{
    struct dump d = {.type = RTM_GETADDR, .families = both_families, .row = addr_row, .ret = ret};
    return dump(s, &d, "addresses", err);
}

/* ---- inside a guest's namespace ---- */

/* A socket stays bound to the namespace it was made in: enter, open, come back. */
static int open_in(struct sys *s, int netns_fd, struct sys_nl *nl, struct bt_err *err)
{
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return bt_fail_errno(err, errno, "enter the guest's network namespace");
    int rc = sys_nl_open(nl, NETLINK_ROUTE, err);
    if (setns(sys_real_of(s)->netns, CLONE_NEWNET) < 0)
        abort(); /* the thread would go on in the guest's namespace */
    return rc;
}

static int link_change(struct sys_nl *nl, int ifindex, const char *name, bool up)
{
    struct ifinfomsg m = {.ifi_index = ifindex};
    if (up)
        m.ifi_flags = m.ifi_change = IFF_UP;
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(RTM_NEWLINK, 0);
    (void)nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO);
    if (name)
        (void)nla_put_string(msg, IFLA_IFNAME, name);
    return sys_nl_talk(nl, msg, NULL, NULL);
}

static int guest_link(struct sys_nl *nl, const struct sys_guest_net *g, int *ret_ifindex)
{
    int ifindex = sys_real_ifindex(nl, g->name);
    int rc = 0;
    if (ifindex == 0) {
        ifindex = sys_real_ifindex(nl, g->from);
        if (ifindex == 0)
            return -ENODEV;
        rc = link_change(nl, ifindex, g->name, false);
    }
    int lo = sys_real_ifindex(nl, "lo");
    if (rc == 0 && lo)
        rc = link_change(nl, lo, NULL, true);
    *ret_ifindex = ifindex;
    return rc;
}

static int guest_apply(struct sys_nl *nl, const struct sys_guest_net *g)
{
    int ifindex = 0;
    int rc = guest_link(nl, g, &ifindex);
    for (size_t i = 0; rc == 0 && i < g->n_addrs; i++)
        rc = sys_real_addr_on(nl, ifindex, &g->addrs[i]);
    if (rc == 0)
        rc = link_change(nl, ifindex, NULL, true);
    for (size_t i = 0; rc == 0 && i < g->n_routes; i++)
        rc = sys_real_route_on(nl, g->routes[i].unreachable ? 0 : ifindex, &g->routes[i]);
    return rc;
}

int sys_real_guest_net(struct sys *s, int netns_fd, const struct sys_guest_net *g,
                       struct bt_err *err)
{
    struct sys_nl nl;
    int rc = open_in(s, netns_fd, &nl, err);
    if (rc < 0)
        return rc;
    rc = guest_apply(&nl, g);
    if (rc < 0)
        rc = sys_nl_fail(&nl, rc, err, "set up %s in the guest", g->name);
    sys_nl_close(&nl);
    return rc;
}
