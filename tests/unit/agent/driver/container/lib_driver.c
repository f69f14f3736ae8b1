/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/agent/driver/container/lib_driver.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/base/fd.h"

#define GOLDEN "tests/unit/agent/driver/container/golden/"

const char *const lib_driver_plain =
    "{\"id\":7,\"uuid\":\"" UUID "\",\"name\":\"web1\",\"hostname\":\"web1\",\"generation\":1,"
    "\"driver\":\"container\",\"desired\":\"running\",\"image\":{\"name\":\"tiny\",\"sha256\":"
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"kind\":\"rootfs\"},"
    "\"limits\":{\"cpus\":1,\"memory_bytes\":134217728,\"disk_bytes\":1073741824}}";

static int verb_of(const char *name)
{
    for (int i = 0; helper_container_op[i]; i++) {
        if (strcmp(helper_container_op[i], name) == 0)
            return i;
    }
    fail_msg("no such verb: %s", name);
    return -1;
}

static void on_started(void *ctx, struct sys_helper *h, const struct sys_helper_start *how)
{
    struct lib_driver *l = ctx;
    size_t n = strlen(l->verbs);
    if (strcmp(how->argv[0], "/sbin/mkfs.ext4") == 0) {
        sys_record_exit(l->sys, h, 0, 0);
        return;
    }
    assert_string_equal(how->argv[0], "/helpers/berth-container");
    assert_null(how->envp);
    l->detached = how->detached;
    l->helper = h;
    (void)snprintf(l->verbs + n, sizeof l->verbs - n, "%s%s", n ? " " : "", how->argv[1]);
}

static void on_got(void *ctx, struct sys_helper *h, const char *json, size_t len)
{
    struct lib_driver *l = ctx;
    struct helper_container_request r;
    struct bt_err err = BT_ERR_INIT;
    (void)snprintf(l->last, sizeof l->last, "%.*s", (int)len, json);
    /* The helper parses strictly: so does the fake one. */
    if (bt_schema_parse(&helper_container_request_schema, json, len, BT_STRICT, &r, NULL, &err) < 0)
        fail_msg("the helper would refuse: %s", err.msg);
    const struct lib_answer *a = &l->answers[r.op];
    assert_int_equal(r.op, verb_of(helper_container_op[r.op]));
    assert_string_equal(r.run_dir, RUN_DIR);
    bt_schema_free(&helper_container_request_schema, &r);
    if (a->reply)
        sys_record_say(l->sys, h, a->reply);
    if (!a->stays)
        sys_record_exit(l->sys, h, a->status, a->signum);
}

static void tell(struct lib_driver *l, const char *what, const char *uuid, const char *detail)
{
    size_t n = strlen(l->events);
    assert_string_equal(uuid, UUID);
    (void)snprintf(l->events + n, sizeof l->events - n, "%s%s %s", n ? ", " : "", what, detail);
}

static void on_instance_ended(void *ctx, const char *uuid, const struct driver_observed *what)
{
    tell(ctx, "ended", uuid, what->cause);
}

static void on_rebooted(void *ctx, const char *uuid, int64_t started_at)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)started_at);
    tell(ctx, "rebooted", uuid, text);
}

static void on_alarm(void *ctx, const char *uuid, const char *event, const char *text)
{
    assert_true(*text);
    tell(ctx, "alarm", uuid, event);
}

static void make_driver(struct lib_driver *l)
{
    const struct net_config nc = {.bridge_prefix = "berth"};
    const struct image_config ic = {.sys = l->sys,
                                    .state_dir = "/st",
                                    .helper = "/helpers/berth-unpack",
                                    .base_url = "https://c/b",
                                    .cert_file = "/c",
                                    .key_file = "/k",
                                    .ca_file = "/a"};
    const struct storage_config sc = {l->sys, "/st", "/sbin/mkfs.ext4"};
    l->net = net_new(l->sys, &nc);
    l->images = image_store_new(&ic);
    l->storage = storage_new(&sc);
    const struct container_config cc = {.sys = l->sys,
                                        .net = l->net,
                                        .images = l->images,
                                        .storage = l->storage,
                                        .helper = "/helpers/berth-container",
                                        .run_dir = RUN_DIR,
                                        .state_dir = "/st",
                                        .cgroup_parent = "/berth-instances",
                                        .id_count = 65536,
                                        .cpus = 8};
    l->d = driver_container_new(&cc);
    l->cd = container_of(l->d);
    l->d->events = (struct driver_events){on_instance_ended, on_rebooted, on_alarm, l};
}

int lib_driver_open(void **state)
{
    struct lib_driver *l = bt_xcalloc(1, sizeof *l);
    l->loop = bt_loop_new_virtual(1700000000000);
    l->sys = sys_record_new(l->loop);
    const struct sys_record_player player = {on_started, on_got, NULL, l};
    sys_record_play(l->sys, &player);
    assert_int_equal(l->sys->fs->mkdir_p(l->sys, RUN_DIR, 0711, NULL), 0);
    for (size_t i = 0; i < BT_ARRAY_LEN(l->answers); i++)
        l->answers[i] = (struct lib_answer){.reply = RUNNING};
    l->answers[HELPER_CONTAINER_RUN] = (struct lib_answer){.reply = STARTED, .stays = true};
    make_driver(l);
    sys_record_process(l->sys, 100, 10, NULL);
    sys_record_process(l->sys, 200, 20, UUID);
    *state = l;
    return 0;
}

int lib_driver_close(void **state)
{
    struct lib_driver *l = *state;
    if (l->d)
        l->d->ops->free(l->d);
    image_store_free(l->images);
    storage_free(l->storage);
    lib_driver_settle(l);
    net_free(l->net);
    sys_record_free(l->sys);
    bt_loop_free(l->loop);
    free(l);
    return 0;
}

void lib_driver_settle(struct lib_driver *l)
{
    lib_driver_pass(l, 0);
}

void lib_driver_pass(struct lib_driver *l, int64_t ms)
{
    bt_loop_run_until(l->loop, bt_mono_ms(bt_loop_clock(l->loop)) + ms);
}

void lib_driver_has_run(struct lib_driver *l)
{
    assert_int_equal(l->sys->fs->mkdir_p(l->sys, RUN_DIR "/" UUID, 0700, NULL), 0);
    lib_driver_boot(l, "{\"boot\":1,\"started_at\":1700000000123,\"pid\":200,\"pid_start\":20}");
}

void lib_driver_boot(struct lib_driver *l, const char *json)
{
    assert_int_equal(l->sys->fs->write(l->sys, RUN_DIR "/" UUID "/boot", json, 0600, NULL), 0);
}

void lib_driver_spec(const char *json, struct instance_spec *ret)
{
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&instance_spec_schema, json, strlen(json), BT_STRICT, ret, NULL, &err) < 0)
        fail_msg("%s", err.msg);
}

static void on_done(struct driver_req *req, int rc, const struct bt_err *err)
{
    struct lib_end *e = req->owner;
    assert_false(e->over);
    e->over = true;
    e->code = (enum bt_code) - rc;
    if (rc < 0)
        e->err = *err;
    assert_int_equal(e->code, e->err.code);
}

void lib_driver_begin(struct lib_driver *l, void (*verb)(struct driver *, struct driver_req *),
                      const struct instance_spec *spec, struct lib_end *e)
{
    struct driver_req req = e->req;
    *e = (struct lib_end){.req = req};
    e->req.spec = spec;
    e->req.place = (struct driver_place){.id_base = 1000000, .boots = 3};
    e->req.done = on_done;
    e->req.owner = e;
    verb(l->d, &e->req);
    assert_false(e->over);
}

void lib_driver_golden(const char *name, const char *text)
{
    char path[200];
    struct bt_err err = BT_ERR_INIT;
    const char *top = getenv("BERTH_ROOT");
    _cleanup_close_ int root = open(top ? top : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
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
