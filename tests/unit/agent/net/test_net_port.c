/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/agent/net/lib_net.h"

static int open_net(void **state)
{
    struct lib_net *n = bt_xcalloc(1, sizeof *n);
    lib_net_open(n);
    *state = n;
    return lib_net_setup(n).rc;
}

static int close_net(void **state)
{
    lib_net_close(*state);
    free(*state);
    return 0;
}

static struct net_port_spec rich(void)
{
    struct net_port_spec s = lib_net_spec(1);
    lib_net_add(&s, "198.18.9.9", 32, "");
    lib_net_add(&s, "2001:db8:2::1", 78, "fe80::1");
    lib_net_add(&s, "2001:db8:3::5", 128, "fe80::1");
    return s;
}

static void golden_calls(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = rich();
    lib_net_golden("setup.txt", sys_record_text(n->sys));
    sys_record_reset(n->sys);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    lib_net_golden("ensure.txt", sys_record_text(n->sys));
    sys_record_reset(n->sys);
    assert_int_equal(lib_net_cut(n, &s).rc, 0);
    lib_net_golden("cut.txt", sys_record_text(n->sys));
    sys_record_reset(n->sys);
    assert_int_equal(lib_net_remove(n, &s).rc, 0);
    lib_net_settle_all(n);
    lib_net_golden("remove.txt", sys_record_text(n->sys));
}

/* No frame may pass before the guard, isolation and entries stand: up is the last call. */
static void order_is_safe(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = lib_net_spec(1);
    sys_record_reset(n->sys);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    const char *text = sys_record_text(n->sys);
    const char *sets = strstr(text, "nft change");
    const char *pair = strstr(text, "link veth_ensure");
    const char *port = strstr(text, "link port_ensure");
    const char *up = strstr(text, "link set_up");
    assert_true(sets && pair && port && up && sets < pair && pair < port && port < up);
    assert_ptr_equal(strchr(up, '\n') + 1, text + strlen(text));
}

static void twice_as_once(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = rich();
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    _cleanup_free_ char *once = sys_record_model(n->sys);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    _cleanup_free_ char *twice = sys_record_model(n->sys);
    assert_string_equal(once, twice);
    assert_int_equal(lib_net_check(n, &s, 1), 0);
}

static void removes_all(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = rich();
    _cleanup_free_ char *before = sys_record_model(n->sys);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    assert_true(net_port_known(n->net, s.uuid, 0));
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(lib_net_remove(n, &s).rc, 0);
        lib_net_settle_all(n);
        _cleanup_free_ char *after = sys_record_model(n->sys);
        assert_string_equal(before, after);
        assert_false(net_port_known(n->net, s.uuid, 0));
    }
    assert_int_equal(lib_net_check(n, NULL, 0), 0);
}

/* A pair that waits for its delete is used again by the same instance. */
static void restored_before_the_delete(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = rich();
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    _cleanup_free_ char *once = sys_record_model(n->sys);
    assert_int_equal(lib_net_remove(n, &s).rc, 0);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    lib_net_settle_all(n);
    _cleanup_free_ char *again = sys_record_model(n->sys);
    assert_string_equal(once, again);
}

static void address_change(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = rich();
    struct net_port_spec less = lib_net_spec(1);
    assert_int_equal(lib_net_ensure(n, &less).rc, 0);
    _cleanup_free_ char *want = sys_record_model(n->sys);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    assert_int_equal(lib_net_check(n, &s, 1), 0);
    assert_int_equal(lib_net_ensure(n, &less).rc, 0);
    _cleanup_free_ char *got = sys_record_model(n->sys);
    assert_string_equal(want, got);
    /* Another MAC. */
    s = less;
    s.mac[5] = 0x77;
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    assert_int_equal(lib_net_check(n, &s, 1), 0);
    assert_int_equal(lib_net_ensure(n, &less).rc, 0);
    assert_int_equal(lib_net_check(n, &less, 1), 0);
}

static void no_two_with_one_address(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec a = rich();
    struct net_port_spec b = lib_net_spec(2);
    assert_int_equal(lib_net_ensure(n, &a).rc, 0);
    lib_net_add(&b, "2001:db8:2::f", 128, "fe80::1"); /* in the /78 of a */
    assert_int_equal(lib_net_ensure(n, &b).rc, -BT_E_CONFLICT);
    b = lib_net_spec(2);
    memcpy(b.mac, a.mac, sizeof b.mac);
    assert_int_equal(lib_net_ensure(n, &b).rc, -BT_E_CONFLICT);
    assert_false(net_port_known(n->net, b.uuid, 0));
    b = lib_net_spec(2);
    assert_int_equal(lib_net_ensure(n, &b).rc, 0);
}

static void refuses_nonsense(void **state)
{
    struct lib_net *n = *state;
    static const struct {
        const char *address;
        int prefix;
        const char *gateway;
    } bad[] = {
        {"0.0.0.0", 20, ""},
        {"127.0.0.1", 8, ""},
        {"224.0.0.5", 24, ""},
        {"255.255.255.255", 32, ""},
        {"198.18.0.1", 20, "198.18.0.1"},
        {"fe80::2", 64, "fe80::1"},
        {"ff02::1", 64, ""},
        {"2001:db8:9::1", 63, ""},
        {"::1", 128, ""},
        {"198.18.0.7", 20, "fe80::1"},
        {"198.18.0.7", 0, ""},
        {"198.18.0.7", 33, ""},
    };
    sys_record_reset(n->sys);
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct net_port_spec s = lib_net_spec(1);
        s.n_addrs = 0;
        lib_net_add(&s, bad[i].address, bad[i].prefix, bad[i].gateway);
        assert_int_equal(lib_net_ensure(n, &s).rc, -BT_E_INVALID);
    }
    struct net_port_spec s = lib_net_spec(1);
    s.mac[0] = 1;
    assert_int_equal(lib_net_ensure(n, &s).rc, -BT_E_INVALID);
    memcpy(s.mac, NET_BRIDGE_MAC, 6);
    assert_int_equal(lib_net_ensure(n, &s).rc, -BT_E_INVALID);
    s = lib_net_spec(1);
    s.uuid[0] = 'x';
    assert_int_equal(lib_net_ensure(n, &s).rc, -BT_E_INVALID);
    assert_int_equal(lib_net_remove(n, &s).rc, -BT_E_INVALID);
    assert_int_equal(sys_record_calls(n->sys), 0);
}

/* The guest's namespace died with both ends of the pair: ensure makes it again. */
static void pair_made_again(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = lib_net_spec(1);
    char port[16];
    char peer[16];
    bt_port_name(s.uuid, 0, port);
    net_peer_name(s.uuid, 0, peer);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    sys_record_move_peer(n->sys, peer, true);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0); /* a running guest keeps its own */
    sys_record_lose_link(n->sys, port);
    assert_true(lib_net_check(n, &s, 1) > 0);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    assert_int_equal(lib_net_check(n, &s, 1), 0);
}

static void counters_live_and_report(void **state)
{
    struct lib_net *n = *state;
    struct net_port_spec s = lib_net_spec(1);
    char port[16];
    char counter[16];
    bt_port_name(s.uuid, 0, port);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    (void)snprintf(counter, sizeof counter, "i%s", port + 2);
    sys_record_count(n->sys, counter, 3, 3084);
    assert_int_equal(lib_net_cut(n, &s).rc, 0);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    lib_net_restart(n);
    assert_int_equal(lib_net_setup(n).rc, 0);
    assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    counter[0] = 'o';
    sys_record_count(n->sys, counter, 1, 84);
    struct lib_end end = lib_net_remove(n, &s);
    assert_int_equal(end.rc, 0);
    assert_int_equal(end.traffic.in_bytes, 3084);
    assert_int_equal(end.traffic.in_packets, 3);
    assert_int_equal(end.traffic.out_bytes, 84);
}

static void bridges_hold_250(void **state)
{
    struct lib_net *n = *state;
    enum { N = 300 };
    size_t per[2] = {0};
    for (int i = 0; i < N; i++) {
        struct net_port_spec s = lib_net_spec(i + 1);
        assert_int_equal(lib_net_ensure(n, &s).rc, 0);
    }
    _cleanup_free_ char *model = sys_record_model(n->sys);
    for (char *at = strstr(model, " master berth"); at; at = strstr(at + 1, " master berth"))
        per[at[strlen(" master berth")] - '0']++;
    assert_int_equal(per[0], 250);
    assert_int_equal(per[1], 50);
    /* A place that becomes free is used first. */
    struct net_port_spec gone = lib_net_spec(7);
    struct net_port_spec fresh = lib_net_spec(500);
    assert_int_equal(lib_net_remove(n, &gone).rc, 0);
    sys_record_reset(n->sys);
    assert_int_equal(lib_net_ensure(n, &fresh).rc, 0);
    assert_non_null(strstr(sys_record_text(n->sys), " berth0\n"));
    assert_null(strstr(sys_record_text(n->sys), "berth1"));
}

struct many {
    struct net_port_op op;
    struct lib_end end;
};

static void many_done(struct net_port_op *op, int rc, const struct bt_err *err)
{
    struct many *m = BT_CONTAINER_OF(op, struct many, op);
    m->end.over = true;
    m->end.rc = rc;
    m->end.err = *err;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

/* What waits together goes in one transaction. */
static void together(void **state)
{
    struct lib_net *n = *state;
    enum { N = 20 };
    struct many m[N] = {0};
    sys_record_reset(n->sys);
    for (int i = 0; i < N; i++) {
        m[i].op = (struct net_port_op){.spec = lib_net_spec(i + 1), .done = many_done};
        net_port_ensure_start(n->net, &m[i].op);
    }
    lib_net_settle(n);
    for (int i = 0; i < N; i++)
        assert_true(m[i].end.over && m[i].end.rc == 0);
    assert_int_equal(count(sys_record_text(n->sys), "nft change"), 2);
}

/* Of several in one transaction only the guilty one fails. */
static void guilty_alone(void **state)
{
    struct lib_net *n = *state;
    enum { N = 5 };
    struct many m[N] = {0};
    struct net_port_spec specs[N];
    for (int i = 0; i < N; i++)
        specs[i] = lib_net_spec(i + 1);
    sys_record_reset(n->sys);
    for (int i = 0; i < N; i++) {
        m[i].op = (struct net_port_op){.spec = specs[i], .done = many_done};
        net_port_ensure_start(n->net, &m[i].op);
    }
    /* first: alone; second: the other four; third: the first of these alone */
    sys_record_fail_at(n->sys, 2, ENOMEM);
    lib_net_settle(n);
    for (int i = 0; i < N; i++)
        assert_int_equal(m[i].end.rc, 0);
    assert_int_equal(lib_net_check(n, specs, N), 0);
}

static void never(struct net_port_op *op, int rc, const struct bt_err *err)
{
    (void)op;
    (void)rc;
    (void)err;
    fail_msg("a callback after net_free");
}

/* The agent ends in the middle: whatever is in flight ends without a word to its owner. */
static void freed_in_flight(void **state)
{
    struct lib_net *n = *state;
    for (int ms = 0; ms < 60; ms += 5) {
        struct net_port_op *ops = bt_xcalloc(4, sizeof *ops);
        struct net_port_spec s = lib_net_spec(1);
        n->sys->latency_ms = 10;
        for (int i = 0; i < 4; i++) {
            ops[i] = (struct net_port_op){.spec = lib_net_spec(i + 1), .done = never};
            net_port_ensure_start(n->net, &ops[i]);
        }
        if (ms < 20)
            bt_loop_run_until(n->loop, bt_mono_ms(bt_loop_clock(n->loop)) + ms);
        lib_net_restart(n); /* frees while they run */
        free(ops);
        n->sys->latency_ms = 0;
        lib_net_settle_all(n);
        assert_int_equal(lib_net_setup(n).rc, 0);
        assert_int_equal(lib_net_ensure(n, &s).rc, 0);
        for (int i = 0; i < 4; i++) {
            s = lib_net_spec(i + 1);
            assert_int_equal(lib_net_remove(n, &s).rc, 0);
        }
        lib_net_settle_all(n);
        assert_int_equal(lib_net_check(n, NULL, 0), 0);
    }
}

int main(void)
{
#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, open_net, close_net)
    const struct CMUnitTest tests[] = {
        NET_TEST(golden_calls),
        NET_TEST(order_is_safe),
        NET_TEST(twice_as_once),
        NET_TEST(removes_all),
        NET_TEST(restored_before_the_delete),
        NET_TEST(address_change),
        NET_TEST(no_two_with_one_address),
        NET_TEST(refuses_nonsense),
        NET_TEST(pair_made_again),
        NET_TEST(counters_live_and_report),
        NET_TEST(bridges_hold_250),
        NET_TEST(together),
        NET_TEST(guilty_alone),
        NET_TEST(freed_in_flight),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
