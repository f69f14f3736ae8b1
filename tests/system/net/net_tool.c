/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent/net on a command line, for tests of the real thing: reads commands from stdin, answers each
 * with "ok ..." or "error CODE MESSAGE". An operation named with "&" in front does not wait for the
 * one before it: "flush" then waits for all of them.
 *
 *   setup [MGMT [GATEWAY ...]]        new struct net, net_setup
 *   ensure UUID MAC [IP/LEN[,GW]...]  ok PORT PEER MICROSECONDS
 *   cut UUID / remove UUID            ok IN_BYTES OUT_BYTES MICROSECONDS
 *   check [UUID MAC IP/LEN...] [; ...] findings, one a line, then ok N
 *   counters                          PORT IN OUT, one a line, then ok N
 *   guest PID FROM NAME IP/LEN...     guest_net in the process's network namespace
 *   ports                             ok N
 *   sleep MS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/net/net.h"
#include "agent/sys/sys_real.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define WORDS_MAX 4096
#define LINE_MAX_BYTES (1 << 20)

struct tool {
    struct bt_loop *loop;
    struct sys *sys;
    struct net *net;
    struct bt_watch in;
    struct bt_buf line;
    struct bt_timer timer;
    struct net_setup setup;
    struct net_counters counters;
    struct net_check check;
    struct net_port_spec *specs;
    size_t running;
    bool waiting; /* no further command before the running ones end */
    bool eof;
};

struct call {
    struct net_port_op op;
    struct tool *tool;
    int64_t begin_us;
    bool removal, quiet;
};

static void next_line(struct tool *t);

static int64_t now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void say_error(const struct bt_err *err)
{
    printf("error %s %s\n", bt_code_str(err->code), err->msg);
}

static void ended(struct tool *t)
{
    (void)fflush(stdout);
    t->running--;
    if (t->running == 0)
        t->waiting = false;
    next_line(t);
}

static bool parse_addr(const char *word, struct net_address *ret, struct bt_err *err)
{
    char copy[128];
    int64_t prefix = 0;
    (void)bt_strcpy(copy, sizeof copy, word);
    char *gateway = strchr(copy, ',');
    if (gateway)
        *gateway++ = '\0';
    char *slash = strchr(copy, '/');
    if (slash)
        *slash++ = '\0';
    *ret = (struct net_address){0};
    if (bt_ip_parse(copy, &ret->ip, err) < 0 ||
        (gateway && bt_ip_parse(gateway, &ret->gateway, err) < 0))
        return false;
    if (slash && bt_parse_i64(slash, 0, 128, &prefix, err) < 0)
        return false;
    ret->prefix = slash ? (int)prefix : bt_ip_bits(ret->ip.family);
    return true;
}

/* UUID MAC ADDRESS...; stops at ";". Returns the words used, 0 on errors. */
static size_t parse_spec(char *const *words, size_t n, struct net_port_spec *ret,
                         struct bt_err *err)
{
    size_t i = 2;
    *ret = (struct net_port_spec){0};
    if (n < 2 || !bt_strcpy(ret->uuid, sizeof ret->uuid, words[0]) ||
        sys_mac_parse(words[1], ret->mac, err) < 0)
        return 0;
    for (; i < n && strcmp(words[i], ";") != 0; i++) {
        if (ret->n_addrs == NET_ADDRESSES_MAX ||
            !parse_addr(words[i], &ret->addrs[ret->n_addrs++], err))
            return 0;
    }
    return i;
}

/* ---- operations ---- */

static void setup_done(struct net_setup *s, int rc, const struct bt_err *err)
{
    if (rc < 0)
        say_error(err);
    else
        printf("ok\n");
    ended(s->owner);
}

static void do_setup(struct tool *t, char *const *words, size_t n)
{
    struct bt_ip gateways[16];
    struct net_config config = {.bridge_prefix = "berth", .gateways = gateways};
    if (n > 0 && strcmp(words[0], "-") != 0)
        config.mgmt = words[0];
    for (size_t i = 1; i < n && config.n_gateways < 16; i++)
        config.n_gateways += bt_ip_parse(words[i], &gateways[config.n_gateways], NULL) == 0;
    net_free(t->net);
    t->net = net_new(t->sys, &config);
    t->setup = (struct net_setup){.done = setup_done, .owner = t};
    t->running++;
    net_setup_start(t->net, &t->setup);
}

static void call_done(struct net_port_op *op, int rc, const struct bt_err *err)
{
    struct call *c = BT_CONTAINER_OF(op, struct call, op);
    struct tool *t = c->tool;
    int64_t us = now_us() - c->begin_us;
    if (rc < 0)
        say_error(err);
    else if (c->removal)
        printf("ok %" PRIu64 " %" PRIu64 " %" PRId64 "\n", op->traffic.in_bytes,
               op->traffic.out_bytes, us);
    else
        printf("ok %s %s %" PRId64 "\n", op->port, op->peer, us);
    free(c);
    ended(t);
}

static void do_port(struct tool *t, char *const *words, size_t n)
{
    struct call *c = bt_xcalloc(1, sizeof *c);
    struct bt_err err = BT_ERR_INIT;
    c->tool = t;
    c->op.done = call_done;
    c->begin_us = now_us();
    c->removal = words[0][0] == 'r';
    (void)bt_strcpy(c->op.spec.uuid, sizeof c->op.spec.uuid, n > 1 ? words[1] : "");
    if (words[0][0] == 'e' && parse_spec(words + 1, n - 1, &c->op.spec, &err) == 0) {
        say_error(&err);
        free(c);
        return;
    }
    t->running++;
    if (words[0][0] == 'e')
        net_port_ensure_start(t->net, &c->op);
    else if (c->removal)
        net_port_remove_start(t->net, &c->op);
    else
        net_port_cut_start(t->net, &c->op);
}

static void counters_done(struct net_counters *c, int rc, const struct bt_err *err)
{
    struct tool *t = c->owner;
    SYS_ROWS_FOREACH(struct net_counter, it, &c->rows)
        printf("%s %" PRIu64 " %" PRIu64 "\n", it->port, it->traffic.in_bytes,
               it->traffic.out_bytes);
    if (rc < 0)
        say_error(err);
    else
        printf("ok %zu\n", c->rows.len);
    sys_rows_fini(&c->rows);
    ended(t);
}

static void do_counters(struct tool *t)
{
    t->counters = (struct net_counters){.done = counters_done, .owner = t};
    t->running++;
    net_counters_start(t->net, &t->counters);
}

static void check_done(struct net_check *c, int rc, const struct bt_err *err)
{
    struct tool *t = c->owner;
    SYS_ROWS_FOREACH(struct net_finding, f, &c->findings)
        printf("%s: expected %s, found %s\n", f->object, f->expected, f->found);
    if (rc < 0)
        say_error(err);
    else
        printf("ok %zu\n", c->findings.len);
    sys_rows_fini(&c->findings);
    free(t->specs);
    t->specs = NULL;
    ended(t);
}

static void do_check(struct tool *t, char *const *words, size_t n)
{
    struct bt_err err = BT_ERR_INIT;
    t->specs = bt_xcalloc(n + 1, sizeof *t->specs);
    t->check = (struct net_check){.specs = t->specs, .done = check_done, .owner = t};
    for (size_t i = 0; i < n;) {
        size_t used = parse_spec(words + i, n - i, &t->specs[t->check.n_specs++], &err);
        if (used == 0)
            break;
        i += used + 1;
    }
    t->running++;
    net_check_start(t->net, &t->check);
}

/* Blocking, on the loop: a test's tool may. */
static void do_guest(struct tool *t, char *const *words, size_t n)
{
    struct bt_err err = BT_ERR_INIT;
    struct sys_addr addrs[8] = {0};
    struct sys_route routes[8] = {0};
    struct sys_guest_net g = {.addrs = addrs, .routes = routes};
    int64_t pid = 0;
    int64_t start = 0;
    if (n < 3 || bt_parse_i64(words[0], 1, INT32_MAX, &pid, &err) < 0 ||
        t->sys->proc->start_time(t->sys, (pid_t)pid, &start, &err) < 0) {
        say_error(&err);
        return;
    }
    g.from = words[1];
    g.name = words[2];
    for (size_t i = 3; i < n && g.n_addrs < 8; i++) {
        struct net_address a;
        if (!parse_addr(words[i], &a, &err))
            break;
        addrs[g.n_addrs++] = (struct sys_addr){.ip = a.ip, .prefix = a.prefix};
        if (a.gateway.family) {
            routes[g.n_routes].dst.ip.family = a.ip.family;
            routes[g.n_routes++].via = a.gateway;
        }
    }
    struct sys_proc_ns ns = {.pid = (pid_t)pid, .start = start, .ns = "net"};
    _cleanup_close_ int fd = t->sys->proc->open_ns(t->sys, &ns, &err);
    if (fd < 0 || t->sys->link->guest_net(t->sys, fd, &g, &err) < 0)
        say_error(&err);
    else
        printf("ok\n");
}

static void do_ports(struct tool *t)
{
    _cleanup_rows_str_ struct sys_rows names = {0};
    net_ports(t->net, &names);
    SYS_ROWS_FOREACH(char *, it, &names)
        printf("%s\n", *it);
    printf("ok %zu\n", names.len);
}

static void slept(struct bt_timer *timer)
{
    struct tool *t = BT_CONTAINER_OF(timer, struct tool, timer);
    printf("ok\n");
    ended(t);
}

static void run_words(struct tool *t, char *const *words, size_t n)
{
    int64_t ms = 0;
    if (strcmp(words[0], "setup") == 0)
        do_setup(t, words + 1, n - 1);
    else if (strcmp(words[0], "ensure") == 0 || strcmp(words[0], "cut") == 0 ||
             strcmp(words[0], "remove") == 0)
        do_port(t, words, n);
    else if (strcmp(words[0], "counters") == 0)
        do_counters(t);
    else if (strcmp(words[0], "check") == 0)
        do_check(t, words + 1, n - 1);
    else if (strcmp(words[0], "guest") == 0)
        do_guest(t, words + 1, n - 1);
    else if (strcmp(words[0], "ports") == 0)
        do_ports(t);
    else if (strcmp(words[0], "flush") == 0)
        t->waiting = t->running > 0;
    else if (strcmp(words[0], "sleep") == 0 && n > 1 &&
             bt_parse_i64(words[1], 0, 60000, &ms, NULL) == 0) {
        t->running++;
        bt_timer_start(&t->timer, ms);
    } else
        printf("error invalid %s\n", words[0]);
    (void)fflush(stdout);
}

/* ---- lines ---- */

static void run_line(struct tool *t, char *line)
{
    char **words = bt_xcalloc(WORDS_MAX, sizeof *words);
    size_t n = 0;
    char *save = NULL;
    bool together = line[0] == '&';
    for (char *w = strtok_r(line + together, " ", &save); w && n < WORDS_MAX;
         w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    if (n > 0)
        run_words(t, words, n);
    if (!together && t->running > 0)
        t->waiting = true;
    free(words);
}

static void next_line(struct tool *t)
{
    while (!t->waiting) {
        char *end = t->line.data ? strchr(t->line.data, '\n') : NULL;
        if (!end)
            break;
        _cleanup_free_ char *line = bt_xstrndup(t->line.data, (size_t)(end - t->line.data));
        bt_buf_consume(&t->line, (size_t)(end - t->line.data) + 1);
        run_line(t, line);
    }
    if (t->eof && t->running == 0)
        bt_loop_stop(t->loop);
}

static void on_input(struct bt_watch *w, int events)
{
    struct tool *t = BT_CONTAINER_OF(w, struct tool, in);
    char *at = bt_buf_reserve(&t->line, 65536);
    (void)events;
    ssize_t n = at ? read(STDIN_FILENO, at, 65536) : 0;
    if (n > 0) {
        bt_buf_commit(&t->line, (size_t)n);
    } else {
        t->eof = true;
        bt_watch_stop(w);
    }
    next_line(t);
}

int main(void)
{
    struct bt_err err = BT_ERR_INIT;
    struct sys_real_config config = {.cgroup_parent = "berth-net-tool"};
    struct tool t = {.line = BT_BUF(LINE_MAX_BYTES), .in = {.cb = on_input}};
    t.loop = bt_loop_new(&err);
    t.sys = t.loop ? sys_real_new(t.loop, &config, &err) : NULL;
    if (!t.sys || bt_watch_start(&t.in, t.loop, STDIN_FILENO, BT_READABLE, &err) < 0) {
        (void)fprintf(stderr, "net_tool: %s\n", err.msg);
        return 1;
    }
    bt_timer_init(&t.timer, t.loop, slept);
    bt_loop_run(t.loop);
    net_free(t.net);
    sys_real_free(t.sys);
    bt_loop_free(t.loop);
    bt_buf_fini(&t.line);
    return 0;
}
