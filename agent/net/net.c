/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/net/net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The network's memory: bridges and what the kernel has of each port. */

static void trash_due(struct bt_timer *t);

struct net *net_new(struct sys *sys, const struct net_config *config)
{
    struct net *net = bt_xcalloc(1, sizeof *net);
    net->sys = sys;
    net->prefix = bt_xstrdup(config->bridge_prefix);
    net->mgmt = bt_xstrdup(config->mgmt);
    net->sysctls_check = config->sysctls_check;
    for (size_t i = 0; i < config->n_denied; i++)
        *(struct bt_cidr *)sys_rows_push(&net->denied, sizeof(struct bt_cidr)) = config->denied[i];
    for (size_t i = 0; i < config->n_gateways; i++)
        *(struct bt_ip *)sys_rows_push(&net->gateways, sizeof(struct bt_ip)) = config->gateways[i];
    net->rules = net_rules_text(net);
    net_rules_version(net->rules, net->version);
    bt_list_init(&net->changes);
    bt_timer_init(&net->trash_timer, sys->loop, trash_due);
    return net;
}

static void port_free(struct net_port *p)
{
    if (!p)
        return;
    sys_rows_fini(&p->grants);
    sys_rows_fini(&p->neighs);
    sys_rows_fini(&p->routes);
    free(p);
}

static void destroy(struct net *net)
{
    size_t pos = 0;
    assert(!net->change_run && !net->trash_op && bt_list_empty(&net->changes));
    for (struct net_port *p = bt_map_next(&net->ports, &pos); p; p = bt_map_next(&net->ports, &pos))
        port_free(p);
    bt_map_fini(&net->ports);
    sys_rows_fini(&net->denied);
    sys_rows_fini(&net->gateways);
    free(net->prefix);
    free(net->mgmt);
    free(net->rules);
    free(net);
}

void net_use(struct net *net)
{
    net->users++;
}

void net_unuse(struct net *net)
{
    assert(net->users > 0);
    net->users--;
    if (net->closing && net->users == 0)
        destroy(net);
}

void net_free(struct net *net)
{
    if (!net)
        return;
    bt_timer_stop(&net->trash_timer);
    net->closing = true;
    net_use(net);
    net_change_cancel(net);
    net_unuse(net);
}

/* ---- ports ---- */

struct net_port *net_port_get(struct net *net, const char *name)
{
    struct net_port *p = bt_map_find(&net->ports, name);
    if (p)
        return p;
    p = bt_xcalloc(1, sizeof *p);
    (void)bt_strcpy(p->name, sizeof p->name, name);
    p->bridge = -1;
    (void)bt_map_set(&net->ports, name, p);
    return p;
}

void net_port_place(struct net *net, struct net_port *p, int n)
{
    if (p->bridge >= 0)
        net->bridge_ports[p->bridge]--;
    p->bridge = n;
    if (n >= 0)
        net->bridge_ports[n]++;
}

void net_port_forget(struct net *net, const char *name)
{
    struct net_port *p = bt_map_remove(&net->ports, name);
    if (p)
        net_port_place(net, p, -1);
    port_free(p);
}

int net_bridge_pick(const struct net *net, int *ret, struct bt_err *err)
{
    for (int n = 0; n < NET_BRIDGES_MAX; n++) {
        if (net->bridge_ports[n] < NET_PORTS_PER_BRIDGE) {
            *ret = n;
            return 0;
        }
    }
    return bt_fail(err, BT_E_NO_CAPACITY, "all %d bridges are full", NET_BRIDGES_MAX);
}

void net_ports(const struct net *net, struct sys_rows *ret)
{
    size_t pos = 0;
    for (struct net_port *p = bt_map_next(&net->ports, &pos); p; p = bt_map_next(&net->ports, &pos))
        sys_rows_push_str(ret, p->name);
    sys_rows_sort_str(ret);
}

bool net_port_known(const struct net *net, const char *uuid, int nic)
{
    char name[BT_PORT_LEN + 1];
    bt_port_name(uuid, nic, name);
    return bt_map_find(&net->ports, name) != NULL;
}

/* ---- removed pairs ---- */

struct net_trash {
    struct sys_op op;
    struct net *net;
};

static int trash_run(struct sys_op *op, struct bt_err *err)
{
    return op->sys->link->trash_empty(op->sys, err);
}

/* A failure leaves them in the trash: they go with the next ones, or at the agent's next start. */
static void trash_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct net_trash *t = BT_CONTAINER_OF(op, struct net_trash, op);
    struct net *net = t->net;
    (void)rc;
    (void)err;
    free(t);
    net->trash_op = NULL;
    if (net->trash_again)
        net_trash_soon(net);
    net_unuse(net);
}

static void trash_due(struct bt_timer *timer)
{
    struct net *net = BT_CONTAINER_OF(timer, struct net, trash_timer);
    struct net_trash *t = bt_xcalloc(1, sizeof *t);
    t->net = net;
    t->op.run = trash_run;
    t->op.done = trash_done;
    net->trash_op = t;
    net->trash_again = false;
    net_use(net);
    sys_op_start(net->sys, SYS_Q_LINK, &t->op);
}

void net_trash_soon(struct net *net)
{
    if (net->closing)
        return;
    if (net->trash_op)
        net->trash_again = true;
    else if (!bt_timer_running(&net->trash_timer))
        bt_timer_start(&net->trash_timer, NET_TRASH_DELAY_MS);
}
