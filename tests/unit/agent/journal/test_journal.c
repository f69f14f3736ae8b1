/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/journal/journal.h"
#include "agent/journal/journal_destroy.h"
#include "agent/journal/journal_instance.h"
#include "agent/journal/journal_job.h"
#include "agent/journal/journal_report.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "proto/enums.h"

#include <cmocka.h>

struct fixture {
    struct bt_loop *loop;
    struct bt_random_seeded rnd;
    struct db *db;
    struct journal_meta meta;
    char dir[32];
};

static void open_it(struct fixture *f)
{
    char path[64];
    struct bt_err err = BT_ERR_INIT;
    snprintf(path, sizeof path, "%s/journal.db", f->dir);
    struct journal_config cfg = {
        .path = path, .loop = f->loop, .random = &f->rnd.table, .sync_off = true};
    if (journal_open(&cfg, &f->db, &f->meta, &err) < 0)
        fail_msg("%s", err.msg);
}

static int setup(void **state)
{
    struct fixture *f = bt_xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/berth-journal-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->loop = bt_loop_new_virtual(1700000000000);
    bt_random_seeded_init(&f->rnd, 3);
    open_it(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];
    db_close(f->db);
    bt_loop_free(f->loop);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* Run a body in a transaction that commits. */
#define IN_TX(f, fn, arg) assert_int_equal(db_run_sync((f)->db, fn, arg, NULL), 0)

/* ---- facts ---- */

static int store_meta(struct db_tx *tx, void *arg, struct bt_err *err)
{
    int rc = journal_meta_store_controller(tx, arg, err);
    return rc < 0 ? rc : journal_meta_store_confirm(tx, 77, err);
}

static void facts(void **state)
{
    struct fixture *f = *state;
    struct journal_meta m = f->meta;
    assert_true(bt_uuid_ok(m.journal_id));
    assert_string_equal(m.controller_id, "");
    bt_strcpy(m.controller_id, sizeof m.controller_id, "00000000-0000-4000-8000-000000000001");
    bt_strcpy(m.joining_id, sizeof m.joining_id, "00000000-0000-4000-8000-000000000002");
    m.epoch = 12;
    IN_TX(f, store_meta, &m);
    db_close(f->db);
    open_it(f);
    assert_string_equal(f->meta.journal_id, m.journal_id); /* once for ever */
    assert_string_equal(f->meta.controller_id, m.controller_id);
    assert_string_equal(f->meta.joining_id, m.joining_id);
    assert_int_equal(f->meta.epoch, 12);
    assert_int_equal(f->meta.confirm_until_ms, 77);
}

/* ---- instances ---- */

static void uuid_of(int n, char dst[37])
{
    snprintf(dst, 37, "00000000-0000-4000-8000-%012d", n);
}

struct put {
    int n;
    int64_t id_base, trashed_at;
};

static int put_instance(struct db_tx *tx, void *arg, struct bt_err *err)
{
    const struct put *p = arg;
    char uuid[37];
    uuid_of(p->n, uuid);
    struct journal_instance r = {.uuid = uuid,
                                 .driver = DRIVER_CONTAINER,
                                 .generation = 3,
                                 .spec = (char[]){"{}"},
                                 .state = INSTANCE_PAUSED,
                                 .desired = DESIRED_RUNNING,
                                 .desired_by = DESIRED_BY_GUEST,
                                 .paused = true,
                                 .local_suspend = (char[]){"traffic"},
                                 .id_base = p->id_base,
                                 .boot_id = (char[]){"boot"},
                                 .started_at = 5,
                                 .trashed_at = p->trashed_at,
                                 .effective = (char[]){"{\"pids\":1}"},
                                 .boots = 9,
                                 .created_at = 1};
    return journal_instance_put(tx, &r, err);
}

static int list_instances(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return journal_instance_list(tx, arg, err);
}

static void row_round_trip(void **state)
{
    struct fixture *f = *state;
    struct bt_arr rows = {0};
    IN_TX(f, put_instance, (&(struct put){1, 1000000, 0}));
    IN_TX(f, list_instances, &rows);
    assert_int_equal(rows.len, 1);
    const struct journal_instance *r = rows.items;
    assert_int_equal(r->generation, 3);
    assert_int_equal(r->state, INSTANCE_PAUSED);
    assert_int_equal(r->desired_by, DESIRED_BY_GUEST);
    assert_true(r->paused);
    assert_string_equal(r->local_suspend, "traffic");
    assert_int_equal(r->id_base, 1000000);
    assert_string_equal(r->effective, "{\"pids\":1}");
    assert_int_equal(r->boots, 9);
    struct journal_instance copy;
    journal_instance_copy(r, &copy);
    assert_ptr_not_equal(copy.uuid, r->uuid);
    assert_string_equal(copy.uuid, r->uuid);
    journal_instance_free(&copy);
    db_rows_free(&journal_instance_table, &rows);
}

struct ids {
    struct journal_ids in;
    int64_t got;
    int rc;
};

static int free_ids(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct ids *i = arg;
    (void)err;
    i->rc = journal_instance_free_ids(tx, &i->in, &i->got, NULL);
    return 0;
}

static int64_t next_ids(struct fixture *f, int64_t base, int64_t count)
{
    struct ids i = {.in = {base, count}};
    IN_TX(f, free_ids, &i);
    return i.rc < 0 ? i.rc : i.got;
}

static int delete_one(struct db_tx *tx, void *arg, struct bt_err *err)
{
    char uuid[37];
    uuid_of(*(int *)arg, uuid);
    return journal_instance_delete(tx, uuid, err);
}

static void ids_are_unique(void **state)
{
    struct fixture *f = *state;
    const int64_t base = 1000000;
    const int64_t n = JOURNAL_IDS_EACH;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(next_ids(f, base, 4 * n), base + i * n);
        /* A trashed one keeps its range. */
        IN_TX(f, put_instance, (&(struct put){i, base + i * n, i == 1 ? 7 : 0}));
    }
    assert_int_equal(next_ids(f, base, 4 * n), -(int)BT_E_NO_CAPACITY);
    assert_int_equal(next_ids(f, base, 5 * n - 1), -(int)BT_E_NO_CAPACITY); /* not half a range */
    int gone = 2;
    IN_TX(f, delete_one, &gone);
    assert_int_equal(next_ids(f, base, 4 * n), base + 2 * n);
    /* agent.conf was changed: old ranges lie across the new ones and are left alone. */
    assert_int_equal(next_ids(f, base + 100, 9 * n), base + 2 * n);
    IN_TX(f, put_instance, (&(struct put){9, base + 2 * n, 0}));
    assert_int_equal(next_ids(f, base + 100, 9 * n), base + 4 * n);
    assert_int_equal(next_ids(f, base - n / 2, 9 * n), base + 4 * n);
}

static void id_range_cannot_be_given_twice(void **state)
{
    struct fixture *f = *state;
    IN_TX(f, put_instance, (&(struct put){1, 1000000, 0}));
    assert_true(db_run_sync(f->db, put_instance, &(struct put){2, 1000000, 0}, NULL) < 0);
}

/* ---- jobs ---- */

static int job_life(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct journal_job j = {.task_id = 5,
                            .uuid = (char[]){"u"},
                            .action = ACTION_CREATE,
                            .generation = 2,
                            .args = (char[]){"{}"},
                            .created_at = 1};
    struct journal_job got = {0};
    bool failed = false;
    struct bt_arr open = {0};
    (void)arg;
    assert_int_equal(journal_job_insert(tx, &j, err), 0);
    assert_int_equal(journal_job_insert(tx, &(struct journal_job){.task_id = 5}, NULL),
                     -(int)BT_E_EXISTS);
    assert_int_equal(journal_job_list_open(tx, &open, err), 0);
    assert_int_equal(open.len, 1);
    db_rows_free(&journal_job_table, &open);
    j.state = JOURNAL_JOB_UNDOING;
    assert_int_equal(journal_job_move(tx, &j, err), 0);
    j.state = JOURNAL_JOB_SUCCESS;
    assert_int_equal(journal_job_move(tx, &j, NULL), -(int)BT_E_BAD_STATE);
    j.state = JOURNAL_JOB_ERROR;
    j.result = (char[]){"{}"};
    j.finished_at = 9;
    j.report_seq = 4;
    assert_int_equal(journal_job_move(tx, &j, err), 0);
    j.state = JOURNAL_JOB_CANCELLED;
    assert_int_equal(journal_job_move(tx, &j, NULL), -(int)BT_E_BAD_STATE);
    assert_int_equal(journal_job_get(tx, 5, &got, err), 0);
    assert_int_equal(got.state, JOURNAL_JOB_ERROR);
    assert_int_equal(got.report_seq, 4);
    journal_job_free(&got);
    assert_int_equal(journal_job_get(tx, 6, &got, NULL), -(int)BT_E_NOT_FOUND);
    assert_int_equal(journal_job_failed(tx, "u", 2, &failed, err), 0);
    assert_true(failed);
    assert_int_equal(journal_job_failed(tx, "u", 3, &failed, err), 0);
    assert_false(failed);
    return 0;
}

static void jobs(void **state)
{
    IN_TX((struct fixture *)*state, job_life, NULL);
}

/* ---- reports ---- */

static int append(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct link_report r = {.kind = REPORT_EVENT, .event = (char[]){"host.test"}};
    int rc = journal_report_append(tx, &r, err);
    if (arg)
        *(int64_t *)arg = r.seq;
    return rc;
}

static int append_and_fail(struct db_tx *tx, void *arg, struct bt_err *err)
{
    int rc = append(tx, arg, err);
    return rc < 0 ? rc : bt_fail(err, BT_E_FAULT, "rolled back");
}

struct listing {
    int64_t after;
    struct bt_arr rows;
};

static int list(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct listing *l = arg;
    return journal_report_list(tx, l->after, 10, &l->rows, err);
}

static int ack(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return journal_report_ack(tx, *(int64_t *)arg, err);
}

static int raise_to(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return journal_report_raise(tx, *(int64_t *)arg, err);
}

static void reports(void **state)
{
    struct fixture *f = *state;
    int64_t seq = 0;
    for (int64_t i = 1; i <= 5; i++) {
        IN_TX(f, append, &seq);
        assert_int_equal(seq, i);
        assert_true(db_run_sync(f->db, append_and_fail, NULL, NULL) < 0); /* leaves no gap */
    }
    struct listing l = {.after = 2};
    IN_TX(f, list, &l);
    assert_int_equal(l.rows.len, 3);
    const struct journal_report *r = l.rows.items;
    struct link_report parsed;
    assert_int_equal(r->seq, 3);
    assert_int_equal(bt_schema_parse(&link_report_schema, r->body, strlen(r->body), BT_STRICT,
                                     &parsed, NULL, NULL),
                     0);
    assert_int_equal(parsed.seq, 3);
    assert_int_equal(parsed.at, 1700000000000);
    bt_schema_free(&link_report_schema, &parsed);
    db_rows_free(&journal_report_table, &l.rows);
    /* Forgotten ones are forgotten, their numbers are not used again, over a restart too. */
    IN_TX(f, ack, &(int64_t){5});
    db_close(f->db);
    open_it(f);
    IN_TX(f, append, &seq);
    assert_int_equal(seq, 6);
    IN_TX(f, raise_to, &(int64_t){100});
    IN_TX(f, raise_to, &(int64_t){50});
    IN_TX(f, append, &seq);
    assert_int_equal(seq, 101);
}

static void first_number_after_a_raise(void **state)
{
    struct fixture *f = *state;
    int64_t seq = 0;
    IN_TX(f, raise_to, &(int64_t){41});
    IN_TX(f, append, &seq);
    assert_int_equal(seq, 42);
}

/* ---- the brake ---- */

struct ask {
    struct journal_destroy d;
    bool held;
};

static int ask_brake(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct ask *a = arg;
    return journal_destroy_ask(tx, &a->d, &a->held, err);
}

static bool held(struct fixture *f, const struct journal_destroy *d, int n)
{
    char uuid[37];
    struct ask a = {.d = *d};
    uuid_of(n, uuid);
    a.d.uuid = uuid;
    IN_TX(f, ask_brake, &a);
    return a.held;
}

static void pass(struct fixture *f, int64_t ms)
{
    bt_loop_run_until(f->loop, bt_mono_ms(bt_loop_clock(f->loop)) + ms);
}

static void brake(void **state)
{
    struct fixture *f = *state;
    struct journal_destroy d = {.max = 2, .max_pct = 10, .window_ms = 600000};
    assert_false(held(f, &d, 1));
    assert_false(held(f, &d, 2));
    assert_true(held(f, &d, 3));
    assert_true(held(f, &d, 3));
    assert_false(held(f, &d, 2)); /* the same one again has passed */
    d.kind = JOURNAL_DESTROY_PURGE;
    assert_false(held(f, &d, 3)); /* kinds are apart */
    d.kind = JOURNAL_DESTROY_DELETE;
    /* Confirmed ones pass, and do not count against what comes after. */
    int64_t now = bt_utc_ms(bt_loop_clock(f->loop));
    d.confirm_until_ms = now + 1000;
    for (int i = 10; i < 20; i++)
        assert_false(held(f, &d, i));
    pass(f, 2000);
    assert_false(held(f, &d, 30));
    assert_false(held(f, &d, 31));
    assert_true(held(f, &d, 32));
    pass(f, 601000);
    d.confirm_until_ms = 0;
    assert_false(held(f, &d, 32));
    assert_false(held(f, &d, 33));
    assert_true(held(f, &d, 34));
}

static void brake_by_share(void **state)
{
    struct fixture *f = *state;
    struct journal_destroy d = {.max = 2, .max_pct = 10, .window_ms = 600000};
    for (int i = 0; i < 50; i++)
        IN_TX(f, put_instance, (&(struct put){i, 1000000 + i * JOURNAL_IDS_EACH, i < 10}));
    /* 40 alive: 10 % are 4 of what was there when the window began. */
    for (int i = 10; i < 14; i++)
        assert_false(held(f, &d, i));
    assert_true(held(f, &d, 14));
    d.kind = JOURNAL_DESTROY_PURGE; /* of all 50, the trashed ones too */
    for (int i = 0; i < 5; i++)
        assert_false(held(f, &d, i));
    assert_true(held(f, &d, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        T(facts),
        T(row_round_trip),
        T(ids_are_unique),
        T(id_range_cannot_be_given_twice),
        T(jobs),
        T(reports),
        T(first_number_after_a_raise),
        T(brake),
        T(brake_by_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
