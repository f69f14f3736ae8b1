/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: db_repo */
/* Pools and addresses: what may be given, in what order, to one at a time, with its history. */
#include "common/base/str.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_orphan.h"
#include "tests/unit/db/repo/world.h"

static struct repo_pool_row pool4(const char *cidr, const char *gateway)
{
    return (struct repo_pool_row){.name = (char *)"p4",
                                  .family = 4,
                                  .cidr = (char *)cidr,
                                  .gateway = (char *)gateway,
                                  .delivery = DELIVERY_ROUTED};
}

static struct repo_pool_row pool6(const char *cidr, int64_t len)
{
    return (struct repo_pool_row){.name = (char *)"p6",
                                  .family = 6,
                                  .cidr = (char *)cidr,
                                  .gateway = (char *)"fe80::1",
                                  .delivery = DELIVERY_ROUTED,
                                  .ipv6_prefix_len = len};
}

static void expect_take(struct db_tx *tx, const struct repo_pool_row *p, int64_t instance,
                        const char *want)
{
    struct repo_address_row a;
    struct bt_err err = BT_ERR_INIT;
    if (repo_address_take(tx, p, instance, &a, &err) < 0)
        fail_msg("%s expected: %s", want, err.msg);
    assert_string_equal(a.address, want);
    assert_int_equal(a.instance_id, instance);
    repo_address_row_free(&a);
}

static void expect_exhausted(struct db_tx *tx, const struct repo_pool_row *p, int64_t instance)
{
    struct repo_address_row a;
    CODE(repo_address_take(tx, p, instance, &a, NULL), BT_E_POOL_EXHAUSTED);
}

static void pools_are_checked(void **state)
{
    static const struct {
        int family;
        const char *cidr, *gateway;
        int64_t len;
        bool ok;
    } rows[] = {
        {4, "198.18.0.0/20", "198.18.0.1", 64, true},
        {4, "198.18.0.0/20", NULL, 64, false},
        {4, "198.18.0.0/20", "198.18.16.1", 64, false},
        {4, "198.18.0.0/20", "fe80::1", 64, false},
        {4, "198.18.0.1/20", "198.18.0.1", 64, false},
        {4, "198.18.0.0/31", "198.18.0.0", 64, true},
        {4, "198.18.0.0/32", "198.18.0.0", 64, true},
        {6, "198.18.0.0/20", "198.18.0.1", 64, false},
        {6, "2001:db8:1::/48", "fe80::1", 64, true},
        {6, "2001:db8:1::/48", NULL, 64, true},
        {6, "2001:DB8:1::/48", NULL, 64, false},
        {6, "2001:db8:1::/48", "2001:db8:1::1", 64, true},
        {6, "2001:db8:1::/48", NULL, 47, false},
        {6, "2001:db8:1::/48", NULL, 129, false},
        {6, "2001:db8:1::/48", NULL, 128, false},
        {6, "2001:db8:1::/64", NULL, 80, true},
    };
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct repo_pool_row p = {.family = rows[i].family,
                                  .cidr = (char *)rows[i].cidr,
                                  .gateway = (char *)rows[i].gateway,
                                  .ipv6_prefix_len = rows[i].len};
        if ((repo_pool_check(&p, NULL) == 0) != rows[i].ok)
            fail_msg("%s gateway %s", rows[i].cidr, rows[i].gateway ? rows[i].gateway : "-");
    }
    struct repo_pool_row two = pool4("198.18.0.0/20", "198.18.0.1");
    two.host_id = 1;
    two.location_id = 1;
    CODE(repo_pool_check(&two, NULL), BT_E_INVALID);
}

IN_WORLD(takes_in_order_without_the_special_ones)
{
    struct repo_pool_row p = pool4("198.18.0.0/29", "198.18.0.3");
    struct repo_pool_count count;
    int64_t id = world_add(w, tx, "a", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    OK(repo_pool_count(tx, &p, &count, NULL));
    assert_int_equal(count.free, 5);
    expect_take(tx, &p, id, "198.18.0.1");
    expect_take(tx, &p, id, "198.18.0.2");
    expect_take(tx, &p, id, "198.18.0.4");
    expect_take(tx, &p, id, "198.18.0.5");
    expect_take(tx, &p, id, "198.18.0.6");
    expect_exhausted(tx, &p, id);
    OK(repo_pool_count(tx, &p, &count, NULL));
    assert_int_equal(count.free, 0);
    assert_int_equal(count.used, 5);
}

IN_WORLD(goes_once_around)
{
    struct repo_pool_row p = pool4("198.18.0.0/29", "198.18.0.6");
    struct repo_address_row a;
    int64_t id = world_add(w, tx, "a", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    expect_take(tx, &p, id, "198.18.0.1");
    expect_take(tx, &p, id, "198.18.0.2");
    expect_take(tx, &p, id, "198.18.0.3");
    OK(repo_address_get_by_text(tx, "198.18.0.2", &a, NULL));
    OK(repo_address_release(tx, a.id, NULL));
    repo_address_row_free(&a);
    /* What was just freed comes last: its old holder's peers may still talk to it. */
    expect_take(tx, &p, id, "198.18.0.4");
    expect_take(tx, &p, id, "198.18.0.5");
    expect_take(tx, &p, id, "198.18.0.2");
    expect_exhausted(tx, &p, id);
}

IN_WORLD(small_and_odd_pools)
{
    struct repo_pool_row p31 = pool4("198.18.0.0/31", "198.18.0.0");
    struct repo_pool_row p32 = pool4("198.18.1.1/32", "198.18.1.1");
    int64_t id = world_add(w, tx, "a", w->tenant);
    OK(repo_pool_insert(tx, &p31, NULL));
    p32.name = (char *)"p32";
    OK(repo_pool_insert(tx, &p32, NULL));
    expect_take(tx, &p31, id, "198.18.0.1");
    expect_exhausted(tx, &p31, id);
    expect_exhausted(tx, &p32, id);
}

IN_WORLD(a_prefix_each)
{
    struct repo_pool_row p = pool6("2001:db8:1::/62", 64);
    struct repo_address_row a;
    int64_t id = world_add(w, tx, "a", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    OK(repo_address_take(tx, &p, id, &a, NULL));
    assert_string_equal(a.address, "2001:db8:1::1");
    assert_int_equal(a.prefix, 64);
    repo_address_row_free(&a);
    expect_take(tx, &p, id, "2001:db8:1:1::1");
    expect_take(tx, &p, id, "2001:db8:1:2::1");
    expect_take(tx, &p, id, "2001:db8:1:3::1");
    expect_exhausted(tx, &p, id);
    struct repo_pool_row g = pool6("2001:db8:2::/62", 64);
    g.name = (char *)"g6";
    g.gateway = (char *)"2001:db8:2::1";
    OK(repo_pool_insert(tx, &g, NULL));
    expect_take(tx, &g, id, "2001:db8:2:1::1");
    struct repo_pool_row one = pool6("2001:db8:3::/127", 128);
    one.name = (char *)"one6";
    OK(repo_pool_insert(tx, &one, NULL));
    expect_take(tx, &one, id, "2001:db8:3::");
    expect_take(tx, &one, id, "2001:db8:3::1");
}

IN_WORLD(exact_addresses)
{
    struct repo_pool_row p = pool4("198.18.0.0/24", "198.18.0.1");
    struct repo_pool_row p6 = pool6("2001:db8:1::/48", 64);
    int64_t a = world_add(w, tx, "a", w->tenant);
    int64_t b = world_add(w, tx, "b", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    OK(repo_pool_insert(tx, &p6, NULL));
    OK(repo_address_take_exact(tx, &p, "198.18.0.77", a, NULL));
    CODE(repo_address_take_exact(tx, &p, "198.18.0.77", b, NULL), BT_E_IN_USE);
    CODE(repo_address_take_exact(tx, &p, "198.18.0.1", b, NULL), BT_E_INVALID);
    CODE(repo_address_take_exact(tx, &p, "198.18.0.0", b, NULL), BT_E_INVALID);
    CODE(repo_address_take_exact(tx, &p, "198.18.0.255", b, NULL), BT_E_INVALID);
    CODE(repo_address_take_exact(tx, &p, "198.18.1.2", b, NULL), BT_E_INVALID);
    CODE(repo_address_take_exact(tx, &p, "2001:db8:1::1", b, NULL), BT_E_INVALID);
    OK(repo_address_take_exact(tx, &p6, "2001:db8:1:abcd::", a, NULL));
    CODE(repo_address_take_exact(tx, &p6, "2001:db8:1:abcd::9", b, NULL), BT_E_IN_USE);
    OK(repo_address_hold(tx, &p, "198.18.0.78", "broken", NULL));
    CODE(repo_address_hold(tx, &p, "198.18.0.78", NULL, NULL), BT_E_EXISTS);
    CODE(repo_address_hold(tx, &p, "198.18.0.77", NULL, NULL), BT_E_IN_USE);
    OK(repo_address_take_exact(tx, &p, "198.18.0.78", b, NULL));
    CODE(repo_address_take_exact(tx, &p, "198.18.0.78", a, NULL), BT_E_IN_USE);
    OK(db_exec(tx, "UPDATE pools SET cursor = 76 WHERE id = ?1", DB_ARGS(DB_I(p.id)), NULL, NULL));
    expect_take(tx, &p, a, "198.18.0.76");
    expect_take(tx, &p, a, "198.18.0.79");
}

IN_WORLD(history_knows_who_had_it_when)
{
    struct repo_pool_row p = pool4("198.18.0.0/30", "198.18.0.1");
    struct bt_arr rows = {0};
    int64_t a = world_add(w, tx, "a", w->tenant);
    int64_t b = world_add(w, tx, "b", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    expect_take(tx, &p, a, "198.18.0.2");
    bt_loop_shift_utc(w->t.loop, 1000);
    int64_t n = 0;
    OK(repo_address_release_instance(tx, a, &n, NULL));
    assert_int_equal(n, 1);
    bt_loop_shift_utc(w->t.loop, 1000);
    expect_take(tx, &p, b, "198.18.0.2");
    OK(repo_address_history(tx, "198.18.0.2", 0, &rows, NULL));
    assert_int_equal(rows.len, 2);
    const struct repo_address_history_row *h = rows.items;
    assert_true(h[0].from_at == DBT_UTC_MS + 2000 && h[0].to_at == 0);
    assert_true(h[1].from_at == DBT_UTC_MS && h[1].to_at == DBT_UTC_MS + 1000);
    db_rows_free(&repo_address_history_table, &rows);
    OK(repo_address_history(tx, "198.18.0.2", DBT_UTC_MS + 500, &rows, NULL));
    assert_int_equal(rows.len, 1);
    assert_string_equal(((struct repo_address_history_row *)rows.items)[0].instance_uuid,
                        "00000000-0000-4000-8000-000000000001");
    db_rows_free(&repo_address_history_table, &rows);
    OK(repo_address_history(tx, "198.18.0.2", DBT_UTC_MS + 1500, &rows, NULL));
    assert_int_equal(rows.len, 0);
    db_rows_free(&repo_address_history_table, &rows);
}

IN_WORLD(orphans_keep_theirs)
{
    static const char uuid[] = "99999999-0000-4000-8000-000000000001";
    struct repo_pool_row p = pool4("198.18.0.0/29", "198.18.0.1");
    struct repo_address_row a;
    int64_t id = world_add(w, tx, "a", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    expect_take(tx, &p, id, "198.18.0.2");
    struct repo_orphan_row o = {
        .uuid = (char *)uuid, .host_id = w->host, .spec = (char *)"{}", .state = (char *)"running"};
    OK(repo_orphan_put(tx, &o, NULL));
    OK(repo_address_mark_orphan(tx, "198.18.0.3", uuid, NULL));
    OK(repo_address_mark_orphan(tx, "198.18.0.3", uuid, NULL));
    OK(repo_address_mark_orphan(tx, "198.18.0.2", uuid, NULL));  /* somebody's: stays so */
    OK(repo_address_mark_orphan(tx, "203.0.113.9", uuid, NULL)); /* nobody's pool */
    OK(repo_address_mark_orphan(tx, "198.18.0.5", uuid, NULL));
    expect_take(tx, &p, id, "198.18.0.4");
    expect_take(tx, &p, id, "198.18.0.6");
    expect_exhausted(tx, &p, id);
    CODE(repo_address_take_exact(tx, &p, "198.18.0.3", id, NULL), BT_E_IN_USE);
    OK(repo_address_get_by_text(tx, "198.18.0.2", &a, NULL));
    assert_int_equal(a.instance_id, id);
    repo_address_row_free(&a);
    int64_t b = world_add(w, tx, "b", w->tenant);
    OK(repo_address_adopt(tx, uuid, b, NULL));
    struct bt_arr rows = {0};
    OK(repo_address_list_instance(tx, b, &rows, NULL));
    assert_int_equal(rows.len, 2);
    assert_int_equal(((struct repo_address_row *)rows.items)[0].state, ADDRESS_USED);
    db_rows_free(&repo_address_table, &rows);
    OK(repo_address_history(tx, "198.18.0.3", 0, &rows, NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_address_history_table, &rows);
}

IN_WORLD(gone_orphans_free_theirs)
{
    static const char uuid[] = "99999999-0000-4000-8000-000000000002";
    struct repo_pool_row p = pool4("198.18.0.0/30", "198.18.0.1");
    int64_t id = world_add(w, tx, "a", w->tenant);
    int64_t n = 0;
    OK(repo_pool_insert(tx, &p, NULL));
    struct repo_orphan_row o = {
        .uuid = (char *)uuid, .host_id = w->host, .spec = (char *)"{}", .state = (char *)"running"};
    OK(repo_orphan_put(tx, &o, NULL));
    OK(repo_address_mark_orphan(tx, "198.18.0.2", uuid, NULL));
    expect_exhausted(tx, &p, id);
    OK(repo_orphan_prune(tx, w->host, DBT_UTC_MS, &n, NULL));
    assert_int_equal(n, 0);
    OK(repo_orphan_prune(tx, w->host, DBT_UTC_MS + 1, &n, NULL));
    assert_int_equal(n, 1);
    expect_take(tx, &p, id, "198.18.0.2");
}

/* Random takes, releases and holds against a plain array: never one twice, exhausted only when
 * full. */
IN_WORLD(agrees_with_a_model)
{
    enum { SIZE = 64 };
    struct repo_pool_row p = pool4("198.18.0.0/26", "198.18.0.9");
    int64_t rows[SIZE] = {0}; /* row id by number */
    int free_ones = SIZE - 3;
    struct bt_random_seeded rnd;
    int64_t id = world_add(w, tx, "a", w->tenant);
    bt_random_seeded_init(&rnd, 4711);
    OK(repo_pool_insert(tx, &p, NULL));
    for (int i = 0; i < 3000; i++) {
        if (bt_random_below(&rnd.table, 100) < 52) {
            struct repo_address_row a;
            int rc = repo_address_take(tx, &p, id, &a, NULL);
            if (free_ones == 0) {
                CODE(rc, BT_E_POOL_EXHAUSTED);
                continue;
            }
            OK(rc);
            assert_true(a.n >= 1 && a.n <= SIZE - 2 && a.n != 9);
            assert_int_equal(rows[a.n], 0);
            rows[a.n] = a.id;
            free_ones--;
            repo_address_row_free(&a);
        } else {
            uint64_t n = bt_random_below(&rnd.table, SIZE);
            if (rows[n] == 0)
                continue;
            OK(repo_address_release(tx, rows[n], NULL));
            rows[n] = 0;
            free_ones++;
        }
    }
}

IN_WORLD(pools_do_not_overlap)
{
    struct repo_pool_row p = pool4("198.18.0.0/20", "198.18.0.1");
    struct repo_pool_row in = pool4("198.18.4.0/24", "198.18.4.1");
    struct repo_pool_row over = pool4("198.16.0.0/12", "198.16.0.1");
    struct repo_pool_row next = pool4("198.18.16.0/20", "198.18.16.1");
    (void)w;
    OK(repo_pool_insert(tx, &p, NULL));
    in.name = (char *)"in";
    CODE(repo_pool_insert(tx, &in, NULL), BT_E_CONFLICT);
    over.name = (char *)"over";
    CODE(repo_pool_insert(tx, &over, NULL), BT_E_CONFLICT);
    next.name = (char *)"p4";
    CODE(repo_pool_insert(tx, &next, NULL), BT_E_EXISTS);
    next.name = (char *)"next";
    OK(repo_pool_insert(tx, &next, NULL));
    p.name = (char *)"again";
    CODE(repo_pool_insert(tx, &p, NULL), BT_E_EXISTS);
}

IN_WORLD(pools_of_a_host_nearest_first)
{
    static const char *const names[] = {"all", "location", "host", "other"};
    struct bt_arr rows = {0};
    struct repo_host_row h2 = {
        .name = (char *)"h2", .location_id = w->location, .state = HOST_ONLINE};
    OK(repo_host_insert(tx, &h2, NULL));
    for (int i = 0; i < 4; i++) {
        char *cidr = bt_xasprintf("198.18.%d.0/24", i);
        char *gateway = bt_xasprintf("198.18.%d.1", i);
        struct repo_pool_row p = pool4(cidr, gateway);
        p.name = (char *)names[i];
        p.location_id = i == 1 ? w->location : 0;
        p.host_id = i == 2 ? w->host : i == 3 ? h2.id : 0;
        OK(repo_pool_insert(tx, &p, NULL));
        free(cidr);
        free(gateway);
    }
    OK(repo_pool_list_for_host(tx, w->host, 4, &rows, NULL));
    const struct repo_pool_row *r = rows.items;
    assert_int_equal(rows.len, 3);
    assert_string_equal(r[0].name, "host");
    assert_string_equal(r[1].name, "location");
    assert_string_equal(r[2].name, "all");
    db_rows_free(&repo_pool_table, &rows);
    OK(repo_pool_list_for_host(tx, w->host, 6, &rows, NULL));
    assert_int_equal(rows.len, 0);
    db_rows_free(&repo_pool_table, &rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_are_checked),
        WORLD_TEST(takes_in_order_without_the_special_ones),
        WORLD_TEST(goes_once_around),
        WORLD_TEST(small_and_odd_pools),
        WORLD_TEST(a_prefix_each),
        WORLD_TEST(exact_addresses),
        WORLD_TEST(history_knows_who_had_it_when),
        WORLD_TEST(orphans_keep_theirs),
        WORLD_TEST(gone_orphans_free_theirs),
        WORLD_TEST(agrees_with_a_model),
        WORLD_TEST(pools_do_not_overlap),
        WORLD_TEST(pools_of_a_host_nearest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
