/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"

/* POST /instances/{ref}/exec and /console: args struct api_exec; 201 ticket. exec is for operators
 * and containers; console for whoever may use power verbs. */
extern const struct service_verb service_instance_exec, service_instance_console;
