/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "agent/link/link_int.h"
#include "common/base/mem.h"
#include "common/log/log.h"

/* The certificate is renewed over the link that it made, at two thirds of its life. */
#define LOOK_AGAIN_MS (3600 * 1000)

static void ask(struct link *l)
{
    struct link_cert c = {0};
    struct bt_err err = BT_ERR_INIT;
    if (l->cfg.cert->csr(l->cfg.cert->ctx, &c.csr, &err) < 0) {
        bt_log(BT_ERROR, "link", "no request for a certificate: %s", err.msg);
        return;
    }
    bt_log(BT_INFO, "link", "asking for a new certificate");
    l->cert_id = link_send(l, &(struct link_frame){LINK_OP_CERT, 0, &link_cert_schema, &c});
    free(c.csr);
}

void link_cert_begin(struct link *l)
{
    if (!l->cfg.cert || l->state != LINK_LIVE)
        return;
    int64_t left = l->cfg.cert->renew_at(l->cfg.cert->ctx) - bt_utc_ms(bt_loop_clock(l->cfg.loop));
    if (left <= 0)
        ask(l);
    bt_timer_start(&l->cert_timer, left > 0 && left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS);
}

void link_cert_fired(struct bt_timer *t)
{
    link_cert_begin(BT_CONTAINER_OF(t, struct link, cert_timer));
}

void link_cert_answer(struct link *l, const struct link_cert *c)
{
    struct bt_err err = BT_ERR_INIT;
    l->cert_id = 0;
    if (!c->cert || l->cfg.cert->store(l->cfg.cert->ctx, c->cert, &err) < 0)
        bt_log(BT_ERROR, "link", "the new certificate cannot be used: %s",
               c->cert ? err.msg : "it is missing");
    else
        bt_log(BT_INFO, "link", "the certificate is renewed");
    link_cert_begin(l);
}
