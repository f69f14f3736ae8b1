/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/http/http_request.h"
#include "controller/service/service.h"

/* Figures that only the composition root sees. */
struct app_metrics_now {
    size_t requests; /* not answered yet */
    int64_t started_ms;
};

/**
 * Answer GET /metrics (Prometheus text format 0.0.4) for a token with scope metrics; @req is
 * consumed. @load counts it until it is answered. Loop thread.
 */
void app_metrics(struct service *svc, const struct app_metrics_now *now, size_t *load,
                 struct http_request *req);
