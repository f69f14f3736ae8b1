/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/agent/driver/container/lib_driver.h"

/* exec and console with real pipes on a real loop; the helper is played. */
enum { IN, OUT, ERR };

struct world {
    struct lib_driver l;
    struct sys_helper_ops ops; /* the fake's, with descriptors to take */
    struct driver_stream s;
    int ours[3];   /* the command's ends: it reads IN, writes OUT and ERR */
    int theirs[3]; /* handed to the driver */
    size_t taken;
    char request[4096];
    bool opened, closed, hold;
    const char *reply;
    int status;
    struct bt_err err;
    char got[3][70000]; /* by channel */
    size_t got_len[3];
    int killed;
    struct bt_timer guard;
};

static struct world *the; /* take_fd has no context of its own */

static int take_fd(struct sys *s, struct sys_helper *h)
{
    (void)s;
    (void)h;
    return the->taken < 3 ? the->theirs[the->taken++] : -1;
}

static void on_started(void *ctx, struct sys_helper *h, const struct sys_helper_start *how)
{
    struct world *w = ctx;
    (void)how;
    w->l.helper = h;
}

static void on_got(void *ctx, struct sys_helper *h, const char *json, size_t len)
{
    struct world *w = ctx;
    (void)snprintf(w->request, sizeof w->request, "%.*s", (int)len, json);
    if (!w->hold)
        sys_record_say(w->l.sys, h, w->reply);
}

static void on_killed(void *ctx, struct sys_helper *h, int signum)
{
    struct world *w = ctx;
    w->killed = signum;
    sys_record_exit(w->l.sys, h, 0, signum);
}

static void on_opened(struct driver_stream *s)
{
    ((struct world *)s->owner)->opened = true;
}

static void on_data(struct driver_stream *s, int channel, const void *data, size_t n)
{
    struct world *w = s->owner;
    assert_false(w->closed);
    assert_in_range(channel, 1, 2);
    assert_true(w->got_len[channel] + n <= sizeof w->got[0]);
    memcpy(w->got[channel] + w->got_len[channel], data, n);
    w->got_len[channel] += n;
}

static void on_closed(struct driver_stream *s, int status, const struct bt_err *err)
{
    struct world *w = s->owner;
    assert_false(w->closed);
    w->closed = true;
    w->status = status;
    w->err = *err;
}

static void on_guard(struct bt_timer *t)
{
    bt_loop_stop(BT_CONTAINER_OF(t, struct world, guard)->l.loop);
}

static void turn(struct world *w, int64_t ms)
{
    bt_timer_start(&w->guard, ms);
    bt_loop_run(w->l.loop);
    bt_timer_stop(&w->guard);
}

static int open_world(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    struct bt_err err = BT_ERR_INIT;
    the = w;
    w->reply = "{\"ok\":{\"fds\":3,\"pid\":4242}}";
    w->l.loop = bt_loop_new(&err);
    assert_non_null(w->l.loop);
    w->l.sys = sys_record_new(w->l.loop);
    w->ops = *w->l.sys->helper;
    w->ops.take_fd = take_fd;
    w->l.sys->helper = &w->ops;
    const struct sys_record_player player = {on_started, on_got, on_killed, w};
    sys_record_play(w->l.sys, &player);
    const struct container_config cc = {.sys = w->l.sys,
                                        .helper = "/helpers/berth-container",
                                        .run_dir = RUN_DIR,
                                        .state_dir = "/st",
                                        .cgroup_parent = "/p",
                                        .id_count = 65536,
                                        .cpus = 1};
    w->l.d = driver_container_new(&cc);
    bt_timer_init(&w->guard, w->l.loop, on_guard);
    for (int i = 0; i < 3; i++) {
        int p[2];
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        w->ours[i] = p[i == IN ? 0 : 1];
        w->theirs[i] = p[i == IN ? 1 : 0];
    }
    w->s = (struct driver_stream){
        .opened = on_opened, .data = on_data, .closed = on_closed, .owner = w};
    *state = w;
    return 0;
}

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static int close_world(void **state)
{
    struct world *w = *state;
    w->l.d->ops->free(w->l.d);
    turn(w, 20);
    sys_record_free(w->l.sys);
    bt_loop_free(w->l.loop);
    for (int i = 0; i < 3; i++)
        shut(&w->ours[i]);
    for (size_t i = w->taken; i < 3; i++)
        shut(&w->theirs[i]);
    free(w);
    return 0;
}

static void exec(struct world *w)
{
    struct link_stream_open open = {.kind = STREAM_EXEC, .uuid = (char[]){UUID}};
    bt_arr_push_str(&open.argv, "cat");
    bt_arr_push_str(&open.argv, "-");
    assert_int_equal(container_stream_open(w->l.d, &open, &w->s, NULL), 0);
    for (size_t i = 0; i < open.argv.len; i++)
        free(((char **)open.argv.items)[i]);
    free(open.argv.items);
}

/* The command ends: its pipes close, the helper tells its status and goes. */
static void end_command(struct world *w, const char *exit_frame)
{
    shut(&w->ours[OUT]);
    shut(&w->ours[ERR]);
    if (exit_frame)
        sys_record_say(w->l.sys, w->l.helper, exit_frame);
    sys_record_exit(w->l.sys, w->l.helper, 0, 0);
}

static void bytes_both_ways_and_a_status(void **state)
{
    struct world *w = *state;
    char text[16] = "";
    exec(w);
    turn(w, 30);
    assert_true(w->opened);
    assert_non_null(strstr(w->request, "\"exec\":{\"argv\":[\"cat\",\"-\"]"));
    assert_int_equal(w->s.ops->write(&w->s, "in", 2), 0);
    assert_int_equal(write(w->ours[OUT], "out", 3), 3);
    assert_int_equal(write(w->ours[ERR], "err", 3), 3);
    turn(w, 30);
    assert_int_equal(read(w->ours[IN], text, sizeof text), 2);
    assert_memory_equal(text, "in", 2);
    w->s.ops->eof(&w->s);
    turn(w, 30);
    assert_int_equal(read(w->ours[IN], text, sizeof text), 0); /* its end */
    assert_int_equal(write(w->ours[OUT], "last", 4), 4);
    end_command(w, "{\"exit\":{\"status\":42}}");
    turn(w, 50);
    assert_true(w->closed);
    assert_int_equal(w->status, 42);
    assert_int_equal(w->err.code, BT_E_OK);
    assert_memory_equal(w->got[1], "outlast", 7);
    assert_memory_equal(w->got[2], "err", 3);
}

/* What is typed before the helper has answered is not lost, nor is its end. */
static void early_input_waits(void **state)
{
    struct world *w = *state;
    char text[16] = "";
    w->hold = true;
    exec(w);
    assert_int_equal(w->s.ops->write(&w->s, "early ", 6), 6);
    turn(w, 20);
    assert_int_equal(w->s.ops->write(&w->s, "bird", 4), 10);
    w->s.ops->eof(&w->s);
    turn(w, 20);
    assert_false(w->opened);
    sys_record_say(w->l.sys, w->l.helper, w->reply);
    turn(w, 50);
    assert_true(w->opened);
    assert_int_equal(read(w->ours[IN], text, sizeof text), 10);
    assert_memory_equal(text, "early bird", 10);
    assert_int_equal(read(w->ours[IN], text, sizeof text), 0);
    end_command(w, "{\"exit\":{\"status\":0}}");
    turn(w, 50);
    assert_true(w->closed);
}

/* More than a pipe holds goes as the command reads. */
static void a_slow_reader_gets_all(void **state)
{
    struct world *w = *state;
    static char data[300000], back[300000];
    size_t n = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31);
    exec(w);
    turn(w, 20);
    assert_true(w->s.ops->write(&w->s, data, sizeof data) > 100000);
    w->s.ops->eof(&w->s);
    for (ssize_t k = 1; k > 0 && n < sizeof back; n += (size_t)k) {
        turn(w, 5);
        k = read(w->ours[IN], back + n, 40000);
    }
    assert_int_equal(n, sizeof data);
    assert_memory_equal(data, back, sizeof data);
    turn(w, 20);
    assert_int_equal(read(w->ours[IN], back, 1), 0);
    end_command(w, "{\"exit\":{\"status\":0}}");
    turn(w, 50);
    assert_true(w->closed);
}

static void a_pause_stops_reading(void **state)
{
    struct world *w = *state;
    exec(w);
    turn(w, 20);
    w->s.ops->pause(&w->s, true);
    assert_int_equal(write(w->ours[OUT], "later", 5), 5);
    turn(w, 50);
    assert_int_equal(w->got_len[1], 0);
    w->s.ops->pause(&w->s, false);
    turn(w, 50);
    assert_int_equal(w->got_len[1], 5);
    end_command(w, "{\"exit\":{\"status\":0}}");
    turn(w, 50);
    assert_true(w->closed);
}

static void a_refusal_is_the_end(void **state)
{
    struct world *w = *state;
    w->hold = true;
    exec(w);
    turn(w, 10);
    sys_record_say(w->l.sys, w->l.helper,
                   "{\"err\":{\"code\":\"bad_state\",\"message\":\"not running\"}}");
    sys_record_exit(w->l.sys, w->l.helper, 1, 0);
    turn(w, 50);
    assert_false(w->opened);
    assert_true(w->closed);
    assert_int_equal(w->status, -1);
    assert_int_equal(w->err.code, BT_E_BAD_STATE);
}

static void no_descriptors_is_a_failure(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++)
        shut(&w->theirs[i]);
    w->taken = 3;
    exec(w);
    turn(w, 50);
    assert_true(w->closed && !w->opened);
    assert_int_equal(w->err.code, BT_E_HELPER);
    assert_int_equal(w->killed, SIGTERM);
}

static void a_close_ends_the_helper(void **state)
{
    struct world *w = *state;
    exec(w);
    turn(w, 20);
    w->s.ops->close(&w->s);
    w->s.ops->close(&w->s);
    assert_false(w->closed);
    turn(w, 50);
    assert_true(w->closed);
    assert_int_equal(w->killed, SIGTERM);
    assert_int_equal(w->status, -1);
}

static void a_close_before_the_answer(void **state)
{
    struct world *w = *state;
    w->hold = true;
    exec(w);
    w->s.ops->close(&w->s);
    turn(w, 50);
    assert_true(w->closed && !w->opened);
    assert_int_equal(w->killed, SIGTERM);
}

/* The driver is freed while a stream is open: its owner hears the end. */
static void an_end_of_the_driver(void **state)
{
    struct world *w = *state;
    exec(w);
    turn(w, 20);
    shut(&w->ours[OUT]);
    shut(&w->ours[ERR]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        T(bytes_both_ways_and_a_status), T(early_input_waits),
        T(a_slow_reader_gets_all),       T(a_pause_stops_reading),
        T(a_refusal_is_the_end),         T(no_descriptors_is_a_failure),
        T(a_close_ends_the_helper),      T(a_close_before_the_answer),
        T(an_end_of_the_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
