/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

bool bt_streq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool bt_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool bt_strcpy(char *dst, size_t size, const char *s)
{
    assert(size > 0);
    size_t n = strnlen(s, size);
    bool whole = n < size;
    if (!whole)
        n = size - 1;
    memcpy(dst, s, n);
    dst[n] = '\0';
    return whole;
}

int bt_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret, struct bt_err *err)
{
    char *end = NULL;
    errno = 0;
    long long v = s && ((*s >= '0' && *s <= '9') || *s == '-') ? strtoll(s, &end, 10) : 0;
    if (!end || end == s || *end || errno == ERANGE)
        return bt_fail(err, BT_E_INVALID, "not an integer");
    if (v < min || v > max)
        return bt_fail(err, BT_E_INVALID, "must be between %lld and %lld", (long long)min,
                       (long long)max);
    *ret = v;
    return 0;
}

/* "12" or "12.345" -> thousandths; *end behind the number. False when there is none or it
 * overflows. */
static bool decimal_milli(const char *s, int64_t *ret, const char **end)
{
    int64_t v = 0;
    int places = -1;
    const char *p = s;
    for (; *p; p++) {
        if (*p == '.' && places < 0 && p > s) {
            places = 0;
            continue;
        }
        if (*p < '0' || *p > '9')
            break;
        if (places == 3 || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, *p - '0', &v))
            return false;
        places += places >= 0;
    }
    if (p == s || p[-1] == '.')
        return false;
    for (int i = places < 0 ? 0 : places; i < 3; i++) {
        if (__builtin_mul_overflow(v, 10, &v))
            return false;
    }
    *ret = v;
    *end = p;
    return true;
}

struct unit {
    const char *suffix;
    int64_t factor;
};

static int parse_unit(const char *s, const struct unit *units, int64_t *ret, struct bt_err *err)
{
    int64_t milli = 0;
    const char *end = NULL;
    if (!s || !decimal_milli(s, &milli, &end))
        return bt_fail(err, BT_E_INVALID, "not a number with a unit");
    for (const struct unit *u = units; u->suffix; u++) {
        if (strcasecmp(u->suffix, end) != 0)
            continue;
        int64_t v = 0;
        if (__builtin_mul_overflow(milli / 1000, u->factor, &v) ||
            __builtin_add_overflow(v, milli % 1000 * u->factor / 1000, &v))
            return bt_fail(err, BT_E_INVALID, "too large");
        *ret = v;
        return 0;
    }
    return bt_fail(err, BT_E_INVALID, "unknown unit \"%.16s\"", end);
}

int bt_parse_size(const char *s, int64_t *ret_bytes, struct bt_err *err)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"K", 1LL << 10},
                                        {"KiB", 1LL << 10},
                                        {"KB", 1LL << 10},
                                        {"M", 1LL << 20},
                                        {"MiB", 1LL << 20},
                                        {"MB", 1LL << 20},
                                        {"G", 1LL << 30},
                                        {"GiB", 1LL << 30},
                                        {"GB", 1LL << 30},
                                        {"T", 1LL << 40},
                                        {"TiB", 1LL << 40},
                                        {"TB", 1LL << 40},
                                        {NULL, 0}};
    return parse_unit(s, units, ret_bytes, err);
}

int bt_parse_si(const char *s, int64_t *ret, struct bt_err *err)
{
    static const struct unit units[] = {{"", 1},           {"k", 1000},          {"M", 1000000},
                                        {"G", 1000000000}, {"T", 1000000000000}, {NULL, 0}};
    return parse_unit(s, units, ret, err);
}

int bt_parse_duration(const char *s, int64_t *ret_ms, struct bt_err *err)
{
    static const struct unit units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    return parse_unit(s, units, ret_ms, err);
}

int bt_parse_milli(const char *s, int64_t *ret_milli, struct bt_err *err)
{
    const char *end = NULL;
    int64_t v = 0;
    if (!s || !decimal_milli(s, &v, &end) || *end)
        return bt_fail(err, BT_E_INVALID, "not a number with at most three decimals");
    *ret_milli = v;
    return 0;
}

void bt_hex(const void *data, size_t n, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[p[i] >> 4];
        dst[2 * i + 1] = digits[p[i] & 15];
    }
    dst[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bt_unhex(const char *s, void *dst, size_t n)
{
    unsigned char *out = dst;
    if (strlen(s) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(s[2 * i]);
        int lo = hex_digit(s[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (unsigned char)(hi << 4 | lo);
    }
    return true;
}

static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *bt_b64url(const void *data, size_t n)
{
    const unsigned char *p = data;
    char *out = bt_xmalloc((n + 2) / 3 * 4 + 1);
    size_t o = 0;
    uint32_t acc = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | p[i];
        bits += 8;
        for (; bits >= 6; bits -= 6)
            out[o++] = b64_digits[acc >> (bits - 6) & 63];
    }
    if (bits > 0)
        out[o++] = b64_digits[acc << (6 - bits) & 63];
    out[o] = '\0';
    return out;
}

int bt_unb64url(const char *s, void *dst, size_t max, size_t *ret_n, struct bt_err *err)
{
    unsigned char *out = dst;
    size_t o = 0;
    uint32_t acc = 0;
    int bits = 0;
    for (; *s; s++) {
        const char *d = strchr(b64_digits, *s);
        if (!d)
            return bt_fail(err, BT_E_INVALID, "not base64url");
        acc = acc << 6 | (uint32_t)(d - b64_digits);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (o == max)
            return bt_fail(err, BT_E_INVALID, "too long");
        out[o++] = (unsigned char)(acc >> bits);
    }
    if (bits == 6 || (acc & ((1u << bits) - 1)))
        return bt_fail(err, BT_E_INVALID, "not base64url");
    *ret_n = o;
    return 0;
}

static size_t utf8_shape(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if ((lead & 0xf0) == 0xe0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

size_t bt_utf8_seq(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char c = p[0];
    size_t len = utf8_shape(c);
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (c == 0xe0 && p[1] < 0xa0) || (c == 0xf0 && p[1] < 0x90);
    bool beyond = (c == 0xed && p[1] >= 0xa0) || (c == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 0 : len;
}

bool bt_utf8_clean(const char *s, size_t n, const char *allow)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        size_t len = bt_utf8_seq(s + i, n - i);
        if (len == 0)
            return false;
        bool control = p[i] < 0x20 || p[i] == 0x7f || (p[i] == 0xc2 && p[i + 1] < 0xa0);
        if (control && (p[i] == 0 || !allow || !strchr(allow, p[i])))
            return false;
        i += len;
    }
    return true;
}

bool bt_name_ok(const char *s)
{
    size_t n = strlen(s);
    bool digits_only = true;
    if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        bool digit = s[i] >= '0' && s[i] <= '9';
        if (!digit && s[i] != '-' && (s[i] < 'a' || s[i] > 'z'))
            return false;
        digits_only = digits_only && digit;
    }
    return !digits_only;
}
