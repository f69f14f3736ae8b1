/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"

/* Verbs on one instance: args struct api_action (NULL = none), answer 202 {task, instance}. */
extern const struct service_verb service_instance_start, service_instance_stop,
    service_instance_kill, service_instance_restart, service_instance_reset, service_instance_pause,
    service_instance_resume, service_instance_suspend, service_instance_unsuspend,
    service_instance_rebuild, service_instance_resize, service_instance_reset_password,
    service_instance_delete, service_instance_restore;
