/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/agent/net/lib_net.h"

/*
 * Every call of every operation fails once, alone. Afterwards removing leaves nothing, or doing it
 * again makes it whole; the agent may also have been started anew in between.
 */
enum { LIMIT = 400 };

static void open_net(struct lib_net *n)
{
    lib_net_open(n);
    assert_int_equal(lib_net_setup(n).rc, 0);
}

static void maybe_restart(struct lib_net *n, bool restart)
{
    if (!restart)
        return;
    lib_net_settle_all(n);
    lib_net_restart(n);
    assert_int_equal(lib_net_setup(n).rc, 0);
}

static struct net_port_spec spec(void)
{
    struct net_port_spec s = lib_net_spec(3);
    lib_net_add(&s, "2001:db8:2::1", 78, "fe80::1");
    return s;
}

/* Fail the i-th call of ensure, then undo. Returns false when there is no i-th call. */
static bool undo_after(size_t i, bool restart)
{
    struct lib_net n;
    struct net_port_spec s = spec();
    open_net(&n);
    _cleanup_free_ char *empty = sys_record_model(n.sys);
    sys_record_fail_at(n.sys, i, EIO);
    int rc = lib_net_ensure(&n, &s).rc;
    sys_record_fail_at(n.sys, 0, 0);
    if (rc < 0) {
        assert_int_equal(rc, -BT_E_KERNEL);
        maybe_restart(&n, restart);
        assert_int_equal(lib_net_remove(&n, &s).rc, 0);
        lib_net_settle_all(&n);
        _cleanup_free_ char *left = sys_record_model(n.sys);
        assert_string_equal(empty, left);
        assert_int_equal(lib_net_check(&n, NULL, 0), 0);
    }
    lib_net_close(&n);
    return rc < 0;
}

static void ensure_fails_then_remove(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 1; i < LIMIT && undo_after(i, false); i++)
        n++;
    assert_in_range(n, 12, LIMIT - 2);
    for (size_t i = 1; i <= n; i++)
        assert_true(undo_after(i, true));
    print_message("# %zu calls\n", n);
}

/* Fail the i-th call of ensure, then ensure again. */
static bool again_after(size_t i, bool restart)
{
    struct lib_net n;
    struct net_port_spec s = spec();
    open_net(&n);
    sys_record_fail_at(n.sys, i, EIO);
    int rc = lib_net_ensure(&n, &s).rc;
    sys_record_fail_at(n.sys, 0, 0);
    maybe_restart(&n, restart);
    assert_int_equal(lib_net_ensure(&n, &s).rc, 0);
    assert_int_equal(lib_net_check(&n, &s, 1), 0);
    lib_net_close(&n);
    return rc < 0;
}

static void ensure_fails_then_again(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 1; i < LIMIT && again_after(i, false); i++)
        n++;
    assert_in_range(n, 12, LIMIT - 2);
    for (size_t i = 1; i <= n; i++)
        assert_true(again_after(i, true));
}

/* Fail the i-th call of a change of addresses, then of the removal. */
static bool change_after(size_t i, bool restart)
{
    struct lib_net n;
    struct net_port_spec s = spec();
    struct net_port_spec other = lib_net_spec(3);
    other.mac[5] = 0x99;
    other.n_addrs = 0;
    lib_net_add(&other, "198.18.5.5", 20, "198.18.0.1");
    open_net(&n);
    _cleanup_free_ char *empty = sys_record_model(n.sys);
    assert_int_equal(lib_net_ensure(&n, &s).rc, 0);
    sys_record_fail_at(n.sys, i, EIO);
    int rc = lib_net_ensure(&n, &other).rc;
    sys_record_fail_at(n.sys, 0, 0);
    maybe_restart(&n, restart);
    /* Forward or back, both must come out whole. */
    const struct net_port_spec *next = i % 2 ? &s : &other;
    assert_int_equal(lib_net_ensure(&n, next).rc, 0);
    assert_int_equal(lib_net_check(&n, next, 1), 0);
    assert_int_equal(lib_net_remove(&n, next).rc, 0);
    lib_net_settle_all(&n);
    _cleanup_free_ char *left = sys_record_model(n.sys);
    assert_string_equal(empty, left);
    lib_net_close(&n);
    return rc < 0;
}

static void change_fails(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 1; i < LIMIT && change_after(i, false); i++)
        n++;
    assert_in_range(n, 12, LIMIT - 2);
    for (size_t i = 1; i <= n; i++)
        assert_true(change_after(i, true));
}

static bool remove_after(size_t i, bool restart)
{
    struct lib_net n;
    struct net_port_spec s = spec();
    open_net(&n);
    _cleanup_free_ char *empty = sys_record_model(n.sys);
    assert_int_equal(lib_net_ensure(&n, &s).rc, 0);
    sys_record_fail_at(n.sys, i, EIO);
    int rc = lib_net_remove(&n, &s).rc;
    sys_record_fail_at(n.sys, 0, 0);
    maybe_restart(&n, restart);
    assert_int_equal(lib_net_remove(&n, &s).rc, 0);
    lib_net_settle_all(&n);
    _cleanup_free_ char *left = sys_record_model(n.sys);
    assert_string_equal(empty, left);
    lib_net_close(&n);
    return rc < 0;
}

static void remove_fails_then_again(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 1; i < LIMIT && remove_after(i, false); i++)
        n++;
    assert_in_range(n, 6, LIMIT - 2);
    for (size_t i = 1; i <= n; i++)
        assert_true(remove_after(i, true));
}

static bool setup_after(size_t i)
{
    struct lib_net n;
    lib_net_open(&n);
    sys_record_fail_at(n.sys, i, EIO);
    int rc = lib_net_setup(&n).rc;
    sys_record_fail_at(n.sys, 0, 0);
    assert_int_equal(lib_net_setup(&n).rc, 0);
    struct net_port_spec s = spec();
    assert_int_equal(lib_net_ensure(&n, &s).rc, 0);
    assert_int_equal(lib_net_check(&n, &s, 1), 0);
    lib_net_close(&n);
    return rc < 0;
}

static void setup_fails_then_again(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 1; i < LIMIT && setup_after(i); i++)
        n++;
    assert_in_range(n, 30, LIMIT - 2);
}

/* Another start of the agent changes nothing. */
static void setup_again_changes_nothing(void **state)
{
    struct lib_net n;
    (void)state;
    open_net(&n);
    struct net_port_spec s = spec();
    assert_int_equal(lib_net_ensure(&n, &s).rc, 0);
    _cleanup_free_ char *before = sys_record_model(n.sys);
    lib_net_restart(&n);
    sys_record_reset(n.sys);
    assert_int_equal(lib_net_setup(&n).rc, 0);
    assert_null(strstr(sys_record_text(n.sys), "nft run"));
    assert_null(strstr(sys_record_text(n.sys), "nft change"));
    _cleanup_free_ char *after = sys_record_model(n.sys);
    assert_string_equal(before, after);
    assert_true(net_port_known(n.net, s.uuid, 0));
    assert_int_equal(lib_net_check(&n, &s, 1), 0);
    lib_net_close(&n);
}

/* Rules that are gone come back at the next start, and the marks of older versions go. */
static void lost_rules_come_back(void **state)
{
    struct lib_net n;
    struct bt_err err = BT_ERR_INIT;
    (void)state;
    open_net(&n);
    _cleanup_free_ char *before = sys_record_model(n.sys);
    assert_int_equal(n.sys->nft->run(n.sys, "delete table bridge berth\n", &err), 0);
    assert_int_equal(
        n.sys->nft->run(n.sys, "table inet berth {\nchain v_0123456789abcdef { }\n}\n", &err), 0);
    assert_true(lib_net_check(&n, NULL, 0) > 0);
    lib_net_restart(&n);
    assert_int_equal(lib_net_setup(&n).rc, 0);
    _cleanup_free_ char *after = sys_record_model(n.sys);
    assert_string_equal(before, after);
    lib_net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ensure_fails_then_remove),
        cmocka_unit_test(ensure_fails_then_again),
        cmocka_unit_test(change_fails),
        cmocka_unit_test(remove_fails_then_again),
        cmocka_unit_test(setup_fails_then_again),
        cmocka_unit_test(setup_again_changes_nothing),
        cmocka_unit_test(lost_rules_come_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
