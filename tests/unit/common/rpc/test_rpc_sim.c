/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/rpc/rpc_sim.h"

#include <cmocka.h>

/* Two parties whose every callback is one line of a trace. */
struct world {
    struct bt_loop *loop;
    struct bt_random_seeded rnd;
    struct rpc_sim *sim;
    struct rpc_peer client, server;
    struct rpc_peer *latest; /* of the server, in episodes */
    bool refuse;
    int accepted;
    struct bt_buf trace;
};

static void note(struct rpc_peer *p, const char *what, const char *data, size_t len)
{
    struct world *w = p->owner;
    bt_buf_addf(&w->trace, "%lld %s %s %.*s\n", (long long)bt_mono_ms(bt_loop_clock(w->loop)),
                p == &w->client ? "client" : "server", what, (int)len, data);
}

static void on_text(struct rpc_peer *p, const char *json, size_t len)
{
    assert_int_equal(json[len], 0);
    note(p, "text", json, len);
}

static void on_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    char what[32];
    snprintf(what, sizeof(what), "binary %u", stream);
    note(p, what, data, len > 20 ? 20 : len);
}

static void on_writable(struct rpc_peer *p)
{
    note(p, "writable", "", 0);
}

static void on_closed(struct rpc_peer *p, const struct bt_err *why)
{
    note(p, "closed", why->msg, strlen(why->msg));
}

static void on_opened(struct rpc_peer *p)
{
    note(p, "opened", "", 0);
}

static void on_failed(struct rpc_peer *p, const struct bt_err *err)
{
    note(p, "failed", err->msg, strlen(err->msg));
}

static void peer_init(struct world *w, struct rpc_peer *p)
{
    *p = (struct rpc_peer){.text = on_text,
                           .binary = on_binary,
                           .writable = on_writable,
                           .closed = on_closed,
                           .owner = w};
}

static struct rpc_peer *on_accept(void *ctx, const char *name)
{
    struct world *w = ctx;
    assert_string_equal(name, "h1");
    if (w->refuse)
        return NULL;
    w->accepted++;
    peer_init(w, &w->server);
    return &w->server;
}

static void world_init(struct world *w, uint64_t seed, int64_t min, int64_t max)
{
    memset(w, 0, sizeof(*w));
    w->trace = BT_BUF(1u << 20);
    w->loop = bt_loop_new_virtual(1700000000000);
    bt_random_seeded_init(&w->rnd, seed);
    w->sim = rpc_sim_new(&(struct rpc_sim_config){
        .loop = w->loop, .random = &w->rnd.table, .latency_min_ms = min, .latency_max_ms = max});
    rpc_sim_listen(w->sim, on_accept, w);
    peer_init(w, &w->client);
}

static void world_fini(struct world *w)
{
    rpc_sim_free(w->sim);
    bt_loop_free(w->loop);
    bt_buf_fini(&w->trace);
}

static void dial(struct world *w)
{
    struct rpc_dialer *d = rpc_sim_dialer(w->sim, "h1");
    d->dial(d, &w->client, on_opened, on_failed);
}

static void run_ms(struct world *w, int64_t ms)
{
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)) + ms);
}

static void has(struct world *w, const char *line)
{
    if (!w->trace.data || !strstr(w->trace.data, line))
        fail_msg("no \"%s\" in\n%s", line, w->trace.data ? w->trace.data : "");
}

static void has_not(struct world *w, const char *line)
{
    if (w->trace.data && strstr(w->trace.data, line))
        fail_msg("\"%s\" in\n%s", line, w->trace.data);
}

static void talk_and_close(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, 5, 5);
    dial(&w);
    assert_int_equal(w.trace.len, 0); /* nothing inside the call that starts it */
    run_ms(&w, 10);
    has(&w, "1000010 client opened");
    assert_int_equal(rpc_send_text(&w.client, "{1}", 3), 3);
    assert_int_equal(rpc_send_text(&w.client, "{2}", 3), 6);
    rpc_send_binary(&w.server, 7, "abc", 3);
    run_ms(&w, 5);
    has(&w, "1000015 server text {1}\n");
    has(&w, "1000015 server text {2}\n");
    has(&w, "1000015 client binary 7 abc");
    rpc_send_text(&w.client, "last", 4);
    rpc_close(&w.client);
    assert_int_equal(rpc_send_text(&w.client, "late", 4), 0);
    run_ms(&w, 100);
    has(&w, "1000015 client closed closed by us\n1000020 server text last\n"
            "1000020 server closed closed by the peer\n");
    has_not(&w, "late");
    world_fini(&w);
}

static void control_before_streams(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world w;
        world_init(&w, seed, 1, 50);
        dial(&w);
        run_ms(&w, 100);
        for (int i = 0; i < 10; i++) {
            char s[8];
            snprintf(s, sizeof(s), "t%d", i);
            rpc_send_text(&w.client, s, 2);
            s[0] = 'b';
            rpc_send_binary(&w.client, 1, s, 2);
        }
        run_ms(&w, 1000);
        const char *at = w.trace.data;
        for (int i = 0; i < 10; i++) { /* order within a kind; never a binary before its text */
            char t[32], b[32];
            snprintf(t, sizeof(t), "text t%d", i);
            snprintf(b, sizeof(b), "binary 1 b%d", i);
            const char *pt = strstr(w.trace.data, t), *pb = strstr(w.trace.data, b);
            assert_non_null(pt);
            assert_non_null(pb);
            assert_true(pt < pb);
            assert_true(pb > at);
            at = pb;
        }
        rpc_close(&w.client);
        run_ms(&w, 1000);
        world_fini(&w);
    }
}

static void low_water(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, 1, 3);
    dial(&w);
    run_ms(&w, 10);
    static const char block[16384];
    size_t queued = 0;
    for (int i = 0; i < 6; i++)
        queued = rpc_send_binary(&w.client, 1, block, sizeof(block));
    assert_int_equal(queued, 6 * sizeof(block));
    run_ms(&w, 10);
    const char *first = strstr(w.trace.data, "writable");
    assert_non_null(first);
    assert_null(strstr(first + 1, "writable"));
    rpc_close(&w.server);
    run_ms(&w, 10);
    world_fini(&w);
}

static void refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, 2, 2);
    w.refuse = true;
    dial(&w);
    run_ms(&w, 100);
    has(&w, "1000004 client failed refused by the server");
    rpc_sim_listen(w.sim, NULL, NULL);
    dial(&w); /* the same peer again */
    run_ms(&w, 100);
    has(&w, "client failed nobody listens");
    dial(&w);
    rpc_close(&w.client);
    run_ms(&w, 100);
    has(&w, "client failed closed by us");
    world_fini(&w);
}

static void cut(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3, 5, 20);
    dial(&w);
    run_ms(&w, 100);
    rpc_send_text(&w.client, "lost", 4);
    rpc_sim_cut(w.sim, "h1");
    run_ms(&w, 100);
    has(&w, "client closed connection lost");
    has(&w, "server closed connection lost");
    has_not(&w, "text lost");
    dial(&w);
    run_ms(&w, 100);
    assert_int_equal(w.accepted, 2);
    rpc_close(&w.client);
    run_ms(&w, 100);
    world_fini(&w);
}

static void partition(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3, 1, 1);
    dial(&w);
    run_ms(&w, 100);
    rpc_sim_partition(w.sim, "h1", true);
    rpc_send_text(&w.client, "swallowed", 9);
    run_ms(&w, 60000);
    has_not(&w, "swallowed");
    has_not(&w, "closed"); /* half-open: nobody knows */
    rpc_sim_partition(w.sim, "h1", false);
    run_ms(&w, 10);
    has(&w, "client closed connection lost");
    has(&w, "server closed connection lost");
    rpc_sim_partition(w.sim, "h1", true);
    dial(&w);
    run_ms(&w, 9000);
    has_not(&w, "failed");
    run_ms(&w, 2000);
    has(&w, "client failed no answer");
    rpc_sim_partition(w.sim, "h1", false);
    world_fini(&w);
}

static void partition_unnoticed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3, 1, 1);
    dial(&w);
    run_ms(&w, 100);
    rpc_sim_partition(w.sim, "h1", true);
    run_ms(&w, 60000);
    rpc_sim_partition(w.sim, "h1", false);
    rpc_send_text(&w.client, "through", 7); /* nothing was lost: the connection goes on */
    run_ms(&w, 10);
    has(&w, "server text through");
    rpc_close(&w.client);
    run_ms(&w, 10);
    world_fini(&w);
}

static void kills(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3, 1, 9);
    dial(&w);
    run_ms(&w, 100);
    rpc_sim_kill_server(w.sim);
    run_ms(&w, 100);
    has(&w, "client closed connection lost");
    has_not(&w, "server closed");
    dial(&w);
    run_ms(&w, 100);
    has(&w, "client failed nobody listens");
    rpc_sim_listen(w.sim, on_accept, &w);
    dial(&w);
    run_ms(&w, 100);
    bt_buf_reset(&w.trace);
    rpc_sim_kill_client(w.sim, "h1");
    run_ms(&w, 100);
    has(&w, "server closed connection lost");
    has_not(&w, "client");
    dial(&w);
    rpc_sim_kill_client(w.sim, "h1"); /* in the middle of a dial */
    run_ms(&w, 100);
    world_fini(&w);
}

static void on_closed_free(struct rpc_peer *p, const struct bt_err *why)
{
    struct world *w = p->owner;
    on_closed(p, why);
    if (w->latest == p)
        w->latest = NULL;
    free(p);
}

/* While a partition lasts the server may have several ends of one client. */
static struct rpc_peer *on_accept_new(void *ctx, const char *name)
{
    (void)name;
    struct world *w = ctx;
    w->latest = bt_xcalloc(1, sizeof(*w->latest));
    peer_init(w, w->latest);
    w->latest->closed = on_closed_free;
    return w->latest;
}

static void episode_step(struct world *w, uint32_t step)
{
    struct rpc_peer *p = bt_random_below(&w->rnd.table, 2) ? &w->client : w->latest;
    uint64_t what = bt_random_below(&w->rnd.table, 40);
    if (!w->client.impl && what < 30)
        dial(w);
    else if (what == 39)
        rpc_sim_cut(w->sim, "h1");
    else if (what >= 35 && what <= 38)
        rpc_sim_partition(w->sim, "h1", what == 38);
    else if (p && p->impl && what == 34)
        rpc_close(p);
    else if (p && p->impl && what & 1)
        rpc_send_text(p, "text", 4);
    else if (p && p->impl)
        rpc_send_binary(p, step, "bin", 3);
}

/* A seeded conversation with every fault; its trace is its identity. */
static char *episode(uint64_t seed)
{
    struct world w;
    world_init(&w, seed, 1, 40);
    rpc_sim_listen(w.sim, on_accept_new, &w);
    for (uint32_t step = 0; step < 2000; step++) {
        episode_step(&w, step);
        run_ms(&w, (int64_t)bt_random_below(&w.rnd.table, 30));
    }
    rpc_sim_partition(w.sim, "h1", false);
    rpc_sim_cut(w.sim, "h1");
    run_ms(&w, 20000);
    char *trace = bt_buf_take(&w.trace);
    world_fini(&w);
    return trace;
}

static void deterministic(void **state)
{
    (void)state;
    int talked = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        _cleanup_free_ char *a = episode(seed), *b = episode(seed), *c = episode(seed + 1000);
        assert_string_equal(a, b);
        assert_string_not_equal(a, c);
        talked += strstr(a, "server text") != NULL;
    }
    assert_true(talked > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talk_and_close),
        cmocka_unit_test(control_before_streams),
        cmocka_unit_test(low_water),
        cmocka_unit_test(refused),
        cmocka_unit_test(cut),
        cmocka_unit_test(partition),
        cmocka_unit_test(partition_unnoticed),
        cmocka_unit_test(kills),
        cmocka_unit_test(deterministic),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
