/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t real_utc(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_REALTIME);
}

static int64_t real_mono(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_BOOTTIME);
}

const struct bt_clock *bt_clock_real(void)
{
    static const struct bt_clock c = {real_utc, real_mono, NULL};
    return &c;
}

static void real_fill(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    char *p = buf;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        p += got;
        n -= (size_t)got;
    }
}

const struct bt_random *bt_random_real(void)
{
    static const struct bt_random r = {real_fill, NULL};
    return &r;
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void seeded_fill(void *ctx, void *buf, size_t n)
{
    struct bt_random_seeded *r = ctx;
    char *p = buf;
    while (n > 0) {
        uint64_t v = splitmix(&r->state);
        size_t k = n < sizeof v ? n : sizeof v;
        memcpy(p, &v, k);
        p += k;
        n -= k;
    }
}

void bt_random_seeded_init(struct bt_random_seeded *r, uint64_t seed)
{
    r->state = seed;
    r->table = (struct bt_random){seeded_fill, r};
}

uint64_t bt_random_below(const struct bt_random *r, uint64_t bound)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t v = 0;
    do
        bt_random_fill(r, &v, sizeof v);
    while (v >= limit);
    return v % bound;
}
