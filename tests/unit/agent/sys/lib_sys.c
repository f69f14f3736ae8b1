/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/agent/sys/lib_sys.h"

#include <sched.h>

bool lib_sys_unshare(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
}

int lib_sys_setup(void **state)
{
    struct bt_err err = BT_ERR_INIT;
    struct sys_real_config config = {.cgroup_parent = "berth-unit-sys"};
    struct bt_loop *loop = bt_loop_new(&err);
    struct sys *s = loop ? sys_real_new(loop, &config, &err) : NULL;
    if (!s)
        print_message("# %s\n", err.msg);
    *state = s;
    return s ? 0 : -1;
}

int lib_sys_teardown(void **state)
{
    struct sys *s = *state;
    struct bt_loop *loop = s->loop;
    sys_real_free(s);
    bt_loop_free(loop);
    return 0;
}

int lib_sys_ok(int rc, struct bt_err *err)
{
    if (rc != 0)
        print_message("# %s\n", err->msg);
    return rc;
}

struct bt_ip lib_ip(const char *text)
{
    struct bt_ip ip;
    assert_int_equal(bt_ip_parse(text, &ip, NULL), 0);
    return ip;
}

struct bt_cidr lib_cidr(const char *text)
{
    struct bt_cidr c;
    assert_int_equal(bt_cidr_parse(text, &c, NULL), 0);
    return c;
}
