/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Clock and random behind tables, given at *_init, so that a whole controller and many agents run
 * in one process under a simulated clock and a seed.
 */
struct bt_clock {
    int64_t (*utc_ms)(void *ctx);  /* wall clock, ms since 1970 UTC */
    int64_t (*mono_ms)(void *ctx); /* CLOCK_BOOTTIME, ms; for leases, deadlines, durations */
    void *ctx;
};

struct bt_random {
    void (*fill)(void *ctx, void *buf, size_t n);
    void *ctx;
};

/** Milliseconds UTC now. Any thread. */
static inline int64_t bt_utc_ms(const struct bt_clock *c)
{
    return c->utc_ms(c->ctx);
}

/** Monotonic milliseconds, suspend included. Any thread. */
static inline int64_t bt_mono_ms(const struct bt_clock *c)
{
    return c->mono_ms(c->ctx);
}

/** Fill @buf with random bytes. */
static inline void bt_random_fill(const struct bt_random *r, void *buf, size_t n)
{
    r->fill(r->ctx, buf, n);
}

/** The kernel's clocks. Static. */
const struct bt_clock *bt_clock_real(void);

/** getrandom(2). Static; aborts when the kernel refuses. */
const struct bt_random *bt_random_real(void);

/* Deterministic generator (splitmix64) for simulations. */
struct bt_random_seeded {
    uint64_t state;
    struct bt_random table;
};

/** Start a seeded generator; @r->table is valid while @r does not move. Not thread safe. */
void bt_random_seeded_init(struct bt_random_seeded *r, uint64_t seed);

/** Uniform number in [0, @bound), @bound > 0. */
uint64_t bt_random_below(const struct bt_random *r, uint64_t bound);
