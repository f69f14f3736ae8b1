/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_profile.h"

#include <cmocka.h>

/* Specs borrow literals here; nothing frees them. */
#pragma GCC diagnostic ignored "-Wwrite-strings"
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"

#define UUID "11111111-2222-4333-8444-555555555555"

static struct helper_container_spec spec(void)
{
    return (struct helper_container_spec){
        .hostname = "web1",
        .lower = "/images/a",
        .upper = {.backend = HELPER_UPPER_LOOP, .path = "/disks/a"},
        .id_base = 1000000,
        .id_count = 65536,
        .cgroup_parent = "/berth-instances",
        .cgroup = UUID,
        .stop_signal = "SIGRTMIN+3",
        .features = UINT64_C(1) << FEATURE_NET_RAW | UINT64_C(1) << FEATURE_TUN,
        .seed_id = "x",
        .boot = 1,
    };
}

static struct ct_config_in config(const struct helper_container_spec *s)
{
    return (struct ct_config_in){.spec = s,
                                 .uuid = UUID,
                                 .run_dir = "/run/berth",
                                 .exe = "/usr/lib/berth/berth-container",
                                 .kind = CT_CG_HYBRID,
                                 .devices = true};
}

/* Value of the @n-th item with @key, NULL when there are fewer. */
static const char *value(const struct bt_arr *items, const char *key, size_t n)
{
    const struct bt_pair *p = items->items;
    for (size_t i = 0; i < items->len; i++) {
        if (bt_streq(p[i].key, key) && n-- == 0)
            return p[i].value;
    }
    return NULL;
}

static bool has(const struct bt_arr *items, const char *key, const char *part)
{
    for (size_t n = 0;; n++) {
        const char *v = value(items, key, n);
        if (!v)
            return false;
        if (strstr(v, part))
            return true;
    }
}

static void identity(void **state)
{
    (void)state;
    struct helper_container_spec s = spec();
    struct ct_config_in in = config(&s);
    struct bt_arr items;
    ct_config_build(&in, &items);
    assert_string_equal(value(&items, "lxc.uts.name", 0), "web1");
    assert_string_equal(value(&items, "lxc.idmap", 0), "u 0 1000000 65536");
    assert_string_equal(value(&items, "lxc.idmap", 1), "g 0 1000000 65536");
    assert_string_equal(value(&items, "lxc.signal.halt", 0), "SIGRTMIN+3");
    assert_string_equal(value(&items, "lxc.rootfs.path", 0), "dir:/run/berth/" UUID "/root");
    assert_string_equal(value(&items, "lxc.cgroup.dir.container", 0), "berth-instances/" UUID);
    assert_string_equal(value(&items, "lxc.hook.start-host", 0),
                        "'/usr/lib/berth/berth-container' boot '/run/berth/" UUID "'");
    assert_string_equal(value(&items, "lxc.monitor.signal.pdeath", 0), "0");
    assert_string_equal(value(&items, "lxc.net.0.type", 0), "empty");
    assert_null(value(&items, "lxc.hook.pre-start", 0));
    ct_config_free(&items);
    assert_int_equal(items.len, 0);
}

static void features(void **state)
{
    (void)state;
    struct helper_container_spec s = spec();
    struct ct_config_in in = config(&s);
    struct bt_arr items;
    ct_config_build(&in, &items);
    assert_true(has(&items, "lxc.cgroup.devices.allow", "c 10:200 rwm"));
    assert_false(has(&items, "lxc.cgroup.devices.allow", "c 10:229 rwm"));
    assert_string_equal(value(&items, "lxc.cgroup.devices.deny", 0), "a");
    assert_true(has(&items, "lxc.mount.entry", "/dev/net/tun dev/net/tun"));
    assert_false(has(&items, "lxc.mount.entry", "fuse"));
    assert_true(has(&items, "lxc.mount.entry", " proc/kcore none bind,ro,optional"));
    ct_config_free(&items);
    s.features = UINT64_C(1) << FEATURE_NESTING | UINT64_C(1) << FEATURE_FUSE;
    in.kind = CT_CG_V2;
    in.own_nodes = true;
    ct_config_build(&in, &items);
    assert_false(has(&items, "lxc.mount.entry", "kcore"));
    assert_true(has(&items, "lxc.mount.entry", "/run/berth/" UUID "/dev/fuse dev/fuse"));
    assert_null(value(&items, "lxc.cgroup.devices.deny", 0));
    assert_string_equal(value(&items, "lxc.cgroup2.devices.deny", 0), "a");
    ct_config_free(&items);
    in.devices = false;
    ct_config_build(&in, &items);
    assert_null(value(&items, "lxc.cgroup2.devices.deny", 0));
    ct_config_free(&items);
}

static void network(void **state)
{
    (void)state;
    struct helper_container_spec s = spec();
    struct helper_address addresses[] = {
        {"198.18.0.77", 20}, {"198.18.1.1", 32}, {"203.0.113.8", 31}, {"2001:db8:1:1::1", 64}};
    struct helper_nic nics[] = {{.ifname = "btabcp",
                                 .guest_name = "eth0",
                                 .mac = "02:00:00:00:00:01",
                                 .mtu = 1400,
                                 .addresses = {addresses, BT_ARRAY_LEN(addresses)},
                                 .gateway4 = "198.18.0.1",
                                 .gateway6 = "fe80::1"},
                                {.ifname = "btabcq", .guest_name = "eth1"}};
    s.nics = (struct bt_arr){nics, 2};
    struct ct_config_in in = config(&s);
    struct bt_arr items;
    assert_int_equal(ct_config_check(&in, NULL), 0);
    ct_config_build(&in, &items);
    assert_string_equal(value(&items, "lxc.net.0.type", 0), "phys");
    assert_string_equal(value(&items, "lxc.net.0.link", 0), "btabcp");
    assert_string_equal(value(&items, "lxc.net.0.mtu", 0), "1400");
    assert_string_equal(value(&items, "lxc.net.0.ipv4.address", 0), "198.18.0.77/20 198.18.15.255");
    assert_string_equal(value(&items, "lxc.net.0.ipv4.address", 1), "198.18.1.1/32 0.0.0.0");
    assert_string_equal(value(&items, "lxc.net.0.ipv4.address", 2), "203.0.113.8/31 0.0.0.0");
    assert_string_equal(value(&items, "lxc.net.0.ipv6.address", 0), "2001:db8:1:1::1/64");
    assert_string_equal(value(&items, "lxc.net.0.ipv6.gateway", 0), "fe80::1");
    assert_string_equal(value(&items, "lxc.net.1.name", 0), "eth1");
    assert_null(value(&items, "lxc.net.1.hwaddr", 0));
    ct_config_free(&items);
}

static int checked(const struct helper_container_spec *s)
{
    struct ct_config_in in = config(s);
    struct bt_err err = BT_ERR_INIT;
    return -ct_config_check(&in, &err);
}

#define REFUSED(code, change)                                                                      \
    do {                                                                                           \
        struct helper_container_spec s = spec();                                                   \
        change;                                                                                    \
        assert_int_equal(checked(&s), code);                                                       \
    } while (0)

static void refusals(void **state)
{
    (void)state;
    REFUSED(0, (void)s);
    REFUSED(0, s.stop_signal = NULL);
    REFUSED(0, s.init = "/usr/lib/systemd/systemd");
    REFUSED(BT_E_INVALID, s.lower = "images");
    REFUSED(BT_E_INVALID, s.upper.path = "disk");
    REFUSED(BT_E_INVALID, s.cgroup_parent = "berth");
    REFUSED(BT_E_INVALID, s.cgroup_parent = "/berth/../x");
    REFUSED(BT_E_INVALID, s.cgroup_parent = "/ber th");
    REFUSED(BT_E_INVALID, s.cgroup = "a/b");
    REFUSED(BT_E_INVALID, s.cgroup = "");
    REFUSED(BT_E_INVALID, s.cgroup = "..");
    REFUSED(BT_E_INVALID, s.cgroup = "monitors");
    REFUSED(BT_E_INVALID, s.id_base = INT64_C(4294967295));
    REFUSED(BT_E_INVALID, s.stop_signal = "SIGNOTHING");
    REFUSED(BT_E_INVALID, s.init = "/bin/sh -c x");
    REFUSED(BT_E_INVALID, s.init = "/bin/'x'");
    REFUSED(BT_E_MISSING_CAPABILITY, s.features = UINT64_C(1) << FEATURE_NESTING);
    struct helper_nic nic = {.ifname = "a b", .guest_name = "eth0"};
    struct bt_arr nics = {&nic, 1};
    REFUSED(BT_E_INVALID, s.nics = nics);
    nic = (struct helper_nic){.ifname = "a", .guest_name = "../x"};
    REFUSED(BT_E_INVALID, s.nics = nics);
}

static void signals(void **state)
{
    (void)state;
    assert_int_equal(ct_signal_number("SIGPWR"), SIGPWR);
    assert_int_equal(ct_signal_number("TERM"), SIGTERM);
    assert_int_equal(ct_signal_number("SIGRTMIN+3"), SIGRTMIN + 3);
    assert_int_equal(ct_signal_number("RTMIN+0"), SIGRTMIN);
    assert_int_equal(ct_signal_number("RTMIN+99"), 0);
    assert_int_equal(ct_signal_number("RTMIN+"), 0);
    assert_int_equal(ct_signal_number("SIG"), 0);
    assert_int_equal(ct_signal_number(""), 0);
    assert_int_equal(ct_signal_number("9"), 0);
}

static bool is_dropped(uint64_t set, const char *cap)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(4096);
    char *save = NULL;
    ct_caps_emit(set, &b);
    for (char *w = strtok_r(b.data, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (bt_streq(w, cap))
            return true;
    }
    return false;
}

static void capabilities(void **state)
{
    (void)state;
    uint64_t both = UINT64_C(1) << FEATURE_NET_ADMIN | UINT64_C(1) << FEATURE_NET_RAW;
    static const char *const never[] = {"sys_module", "sys_rawio", "sys_time", "syslog",
                                        "mknod",      "bpf",       "perfmon",  "mac_admin"};
    for (size_t i = 0; i < BT_ARRAY_LEN(never); i++) {
        assert_true(is_dropped(0, never[i]));
        assert_true(is_dropped(UINT64_MAX, never[i]));
    }
    assert_true(is_dropped(0, "net_admin"));
    assert_true(is_dropped(0, "net_raw"));
    assert_false(is_dropped(both, "net_admin"));
    assert_false(is_dropped(both, "net_raw"));
    assert_false(is_dropped(0, "sys_admin"));
    assert_false(is_dropped(0, "setuid"));
}

static bool profile_has(uint64_t set, const char *line)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(65536);
    _cleanup_free_ char *whole = bt_xasprintf("\n%s\n", line);
    ct_seccomp_emit(set, &b);
    assert_false(b.overflow);
    return strstr(b.data, whole);
}

static void seccomp(void **state)
{
    (void)state;
    uint64_t raw = UINT64_C(1) << FEATURE_NET_RAW;
    uint64_t admin = UINT64_C(1) << FEATURE_NET_ADMIN;
    uint64_t nesting = UINT64_C(1) << FEATURE_NESTING;
    _cleanup_buf_ struct bt_buf b = BT_BUF(65536);
    ct_seccomp_emit(0, &b);
    assert_true(bt_starts_with(b.data, "2\ndenylist allow\n[all]\n"));
    assert_true(profile_has(0, "kexec_load errno 1"));
    assert_true(profile_has(UINT64_MAX, "io_uring_setup errno 1"));
    assert_true(profile_has(0, "keyctl errno 38"));
    assert_true(profile_has(0, "clone3 errno 38"));
    assert_false(profile_has(nesting, "clone3 errno 38"));
    assert_true(profile_has(0, "unshare errno 1 [0,268435456,SCMP_CMP_MASKED_EQ,268435456]"));
    assert_false(
        profile_has(nesting, "unshare errno 1 [0,268435456,SCMP_CMP_MASKED_EQ,268435456]"));
    assert_true(profile_has(0, "socket errno 1 [0,17,SCMP_CMP_EQ]"));
    assert_false(profile_has(raw, "socket errno 1 [0,17,SCMP_CMP_EQ]"));
    assert_true(profile_has(raw, "socket errno 1 [0,38,SCMP_CMP_EQ]"));
    assert_true(profile_has(0, "socket errno 1 [0,16,SCMP_CMP_EQ] [2,12,SCMP_CMP_EQ]"));
    assert_false(profile_has(admin, "socket errno 1 [0,16,SCMP_CMP_EQ] [2,12,SCMP_CMP_EQ]"));
    assert_true(profile_has(0, "setsockopt errno 1 [1,41,SCMP_CMP_EQ] [2,64,SCMP_CMP_EQ]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity), cmocka_unit_test(features), cmocka_unit_test(network),
        cmocka_unit_test(refusals), cmocka_unit_test(signals),  cmocka_unit_test(capabilities),
        cmocka_unit_test(seccomp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
