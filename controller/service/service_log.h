/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_event.h"

/* What happened: events, alarms, audit, addresses, orphans, settings. */
struct service_event_query {
    int64_t after; /* only later than this id */
    const char *type;
};

extern const struct service_verb service_event_list;
extern const struct service_verb service_alarm_list, service_alarm_ack;
extern const struct service_verb service_audit_list, service_audit_verify;
extern const struct service_verb service_address_list, service_address_history,
    service_address_hold, service_address_release;
extern const struct service_verb service_orphan_list;
extern const struct service_verb service_setting_list, service_setting_put;

/** Emit an event row as the API shows it. */
bool service_event_emit(const struct repo_event_row *row, struct bt_buf *out);
