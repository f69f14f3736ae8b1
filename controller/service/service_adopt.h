/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "proto/api_fleet.h"

/* Letting in what is there already: hosts that are joining, instances that nobody knows. */

/* POST /hosts/{ref}/actions/adopt: 200 host. Nothing is placed on it before its orphans' addresses
 * are out of reach. */
extern const struct service_verb service_host_adopt;
/* POST /orphans/{uuid}/actions/adopt: args struct api_orphan_adopt; 202 {task, instance}. */
extern const struct service_verb service_orphan_adopt;

/**
 * Take the addresses of orphans out of reach: of host @host_id, 0 = of all (after a new pool).
 * Idempotent.
 */
int service_adopt_mark_orphans(struct db_tx *tx, int64_t host_id, struct bt_err *err);
