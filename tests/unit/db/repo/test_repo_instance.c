/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: db_repo */
/* Instances: names and the trash, locks, generations, what they hold, pages, references. */
#include "common/base/str.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_ref.h"
#include "tests/unit/db/repo/world.h"

static int64_t tenant_of(struct db_tx *tx, const char *name)
{
    struct repo_tenant_row t = {.name = (char *)name};
    OK(repo_tenant_insert(tx, &t, NULL));
    return t.id;
}

static struct repo_instance_row get(struct db_tx *tx, int64_t id)
{
    struct repo_instance_row r;
    OK(repo_instance_get(tx, id, &r, NULL));
    return r;
}

IN_WORLD(a_row_comes_back)
{
    struct repo_instance_row in = world_instance(w, "web1", w->tenant);
    struct repo_instance_row out;
    in.mac = bt_xstrdup("02:00:00:00:00:01");
    in.password_hash = bt_xstrdup("$y$x");
    in.suspended = 5;
    OK(repo_instance_insert(tx, &in, NULL));
    OK(repo_instance_get_by_uuid(tx, in.uuid, &out, NULL));
    assert_int_equal(out.id, in.id);
    assert_string_equal(out.name, "web1");
    assert_string_equal(out.mac, in.mac);
    assert_string_equal(out.limits, "{}");
    assert_string_equal(out.ssh_keys, "[]");
    assert_int_equal(out.suspended, 5);
    assert_int_equal(out.state, INSTANCE_PENDING);
    assert_int_equal(out.version, 1);
    assert_true(out.created_at == DBT_UTC_MS);
    out.notes = bt_xstrdup("n");
    OK(repo_instance_update_spec(tx, &out, NULL));
    assert_int_equal(out.version, 2);
    assert_int_equal(out.generation, 2);
    repo_instance_row_free(&out);
    out = get(tx, in.id);
    assert_int_equal(out.version, 2);
    assert_int_equal(out.generation, 2);
    assert_string_equal(out.notes, "n");
    repo_instance_row_free(&out);
    in.id = 0;
    CODE(repo_instance_insert(tx, &in, NULL), BT_E_EXISTS);
    repo_instance_row_free(&in);
}

IN_WORLD(names_are_free_from_the_trash)
{
    int64_t a = world_add(w, tx, "web1", w->tenant);
    int64_t other = tenant_of(tx, "other");
    struct repo_instance_row r = world_instance(w, "web1", w->tenant);
    CODE(repo_instance_insert(tx, &r, NULL), BT_E_EXISTS);
    int64_t c = world_add(w, tx, "web1", other);
    CODE(repo_instance_restore(tx, a, NULL), BT_E_BAD_STATE);
    OK(repo_instance_trash(tx, a, DBT_UTC_MS + 7, NULL));
    CODE(repo_instance_trash(tx, a, DBT_UTC_MS + 9, NULL), BT_E_BAD_STATE);
    CODE(repo_instance_trash(tx, 999, 1, NULL), BT_E_NOT_FOUND);
    struct repo_instance_row gone;
    CODE(repo_instance_get_by_name(tx, w->tenant, "web1", &gone, NULL), BT_E_NOT_FOUND);
    OK(repo_instance_insert(tx, &r, NULL));
    CODE(repo_instance_restore(tx, a, NULL), BT_E_EXISTS);
    OK(repo_instance_trash(tx, r.id, DBT_UTC_MS + 5, NULL));
    OK(repo_instance_restore(tx, a, NULL));
    struct repo_instance_row back = get(tx, a);
    assert_int_equal(back.trashed_at, 0);
    assert_int_equal(back.delete_at, 0);
    repo_instance_row_free(&back);
    struct repo_instance_ids ids;
    OK(repo_instance_find_by_name(tx, "web1", &ids, NULL));
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.ids[0], a);
    assert_int_equal(ids.ids[1], c);
    repo_instance_row_free(&r);
}

IN_WORLD(purge_is_final)
{
    struct repo_instance_row r = world_instance(w, "web1", w->tenant);
    struct bt_arr due = {0};
    r.source = bt_xstrdup("whmcs");
    r.external_id = bt_xstrdup("77");
    r.mac = bt_xstrdup("02:00:00:00:00:01");
    OK(repo_instance_insert(tx, &r, NULL));
    OK(repo_instance_trash(tx, r.id, DBT_UTC_MS + 1000, NULL));
    OK(repo_instance_list_due(tx, DBT_UTC_MS + 999, 10, &due, NULL));
    assert_int_equal(due.len, 0);
    free(due.items);
    OK(repo_instance_list_due(tx, DBT_UTC_MS + 1000, 10, &due, NULL));
    assert_int_equal(due.len, 1);
    assert_int_equal(*(int64_t *)due.items, r.id);
    free(due.items);
    OK(repo_instance_purge(tx, r.id, NULL));
    CODE(repo_instance_purge(tx, r.id, NULL), BT_E_NOT_FOUND);
    CODE(repo_instance_restore(tx, r.id, NULL), BT_E_BAD_STATE);
    struct repo_instance_row p = get(tx, r.id);
    assert_int_equal(p.state, INSTANCE_DELETED);
    assert_null(p.external_id);
    assert_string_equal(p.previous_external_id, "77");
    assert_null(p.password_hash);
    repo_instance_row_free(&p);
    /* external id and MAC are free again */
    struct repo_instance_row again = world_instance(w, "web1", w->tenant);
    again.source = bt_xstrdup("whmcs");
    again.external_id = bt_xstrdup("77");
    again.mac = bt_xstrdup("02:00:00:00:00:01");
    OK(repo_instance_insert(tx, &again, NULL));
    OK(repo_instance_get_by_external(tx, "whmcs", "77", &p, NULL));
    assert_int_equal(p.id, again.id);
    repo_instance_row_free(&p);
    repo_instance_row_free(&again);
    repo_instance_row_free(&r);
}

IN_WORLD(one_task_holds_the_lock)
{
    int64_t id = world_add(w, tx, "a", w->tenant);
    int64_t holder = 0;
    OK(repo_instance_lock(tx, id, 10, &holder, NULL));
    OK(repo_instance_lock(tx, id, 10, &holder, NULL));
    CODE(repo_instance_lock(tx, id, 11, &holder, NULL), BT_E_LOCKED);
    assert_int_equal(holder, 10);
    CODE(repo_instance_unlock(tx, id, 11, 0, NULL), BT_E_LOCKED);
    OK(repo_instance_unlock(tx, id, 10, 11, NULL));
    CODE(repo_instance_lock(tx, id, 10, NULL, NULL), BT_E_LOCKED);
    OK(repo_instance_unlock(tx, id, 11, 0, NULL));
    OK(repo_instance_lock(tx, id, 12, NULL, NULL));
    CODE(repo_instance_lock(tx, 999, 1, NULL, NULL), BT_E_NOT_FOUND);
}

IN_WORLD(versions_rise_only_with_changes)
{
    int64_t id = world_add(w, tx, "a", w->tenant);
    struct repo_instance_seen seen = {INSTANCE_RUNNING, 3, 50, "{\"x\":1}"};
    OK(repo_instance_set_seen(tx, id, &seen, NULL));
    struct repo_instance_row r = get(tx, id);
    assert_int_equal(r.version, 2);
    assert_int_equal(r.observed_generation, 3);
    assert_int_equal(r.started_at, 50);
    repo_instance_row_free(&r);
    OK(repo_instance_set_seen(tx, id, &seen, NULL));
    seen.observed_generation = 2;
    seen.effective = NULL;
    seen.started_at = 0;
    OK(repo_instance_set_seen(tx, id, &seen, NULL));
    r = get(tx, id);
    assert_int_equal(r.version, 2);
    assert_int_equal(r.observed_generation, 3);
    assert_string_equal(r.effective, "{\"x\":1}");
    repo_instance_row_free(&r);
    OK(repo_instance_set_state(tx, id, INSTANCE_RUNNING, NULL));
    int64_t n = 0;
    OK(repo_instance_set_host_unknown(tx, w->host, &n, NULL));
    assert_int_equal(n, 1);
    OK(repo_instance_set_host_unknown(tx, w->host, &n, NULL));
    assert_int_equal(n, 0);
    r = get(tx, id);
    assert_int_equal(r.state, INSTANCE_UNKNOWN);
    assert_int_equal(r.version, 3);
    repo_instance_row_free(&r);
    int64_t generation = 0;
    OK(repo_instance_raise_generation(tx, id, 41, &generation, NULL));
    assert_int_equal(generation, 42);
    OK(repo_instance_raise_generation(tx, id, 3, &generation, NULL));
    assert_int_equal(generation, 43);
    OK(repo_instance_set_error(tx, id, &(struct repo_instance_error){"timeout", "slow", 9}, NULL));
    r = get(tx, id);
    assert_string_equal(r.error_code, "timeout");
    assert_int_equal(r.error_task, 9);
    repo_instance_row_free(&r);
    OK(repo_instance_set_error(tx, id, &(struct repo_instance_error){NULL, "x", 9}, NULL));
    r = get(tx, id);
    assert_null(r.error_code);
    assert_null(r.error_message);
    assert_int_equal(r.error_task, 0);
    repo_instance_row_free(&r);
}

IN_WORLD(what_is_sold)
{
    struct repo_host_allocated a;
    struct repo_tenant_used used;
    struct bt_arr all = {0};
    int64_t n = 0;
    OK(repo_host_allocated(tx, w->host, &a, NULL));
    assert_int_equal(a.instances, 0);
    assert_int_equal(a.cpus, 0);
    int64_t ids[3];
    for (int i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "i%d", i);
        ids[i] = world_add(w, tx, name, w->tenant);
    }
    OK(repo_host_allocated(tx, w->host, &a, NULL));
    assert_int_equal(a.instances, 3);
    assert_int_equal(a.cpus, 3);
    assert_int_equal(a.memory_bytes, 3 << 20);
    assert_true(a.disk_bytes == INT64_C(3) << 30);
    OK(repo_instance_trash(tx, ids[0], DBT_UTC_MS, NULL));
    OK(repo_host_allocated(tx, w->host, &a, NULL));
    assert_int_equal(a.instances, 2);
    assert_int_equal(a.trashed, 1);
    assert_int_equal(a.cpus, 2);
    assert_int_equal(a.memory_bytes, 2 << 20);
    assert_true(a.disk_bytes == INT64_C(3) << 30);
    OK(repo_tenant_used(tx, w->tenant, &used, NULL));
    assert_int_equal(used.instances, 2);
    assert_true(used.disk_bytes == INT64_C(2) << 30);
    OK(repo_instance_purge(tx, ids[0], NULL));
    OK(repo_host_allocated(tx, w->host, &a, NULL));
    assert_int_equal(a.trashed, 0);
    assert_true(a.disk_bytes == INT64_C(2) << 30);
    OK(repo_host_allocated_all(tx, &all, NULL));
    assert_int_equal(all.len, 1);
    assert_memory_equal(all.items, &a, sizeof a);
    db_rows_free(&repo_host_allocated_table, &all);
    OK(repo_plan_in_use(tx, w->plan, &n, NULL));
    assert_int_equal(n, 2);
    OK(repo_image_in_use(tx, w->image, &n, NULL));
    assert_int_equal(n, 2);
}

IN_WORLD(tenants_count_addresses)
{
    struct repo_pool_row p = {.name = (char *)"p",
                              .family = 4,
                              .cidr = (char *)"198.18.0.0/24",
                              .gateway = (char *)"198.18.0.1"};
    struct repo_tenant_used used;
    struct repo_address_row a;
    int64_t one = world_add(w, tx, "a", w->tenant);
    int64_t two = world_add(w, tx, "b", w->tenant);
    OK(repo_pool_insert(tx, &p, NULL));
    for (int i = 0; i < 3; i++) {
        OK(repo_address_take(tx, &p, i ? one : two, &a, NULL));
        repo_address_row_free(&a);
    }
    OK(repo_tenant_used(tx, w->tenant, &used, NULL));
    assert_int_equal(used.ipv4, 3);
    assert_int_equal(used.ipv6, 0);
    OK(repo_instance_trash(tx, two, DBT_UTC_MS, NULL));
    OK(repo_tenant_used(tx, w->tenant, &used, NULL));
    assert_int_equal(used.ipv4, 2);
}

/* Ids of the pages of a filter, joined; each page holds @f->limit rows at most. */
static char *pages(struct db_tx *tx, struct repo_instance_filter f)
{
    struct bt_buf b = BT_BUF(4096);
    for (;;) {
        struct bt_arr rows = {0};
        OK(repo_instance_list(tx, &f, &rows, NULL));
        assert_true(rows.len <= (size_t)f.limit);
        const struct repo_instance_row *r = rows.items;
        for (size_t i = 0; i < rows.len; i++)
            (void)bt_buf_addf(&b, "%s ", r[i].name);
        size_t n = rows.len;
        if (n > 0)
            f.after_id = r[n - 1].id;
        db_rows_free(&repo_instance_table, &rows);
        if (n == 0)
            return bt_buf_take(&b);
    }
}

static void expect_pages(struct db_tx *tx, struct repo_instance_filter f, const char *want)
{
    for (f.limit = 1; f.limit < 5; f.limit++) {
        char *got = pages(tx, f);
        assert_string_equal(got, want);
        free(got);
    }
}

IN_WORLD(pages_and_filters)
{
    int64_t other = tenant_of(tx, "other");
    struct repo_host_row h2 = {
        .name = (char *)"h2", .location_id = w->location, .state = HOST_ONLINE};
    OK(repo_host_insert(tx, &h2, NULL));
    int64_t ids[8];
    for (int i = 0; i < 8; i++) {
        char name[2] = {(char)('a' + i), 0};
        struct repo_instance_row r = world_instance(w, name, i % 2 ? other : w->tenant);
        r.host_id = i < 4 ? w->host : h2.id;
        r.state = i == 6 ? INSTANCE_RUNNING : INSTANCE_STOPPED;
        OK(repo_instance_insert(tx, &r, NULL));
        ids[i] = r.id;
        repo_instance_row_free(&r);
    }
    OK(repo_instance_trash(tx, ids[2], 1, NULL));
    OK(repo_instance_trash(tx, ids[5], 1, NULL));
    OK(repo_instance_purge(tx, ids[5], NULL));
    const struct repo_instance_filter any = {.state = -1};
    struct repo_instance_filter f = any;
    expect_pages(tx, f, "a b d e g h ");
    f.tenant_id = w->tenant;
    expect_pages(tx, f, "a e g ");
    f.deleted = true;
    expect_pages(tx, f, "a c e g ");
    f.only_deleted = true;
    expect_pages(tx, f, "c ");
    f = any;
    f.host_id = h2.id;
    expect_pages(tx, f, "e g h ");
    f.state = INSTANCE_RUNNING;
    expect_pages(tx, f, "g ");
    f = any;
    f.host_id = w->host;
    f.tenant_id = other;
    expect_pages(tx, f, "b d ");
    f = any;
    f.name = "c";
    expect_pages(tx, f, "");
    f.deleted = true;
    expect_pages(tx, f, "c ");
    f = any;
    f.plan_id = 99;
    expect_pages(tx, f, "");
}

static int resolve(struct db_tx *tx, enum repo_ref_kind kind, const char *name, int64_t *ret)
{
    struct bt_ref ref = {.name = (char *)name};
    return repo_ref_resolve(tx, kind, &ref, ret, NULL);
}

IN_WORLD(references)
{
    int64_t id = 0;
    int64_t a = world_add(w, tx, "web1", w->tenant);
    OK(resolve(tx, REPO_REF_INSTANCE, "web1", &id));
    assert_int_equal(id, a);
    OK(resolve(tx, REPO_REF_INSTANCE, "00000000-0000-4000-8000-000000000001", &id));
    assert_int_equal(id, a);
    CODE(resolve(tx, REPO_REF_INSTANCE, "web2", &id), BT_E_NOT_FOUND);
    CODE(resolve(tx, REPO_REF_INSTANCE, NULL, &id), BT_E_INVALID);
    int64_t b = world_add(w, tx, "web1", tenant_of(tx, "other"));
    struct bt_err err = BT_ERR_INIT;
    struct bt_ref ref = {.name = (char *)"web1"};
    CODE(repo_ref_resolve(tx, REPO_REF_INSTANCE, &ref, &id, &err), BT_E_AMBIGUOUS);
    char want[64];
    (void)snprintf(want, sizeof want, "ids %lld, %lld", (long long)a, (long long)b);
    assert_non_null(strstr(err.msg, want));
    static const struct {
        enum repo_ref_kind kind;
        const char *name;
    } known[] = {{REPO_REF_TENANT, "demo"},
                 {REPO_REF_LOCATION, "lab"},
                 {REPO_REF_HOST, "h1"},
                 {REPO_REF_PLAN, "small"},
                 {REPO_REF_IMAGE, "tiny"}};
    for (size_t i = 0; i < BT_ARRAY_LEN(known); i++) {
        struct bt_ref out = {0};
        OK(resolve(tx, known[i].kind, known[i].name, &id));
        struct bt_ref by_id = {.id = id};
        OK(repo_ref_resolve(tx, known[i].kind, &by_id, &id, NULL));
        OK(repo_ref_get(tx, known[i].kind, id, &out, NULL));
        assert_string_equal(out.name, known[i].name);
        free(out.name);
        by_id.id = 12345;
        CODE(repo_ref_resolve(tx, known[i].kind, &by_id, &id, NULL), BT_E_NOT_FOUND);
        CODE(resolve(tx, known[i].kind, "absent", &id), BT_E_NOT_FOUND);
    }
    struct bt_ref none = {.id = 7};
    OK(repo_ref_get(tx, REPO_REF_HOST, 0, &none, NULL));
    assert_int_equal(none.id, 0);
    assert_null(none.name);
    /* A deleted plan's name is free, its row still has one. */
    OK(repo_plan_delete(tx, w->plan, NULL));
    CODE(resolve(tx, REPO_REF_PLAN, "small", &id), BT_E_NOT_FOUND);
    struct repo_plan_row again = {.name = (char *)"small", .drivers = 1};
    OK(repo_plan_insert(tx, &again, NULL));
}

IN_WORLD(the_newest_ready_image_is_what_a_name_means)
{
    struct repo_image_row r;
    struct repo_image_row next = {.name = (char *)"tiny", .state = IMAGE_IMPORTING};
    OK(repo_image_insert(tx, &next, NULL));
    OK(repo_image_get_newest(tx, "tiny", &r, NULL));
    assert_int_equal(r.id, w->image);
    repo_image_row_free(&r);
    next.state = IMAGE_READY;
    next.os_type = (char *)"linux";
    next.default_user = (char *)"root";
    next.stop_signal = (char *)"SIGPWR";
    OK(repo_image_update(tx, &next, NULL));
    OK(repo_image_get_newest(tx, "tiny", &r, NULL));
    assert_int_equal(r.id, next.id);
    repo_image_row_free(&r);
    OK(repo_image_delete(tx, next.id, NULL));
    CODE(repo_image_delete(tx, next.id, NULL), BT_E_NOT_FOUND);
    OK(repo_image_get_newest(tx, "tiny", &r, NULL));
    assert_int_equal(r.id, w->image);
    repo_image_row_free(&r);
    struct repo_image_kind_row k = {
        .image_id = w->image, .kind = IMAGE_KIND_ROOTFS, .sha256 = (char *)"aa", .bytes = 1};
    OK(repo_image_kind_set(tx, &k, NULL));
    int64_t id = k.id;
    k.sha256 = (char *)"bb";
    OK(repo_image_kind_set(tx, &k, NULL));
    assert_int_equal(k.id, id);
    struct bt_arr kinds = {0};
    OK(repo_image_kinds(tx, w->image, &kinds, NULL));
    assert_int_equal(kinds.len, 1);
    assert_string_equal(((struct repo_image_kind_row *)kinds.items)[0].sha256, "bb");
    db_rows_free(&repo_image_kind_table, &kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_row_comes_back),
        WORLD_TEST(names_are_free_from_the_trash),
        WORLD_TEST(purge_is_final),
        WORLD_TEST(one_task_holds_the_lock),
        WORLD_TEST(versions_rise_only_with_changes),
        WORLD_TEST(what_is_sold),
        WORLD_TEST(tenants_count_addresses),
        WORLD_TEST(pages_and_filters),
        WORLD_TEST(references),
        WORLD_TEST(the_newest_ready_image_is_what_a_name_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
