/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_resolve.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static int look_up(const char *host, int port, int flags, struct rpc_addrs *ret)
{
    char service[8];
    snprintf(service, sizeof(service), "%d", port & 0xffff);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, service, &hints, &list);
    ret->n = 0;
    for (struct addrinfo *a = list; rc == 0 && a && ret->n < RPC_ADDRS_MAX; a = a->ai_next) {
        memcpy(&ret->list[ret->n], a->ai_addr, a->ai_addrlen);
        ret->lens[ret->n++] = a->ai_addrlen;
    }
    if (list)
        freeaddrinfo(list);
    return rc;
}

bool rpc_resolve_literal(const char *host, int port, struct rpc_addrs *ret)
{
    return look_up(host, port, AI_NUMERICHOST, ret) == 0 && ret->n > 0;
}

static void on_run(struct bt_work *w)
{
    struct rpc_resolver *r = BT_CONTAINER_OF(w, struct rpc_resolver, work);
    r->rc = look_up(r->host, r->port, 0, &r->found);
}

static void on_done(struct bt_work *w, bool cancelled)
{
    struct rpc_resolver *r = BT_CONTAINER_OF(w, struct rpc_resolver, work);
    struct bt_err err = BT_ERR_INIT;
    r->busy = false;
    if (cancelled)
        r->found.n = 0;
    if (r->found.n == 0)
        (void)bt_fail(&err, BT_E_UNAVAILABLE, "cannot find %.200s: %s", r->host,
                      r->rc ? gai_strerror(r->rc) : "no address");
    r->done(r, &r->found, &err);
}

void rpc_resolver_start(struct rpc_resolver *r, struct bt_loop *loop, const char *host, int port)
{
    if (r->busy)
        return;
    if (!r->pool)
        r->pool = bt_pool_new(loop, "resolve", 1, 1);
    (void)bt_strcpy(r->host, sizeof(r->host), host);
    r->port = port;
    r->work = (struct bt_work){.run = on_run, .done = on_done};
    r->busy = true;
    int rc = bt_pool_submit(r->pool, &r->work, NULL);
    assert(rc >= 0); /* one at a time */
    (void)rc;
}

void rpc_resolver_fini(struct rpc_resolver *r)
{
    assert(!r->busy);
    if (r->pool)
        bt_pool_free(r->pool);
    r->pool = NULL;
}
