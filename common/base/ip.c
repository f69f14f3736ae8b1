/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

/* Numbers of prefixes are int64_t: below this many bits every number is exact. */
#define INDEX_BITS 62

int bt_ip_bits(int family)
{
    return family == 4 ? 32 : 128;
}

static bool mapped(const struct bt_ip *ip)
{
    static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};
    return ip->family == 6 && memcmp(ip->bytes, prefix, sizeof prefix) == 0;
}

int bt_ip_parse(const char *s, struct bt_ip *ret, struct bt_err *err)
{
    struct bt_ip ip = {0};
    if (s && inet_pton(AF_INET, s, ip.bytes) == 1)
        ip.family = 4;
    else if (s && inet_pton(AF_INET6, s, ip.bytes) == 1)
        ip.family = 6;
    if (ip.family == 0 || mapped(&ip))
        return bt_fail(err, BT_E_INVALID, "\"%.60s\" is not an IP address", s ? s : "");
    *ret = ip;
    return 0;
}

const char *bt_ip_str(const struct bt_ip *ip, char dst[BT_IP_STR_MAX])
{
    /* inet_ntop(3) writes the form of RFC 5952, but ::1.2.3.4 for the long dead "compatible" ones.
     */
    if (!inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, dst, BT_IP_STR_MAX))
        dst[0] = '\0';
    return dst;
}

int bt_ip_cmp(const struct bt_ip *a, const struct bt_ip *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int c = memcmp(a->bytes, b->bytes, sizeof a->bytes);
    return c < 0 ? -1 : c > 0;
}

/* ---- bits, counted from the front ---- */

static int bit_get(const struct bt_ip *ip, int at)
{
    return ip->bytes[at / 8] >> (7 - at % 8) & 1;
}

static void bit_set(struct bt_ip *ip, int at)
{
    ip->bytes[at / 8] = (unsigned char)(ip->bytes[at / 8] | 0x80 >> at % 8);
}

static bool bits_zero(const struct bt_ip *ip, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (bit_get(ip, i))
            return false;
    }
    return true;
}

static bool bits_same(const struct bt_ip *a, const struct bt_ip *b, int n)
{
    if (memcmp(a->bytes, b->bytes, (size_t)n / 8) != 0)
        return false;
    for (int i = n - n % 8; i < n; i++) {
        if (bit_get(a, i) != bit_get(b, i))
            return false;
    }
    return true;
}

/* ---- prefixes ---- */

int bt_cidr_parse(const char *s, struct bt_cidr *ret, struct bt_err *err)
{
    char text[BT_IP_STR_MAX];
    struct bt_cidr c;
    int64_t len = 0;
    const char *slash = s ? strchr(s, '/') : NULL;
    if (!slash || (size_t)(slash - s) >= sizeof text || (slash[1] == '0' && slash[2]))
        return bt_fail(err, BT_E_INVALID, "\"%.60s\" is not ADDRESS/LENGTH", s ? s : "");
    memcpy(text, s, (size_t)(slash - s));
    text[slash - s] = '\0';
    int rc = bt_ip_parse(text, &c.ip, err);
    if (rc < 0)
        return rc;
    if (slash[1] < '0' || slash[1] > '9' ||
        bt_parse_i64(slash + 1, 0, bt_ip_bits(c.ip.family), &len, NULL) < 0)
        return bt_fail(err, BT_E_INVALID, "\"%.60s\" has no valid prefix length", s);
    c.len = (int)len;
    if (!bits_zero(&c.ip, c.len, bt_ip_bits(c.ip.family)))
        return bt_fail(err, BT_E_INVALID, "\"%.60s\" has bits behind its prefix", s);
    *ret = c;
    return 0;
}

const char *bt_cidr_str(const struct bt_cidr *c, char dst[BT_CIDR_STR_MAX])
{
    char text[BT_IP_STR_MAX];
    (void)snprintf(dst, BT_CIDR_STR_MAX, "%s/%d", bt_ip_str(&c->ip, text), c->len);
    return dst;
}

bool bt_cidr_contains(const struct bt_cidr *c, const struct bt_ip *ip)
{
    return c->ip.family == ip->family && bits_same(&c->ip, ip, c->len);
}

bool bt_cidr_overlaps(const struct bt_cidr *a, const struct bt_cidr *b)
{
    return bt_cidr_contains(a, &b->ip) || bt_cidr_contains(b, &a->ip);
}

int64_t bt_cidr_count(const struct bt_cidr *c, int sub_len)
{
    int bits = sub_len - c->len;
    if (bits < 0 || sub_len > bt_ip_bits(c->ip.family))
        return 0;
    return bits > INDEX_BITS ? INT64_MAX : INT64_C(1) << bits;
}

int bt_cidr_nth(const struct bt_cidr *c, int sub_len, int64_t n, struct bt_ip *ret,
                struct bt_err *err)
{
    if (n < 0 || n >= bt_cidr_count(c, sub_len))
        return bt_fail(err, BT_E_INVALID, "number %lld is outside of the range", (long long)n);
    struct bt_ip ip = c->ip;
    for (int i = 0; i < INDEX_BITS + 1 && n >> i; i++) {
        if (n >> i & 1)
            bit_set(&ip, sub_len - 1 - i);
    }
    *ret = ip;
    return 0;
}

int bt_cidr_index(const struct bt_cidr *c, int sub_len, const struct bt_ip *ip, int64_t *ret,
                  struct bt_err *err)
{
    if (!bt_cidr_contains(c, ip) || sub_len < c->len || sub_len > bt_ip_bits(c->ip.family))
        return bt_fail(err, BT_E_INVALID, "the address is outside of the range");
    int64_t n = 0;
    for (int i = c->len; i < sub_len; i++) {
        if (n >> (INDEX_BITS - 1))
            return bt_fail(err, BT_E_INVALID,
                           "the address is too far behind the start of the range");
        n = n << 1 | bit_get(ip, i);
    }
    *ret = n;
    return 0;
}
