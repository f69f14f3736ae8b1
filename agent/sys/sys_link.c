/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_link.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

const char *sys_mac_str(const unsigned char mac[SYS_MAC_LEN], char dst[SYS_MAC_STR_MAX])
{
    (void)snprintf(dst, SYS_MAC_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
    return dst;
}

int sys_mac_parse(const char *s, unsigned char ret[SYS_MAC_LEN], struct bt_err *err)
{
    unsigned char mac[SYS_MAC_LEN];
    static const unsigned char none[SYS_MAC_LEN];
    bool ok = s && strlen(s) == SYS_MAC_STR_MAX - 1;
    for (size_t i = 0; ok && i < SYS_MAC_LEN; i++) {
        char two[3] = {s[i * 3], s[i * 3 + 1], '\0'};
        ok = bt_unhex(two, &mac[i], 1) && s[i * 3 + 2] == (i + 1 < SYS_MAC_LEN ? ':' : '\0');
    }
    if (!ok)
        return bt_fail(err, BT_E_INVALID, "not a MAC address: %.40s", s ? s : "(none)");
    if (mac[0] & 1 || memcmp(mac, none, sizeof mac) == 0)
        return bt_fail(err, BT_E_INVALID, "not the MAC address of one station: %s", s);
    memcpy(ret, mac, sizeof mac);
    return 0;
}
