/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/sched/sched.h"
#include "controller/service/service.h"
#include "controller/service/service_json.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_plan.h"
#include "proto/limits.h"

/* Placement of one instance inside its transaction: proposal, proof by SQL, addresses. */
struct service_place {
    struct sched_request request; /* groups point into `groups` */
    struct service_ids groups;
    int64_t ipv4, ipv6;
    const struct bt_arr *wanted; /* char *: exactly these addresses first; NULL = none */
};

/** What an instance with @limits asks of a host: room, driver, the plan's groups, addresses. */
int service_place_init(struct service_place *p, const struct repo_plan_row *plan,
                       const struct limits *limits, int driver, struct bt_err *err);

/**
 * Insert @row on the best host that has room and addresses; sets host_id (and id); placement state
 * and addresses follow. NO_CAPACITY with each host's reason, POOL_EXHAUSTED.
 */
int service_place_insert(struct db_tx *tx, struct service *svc, const struct service_place *p,
                         struct repo_instance_row *row, struct bt_err *err);

/** More addresses for an instance on its host: @ipv4 and @ipv6 of them. POOL_EXHAUSTED. */
int service_place_addresses(struct db_tx *tx, const struct repo_instance_row *row, int64_t ipv4,
                            int64_t ipv6, struct bt_err *err);
