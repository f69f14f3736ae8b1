/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: db_repo */
/*
 * Orders that touch seven tables, and a process that dies: by kill -9 at a random moment, by power
 * loss at every n-th file operation, by an error of every n-th write, sync or truncation. What was
 * acknowledged is there afterwards; every order is there wholly or not at all; the audit chain
 * verifies; no address is given twice. BERTH_SEED repeats one run, BERTH_FULL=1 tries every n
 * instead of a sample.
 */
#include <time.h>

#include "common/base/str.h"
#include "db/core/db_fault.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_audit.h"
#include "db/repo/repo_event.h"
#include "db/repo/repo_idem.h"
#include "db/repo/repo_task.h"
#include "tests/unit/db/repo/world.h"

enum { KILLS = 25, ORDERS = 100000, BURST = 7 };

struct order {
    struct db_work work;
    struct shop *shop;
    int64_t n;
};

/* The process that dies. */
struct shop {
    struct world *w;
    struct repo_pool_row pool;
    int fd; /* acknowledgements go there */
    int64_t next, last;
    int waiting;
};

static int note(struct db_tx *tx, int64_t instance, int64_t task, int64_t n, struct bt_err *err)
{
    char key[32];
    (void)snprintf(key, sizeof key, "k%lld", (long long)n);
    int rc = repo_event_append(tx,
                               &(struct repo_event_new){.type = "instance.created",
                                                        .actor = "t",
                                                        .resource_type = "instance",
                                                        .resource_id = instance},
                               NULL, err);
    if (rc == 0)
        rc = repo_audit_append(tx,
                               &(struct repo_audit_new){.actor = "t",
                                                        .action = "create",
                                                        .resource_type = "instance",
                                                        .resource_id = instance,
                                                        .result = "ok"},
                               err);
    struct repo_idem_row idem = {.principal = (char *)"t",
                                 .method = (char *)"POST",
                                 .path = (char *)"/instances",
                                 .key = key,
                                 .fingerprint = key,
                                 .status = 202,
                                 .body = key,
                                 .task_id = task};
    return rc == 0 ? repo_idem_insert(tx, &idem, err) : rc;
}

/* The row of order @n: its notes hold the number, and fill pages. */
static struct repo_instance_row row_of(struct shop *s, int64_t n)
{
    char name[32];
    (void)snprintf(name, sizeof name, "i%lld", (long long)n);
    s->w->serial = (int)n;
    struct repo_instance_row r = world_instance(s->w, name, s->w->tenant);
    r.notes = bt_xasprintf("%0*d", 600, (int)n);
    return r;
}

static int order_apply(struct db_tx *tx, struct db_work *work, struct bt_err *err)
{
    struct order *o = BT_CONTAINER_OF(work, struct order, work);
    struct repo_address_row a = {0};
    struct repo_instance_row r = row_of(o->shop, o->n);
    struct repo_task_row t = {.action = (char *)"create", .actor = (char *)"t"};
    int rc = repo_instance_insert(tx, &r, err);
    if (rc == 0)
        rc = repo_address_take(tx, &o->shop->pool, r.id, &a, err);
    t.instance_id = r.id;
    if (rc == 0)
        rc = repo_task_insert(tx, &t, err);
    if (rc == 0)
        rc = repo_instance_lock(tx, r.id, t.id, NULL, err);
    if (rc == 0)
        rc = note(tx, r.id, t.id, o->n, err);
    repo_address_row_free(&a);
    repo_instance_row_free(&r);
    return rc;
}

static void order_more(struct shop *s);

static void order_done(struct db_work *work, int rc, const struct bt_err *err)
{
    struct order *o = BT_CONTAINER_OF(work, struct order, work);
    struct shop *s = o->shop;
    (void)err;
    if (rc == 0 && write(s->fd, &o->n, sizeof o->n) != sizeof o->n)
        _exit(5);
    free(o);
    if (--s->waiting == 0)
        order_more(s);
}

static void order_more(struct shop *s)
{
    for (int i = 0; i < BURST && s->next < s->last; i++) {
        struct order *o = bt_xcalloc(1, sizeof *o);
        *o = (struct order){
            .work = {.apply = order_apply, .done = order_done}, .shop = s, .n = s->next++};
        if (db_submit(s->w->t.db, &o->work, NULL) < 0)
            _exit(6);
        s->waiting++;
    }
    if (s->waiting == 0)
        bt_loop_stop(s->w->t.loop);
}

static int pool_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct repo_pool_row p = {.name = (char *)"p",
                              .family = 4,
                              .cidr = (char *)"10.0.0.0/8",
                              .gateway = (char *)"10.0.0.1"};
    int rc = repo_pool_insert(tx, &p, err);
    *(int64_t *)arg = p.id;
    return rc;
}

static int pool_get_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return repo_pool_get_by_name(tx, "p", arg, err);
}

/* In the child: open, sell @n orders from @from on, and end. */
static void sell(struct world *w, int fd, int64_t from, int64_t n)
{
    struct shop s = {.w = w, .fd = fd, .next = from, .last = from + n};
    if (dbt_try_open(&w->t) < 0)
        _exit(3);
    if (db_run_sync(w->t.db, pool_get_tx, &s.pool, NULL) < 0)
        _exit(4);
    order_more(&s);
    bt_loop_run(w->t.loop);
    db_close(w->t.db);
    _exit(0);
}

/* ---- afterwards ---- */

struct found {
    int64_t orders, acknowledged_missing;
};

struct tally {
    const bool *acknowledged;
    int64_t n;
    struct found ret;
};

static int64_t ask(struct db_tx *tx, const char *sql)
{
    int64_t v = -1;
    struct bt_err err = BT_ERR_INIT;
    if (db_int(tx, sql, DB_NOARGS, &v, &err) < 0)
        fail_msg("%s: %s", sql, err.msg);
    return v;
}

static void whole_orders(struct db_tx *tx, int64_t orders)
{
    assert_int_equal(ask(tx, "SELECT count(*) FROM addresses"), orders);
    assert_int_equal(ask(tx, "SELECT count(DISTINCT n) FROM addresses"), orders);
    assert_int_equal(ask(tx, "SELECT count(*) FROM address_history"), orders);
    assert_int_equal(ask(tx, "SELECT count(*) FROM tasks"), orders);
    assert_int_equal(ask(tx, "SELECT count(*) FROM outbox"), orders);
    assert_int_equal(ask(tx, "SELECT count(*) FROM audit"), orders);
    assert_int_equal(ask(tx, "SELECT count(*) FROM idempotency_keys"), orders);
    assert_int_equal(ask(tx, "SELECT count(*) FROM instances i JOIN tasks t ON t.id = i.locked_by"
                             " AND t.instance_id = i.id JOIN addresses a ON a.instance_id = i.id"),
                     orders);
    struct repo_audit_head at = {0};
    for (int64_t n = 1000; n == 1000;) {
        struct bt_err err = BT_ERR_INIT;
        if (repo_audit_verify(tx, &at, 1000, &n, &err) < 0)
            fail_msg("%s", err.msg);
    }
}

static int tally_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct tally *t = arg;
    (void)err;
    t->ret.orders = ask(tx, "SELECT count(*) FROM instances");
    whole_orders(tx, t->ret.orders);
    for (int64_t n = 0; n < t->n; n++) {
        int64_t there = 0;
        char name[32];
        if (!t->acknowledged[n])
            continue;
        (void)snprintf(name, sizeof name, "i%lld", (long long)n);
        OK(db_int(tx, "SELECT count(*) FROM instances WHERE name = ?1", DB_ARGS(DB_T(name)), &there,
                  NULL));
        t->ret.acknowledged_missing += there ? 0 : 1;
    }
    return 0;
}

static struct found look(struct world *w, const bool *acknowledged, int64_t n)
{
    struct tally t = {.acknowledged = acknowledged, .n = n};
    dbt_open(&w->t);
    dbt_run(&w->t, tally_tx, &t);
    dbt_close(&w->t);
    return t.ret;
}

/* Read what the dead process acknowledged. */
static int64_t collect(int fd, bool *acknowledged, int64_t n)
{
    int64_t v = 0;
    int64_t count = 0;
    while (read(fd, &v, sizeof v) == sizeof v) {
        assert_true(v >= 0 && v < n);
        acknowledged[v] = true;
        count++;
    }
    return count;
}

static uint64_t seed(void)
{
    const char *text = getenv("BERTH_SEED");
    int64_t v = 0;
    if (!text || bt_parse_i64(text, 0, INT64_MAX, &v, NULL) < 0)
        v = time(NULL);
    print_message("# BERTH_SEED=%lld\n", (long long)v);
    return (uint64_t)v;
}

static bool full(void)
{
    const char *text = getenv("BERTH_FULL");
    return text && *text;
}

static void fresh(struct world *w)
{
    int64_t id = 0;
    dbt_init(&w->t, bt_migrations_controller);
    dbt_open(&w->t);
    dbt_run(&w->t, world_tx, w);
    dbt_run(&w->t, pool_tx, &id);
    dbt_close(&w->t);
}

/* What the child sells, and what it does first. */
struct plan {
    int64_t from, n;
    void (*prepare)(struct world *w, void *arg);
    void *arg;
};

static pid_t start(struct world *w, int fd[2], struct plan p)
{
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dbt_no_core();
        (void)close(fd[0]);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        p.prepare(w, p.arg);
        sell(w, fd[1], p.from, p.n);
    }
    (void)close(fd[1]);
    return pid;
}

static void prepare_thread(struct world *w, void *arg)
{
    (void)arg;
    w->t.loop = bt_loop_new(NULL);
    w->t.cfg.loop = w->t.loop;
}

static void killed_at_any_moment(void **state)
{
    struct world w = {0};
    struct bt_random_seeded rnd;
    bool *acknowledged = bt_xcalloc(ORDERS, sizeof *acknowledged);
    int64_t total = 0;
    (void)state;
    bt_random_seeded_init(&rnd, seed());
    fresh(&w);
    for (int i = 0; i < KILLS; i++) {
        int fd[2];
        int64_t share = ORDERS / KILLS;
        pid_t pid = start(&w, fd, (struct plan){i * share, share, prepare_thread, NULL});
        (void)usleep((useconds_t)(20000 + bt_random_below(&rnd.table, 150000)));
        (void)kill(pid, SIGKILL);
        (void)dbt_wait(pid);
        total += collect(fd[0], acknowledged, ORDERS);
        (void)close(fd[0]);
        struct found f = look(&w, acknowledged, (i + 1) * share);
        assert_int_equal(f.acknowledged_missing, 0);
        assert_true(f.orders >= total);
    }
    print_message("# %lld orders acknowledged over %d kills\n", (long long)total, KILLS);
    assert_true(total > KILLS);
    free(acknowledged);
    dbt_fini(&w.t);
}

static void prepare_faults(struct world *w, void *arg)
{
    struct db_vfs_faults *f = NULL;
    if (db_fault_new("fault-crash", &f, NULL) < 0)
        _exit(1);
    w->t.cfg.vfs = "fault-crash";
    db_fault_arm(f, arg);
}

static bool ended_as_meant(int status)
{
    /* By itself, by power loss, by our own hand, or refused to open. */
    return (WIFEXITED(status) &&
            (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DB_FAULT_EXIT ||
             WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 4)) ||
           (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

enum { ROUND = 21, KEEP = 20 * ROUND };

/*
 * A few orders with the given fault at every n (or a sample with steps of @step on the average),
 * until one run gets through untouched. The database is made anew before it gets large.
 */
static int64_t every_n(struct db_fault_plan plan, uint64_t step)
{
    struct world w = {0};
    struct bt_random_seeded rnd;
    int64_t from = 0;
    int64_t runs = 0;
    bool *acknowledged = bt_xcalloc(KEEP, sizeof *acknowledged);
    bool through = false;
    bt_random_seeded_init(&rnd, seed());
    fresh(&w);
    for (plan.at = 1; !through; runs++) {
        int fd[2];
        plan.seed = (uint64_t)plan.at;
        pid_t pid = start(&w, fd, (struct plan){from, ROUND, prepare_faults, &plan});
        int64_t n = collect(fd[0], acknowledged, KEEP);
        int status = dbt_wait(pid);
        (void)close(fd[0]);
        if (!ended_as_meant(status))
            fail_msg("operation %lld: status 0x%x", (long long)plan.at, (unsigned)status);
        through = n == ROUND && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        from += ROUND;
        struct found f = look(&w, acknowledged, from);
        if (f.acknowledged_missing)
            fail_msg("operation %lld: %lld orders are lost", (long long)plan.at,
                     (long long)f.acknowledged_missing);
        if (from == KEEP) {
            dbt_fini(&w.t);
            fresh(&w);
            memset(acknowledged, 0, KEEP * sizeof *acknowledged);
            from = 0;
        }
        plan.at += full() ? 1 : 1 + (int64_t)bt_random_below(&rnd.table, 2 * step - 1);
    }
    free(acknowledged);
    dbt_fini(&w.t);
    print_message("# %lld runs\n", (long long)runs);
    return plan.at;
}

#define CHANGES (DB_FAULT_WRITE | DB_FAULT_SYNC | DB_FAULT_TRUNCATE)

static void power_loss(void **state)
{
    (void)state;
    assert_true(every_n((struct db_fault_plan){.ops = CHANGES, .kind = DB_FAULT_POWER}, 4) > 20);
}

static void power_loss_with_torn_writes(void **state)
{
    (void)state;
    assert_true(
        every_n((struct db_fault_plan){.ops = CHANGES, .kind = DB_FAULT_POWER, .torn = true}, 4) >
        20);
}

/* Reading counts too: the whole of opening and checking is in it, so only every seventh is tried.
 */
static void power_loss_between_reads(void **state)
{
    (void)state;
    assert_true(
        every_n((struct db_fault_plan){.ops = CHANGES | DB_FAULT_READ, .kind = DB_FAULT_POWER}, 7) >
        20);
}

static void io_errors(void **state)
{
    (void)state;
    assert_true(
        every_n((struct db_fault_plan){.ops = CHANGES, .times = 1, .kind = DB_FAULT_IO}, 4) > 20);
}

static void io_errors_that_last(void **state)
{
    (void)state;
    assert_true(every_n((struct db_fault_plan){.ops = CHANGES, .kind = DB_FAULT_IO}, 4) > 20);
}

static void full_disk(void **state)
{
    (void)state;
    assert_true(every_n((struct db_fault_plan){.ops = DB_FAULT_WRITE, .kind = DB_FAULT_FULL}, 4) >
                20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_moment),
        cmocka_unit_test(power_loss),
        cmocka_unit_test(power_loss_with_torn_writes),
        cmocka_unit_test(power_loss_between_reads),
        cmocka_unit_test(io_errors),
        cmocka_unit_test(io_errors_that_last),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
