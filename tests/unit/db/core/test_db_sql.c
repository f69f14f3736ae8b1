/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements and rows through column tables, on a table of their own. */
#include "tests/unit/db/dbt.h"

static const struct db_migration migrations[] = {
    {1, "0001_things", "aa",
     "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;\n"
     "CREATE TABLE things (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES owners (id),\n"
     " name TEXT NOT NULL, colour TEXT CHECK (colour IN ('red', 'green', 'blue')),\n"
     " secret TEXT, data BLOB, cap INTEGER, count INTEGER NOT NULL, flag INTEGER NOT NULL,\n"
     " UNIQUE (owner_id, name)) STRICT;\n"
     "CREATE TABLE pairs (a TEXT PRIMARY KEY, b TEXT NOT NULL) STRICT;\n"},
    {0}};

static const char *const colours[] = {"red", "green", "blue", NULL};

struct thing {
    int64_t id, owner_id;
    char *name;
    int colour;
    char *secret;
    struct db_blob data;
    struct bt_opt_int cap;
    int64_t count;
    bool flag;
};

#define COL(f, t)                                                                                  \
    {                                                                                              \
        .name = #f, .type = (t), .off = offsetof(struct thing, f)                                  \
    }

static const struct db_col thing_cols[] = {
    COL(id, DB_C_INT),
    COL(owner_id, DB_C_ID),
    {.name = "name", .type = DB_C_TEXT, .off = offsetof(struct thing, name), .null_as = "nobody"},
    {.name = "colour", .type = DB_C_ENUM, .off = offsetof(struct thing, colour), .names = colours},
    {.name = "secret", .type = DB_C_TEXT, .off = offsetof(struct thing, secret), .secret = true},
    COL(data, DB_C_BLOB),
    COL(cap, DB_C_OPT_INT),
    COL(count, DB_C_INT),
    COL(flag, DB_C_BOOL),
    {0}};
static const struct db_table things = {"things", thing_cols, sizeof(struct thing)};

struct pair {
    char *a, *b;
};

static const struct db_col pair_cols[] = {
    {.name = "a", .type = DB_C_TEXT, .off = offsetof(struct pair, a)},
    {.name = "b", .type = DB_C_TEXT, .off = offsetof(struct pair, b)},
    {0}};
static const struct db_table pairs = {"pairs", pair_cols, sizeof(struct pair)};

static int setup(void **state)
{
    struct dbt *t = bt_xcalloc(1, sizeof *t);
    dbt_init(t, migrations);
    dbt_open(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    dbt_fini(*state);
    free(*state);
    return 0;
}

/* assert_* inside a transaction: the tests run there and give up by fail(). */
#define IN_TX(name)                                                                                \
    static int name##_tx(struct db_tx *tx, void *arg, struct bt_err *err);                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        dbt_run(*state, name##_tx, NULL);                                                          \
    }                                                                                              \
    static int name##_tx(struct db_tx *tx, void *arg, struct bt_err *err)

static struct thing full_thing(void)
{
    return (struct thing){.name = (char *)"first",
                          .colour = 2,
                          .secret = (char *)"hush",
                          .data = {(void *)"\0\1\2", 3},
                          .cap = BT_OPT_V(7),
                          .count = INT64_MAX,
                          .flag = true};
}

IN_TX(a_row_comes_back_as_it_went)
{
    (void)arg;
    struct thing in = full_thing();
    struct thing out;
    int64_t id = 0;
    assert_int_equal(db_insert(tx, &things, &in, &id, err), 0);
    assert_true(id > 0);
    assert_int_equal(db_get(tx, &things, id, &out, err), 0);
    assert_int_equal(out.id, id);
    assert_int_equal(out.owner_id, 0);
    assert_string_equal(out.name, "first");
    assert_int_equal(out.colour, 2);
    assert_string_equal(out.secret, "hush");
    assert_int_equal(out.data.len, 3);
    assert_memory_equal(out.data.data, "\0\1\2", 3);
    assert_int_equal(out.cap.is, BT_VALUE);
    assert_int_equal(out.cap.v, 7);
    assert_true(out.count == INT64_MAX);
    assert_true(out.flag);
    db_row_free(&things, &out);
    assert_null(out.name);
    return 0;
}

IN_TX(empty_values_are_null)
{
    (void)arg;
    struct thing in = {.colour = -1, .cap = BT_OPT_NULL};
    struct thing out;
    int64_t nulls = 0;
    int64_t id = 0;
    assert_int_equal(db_insert(tx, &things, &in, &id, err), 0);
    assert_int_equal(db_int(tx,
                            "SELECT (owner_id IS NULL) + (colour IS NULL) + (secret IS NULL)"
                            " + (data IS NULL) + (cap IS NULL) FROM things WHERE id = ?1",
                            DB_ARGS(DB_I(id)), &nulls, err),
                     0);
    assert_int_equal(nulls, 5);
    assert_int_equal(db_get(tx, &things, id, &out, err), 0);
    assert_string_equal(out.name, "nobody");
    assert_int_equal(out.colour, -1);
    assert_null(out.secret);
    assert_null(out.data.data);
    assert_int_equal(out.cap.is, BT_NULL);
    db_row_free(&things, &out);
    return 0;
}

IN_TX(update_and_delete_know_absence)
{
    (void)arg;
    struct thing r = full_thing();
    r.name = (char *)"second";
    assert_int_equal(db_insert(tx, &things, &r, &r.id, err), 0);
    r.count = 5;
    r.colour = 0;
    assert_int_equal(db_update(tx, &things, &r, err), 0);
    int64_t n = 0;
    assert_int_equal(db_int(tx, "SELECT count(*) FROM things WHERE count = 5 AND colour = 'red'",
                            DB_NOARGS, &n, err),
                     0);
    assert_int_equal(n, 1);
    assert_int_equal(db_delete(tx, &things, r.id, err), 0);
    assert_int_equal(db_delete(tx, &things, r.id, NULL), -BT_E_NOT_FOUND);
    assert_int_equal(db_update(tx, &things, &r, NULL), -BT_E_NOT_FOUND);
    struct thing out;
    assert_int_equal(db_get(tx, &things, r.id, &out, NULL), -BT_E_NOT_FOUND);
    return 0;
}

IN_TX(constraints_have_codes)
{
    (void)arg;
    (void)err;
    struct thing r = full_thing();
    r.owner_id = 99;
    assert_int_equal(db_insert(tx, &things, &r, NULL, NULL), -BT_E_IN_USE);
    assert_int_equal(
        db_exec(tx, "INSERT INTO owners (id, name) VALUES (1, 'o')", DB_NOARGS, NULL, NULL), 0);
    assert_int_equal(
        db_exec(tx, "INSERT INTO owners (id, name) VALUES (2, 'o')", DB_NOARGS, NULL, NULL),
        -BT_E_EXISTS);
    assert_int_equal(
        db_exec(tx, "INSERT INTO owners (id, name) VALUES (1, 'p')", DB_NOARGS, NULL, NULL),
        -BT_E_EXISTS);
    assert_int_equal(db_exec(tx, "INSERT INTO owners (name) VALUES (NULL)", DB_NOARGS, NULL, NULL),
                     -BT_E_INVALID);
    assert_int_equal(
        db_exec(tx, "INSERT INTO things (name, colour, count, flag) VALUES ('x', 'pink', 0, 0)",
                DB_NOARGS, NULL, NULL),
        -BT_E_INVALID);
    assert_int_equal(db_exec(tx, "INSERT INTO things (name, count, flag) VALUES ('x', 'many', 0)",
                             DB_NOARGS, NULL, NULL),
                     -BT_E_INVALID);
    r.owner_id = 1;
    r.name = (char *)"twice";
    assert_int_equal(db_insert(tx, &things, &r, NULL, NULL), 0);
    assert_int_equal(db_insert(tx, &things, &r, NULL, NULL), -BT_E_EXISTS);
    assert_int_equal(db_exec(tx, "DELETE FROM owners WHERE id = 1", DB_NOARGS, NULL, NULL),
                     -BT_E_IN_USE);
    return 0;
}

IN_TX(rows_are_whole_and_in_order)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct pair p = {bt_xasprintf("k%03d", 99 - i), bt_xasprintf("v%d", 99 - i)};
        assert_int_equal(db_insert(tx, &pairs, &p, NULL, err), 0);
        db_row_free(&pairs, &p);
    }
    struct bt_arr rows = {0};
    assert_int_equal(
        db_rows(tx, &pairs, "SELECT * FROM pairs ORDER BY a LIMIT 200", DB_NOARGS, &rows, err), 0);
    assert_int_equal(rows.len, 100);
    for (size_t i = 0; i < rows.len; i++) {
        char want[32];
        (void)snprintf(want, sizeof want, "v%zu", i);
        assert_string_equal(((struct pair *)rows.items)[i].b, want);
    }
    db_rows_free(&pairs, &rows);
    assert_null(rows.items);
    assert_int_equal(db_rows(tx, &pairs, "SELECT * FROM pairs WHERE a > 'l' ORDER BY a LIMIT 9",
                             DB_NOARGS, &rows, err),
                     0);
    assert_int_equal(rows.len, 0);
    db_rows_free(&pairs, &rows);
    return 0;
}

IN_TX(mistakes_of_ours_are_internal)
{
    (void)arg;
    (void)err;
    struct bt_arr rows = {0};
    struct pair p;
    struct thing r = full_thing();
    assert_int_equal(
        db_exec(tx, "INSERT INTO pairs (a, b) VALUES ('1', '2')", DB_NOARGS, NULL, NULL), 0);
    assert_int_equal(db_exec(tx, "DELETE FROM pairs WHERE a = ?1", DB_NOARGS, NULL, NULL),
                     -BT_E_INTERNAL);
    assert_int_equal(db_row(tx, &pairs, "SELECT a, b, 1 AS c FROM pairs", DB_NOARGS, &p, NULL),
                     -BT_E_INTERNAL);
    assert_int_equal(db_rows(tx, &pairs, "SELECT a, b AS d FROM pairs", DB_NOARGS, &rows, NULL),
                     -BT_E_INTERNAL);
    assert_null(rows.items);
    assert_int_equal(db_update(tx, &pairs, &p, NULL), -BT_E_INTERNAL);
    r.colour = 3;
    assert_int_equal(db_insert(tx, &things, &r, NULL, NULL), -BT_E_INTERNAL);
    assert_int_equal(db_check_sql(tx, "SELECT nothing FROM pairs", NULL), -BT_E_DB);
    assert_int_equal(db_check_sql(tx, "SELECT a FROM pairs; SELECT b FROM pairs", NULL),
                     -BT_E_INTERNAL);
    assert_int_equal(db_check_sql(tx, "SELECT a FROM pairs", NULL), 0);
    return 0;
}

IN_TX(a_partial_select_leaves_the_rest_empty)
{
    (void)arg;
    struct thing in = full_thing();
    struct thing out;
    in.name = (char *)"partial";
    assert_int_equal(db_insert(tx, &things, &in, NULL, err), 0);
    assert_int_equal(db_row(tx, &things, "SELECT count, name FROM things WHERE name = ?1",
                            DB_ARGS(DB_T("partial")), &out, err),
                     0);
    assert_true(out.count == INT64_MAX);
    assert_string_equal(out.name, "partial");
    assert_int_equal(out.colour, -1);
    assert_null(out.secret);
    db_row_free(&things, &out);
    return 0;
}

IN_TX(single_values)
{
    (void)arg;
    char *text = NULL;
    int64_t n = -1;
    assert_int_equal(db_text(tx, "SELECT 'a' || ?1", DB_ARGS(DB_T("b")), &text, err), 0);
    assert_string_equal(text, "ab");
    free(text);
    assert_int_equal(db_text(tx, "SELECT NULL", DB_NOARGS, &text, err), 0);
    assert_null(text);
    assert_int_equal(db_int(tx, "SELECT NULL", DB_NOARGS, &n, err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(db_int(tx, "SELECT 1 WHERE 0", DB_NOARGS, &n, NULL), -BT_E_NOT_FOUND);
    assert_int_equal(db_text(tx, "SELECT '' WHERE 0", DB_NOARGS, &text, NULL), -BT_E_NOT_FOUND);
    assert_int_equal(db_int(tx, "SELECT length(?1)", DB_ARGS(DB_B("", 0)), &n, err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(db_int(tx, "SELECT ?1 IS NULL", DB_ARGS(DB_ID(0)), &n, err), 0);
    assert_int_equal(n, 1);
    assert_true(db_tx_now_ms(tx) == DBT_UTC_MS);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_comes_back_as_it_went, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_values_are_null, setup, teardown),
        cmocka_unit_test_setup_teardown(update_and_delete_know_absence, setup, teardown),
        cmocka_unit_test_setup_teardown(constraints_have_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_are_whole_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_of_ours_are_internal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_partial_select_leaves_the_rest_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(single_values, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
