/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_setting.h"

#include <assert.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/repo/repo_setting.h"

#define TIB (INT64_C(1) << 40)

const struct service_setting service_settings[] = {
    {"default_tenant", "", false, 0, 63, false, "tenant of an operator's create that names none"},
    {"trash_days", "7", true, 0, 365, false, "days that a deleted instance can be restored"},
    {"overcommit_cpu_milli", "8000", true, 100, 1000000, true, "cores sold for 1,000 cores"},
    {"overcommit_memory_milli", "1000", true, 100, 100000, true, "memory sold for 1,000 bytes"},
    {"overcommit_disk_milli", "1000", true, 100, 1000000, true, "disk sold for 1,000 bytes"},
    {"reserve_memory_bytes", "0", true, 0, TIB, true, "memory of a host that is not sold"},
    {"reserve_disk_bytes", "0", true, 0, 1024 * TIB, true, "disk of a host that is not sold"},
    {"stop_timeout_ms", "60000", true, 0, 3600000, false, "patience of a graceful stop"},
    {"idempotency_hours", "72", true, 1, 8760, false, "how long answers of keys are kept"},
    {"event_days", "30", true, 1, 3650, false, "how long events and finished tasks are kept"},
    {"rate_per_s", "200", true, 1, 100000, false, "requests a second of a token"},
    {"rate_burst", "500", true, 1, 100000, false, "requests at once of a token"},
    {NULL, NULL, false, 0, 0, false, NULL},
};

const struct service_setting *service_setting_find(const char *key)
{
    for (const struct service_setting *s = service_settings; s->key; s++)
        if (bt_streq(s->key, key))
            return s;
    return NULL;
}

int service_setting_check(const struct service_setting *s, const char *value, struct bt_err *err)
{
    int64_t v;
    if (s->is_int)
        return bt_parse_i64(value, s->min, s->max, &v, err);
    if ((int64_t)strlen(value) > s->max)
        return bt_fail(err, BT_E_INVALID, "%s: at most %lld bytes", s->key, (long long)s->max);
    return 0;
}

int service_setting_text(struct db_tx *tx, const char *key, char **ret, struct bt_err *err)
{
    const struct service_setting *s = service_setting_find(key);
    assert(s);
    int rc = repo_setting_get(tx, key, ret, err);
    if (rc != -BT_E_NOT_FOUND)
        return rc;
    *ret = bt_xstrdup(s->def);
    return 0;
}

int service_setting_int(struct db_tx *tx, const char *key, int64_t *ret, struct bt_err *err)
{
    const struct service_setting *s = service_setting_find(key);
    assert(s && s->is_int);
    int64_t fallback = 0;
    int rc = bt_parse_i64(s->def, s->min, s->max, &fallback, err);
    return rc < 0 ? rc : repo_setting_int(tx, key, fallback, ret, err);
}
