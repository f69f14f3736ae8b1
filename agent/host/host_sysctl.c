/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/host_sysctl.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* `at_least`: a stricter value is as good. A key that the kernel does not have is no wall that is
 * missing: the feature is not there. */
static const struct sysctl_row {
    const char *key;
    const char *value;
    bool at_least;
} rows[] = {
    {"kernel/kptr_restrict", "2", true},
    {"kernel/dmesg_restrict", "1", true},
    {"kernel/perf_event_paranoid", "3", true},
    /* 1 cannot be taken back before a reboot, 2 (disabled, but changeable) is as good a wall */
    {"kernel/unprivileged_bpf_disabled", "1", true},
};

enum verdict { SAME, DIFFERS, MISSING };

static enum verdict look(struct sys *sys, const struct sysctl_row *row, char found[SYS_SYSCTL_MAX])
{
    int64_t have = 0;
    int64_t want = 0;
    if (sys->sysctl->read(sys, row->key, found, NULL) < 0)
        return MISSING;
    if (bt_streq(found, row->value))
        return SAME;
    if (row->at_least && bt_parse_i64(found, INT64_MIN, INT64_MAX, &have, NULL) == 0 &&
        bt_parse_i64(row->value, INT64_MIN, INT64_MAX, &want, NULL) == 0 && have >= want)
        return SAME;
    return DIFFERS;
}

int host_sysctl_apply(struct sys *sys, int64_t how, struct bt_err *err)
{
    char found[SYS_SYSCTL_MAX];
    _cleanup_buf_ struct bt_buf differs = BT_BUF(250);
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        if (look(sys, &rows[i], found) != DIFFERS)
            continue;
        if (how == HOST_SYSCTLS_CHECK) {
            (void)bt_buf_addf(&differs, " %s=%.16s", rows[i].key, found);
            continue;
        }
        int rc = sys->sysctl->ensure(sys, rows[i].key, rows[i].value, err);
        if (rc < 0)
            return rc;
    }
    if (differs.len == 0)
        return 0;
    (void)bt_fail(err, BT_E_PRECONDITION, "kernel settings differ:%s", differs.data);
    bt_hint(err, "Set them, or let the agent do it: sysctls = set in agent.conf");
    return -(int)BT_E_PRECONDITION;
}

void host_sysctl_check(struct sys *sys, struct link_doctor *out)
{
    char found[SYS_SYSCTL_MAX];
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        if (look(sys, &rows[i], found) != DIFFERS)
            continue;
        struct link_doctor_finding *f = bt_arr_push(&out->findings, sizeof *f);
        *f = (struct link_doctor_finding){.kind = DOCTOR_SYSCTL,
                                          .object = bt_xstrdup(rows[i].key),
                                          .expected = bt_xstrdup(rows[i].value),
                                          .found = bt_xstrdup(found),
                                          .fix = bt_xstrdup("sysctls = set, or set it by hand")};
    }
}
