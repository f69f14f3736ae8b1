/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "db/core/db.h"

/* Fleet settings: one row each; what is not stored has its default. Units are in the names. */
struct service_setting {
    const char *key;
    const char *def;
    bool is_int;
    int64_t min, max;
    bool places; /* placement depends on it: service_host_sched_refresh_all after a change */
    const char *help;
};

/* Ends with key NULL. */
extern const struct service_setting service_settings[];

/** Row of a key, NULL when there is none. */
const struct service_setting *service_setting_find(const char *key);

/** May @value be stored for @s? INVALID. */
int service_setting_check(const struct service_setting *s, const char *value, struct bt_err *err);

/** Text of a setting, its default when it is not stored. Caller frees. */
int service_setting_text(struct db_tx *tx, const char *key, char **ret, struct bt_err *err);

/** Integer of a setting. */
int service_setting_int(struct db_tx *tx, const char *key, int64_t *ret, struct bt_err *err);
