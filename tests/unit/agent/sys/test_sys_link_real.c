/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sched.h>
#include <time.h>

#include "tests/unit/agent/sys/lib_sys.h"

static const struct sys_bridge bridge = {.name = "berth0", .mac = {2, 0x62, 0x74, 0, 0, 1}};
static const struct sys_veth pair = {.name = "btaaaaaaaaaaaa0",
                                     .peer = "bpaaaaaaaaaaaa0",
                                     .mac = {0xfe, 1, 2, 3, 4, 5},
                                     .peer_mac = {2, 1, 2, 3, 4, 5}};

static void makes_bridge_once(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_link_info one;
    struct sys_link_info two;
    OK(s->link->bridge_ensure(s, &bridge, &err));
    OK(s->link->get(s, "berth0", &one, &err));
    assert_string_equal(one.kind, "bridge");
    assert_true(one.up);
    assert_memory_equal(one.mac, bridge.mac, 6);
    OK(s->link->bridge_ensure(s, &bridge, &err));
    OK(s->link->get(s, "berth0", &two, &err));
    assert_int_equal(one.ifindex, two.ifindex);
    OK(s->link->set_up(s, "berth0", false, &err));
    OK(s->link->bridge_ensure(s, &bridge, &err));
    OK(s->link->get(s, "berth0", &two, &err));
    assert_true(two.up);
    assert_int_equal(s->link->get(s, "berth9", &two, &err), -BT_E_NOT_FOUND);
}

static void makes_port(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_link_info one;
    struct sys_link_info two;
    OK(s->link->veth_ensure(s, &pair, &err));
    OK(s->link->get(s, pair.name, &one, &err));
    OK(s->link->get(s, pair.peer, &two, &err));
    assert_false(one.up);
    assert_false(two.up);
    assert_string_equal(one.kind, "veth");
    assert_memory_equal(one.mac, pair.mac, 6);
    assert_memory_equal(two.mac, pair.peer_mac, 6);
    assert_int_equal(one.peer_ifindex, two.ifindex);
    assert_false(one.peer_elsewhere);
    OK(s->link->port_ensure(s, pair.name, "berth0", &err));
    OK(s->link->get(s, pair.name, &one, &err));
    assert_true(one.is_port);
    assert_string_equal(one.master, "berth0");
    assert_true(one.port.isolated);
    assert_false(one.port.learning || one.port.flood || one.port.mcast_flood ||
                 one.port.bcast_flood);
    OK(s->link->set_up(s, pair.name, true, &err));
    OK(s->link->set_up(s, pair.peer, true, &err));
    OK(s->link->veth_ensure(s, &pair, &err));
    OK(s->link->port_ensure(s, pair.name, "berth0", &err));
    OK(s->link->get(s, pair.name, &two, &err));
    assert_int_equal(one.ifindex, two.ifindex);
    OK(s->link->get(s, pair.peer, &two, &err));
    assert_false(two.up); /* an end that nobody uses is kept down */
    assert_int_equal(s->link->port_ensure(s, pair.name, "berth9", &err), -BT_E_NOT_FOUND);
}

/* A flag that somebody changed is put right. */
static void mends_port(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_link_info one;
    assert_int_equal(system("bridge link set dev btaaaaaaaaaaaa0 isolated off flood on"), 0);
    OK(s->link->get(s, pair.name, &one, &err));
    assert_false(one.port.isolated);
    OK(s->link->port_ensure(s, pair.name, "berth0", &err));
    OK(s->link->get(s, pair.name, &one, &err));
    assert_true(one.port.isolated && !one.port.flood);
}

static size_t count(struct sys *s, int (*list)(struct sys *, struct sys_rows *, struct bt_err *))
{
    struct bt_err err = BT_ERR_INIT;
    _cleanup_rows_ struct sys_rows rows = {0};
    OK(list(s, &rows, &err));
    return rows.len;
}

static void static_entries(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_fdb f = {.dev = "btaaaaaaaaaaaa0", .mac = {2, 1, 2, 3, 4, 5}};
    struct sys_neigh four = {
        .dev = "berth0", .ip = lib_ip("198.18.0.2"), .mac = {2, 1, 2, 3, 4, 5}};
    struct sys_neigh six = four;
    six.ip = lib_ip("2001:db8:1:2::1");
    _cleanup_rows_ struct sys_rows rows = {0};
    for (int twice = 0; twice < 2; twice++) {
        OK(s->link->fdb_ensure(s, &f, &err));
        OK(s->link->neigh_ensure(s, &four, &err));
        OK(s->link->neigh_ensure(s, &six, &err));
        assert_int_equal(count(s, s->link->fdb_list), 1);
        assert_int_equal(count(s, s->link->neigh_list), 2);
    }
    OK(s->link->fdb_list(s, &rows, &err));
    struct sys_fdb *found = rows.items;
    assert_string_equal(found->dev, f.dev);
    assert_memory_equal(found->mac, f.mac, 6);
    for (int twice = 0; twice < 2; twice++) {
        OK(s->link->fdb_remove(s, &f, &err));
        OK(s->link->neigh_remove(s, &four, &err));
        OK(s->link->neigh_remove(s, &six, &err));
    }
    assert_int_equal(count(s, s->link->fdb_list), 0);
    assert_int_equal(count(s, s->link->neigh_list), 0);
}

static void addresses_and_routes(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_addr gw = {.dev = "berth0", .ip = lib_ip("198.18.0.1"), .prefix = 32};
    struct sys_addr ll = {.dev = "berth0", .ip = lib_ip("fe80::1"), .prefix = 64};
    struct sys_route routes[] = {
        {.dst = lib_cidr("198.18.0.2/32"), .dev = "berth0"},
        {.dst = lib_cidr("2001:db8:1:2::/64"), .dev = "berth0", .via = lib_ip("2001:db8:1:2::1")},
        {.dst = lib_cidr("2001:db8:1:3::5/128"), .dev = "berth0"},
        {.dst = lib_cidr("198.18.0.0/20"), .unreachable = true, .metric = 4096},
        {.dst = lib_cidr("2001:db8:1::/48"), .unreachable = true, .metric = 4096},
    };
    for (int twice = 0; twice < 2; twice++) {
        OK(s->link->addr_ensure(s, &gw, &err));
        OK(s->link->addr_ensure(s, &ll, &err));
        assert_int_equal(count(s, s->link->addr_list), 2);
        for (size_t i = 0; i < BT_ARRAY_LEN(routes); i++)
            OK(s->link->route_ensure(s, &routes[i], &err));
        assert_int_equal(count(s, s->link->route_list), BT_ARRAY_LEN(routes));
    }
    _cleanup_rows_ struct sys_rows rows = {0};
    OK(s->link->route_list(s, &rows, &err));
    size_t with_via = 0;
    SYS_ROWS_FOREACH(struct sys_route, it, &rows) {
        bool known = false;
        for (size_t i = 0; i < BT_ARRAY_LEN(routes); i++)
            known = known ||
                    (bt_ip_cmp(&it->dst.ip, &routes[i].dst.ip) == 0 &&
                     it->dst.len == routes[i].dst.len && strcmp(it->dev, routes[i].dev) == 0 &&
                     it->metric == routes[i].metric && bt_ip_cmp(&it->via, &routes[i].via) == 0 &&
                     it->unreachable == routes[i].unreachable);
        assert_true(known);
        with_via += it->via.family != 0;
    }
    assert_int_equal(with_via, 1);
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < BT_ARRAY_LEN(routes); i++)
            OK(s->link->route_remove(s, &routes[i], &err));
        OK(s->link->addr_remove(s, &gw, &err));
    }
    assert_int_equal(count(s, s->link->route_list), 0);
    assert_int_equal(count(s, s->link->addr_list), 1);
}

static void half_a_pair_is_made_anew(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_link_info one;
    struct sys_link_info two;
    OK(s->link->get(s, pair.name, &one, &err));
    OK(s->link->remove(s, pair.name, &err));
    OK(s->link->remove(s, pair.name, &err));
    assert_int_equal(s->link->get(s, pair.peer, &two, &err), -BT_E_NOT_FOUND);
    assert_int_equal(system("ip link add bpaaaaaaaaaaaa0 type veth peer name stranger"), 0);
    OK(s->link->veth_ensure(s, &pair, &err));
    OK(s->link->get(s, pair.name, &two, &err));
    assert_int_not_equal(one.ifindex, two.ifindex);
    assert_int_equal(s->link->get(s, "stranger", &two, &err), -BT_E_NOT_FOUND);
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void trash_goes_at_once(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_link_info one;
    char name[16];
    char peer[16];
    OK(s->link->trash_empty(s, &err));
    for (int i = 0; i < 50; i++) {
        struct sys_veth v = {.name = name, .peer = peer, .mac = {0xfe, 9, 0, 0, 0, 1}};
        v.mac[5] = v.peer_mac[5] = (unsigned char)i;
        v.peer_mac[0] = 2;
        (void)snprintf(name, sizeof name, "btbbbbbbbbbb%03d", i);
        (void)snprintf(peer, sizeof peer, "bpbbbbbbbbbb%03d", i);
        OK(s->link->veth_ensure(s, &v, &err));
        OK(s->link->port_ensure(s, name, "berth0", &err));
        OK(s->link->set_up(s, name, true, &err));
    }
    double begin = now_ms();
    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "btbbbbbbbbbb%03d", i);
        OK(s->link->set_up(s, name, false, &err));
    }
    double down = now_ms() - begin;
    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "btbbbbbbbbbb%03d", i);
        OK(s->link->trash(s, name, &err));
    }
    OK(s->link->trash(s, "btabsent", &err));
    OK(s->link->get(s, "btbbbbbbbbbb007", &one, &err));
    assert_int_equal(one.group, SYS_LINK_GROUP_TRASH);
    /* One that is wanted again leaves the trash. */
    struct sys_veth v = {.name = "btbbbbbbbbbb007",
                         .peer = "bpbbbbbbbbbb007",
                         .mac = {0xfe, 9, 0, 0, 0, 7},
                         .peer_mac = {2, 9, 0, 0, 0, 7}};
    OK(s->link->veth_ensure(s, &v, &err));
    begin = now_ms();
    OK(s->link->trash_empty(s, &err));
    print_message("# 50 links: down %.1f ms, delete %.1f ms\n", down, now_ms() - begin);
    OK(s->link->get(s, "btbbbbbbbbbb007", &one, &err));
    assert_int_equal(s->link->get(s, "btbbbbbbbbbb008", &one, &err), -BT_E_NOT_FOUND);
    assert_int_equal(s->link->get(s, "bpbbbbbbbbbb008", &one, &err), -BT_E_NOT_FOUND);
}

static void guest_inside_its_namespace(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_link_info one;
    _cleanup_close_ int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    _cleanup_close_ int guest = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(setns(ours, CLONE_NEWNET), 0);
    char cmd[400];
    (void)snprintf(cmd, sizeof cmd, "ip link set bpaaaaaaaaaaaa0 netns /proc/%d/fd/%d",
                   (int)getpid(), guest);
    assert_int_equal(system(cmd), 0);
    OK(s->link->get(s, pair.name, &one, &err));
    assert_true(one.peer_elsewhere);
    struct sys_addr addrs[] = {{.ip = lib_ip("198.18.0.2"), .prefix = 20},
                               {.ip = lib_ip("2001:db8:1:2::1"), .prefix = 64}};
    struct sys_route routes[] = {{.dst = lib_cidr("0.0.0.0/0"), .via = lib_ip("198.18.0.1")},
                                 {.dst = lib_cidr("::/0"), .via = lib_ip("fe80::1")}};
    struct sys_guest_net g = {.from = "bpaaaaaaaaaaaa0",
                              .name = "eth0",
                              .addrs = addrs,
                              .n_addrs = 2,
                              .routes = routes,
                              .n_routes = 2};
    OK(s->link->guest_net(s, guest, &g, &err));
    OK(s->link->guest_net(s, guest, &g, &err));
    (void)snprintf(cmd, sizeof cmd,
                   "nsenter --net=/proc/%d/fd/%d sh -c 'ip -4 route; ip -6 route; ip addr' | grep "
                   "-c -e 'default via 198.18.0.1 dev eth0' -e 'default via fe80::1 dev eth0' -e "
                   "'inet 198.18.0.2/20' -e 'inet6 2001:db8:1:2::1/64' | grep -q 4",
                   (int)getpid(), guest);
    assert_int_equal(system(cmd), 0);
    /* The pair that a running guest holds is kept. */
    OK(s->link->veth_ensure(s, &pair, &err));
    assert_int_equal(setns(guest, CLONE_NEWNET), 0);
    assert_int_equal(system("ip link show eth0 >/dev/null"), 0);
    assert_int_equal(setns(ours, CLONE_NEWNET), 0);
}

static void lists_all(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    _cleanup_rows_ struct sys_rows rows = {0};
    size_t ports = 0;
    OK(s->link->list(s, &rows, &err));
    SYS_ROWS_FOREACH(struct sys_link_info, it, &rows)
        ports += it->is_port && strcmp(it->master, "berth0") == 0;
    assert_int_equal(ports, 1);
}

static void parses_macs(void **state)
{
    unsigned char mac[6];
    char text[SYS_MAC_STR_MAX];
    (void)state;
    assert_int_equal(sys_mac_parse("02:be:AB:00:00:ff", mac, NULL), 0);
    assert_string_equal(sys_mac_str(mac, text), "02:be:ab:00:00:ff");
    static const char *const bad[] = {"",
                                      "02:be:ab:00:00",
                                      "02:be:ab:00:00:f",
                                      "02-be-ab-00-00-ff",
                                      "01:00:5e:00:00:01",
                                      "00:00:00:00:00:00",
                                      "02:be:ab:00:00:ff:",
                                      "02:be:ab:00:00:gg"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(sys_mac_parse(bad[i], mac, NULL), -BT_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_bridge_once),
        cmocka_unit_test(makes_port),
        cmocka_unit_test(mends_port),
        cmocka_unit_test(static_entries),
        cmocka_unit_test(addresses_and_routes),
        cmocka_unit_test(lists_all),
        cmocka_unit_test(half_a_pair_is_made_anew),
        cmocka_unit_test(trash_goes_at_once),
        cmocka_unit_test(guest_inside_its_namespace),
        cmocka_unit_test(parses_macs),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!lib_sys_unshare()) {
        printf("1..1\nok 1 - rtnetlink # SKIP needs root\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, lib_sys_setup, lib_sys_teardown);
}
