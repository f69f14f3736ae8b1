/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/host/host.h"
#include "agent/host/host_sysctl.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include <cmocka.h>

/* ---- agent.conf ---- */

static int load(const char *text, struct host_conf *ret, struct bt_err *err)
{
    char path[] = "/tmp/berth-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(bt_write_all(fd, text, strlen(text), NULL), 0);
    close(fd);
    int rc = host_conf_load(path, ret, err);
    unlink(path);
    return rc;
}

static void defaults(void **state)
{
    struct host_conf c;
    (void)state;
    assert_int_equal(host_conf_load(NULL, &c, NULL), 0);
    assert_int_equal(c.brake_deletes, 10);
    assert_int_equal(c.brake_delete_pct, 10);
    assert_int_equal(c.brake_purges, 3);
    assert_int_equal(c.brake_purge_pct, 5);
    assert_int_equal(c.brake_window, 600000);
    assert_int_equal(c.trash_time, 7LL * 86400 * 1000);
    assert_int_equal(c.sysctls, HOST_SYSCTLS_SET);
    assert_false(c.driver_fake);
    assert_null(c.controller);
    host_conf_free(&c);
}

static void options(void **state)
{
    struct host_conf c;
    (void)state;
    assert_int_equal(load("name = h7\nstate_dir = /x/y\nid_base = 131072\nid_count = 65536\n"
                          "capacity_cpus = 8\ncapacity_memory = 16G\nsysctls = check\n"
                          "trash_time = 1h\ncontroller = wss://c:8444/agent/v1\n",
                          &c, NULL),
                     0);
    assert_string_equal(c.name, "h7");
    assert_int_equal(c.capacity_memory, 16LL << 30);
    assert_int_equal(c.sysctls, HOST_SYSCTLS_CHECK);
    assert_int_equal(c.trash_time, 3600000);
    host_conf_free(&c);
}

static void refusals(void **state)
{
    static const char *const bad[] = {
        "colour = red\n",
        "id_base = 4294901760\nid_count = 131072\n",
        "id_base = 0\n",
        "cgroup_parent = /berth\n",
        "cgroup_parent = a/../b\n",
        "controller = http://c\n",
        "brake_deletes = 0\n",
        "state_dir = relative\n",
        "sysctls = perhaps\n",
        "trash_time = soon\n",
    };
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct host_conf c = {0};
        struct bt_err err = BT_ERR_INIT;
        if (load(bad[i], &c, &err) >= 0)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.msg[0] != '\0');
        assert_null(c.state_dir);
    }
}

/* ---- facts ---- */

static void said_to_have(void **state)
{
    struct host_conf c;
    struct host *h = NULL;
    struct link_host facts;
    (void)state;
    assert_int_equal(
        load("capacity_cpus = 8\ncapacity_memory = 1G\ncapacity_disk = 10G\n", &c, NULL), 0);
    assert_int_equal(host_new(&(struct host_config){.conf = &c, .boot_id = "b1"}, &h, NULL), 0);
    host_facts(h, &facts);
    assert_string_equal(host_boot_id(h), "b1");
    assert_int_equal(facts.cpus, 8);
    assert_int_equal(facts.memory_bytes, 1 << 30);
    assert_int_equal(facts.disk_bytes, 10LL << 30);
    bt_schema_free(&link_host_schema, &facts);
    host_free(h);
    host_conf_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(options),
        cmocka_unit_test(refusals),
        cmocka_unit_test(said_to_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
