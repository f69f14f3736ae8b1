/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"

/* What the controller does by the clock: empties the trash, forgets old answers, events, tasks. */
struct service_keeper;

/** Make it; it runs every minute from then on. */
struct service_keeper *service_keeper_new(struct service *svc);

/** Stop the clock. */
void service_keeper_stop(struct service_keeper *k);

/** Free a stopped one whose last work has ended. NULL is fine. */
void service_keeper_free(struct service_keeper *k);
