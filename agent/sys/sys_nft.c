/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_nft.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/sys/sys_link.h"

/* Registers are 4 bytes wide: a field fills whole ones, the rest of the last is zero. */
static void key_field(struct sys_nft_key *k, const void *data, size_t n, const char *text)
{
    size_t padded = (n + 3) / 4 * 4;
    assert(k->len + padded <= sizeof k->bytes);
    memset(k->bytes + k->len, 0, padded);
    memcpy(k->bytes + k->len, data, n);
    k->len += padded;
    size_t at = strlen(k->text);
    (void)snprintf(k->text + at, sizeof k->text - at, "%s%s", at ? " . " : "", text);
}

void sys_nft_key_ifname(struct sys_nft_key *k, const char *name)
{
    char padded[SYS_IFNAME_MAX] = {0};
    (void)snprintf(padded, sizeof padded, "%s", name);
    key_field(k, padded, sizeof padded, padded);
}

void sys_nft_key_mac(struct sys_nft_key *k, const unsigned char mac[6])
{
    char text[SYS_MAC_STR_MAX];
    key_field(k, mac, SYS_MAC_LEN, sys_mac_str(mac, text));
}

static void key_net(struct sys_nft_key *k, const struct bt_ip *ip, int bits, int key_bits)
{
    char text[BT_CIDR_STR_MAX];
    struct bt_cidr net = {.ip = {.family = ip->family}, .len = bits};
    assert(bits % 8 == 0 && bits <= key_bits && key_bits <= bt_ip_bits(ip->family));
    memcpy(net.ip.bytes, ip->bytes, (size_t)bits / 8);
    bool whole = bits == bt_ip_bits(ip->family);
    key_field(k, net.ip.bytes, (size_t)key_bits / 8,
              whole ? bt_ip_str(&net.ip, text) : bt_cidr_str(&net, text));
}

void sys_nft_key_ip(struct sys_nft_key *k, const struct bt_ip *ip, int bits)
{
    key_net(k, ip, bits, bits);
}

void sys_nft_key_masked(struct sys_nft_key *k, const struct bt_ip *ip, int bits)
{
    key_net(k, ip, bits, bt_ip_bits(ip->family));
}

int sys_nft_key_cmp(const struct sys_nft_key *a, const struct sys_nft_key *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, n);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return a->len == b->len ? 0 : (a->len < b->len ? -1 : 1);
}
