/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/agent/net/lib_net.h"

#include <fcntl.h>

#include "common/base/fd.h"

#define GOLDEN "tests/unit/agent/net/golden/"

static void make_net(struct lib_net *n)
{
    static const struct bt_cidr denied[] = {{{4, {198, 19, 7, 0}}, 24}};
    static const struct bt_ip gateways[] = {{4, {198, 18, 0, 1}}};
    struct net_config config = {.bridge_prefix = "berth",
                                .mgmt = "mgmt0",
                                .denied = denied,
                                .n_denied = 1,
                                .gateways = gateways,
                                .n_gateways = 1};
    n->net = net_new(n->sys, &config);
}

void lib_net_open(struct lib_net *n)
{
    n->loop = bt_loop_new_virtual(1700000000000);
    n->sys = sys_record_new(n->loop);
    make_net(n);
}

void lib_net_settle(struct lib_net *n)
{
    bt_loop_run_until(n->loop, bt_mono_ms(bt_loop_clock(n->loop)));
}

void lib_net_settle_all(struct lib_net *n)
{
    bt_loop_run_until(n->loop, bt_mono_ms(bt_loop_clock(n->loop)) + 10000);
}

void lib_net_restart(struct lib_net *n)
{
    net_free(n->net);
    make_net(n);
}

void lib_net_close(struct lib_net *n)
{
    net_free(n->net);
    sys_record_free(n->sys);
    bt_loop_free(n->loop);
}

static void keep(struct lib_end *end, int rc, const struct bt_err *err)
{
    assert_false(end->over);
    end->over = true;
    end->rc = rc;
    end->err = *err;
    assert_int_equal(rc, -(int)err->code);
}

static void setup_done(struct net_setup *s, int rc, const struct bt_err *err)
{
    keep(s->owner, rc, err);
}

struct lib_end lib_net_setup(struct lib_net *n)
{
    struct lib_end end = {0};
    struct net_setup s = {.done = setup_done, .owner = &end};
    net_setup_start(n->net, &s);
    assert_false(end.over);
    lib_net_settle(n);
    assert_true(end.over);
    return end;
}

static void port_done(struct net_port_op *op, int rc, const struct bt_err *err)
{
    struct lib_end *end = op->owner;
    keep(end, rc, err);
    end->traffic = op->traffic;
}

static struct lib_end port_call(struct lib_net *n, const struct net_port_spec *spec,
                                void (*start)(struct net *, struct net_port_op *))
{
    struct lib_end end = {0};
    struct net_port_op op = {.spec = *spec, .done = port_done, .owner = &end};
    start(n->net, &op);
    assert_false(end.over);
    lib_net_settle(n);
    assert_true(end.over);
    return end;
}

struct lib_end lib_net_ensure(struct lib_net *n, const struct net_port_spec *spec)
{
    return port_call(n, spec, net_port_ensure_start);
}

struct lib_end lib_net_cut(struct lib_net *n, const struct net_port_spec *spec)
{
    return port_call(n, spec, net_port_cut_start);
}

struct lib_end lib_net_remove(struct lib_net *n, const struct net_port_spec *spec)
{
    return port_call(n, spec, net_port_remove_start);
}

static void check_done(struct net_check *c, int rc, const struct bt_err *err)
{
    keep(c->owner, rc, err);
}

size_t lib_net_check(struct lib_net *n, const struct net_port_spec *specs, size_t n_specs)
{
    struct lib_end end = {0};
    struct net_check c = {.specs = specs, .n_specs = n_specs, .done = check_done, .owner = &end};
    net_check_start(n->net, &c);
    lib_net_settle(n);
    assert_true(end.over);
    assert_int_equal(end.rc, 0);
    size_t found = c.findings.len;
    SYS_ROWS_FOREACH(struct net_finding, f, &c.findings)
        print_message("# finding: %s: expected %s, found %s\n", f->object, f->expected, f->found);
    sys_rows_fini(&c.findings);
    return found;
}

void lib_net_add(struct net_port_spec *s, const char *address, int prefix, const char *gateway)
{
    struct net_address *a = &s->addrs[s->n_addrs++];
    *a = (struct net_address){.prefix = prefix};
    assert_int_equal(bt_ip_parse(address, &a->ip, NULL), 0);
    if (gateway[0])
        assert_int_equal(bt_ip_parse(gateway, &a->gateway, NULL), 0);
}

struct net_port_spec lib_net_spec(int i)
{
    struct net_port_spec s = {.mac = {2, 0, 0, 0, (unsigned char)(i >> 8), (unsigned char)i}};
    char text[64];
    (void)snprintf(s.uuid, sizeof s.uuid, "%08x-1111-4111-8111-111111111111",
                   (unsigned)i * 0x01010101u);
    (void)snprintf(text, sizeof text, "198.18.%d.%d", (i + 1) >> 8, (i + 1) & 255);
    lib_net_add(&s, text, 20, "198.18.0.1");
    (void)snprintf(text, sizeof text, "2001:db8:1:%x::1", i);
    lib_net_add(&s, text, 64, "fe80::1");
    return s;
}

static int root_dir(void)
{
    const char *root = getenv("BERTH_ROOT");
    return open(root ? root : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void lib_net_golden(const char *name, const char *text)
{
    char path[200];
    struct bt_err err = BT_ERR_INIT;
    _cleanup_close_ int root = root_dir();
    _cleanup_buf_ struct bt_buf b = BT_BUF(0);
    (void)snprintf(path, sizeof path, GOLDEN "%s", name);
    if (getenv("BERTH_GOLDEN_WRITE"))
        assert_int_equal(bt_write_file_atomic(root, path, text, strlen(text), 0644, &err), 0);
    if (bt_read_file(root, path, 1 << 20, &b, &err) < 0)
        fail_msg("%s", err.msg);
    if (strcmp(b.data, text) != 0) {
        print_message("# %s differs; now:\n%s", name, text);
        fail();
    }
}
