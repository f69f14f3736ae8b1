/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"
#include "controller/app_conf.h"

/* "Bert": every database of the controller carries it. */
#define APP_DB_ID 0x42657274
#define APP_TOKEN_FILE "operator.token"

/**
 * Run the controller until SIGTERM or SIGINT: database, keys, service, listeners. The first start
 * makes the CA and a token of the operator in STATE_DIR/operator.token (0600). Blocking. Errors:
 * INVALID, IN_USE (another process has the database or the port), KERNEL, DB.
 */
int app_run(const struct app_conf *conf, struct bt_err *err);
