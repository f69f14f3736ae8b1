/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_sched */
/* Placements a second at 10,000 hosts, with a sample checked against a full scan. One JSON line. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/world.h"
#include "controller/sched/sched.h"

#define HOSTS 10000
#define GIB (INT64_C(1) << 30)

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fill(struct sched *s, const struct bt_random *rnd)
{
    for (int64_t i = 1; i <= HOSTS; i++) {
        int64_t size = 1 + (int64_t)bt_random_below(rnd, 4);
        struct sched_host h = {.id = i,
                               .location_id = 1 + i % 8,
                               .group_id = i % 5,
                               .policy = i % 5 == 4 ? POLICY_PACK : POLICY_SPREAD,
                               .state = HOST_ONLINE,
                               .cordoned = i % 50 == 0,
                               .drivers = 1u << DRIVER_CONTAINER,
                               .features = 0x3f,
                               .sellable = {size * 128, size * 64 * GIB, size * 2000 * GIB, 0}};
        sched_host_put(s, NULL, &h);
    }
}

static struct sched_request request(const struct bt_random *rnd)
{
    int64_t size = INT64_C(1) << bt_random_below(rnd, 4);
    return (struct sched_request){
        .need = {size, size * GIB, size * 10 * GIB, 1},
        .driver = DRIVER_CONTAINER,
        .location_id = bt_random_below(rnd, 4) ? 0 : 1 + (int64_t)bt_random_below(rnd, 8)};
}

/* One placement and the cost of looking at every host instead. */
static double full_scan(const struct sched *s, const struct sched_request *r)
{
    double t = now_s();
    struct sched_host h;
    int64_t n = 0;
    for (int64_t after = 0; sched_next_host(s, after, &h); after = h.id)
        n += sched_judge(&h, r) == SCHED_OK;
    return n >= 0 ? now_s() - t : 0;
}

int main(int argc, char **argv)
{
    int64_t given = 200000;
    if (argc > 1)
        (void)bt_parse_i64(argv[1], 1, 100000000, &given, NULL);
    int want = (int)given;
    struct bt_random_seeded rnd;
    bt_random_seeded_init(&rnd, 1);
    struct sched *s = sched_new();
    fill(s, &rnd.table);
    int placed = 0, refused = 0;
    double t = now_s();
    for (int i = 0; i < want; i++) {
        struct sched_request r = request(&rnd.table);
        struct sched_cursor at = {0};
        int64_t id;
        if (!sched_pick(s, &r, &at, &id)) {
            refused++;
            continue;
        }
        sched_alloc(s, NULL, id, &r.need);
        placed++;
    }
    double took = now_s() - t;
    struct sched_request r = request(&rnd.table);
    double scan = full_scan(s, &r);
    printf("{\"name\":\"sched\",\"hosts\":%d,\"placed\":%d,\"refused\":%d,\"per_s\":%.0f,"
           "\"full_scan_per_s\":%.0f}\n",
           HOSTS, placed, refused, (double)want / took, 1 / scan);
    sched_free(s);
    return 0;
}
