/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/mem.h"
#include "runtime/container/ct_profile.h"

/* capabilities(7); what is kept is worth something in the instance's own user namespace only. */
static const char *const always[] = {
    "sys_module",   "sys_rawio",     "sys_time",       "mac_admin",
    "mac_override", "syslog",        "mknod",          "audit_control",
    "audit_read",   "bpf",           "perfmon",        "sys_pacct",
    "wake_alarm",   "block_suspend", "sys_tty_config", "checkpoint_restore",
};

struct gate {
    enum feature feature;
    const char *cap;
};

static const struct gate gates[] = {
    {FEATURE_NET_ADMIN, "net_admin"},
    {FEATURE_NET_RAW, "net_raw"},
};

void ct_caps_emit(uint64_t features, struct bt_buf *out)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(always); i++)
        (void)bt_buf_addf(out, "%s%s", i ? " " : "", always[i]);
    for (size_t i = 0; i < BT_ARRAY_LEN(gates); i++) {
        if (!ct_has(features, gates[i].feature))
            (void)bt_buf_addf(out, " %s", gates[i].cap);
    }
}
