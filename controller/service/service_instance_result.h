/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/task/task.h"

/* What the end of each action means for its instance: tasks_config.actions, ctx = struct service.
 * docs/decisions/0044-instance-verbs.md. */
extern const struct task_action service_instance_task_actions[];
