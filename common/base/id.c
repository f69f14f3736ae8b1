/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/id.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void bt_uuid_new(const struct bt_random *r, char dst[BT_UUID_LEN + 1])
{
    unsigned char b[16];
    bt_random_fill(r, b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(dst, BT_UUID_LEN + 1,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool bt_uuid_ok(const char *s)
{
    if (strlen(s) != BT_UUID_LEN)
        return false;
    for (int i = 0; i < BT_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : hex_value(s[i]) < 0)
            return false;
    }
    return true;
}

void bt_port_name(const char *uuid, int nic, char dst[BT_PORT_LEN + 1])
{
    static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
    assert(nic >= 0 && nic <= 9 && bt_uuid_ok(uuid));
    uint64_t v = 0;
    int digits = 0;
    for (const char *p = uuid; digits < 15; p++) {
        if (*p == '-')
            continue;
        v = v << 4 | (uint64_t)hex_value(*p);
        digits++;
    }
    dst[0] = 'b';
    dst[1] = 't';
    for (int i = 0; i < 12; i++)
        dst[2 + i] = base32[v >> (55 - 5 * i) & 31];
    dst[14] = (char)('0' + nic);
    dst[15] = '\0';
}
