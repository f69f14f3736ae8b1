/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/world.h"
#include "controller/sched/sched.h"
#include "db/core/db.h"

#include <cmocka.h>

#define GIB (INT64_C(1) << 30)

static struct sched_host host(int64_t id)
{
    return (struct sched_host){.id = id,
                               .location_id = 1,
                               .state = HOST_ONLINE,
                               .drivers = 1u << DRIVER_CONTAINER,
                               .features = 0x3f,
                               .sellable = {48, 64 * GIB, 1000 * GIB, 0}};
}

static struct sched_request request(void)
{
    return (struct sched_request){.need = {1, GIB, 10 * GIB, 1}, .driver = DRIVER_CONTAINER};
}

static bool less(const struct sched_host *a, const struct sched_host *b)
{
    int64_t rank[2];
    const struct sched_host *h[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        const struct sched_amount *s = &h[i]->sellable, *u = &h[i]->allocated;
        int64_t pairs[3][2] = {
            {u->cpus, s->cpus}, {u->memory_bytes, s->memory_bytes}, {u->disk_bytes, s->disk_bytes}};
        int64_t use = 0;
        for (int k = 0; k < 3; k++) {
            int64_t v = 0;
            if (pairs[k][0] > 0)
                v = pairs[k][1] > 0 ? (int64_t)((__int128)pairs[k][0] * 1000000 / pairs[k][1])
                                    : 1000000;
            if (v > 2000000)
                v = 2000000;
            if (v > use)
                use = v;
        }
        rank[i] = h[i]->policy == POLICY_PACK ? 1000000 - use : use;
    }
    if (rank[0] != rank[1])
        return rank[0] < rank[1];
    if (a->allocated.instances != b->allocated.instances)
        return a->allocated.instances < b->allocated.instances;
    return a->id < b->id;
}

/* The answer by hand: look at every host. */
static int64_t full_scan(const struct sched *s, const struct sched_request *r)
{
    struct sched_host h, best = {0};
    for (int64_t after = 0; sched_next_host(s, after, &h); after = h.id)
        if (sched_judge(&h, r) == SCHED_OK && (!best.id || less(&h, &best)))
            best = h;
    return best.id;
}

static void random_host(const struct bt_random *rnd, int64_t id, struct sched_host *h)
{
    *h = host(id);
    h->location_id = 1 + (int64_t)bt_random_below(rnd, 70);
    h->group_id = (int64_t)bt_random_below(rnd, 5);
    h->policy = h->group_id == 2 ? POLICY_PACK : POLICY_SPREAD;
    h->state = bt_random_below(rnd, 12) ? HOST_ONLINE : HOST_MAINTENANCE;
    h->cordoned = !bt_random_below(rnd, 12);
    h->silent = !bt_random_below(rnd, 12);
    h->drivers = 1 + (uint32_t)bt_random_below(rnd, 3);
    h->features = bt_random_below(rnd, 4) ? 0x3f : 0x0f;
    h->sellable.cpus = (int64_t)bt_random_below(rnd, 12) * 4;
    h->sellable.memory_bytes = (int64_t)bt_random_below(rnd, 32) * GIB;
    h->sellable.disk_bytes = (int64_t)bt_random_below(rnd, 64) * 10 * GIB;
    if (!bt_random_below(rnd, 5))
        h->max_instances = BT_OPT_V((int64_t)bt_random_below(rnd, 6));
    if (!bt_random_below(rnd, 6)) {
        h->disk_used_bytes = (int64_t)bt_random_below(rnd, 100);
        h->disk_free_bytes = 100 - h->disk_used_bytes;
    }
}

static void same_answer_as_a_full_scan(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bt_random_seeded rnd;
        bt_random_seeded_init(&rnd, seed);
        struct sched *s = sched_new();
        for (int64_t i = 1; i <= 150; i++) {
            struct sched_host h;
            random_host(&rnd.table, i, &h);
            sched_host_put(s, NULL, &h);
        }
        for (int step = 0; step < 600; step++) {
            static const int64_t groups[] = {1, 2};
            struct sched_request r = request();
            r.need.cpus = (int64_t)bt_random_below(&rnd.table, 6);
            r.need.memory_bytes = (int64_t)bt_random_below(&rnd.table, 4) * GIB / 2;
            r.driver = (int)bt_random_below(&rnd.table, 2);
            r.features = bt_random_below(&rnd.table, 2) ? 0x10 : 0;
            r.location_id =
                bt_random_below(&rnd.table, 3) ? 0 : 1 + (int64_t)bt_random_below(&rnd.table, 70);
            r.host_id =
                bt_random_below(&rnd.table, 8) ? 0 : 1 + (int64_t)bt_random_below(&rnd.table, 160);
            if (!bt_random_below(&rnd.table, 3)) {
                r.groups = groups;
                r.n_groups = 2;
            }
            struct sched_cursor at = {0};
            int64_t got = 0, want = full_scan(s, &r);
            bool found = sched_pick(s, &r, &at, &got);
            assert_int_equal(found, want != 0);
            if (!found)
                continue;
            assert_int_equal(got, want);
            sched_alloc(s, NULL, got, &r.need);
            if (!bt_random_below(&rnd.table, 3)) {
                struct sched_host h;
                int64_t victim = 1 + (int64_t)bt_random_below(&rnd.table, 150);
                if (sched_host_get(s, victim, &h) && !bt_random_below(&rnd.table, 4))
                    sched_host_remove(s, NULL, victim);
                else {
                    random_host(&rnd.table, victim, &h);
                    sched_host_put(s, NULL, &h);
                }
            }
        }
        sched_free(s);
    }
}

/* The cursor gives every fitting host once, in order. */
static void next_best(void **state)
{
    (void)state;
    struct sched *s = sched_new();
    for (int64_t i = 1; i <= 100; i++) {
        struct sched_host h = host(i);
        h.allocated.cpus = i * 7 % 48;
        h.cordoned = i % 3 == 0;
        sched_host_put(s, NULL, &h);
    }
    struct sched_request r = request();
    struct sched_cursor at = {0};
    struct sched_host before = {0}, h;
    int64_t id;
    int n = 0;
    while (sched_pick(s, &r, &at, &id)) {
        assert_true(sched_host_get(s, id, &h));
        assert_false(h.cordoned);
        assert_true(!before.id || less(&before, &h));
        before = h;
        n++;
    }
    assert_int_equal(n, 67);
    sched_free(s);
}

static void eight_cores_times_six(void **state)
{
    (void)state;
    struct sched *s = sched_new();
    struct sched_host h = host(1);
    struct sched_amount physical = {8, 64 * GIB, 1000 * GIB, 0};
    struct sched_ratios q = {.cpu_milli = 6000, .memory_milli = 1000, .disk_milli = 1000};
    sched_sellable(&physical, &q, &h.sellable);
    assert_int_equal(h.sellable.cpus, 48);
    sched_host_put(s, NULL, &h);
    struct sched_request r = request();
    enum sched_reason limit;
    assert_int_equal(sched_fits(&h, &r, &limit), 48);
    assert_int_equal(limit, SCHED_CPU);
    int n = 0;
    for (;; n++) {
        struct sched_cursor at = {0};
        int64_t id;
        if (!sched_pick(s, &r, &at, &id))
            break;
        sched_alloc(s, NULL, id, &r.need);
    }
    assert_int_equal(n, 48);
    assert_true(sched_host_get(s, 1, &h));
    assert_int_equal(sched_judge(&h, &r), SCHED_CPU);
    sched_free(s);
}

static void sellable_rounds_down_and_saturates(void **state)
{
    (void)state;
    struct sched_amount got, physical = {3, 10 * GIB, INT64_MAX, 0};
    struct sched_ratios q = {1500, 1000, 100000, 4 * GIB, 0};
    sched_sellable(&physical, &q, &got);
    assert_int_equal(got.cpus, 4);
    assert_int_equal(got.memory_bytes, 6 * GIB);
    assert_int_equal(got.disk_bytes, INT64_MAX);
    q.reserve_memory_bytes = 11 * GIB;
    sched_sellable(&physical, &q, &got);
    assert_int_equal(got.memory_bytes, 0);
}

/* What capacity says is what placement does, for odd hosts too. */
static void capacity_is_exact(void **state)
{
    (void)state;
    struct bt_random_seeded rnd;
    bt_random_seeded_init(&rnd, 7);
    for (int64_t i = 1; i <= 300; i++) {
        struct sched_host h;
        struct sched_request r = request();
        enum sched_reason limit;
        random_host(&rnd.table, i, &h);
        r.need.cpus = 1 + (int64_t)bt_random_below(&rnd.table, 3);
        int64_t want = sched_fits(&h, &r, &limit), n = 0;
        for (; n < 1000 && sched_judge(&h, &r) == SCHED_OK; n++) {
            h.allocated.cpus += r.need.cpus;
            h.allocated.memory_bytes += r.need.memory_bytes;
            h.allocated.disk_bytes += r.need.disk_bytes;
            h.allocated.instances++;
        }
        assert_int_equal(n, want);
        if (want > 0 || limit < SCHED_DISK_FULL)
            assert_int_equal(sched_judge(&h, &r), limit);
    }
}

static void every_reason(void **state)
{
    (void)state;
    static const int64_t groups[] = {9};
    struct sched_request r = request();
    char text[160];
    struct sched_host h = host(1);
    assert_int_equal(sched_explain(&h, &r, text, sizeof text), SCHED_OK);
    assert_string_equal(text, "");
    h.disk_used_bytes = 85, h.disk_free_bytes = 15;
    assert_int_equal(sched_judge(&h, &r), SCHED_DISK_FULL);
    h.disk_used_bytes = 84, h.disk_free_bytes = 16;
    assert_int_equal(sched_judge(&h, &r), SCHED_OK);
    h.allocated.disk_bytes = 991 * GIB;
    assert_int_equal(sched_explain(&h, &r, text, sizeof text), SCHED_DISK);
    h.allocated.memory_bytes = 64 * GIB;
    assert_int_equal(sched_judge(&h, &r), SCHED_MEMORY);
    h.allocated.cpus = 47;
    r.need.cpus = 2;
    assert_int_equal(sched_explain(&h, &r, text, sizeof text), SCHED_CPU);
    assert_string_equal(text, "needs 2 cores, 1 of 48 free");
    h.max_instances = BT_OPT_V(0);
    assert_int_equal(sched_judge(&h, &r), SCHED_MAX_INSTANCES);
    r.groups = groups, r.n_groups = 1;
    assert_int_equal(sched_judge(&h, &r), SCHED_HOST_GROUP);
    r.location_id = 2;
    assert_int_equal(sched_judge(&h, &r), SCHED_LOCATION);
    r.features = 1u << 20;
    assert_int_equal(sched_judge(&h, &r), SCHED_FEATURES);
    r.driver = DRIVER_KVM;
    assert_int_equal(sched_judge(&h, &r), SCHED_DRIVER);
    h.cordoned = true;
    assert_int_equal(sched_judge(&h, &r), SCHED_CORDONED);
    h.silent = true;
    assert_int_equal(sched_judge(&h, &r), SCHED_SILENT);
    h.state = HOST_UNREACHABLE;
    assert_int_equal(sched_explain(&h, &r, text, sizeof text), SCHED_STATE);
    assert_string_equal(text, "is unreachable");
    r.host_id = 5;
    assert_int_equal(sched_judge(&h, &r), SCHED_PINNED);
    assert_string_equal(sched_reason_str(SCHED_PINNED), "pinned_elsewhere");
}

/* ---- undo with a real transaction ---- */

struct step {
    struct sched *s;
    bool fail;
};

static int change(struct db_tx *tx, void *arg, struct bt_err *err)
{
    const struct step *st = arg;
    struct sched_host h = host(2);
    sched_alloc(st->s, tx, 1, &(struct sched_amount){3, GIB, GIB, 1});
    sched_alloc(st->s, tx, 1, &(struct sched_amount){3, GIB, GIB, 1});
    sched_host_put(st->s, tx, &h);
    sched_host_remove(st->s, tx, 3);
    sched_host_put(st->s, tx, &h);
    return st->fail ? bt_fail(err, BT_E_CONFLICT, "no") : 0;
}

static void rollback_leaves_no_trace(void **state)
{
    (void)state;
    char dir[] = "/tmp/berth-sched-XXXXXX", path[64], cmd[128];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/t.db", dir);
    struct bt_loop *loop = bt_loop_new_virtual(INT64_C(1700000000000));
    struct db *db = NULL;
    struct bt_err err = BT_ERR_INIT;
    struct db_config cfg = {.path = path,
                            .migrations = bt_migrations_controller,
                            .application_id = 1,
                            .loop = loop,
                            .readers = 1,
                            .queue_max = 16,
                            .sync_off = true};
    if (db_open(&cfg, &db, &err) < 0)
        fail_msg("%s", err.msg);
    struct sched *s = sched_new();
    struct sched_host h = host(1), before, after;
    sched_host_put(s, NULL, &h);
    h.id = 3;
    sched_host_put(s, NULL, &h);
    assert_true(sched_host_get(s, 1, &before));

    assert_true(db_run_sync(db, change, &(struct step){s, true}, &err) < 0);
    assert_int_equal(sched_count(s), 2);
    assert_true(sched_host_get(s, 1, &after));
    assert_memory_equal(&before, &after, sizeof before);
    assert_true(sched_host_get(s, 3, &after));

    assert_int_equal(db_run_sync(db, change, &(struct step){s, false}, &err), 0);
    assert_true(sched_host_get(s, 1, &after));
    assert_int_equal(after.allocated.cpus, 6);
    assert_false(sched_host_get(s, 3, &after));
    assert_true(sched_host_get(s, 2, &after));
    sched_free(s);
    db_close(db);
    bt_loop_free(loop);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_answer_as_a_full_scan),
        cmocka_unit_test(next_best),
        cmocka_unit_test(eight_cores_times_six),
        cmocka_unit_test(sellable_rounds_down_and_saturates),
        cmocka_unit_test(capacity_is_exact),
        cmocka_unit_test(every_reason),
        cmocka_unit_test(rollback_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
