/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/agentlink/agentlink.h"
#include "controller/service/service.h"
#include "db/repo/repo_host.h"

/*
 * What agents say, as transactions (agentlink_ops; docs/decisions/0043-agent-sessions.md). @ctx of
 * all of them is the struct service.
 */

/** agentlink_ops.hello: whose certificate is it, and is its host obeyed or joining? */
int service_host_hello(struct db_tx *tx, void *ctx, struct agentlink_sync *s,
                       struct agentlink_out *out, struct bt_err *err);

/** agentlink_ops.sync: epoch, facts, instances, orphans, what is missing, open tasks. */
int service_host_sync(struct db_tx *tx, void *ctx, struct agentlink_sync *s,
                      struct agentlink_out *out, struct bt_err *err);

/** agentlink_ops.report: once for each (host, journal, seq). */
int service_host_report(struct db_tx *tx, void *ctx, const struct agentlink_record *r,
                        struct agentlink_out *out, struct bt_err *err);

/** agentlink_ops.report_skip: its seq, an event and an alarm. */
int service_host_report_skip(struct db_tx *tx, void *ctx, const struct agentlink_record *r,
                             struct agentlink_out *out, struct bt_err *err);

/** agentlink_ops.refused: raise the generation and send again, send again, or end the task. */
int service_host_refused(struct db_tx *tx, void *ctx, const struct agentlink_refusal *what,
                         struct agentlink_out *out, struct bt_err *err);

/** agentlink_ops.lease: placement and tasks at 1, state, instances and alarm at 2. */
int service_host_lease(struct db_tx *tx, void *ctx, int64_t host_id, int level,
                       struct agentlink_out *out, struct bt_err *err);

/** agentlink_ops.figures: real use of the disk, for placement. */
int service_host_figures(struct db_tx *tx, void *ctx, int64_t host_id, const struct link_renew *r,
                         struct bt_err *err);

/** agentlink_ops.cert_store: the serial of a renewed certificate. */
int service_host_cert_store(struct db_tx *tx, void *ctx, int64_t host_id,
                            const struct agentlink_cert *c, struct bt_err *err);

/* What the parts share. */

/** An event about a host (operators only). @text goes into its data. */
int service_host_event(struct db_tx *tx, const char *type, int64_t host_id, const char *text,
                       struct agentlink_out *out, struct bt_err *err);

/** Apply what an agent has of an instance: state, generations, a power-off inside. *@ret_known =
 * the instance is this host's. */
int service_host_seen(struct db_tx *tx, int64_t host_id, const struct link_item *item,
                      struct agentlink_out *out, bool *ret_known, struct bt_err *err);

/** The agent's generation is ahead of (or behind) the row's: raise it, send again. */
int service_host_settle_generation(struct db_tx *tx, struct service *svc, const char *uuid,
                                   const struct link_item *item, struct agentlink_out *out,
                                   struct bt_err *err);
