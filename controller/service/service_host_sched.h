/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/sched/sched.h"
#include "controller/service/service.h"
#include "db/repo/repo_host.h"

/*
 * Hosts as placement sees them, made from their rows. To be called in the transaction that changed
 * a row which placement depends on: host, host group, or an overcommit or reserve setting. Writer.
 */

/** Read host @id again (facts, ratios, allocated by SQL). A joining or removed one is forgotten. */
int service_host_sched_refresh(struct db_tx *tx, struct service *svc, int64_t id,
                               struct bt_err *err);

/** Every host of a group again. */
int service_host_sched_refresh_group(struct db_tx *tx, struct service *svc, int64_t group_id,
                                     struct bt_err *err);

/** Every host again (start-up, settings). */
int service_host_sched_refresh_all(struct db_tx *tx, struct service *svc, struct bt_err *err);

/** Its lease is (not) renewed. */
void service_host_sched_silent(struct db_tx *tx, struct service *svc, int64_t id, bool silent);

/** Real use of its disk. */
void service_host_sched_disk(struct db_tx *tx, struct service *svc, int64_t id, int64_t used_bytes,
                             int64_t free_bytes);

/** Ratios and reserves as they count: the host's own, its group's, the settings'. */
int service_host_sched_ratios(struct db_tx *tx, const struct repo_host_row *h,
                              struct sched_ratios *ret, struct bt_err *err);

/** What is sold of a host. */
int service_host_sched_sellable(struct db_tx *tx, const struct repo_host_row *h,
                                struct sched_amount *ret, struct bt_err *err);

/** Proof by SQL: does @need fit on @id on top of what its rows hold now? NO_CAPACITY. */
int service_host_sched_prove(struct db_tx *tx, int64_t id, const struct sched_amount *need,
                             struct bt_err *err);
