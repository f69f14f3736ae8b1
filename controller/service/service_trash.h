/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_instance.h"

/* The trash, for verbs and for the controller itself. Writer. */

/** Mark @row (in memory) as trashed, with its tombstone; the caller writes it and sends its spec.
 */
int service_trash_row(struct db_tx *tx, struct repo_instance_row *row, const char *actor,
                      const char *reason, int64_t purge_at, struct bt_err *err);

/** Begin to purge what is due, some at a time; what is locked waits for the next look. */
int service_trash_due(struct db_tx *tx, struct service *svc, struct agentlink_out *out,
                      struct bt_err *err);

/** Say again to their hosts what is trashed and not done there. */
int service_trash_remind(struct db_tx *tx, struct agentlink_out *out, struct bt_err *err);

/** It is gone on its host: addresses, disk and the tombstone's claim are free. Idempotent. */
int service_trash_purged(struct db_tx *tx, struct service *svc, int64_t instance_id,
                         const char *event, struct agentlink_out *out, struct bt_err *err);
