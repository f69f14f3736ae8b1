/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/agentlink/agentlink.h"
#include "controller/event/event.h"
#include "controller/service/service.h"

/* The use cases with all that they stand on: placement, tasks, agent sessions, events. */
struct service_config {
    struct db *db;
    struct bt_loop *loop;
    const struct bt_random *random;
    struct bt_pool *cpu;
    uint32_t seal_key_id;
    unsigned char seal_key[BT_SEAL_KEY_LEN];
    /* As agentlink_ops.cert_sign; its ctx is the struct service. NULL = certificates are not
     * renewed. */
    int (*cert_sign)(void *svc, const char *csr, const char *cn, char **ret_pem,
                     struct agentlink_cert *ret, struct bt_err *err);
    int64_t lease_ms, suspect_ms, unreachable_ms, deadline_ms; /* 0 = the defaults */
};

/**
 * Make everything and read what the database has: controller id, hosts, open tasks. Blocking,
 * before the loop runs. @svc stays put until service_fini.
 */
int service_init(struct service *svc, const struct service_config *cfg, struct bt_err *err);

/** End sessions, waits and timers; @done (may be NULL) follows, perhaps at once. */
void service_stop(struct service *svc, void (*done)(void *ctx), void *ctx);

/** Free; after service_stop has ended and the database was closed. */
void service_fini(struct service *svc);
