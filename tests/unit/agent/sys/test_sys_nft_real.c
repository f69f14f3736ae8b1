/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/agent/sys/lib_sys.h"

static const char table[] = "table bridge t {\n"
                            " set m { typeof iifname . ether saddr; }\n"
                            " set p { typeof iifname . ether saddr . @nh,64,64; }\n"
                            " chain one { }\n"
                            " chain two { }\n"
                            "}\n"
                            "table inet t {\n"
                            " map c4 { type ipv4_addr : counter; }\n"
                            " map c6 { type ipv6_addr : counter; }\n"
                            "}\n";

static struct sys_nft_elem elem_m(const char *port, unsigned char last)
{
    unsigned char mac[6] = {2, 0, 0, 0, 0, last};
    struct sys_nft_elem e = {.family = SYS_NFT_BRIDGE, .table = "t", .set = "m"};
    sys_nft_key_ifname(&e.key, port);
    sys_nft_key_mac(&e.key, mac);
    return e;
}

static struct sys_nft_elem elem_c(const char *ip, const char *counter)
{
    struct bt_ip a = lib_ip(ip);
    struct sys_nft_elem e = {.family = SYS_NFT_INET, .table = "t"};
    e.set = a.family == 4 ? "c4" : "c6";
    sys_nft_key_masked(&e.key, &a, a.family == 4 ? 32 : 64);
    (void)snprintf(e.object, sizeof e.object, "%s", counter);
    return e;
}

static size_t n_elems(struct sys *s, const struct sys_nft_elem *which)
{
    struct bt_err err = BT_ERR_INIT;
    _cleanup_rows_ struct sys_rows rows = {0};
    OK(s->nft->elems(s, which, &rows, &err));
    return rows.len;
}

static void runs_text(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    _cleanup_rows_str_ struct sys_rows chains = {0};
    _cleanup_rows_str_ struct sys_rows none = {0};
    OK(s->nft->run(s, table, &err));
    OK(s->nft->chains(s, SYS_NFT_BRIDGE, "t", &chains, &err));
    assert_int_equal(chains.len, 2);
    sys_rows_sort_str(&chains);
    assert_string_equal(((char **)chains.items)[0], "one");
    OK(s->nft->chains(s, SYS_NFT_INET, "absent", &none, &err));
    assert_int_equal(none.len, 0);
    /* All or nothing. */
    assert_int_equal(
        s->nft->run(s, "add chain bridge t three\nadd rule bridge t absent drop\n", &err),
        -BT_E_KERNEL);
    assert_non_null(strstr(err.msg, "nftables: "));
    OK(s->nft->chains(s, SYS_NFT_BRIDGE, "t", &none, &err));
    assert_int_equal(none.len, 2);
}

static void changes_elements(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_nft_elem two[] = {elem_m("bta", 1), elem_m("btb", 2)};
    struct sys_nft_elem absent[] = {elem_m("btc", 3), elem_m("bta", 1), elem_m("btd", 4)};
    struct sys_nft_change add = {.add = two, .n_add = 2};
    struct sys_nft_change del = {.del = absent, .n_del = 3};
    for (int twice = 0; twice < 2; twice++) {
        OK(s->nft->change(s, &add, &err));
        assert_int_equal(n_elems(s, two), 2);
    }
    _cleanup_rows_ struct sys_rows rows = {0};
    OK(s->nft->elems(s, two, &rows, &err));
    struct sys_nft_elem *found = rows.items;
    assert_true(sys_nft_key_cmp(&found[0].key, &two[0].key) == 0 ||
                sys_nft_key_cmp(&found[0].key, &two[1].key) == 0);
    for (int twice = 0; twice < 2; twice++) {
        OK(s->nft->change(s, &del, &err));
        assert_int_equal(n_elems(s, two), 1);
    }
    /* What nft itself says about the bytes. */
    assert_int_equal(system("nft list set bridge t m | grep -q '\"btb\" . 02:00:00:00:00:02'"), 0);
}

static void changes_counters(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    const char *names[] = {"iaaa0", "oaaa0"};
    struct sys_nft_elem e[] = {elem_c("198.18.0.2", "iaaa0"), elem_c("2001:db8:1:2::1", "iaaa0")};
    struct sys_nft_change add = {.family = SYS_NFT_INET,
                                 .table = "t",
                                 .counters_add = names,
                                 .n_counters_add = 2,
                                 .add = e,
                                 .n_add = 2};
    struct sys_nft_change del = {.family = SYS_NFT_INET,
                                 .table = "t",
                                 .counters_del = names,
                                 .n_counters_del = 2,
                                 .del = e,
                                 .n_del = 2};
    OK(s->nft->change(s, &add, &err));
    OK(s->nft->change(s, &add, &err));
    assert_int_equal(system("nft list map inet t c6 | grep -q '2001:db8:1:2:: : \"iaaa0\"'"), 0);
    /* A counter's values outlive another `add`. */
    assert_int_equal(system("nft add counter inet t big '{ packets 7 bytes 1234567 }'"), 0);
    const char *big[] = {"big"};
    struct sys_nft_change again = {
        .family = SYS_NFT_INET, .table = "t", .counters_add = big, .n_counters_add = 1};
    OK(s->nft->change(s, &again, &err));
    _cleanup_rows_ struct sys_rows rows = {0};
    OK(s->nft->counters(s, SYS_NFT_INET, "t", &rows, &err));
    assert_int_equal(rows.len, 3);
    SYS_ROWS_FOREACH(struct sys_nft_counter, it, &rows) {
        if (strcmp(it->name, "big") == 0) {
            assert_int_equal(it->bytes, 1234567);
            assert_int_equal(it->packets, 7);
        }
    }
    struct sys_nft_counter one = {.name = "big"};
    OK(s->nft->counter(s, SYS_NFT_INET, "t", &one, &err));
    assert_true(one.bytes == 1234567 && one.packets == 7);
    struct sys_nft_counter absent = {.name = "absent"};
    assert_int_equal(s->nft->counter(s, SYS_NFT_INET, "t", &absent, &err), -BT_E_NOT_FOUND);
    assert_int_equal(s->nft->counter(s, SYS_NFT_INET, "absent", &one, &err), -BT_E_NOT_FOUND);
    _cleanup_rows_ struct sys_rows refs = {0};
    OK(s->nft->elems(s, &e[0], &refs, &err));
    assert_string_equal(((struct sys_nft_elem *)refs.items)->object, "iaaa0");
    for (int twice = 0; twice < 2; twice++)
        OK(s->nft->change(s, &del, &err));
    assert_int_equal(n_elems(s, &e[0]) + n_elems(s, &e[1]), 0);
    sys_rows_fini(&rows);
    OK(s->nft->counters(s, SYS_NFT_INET, "t", &rows, &err));
    assert_int_equal(rows.len, 1);
}

static void says_what_is_missing(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_nft_elem good = elem_m("btz", 9);
    struct sys_nft_elem bad = elem_m("btz", 9);
    bad.set = "absent";
    struct sys_nft_elem both[] = {good, bad};
    struct sys_nft_change add = {.add = both, .n_add = 2};
    size_t before = n_elems(s, &good);
    assert_int_equal(s->nft->change(s, &add, &err), -BT_E_NOT_FOUND);
    assert_int_equal(n_elems(s, &good), before); /* nothing of it */
    /* A counter that is still referred to is not removed, and says so. */
    const char *names[] = {"held"};
    struct sys_nft_elem e = elem_c("198.18.0.9", "held");
    struct sys_nft_change hold = {.family = SYS_NFT_INET,
                                  .table = "t",
                                  .counters_add = names,
                                  .n_counters_add = 1,
                                  .add = &e,
                                  .n_add = 1};
    struct sys_nft_change drop = {
        .family = SYS_NFT_INET, .table = "t", .counters_del = names, .n_counters_del = 1};
    OK(s->nft->change(s, &hold, &err));
    assert_int_equal(s->nft->change(s, &drop, &err), -BT_E_KERNEL);
    struct sys_nft_change none = {0};
    OK(s->nft->change(s, &none, &err));
}

static void takes_many(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    enum { N = 4000 };
    struct sys_nft_elem *e = bt_xcalloc(N, sizeof *e);
    for (int i = 0; i < N; i++) {
        char port[16];
        (void)snprintf(port, sizeof port, "btmany%d", i);
        e[i] = elem_m(port, 5);
    }
    struct sys_nft_change add = {.add = e, .n_add = N};
    struct sys_nft_change del = {.del = e, .n_del = N};
    OK(s->nft->change(s, &add, &err));
    assert_true(n_elems(s, e) >= N);
    OK(s->nft->change(s, &del, &err));
    OK(s->nft->change(s, &del, &err));
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_text),        cmocka_unit_test(changes_elements),
        cmocka_unit_test(changes_counters), cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(takes_many),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!lib_sys_unshare()) {
        printf("1..1\nok 1 - nf_tables # SKIP needs root\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, lib_sys_setup, lib_sys_teardown);
}
