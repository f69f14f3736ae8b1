/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"

/*
 * GET /doctor: what the controller's own records contradict, then what every host finds when it
 * compares its kernel with its journal. It changes nothing. Loop thread.
 */
#define SERVICE_DOCTOR_FINDINGS_MAX 5000

/**
 * Ask for @who (operators only: DENIED). done() follows from the loop exactly once, never inside;
 * @body is {"items":[finding]}, NULL on failure. Hosts that do not answer in time are findings.
 */
void service_doctor_start(struct service *svc, const struct principal *who,
                          void (*done)(void *ctx, const char *body, size_t len,
                                       const struct bt_err *err),
                          void *ctx);
