/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"

/* Idempotency keys of the framework: one answer for one key (DESIGN 5). */

/**
 * Fill c->answer with the stored answer of c->idem, replayed = true; nothing on first use.
 * IDEMPOTENCY_MISMATCH, EXPIRED.
 */
int service_idem_replay(struct db_tx *tx, struct service_call *c, struct bt_err *err);

/** Store c->answer in this transaction, sealed when it holds secrets. */
int service_idem_store(struct db_tx *tx, struct service_call *c, struct bt_err *err);
