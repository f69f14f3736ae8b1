/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * IP addresses and prefixes as bytes in network order, with one canonical text each (RFC 5952 for
 * v6; IPv4-mapped v6 addresses and zones are refused: they would be a second name for something
 * else).
 */
#define BT_IP_STR_MAX 46   /* with the NUL */
#define BT_CIDR_STR_MAX 50 /* with the NUL */

struct bt_ip {
    int family;              /* 4 or 6 */
    unsigned char bytes[16]; /* v4 uses the first 4, the rest is 0 */
};

struct bt_cidr {
    struct bt_ip ip;
    int len; /* 0..32, 0..128 */
};

/** Parse an address: dotted quad without leading zeros, or IPv6 text. Errors: INVALID. */
int bt_ip_parse(const char *s, struct bt_ip *ret, struct bt_err *err);

/** Canonical text into @dst; returns @dst. */
const char *bt_ip_str(const struct bt_ip *ip, char dst[BT_IP_STR_MAX]);

/** -1, 0, 1; v4 before v6. */
int bt_ip_cmp(const struct bt_ip *a, const struct bt_ip *b);

/** Bits of an address of this family: 32 or 128. */
int bt_ip_bits(int family);

/** Parse "ADDRESS/LEN"; host bits must be zero. Errors: INVALID. */
int bt_cidr_parse(const char *s, struct bt_cidr *ret, struct bt_err *err);

/** Canonical text into @dst; returns @dst. */
const char *bt_cidr_str(const struct bt_cidr *c, char dst[BT_CIDR_STR_MAX]);

/** Is @ip inside @c (false over families)? */
bool bt_cidr_contains(const struct bt_cidr *c, const struct bt_ip *ip);

/** Do the two have an address in common? */
bool bt_cidr_overlaps(const struct bt_cidr *a, const struct bt_cidr *b);

/**
 * Number of /@sub_len prefixes in @c (sub_len 32 or 128: of addresses); INT64_MAX when it is
 * larger, 0 when @sub_len is shorter than the prefix.
 */
int64_t bt_cidr_count(const struct bt_cidr *c, int sub_len);

/** First address of the /@sub_len prefix number @n of @c (0 <= n < count). Errors: INVALID (out of
 * range). */
int bt_cidr_nth(const struct bt_cidr *c, int sub_len, int64_t n, struct bt_ip *ret,
                struct bt_err *err);

/** Number of the /@sub_len prefix of @c in which @ip lies. Errors: INVALID (outside, number past
 * 2^62). */
int bt_cidr_index(const struct bt_cidr *c, int sub_len, const struct bt_ip *ip, int64_t *ret,
                  struct bt_err *err);
