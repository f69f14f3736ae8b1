/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/world.h"

#include <cmocka.h>

static int a, b;

static void sets_and_removes(void **state)
{
    (void)state;
    struct bt_map m = BT_MAP_INIT;
    char key[] = "one";
    assert_null(bt_map_find(&m, "one"));
    assert_null(bt_map_remove(&m, "one"));
    assert_null(bt_map_set(&m, key, &a));
    key[0] = 'x'; /* the key was copied */
    assert_ptr_equal(bt_map_find(&m, "one"), &a);
    assert_ptr_equal(bt_map_set(&m, "one", &b), &a);
    assert_int_equal(m.len, 1);
    assert_null(bt_map_set(&m, "", &a));
    assert_ptr_equal(bt_map_find(&m, ""), &a);
    assert_ptr_equal(bt_map_remove(&m, "one"), &b);
    assert_null(bt_map_find(&m, "one"));
    assert_int_equal(m.len, 1);
    assert_int_equal(m.tombs, 1);
    assert_null(bt_map_set(&m, "one", &b));
    assert_int_equal(m.tombs, 0); /* the place is used again */
    bt_map_fini(&m);
    assert_int_equal(m.len, 0);
    bt_map_fini(&m);
}

#define KEYS 400

/* Random sets and removes against a plain array. */
static void against_an_array(void **state)
{
    (void)state;
    struct bt_map m = BT_MAP_INIT;
    struct bt_random_seeded r;
    static int cells[2];
    void *want[KEYS] = {NULL};
    bt_random_seeded_init(&r, 1);
    for (int n = 0; n < 60000; n++) {
        uint64_t key = bt_random_below(&r.table, KEYS);
        void *value = &cells[n % 2];
        if (bt_random_below(&r.table, 2)) {
            assert_ptr_equal(bt_map_set_u64(&m, key << 40, value), want[key]);
            want[key] = value;
        } else {
            assert_ptr_equal(bt_map_remove_u64(&m, key << 40), want[key]);
            want[key] = NULL;
        }
    }
    size_t left = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        assert_ptr_equal(bt_map_find_u64(&m, key << 40), want[key]);
        left += want[key] != NULL;
    }
    assert_int_equal(m.len, left);
    assert_true(m.cap <= 4096); /* removed keys do not make it grow */
    size_t pos = 0;
    size_t walked = 0;
    while (bt_map_next(&m, &pos))
        walked++;
    assert_int_equal(walked, left);
    bt_map_fini(&m);
}

static void walk_may_remove(void **state)
{
    (void)state;
    struct bt_map m = BT_MAP_INIT;
    int values[100];
    for (int i = 0; i < 100; i++) {
        values[i] = i;
        (void)bt_map_set_u64(&m, (uint64_t)i, &values[i]);
    }
    size_t pos = 0;
    bool seen[100] = {false};
    for (int *v = bt_map_next(&m, &pos); v; v = bt_map_next(&m, &pos)) {
        assert_false(seen[*v]);
        seen[*v] = true;
        assert_ptr_equal(bt_map_remove_u64(&m, (uint64_t)*v), v);
    }
    assert_int_equal(m.len, 0);
    for (int i = 0; i < 100; i++)
        assert_true(seen[i]);
    bt_map_fini(&m);
}

struct node {
    int n;
    struct bt_list link;
};

static int order(struct bt_list *head)
{
    int sum = 0;
    BT_LIST_FOREACH(e, head)
        sum = sum * 10 + BT_CONTAINER_OF(e, struct node, link)->n;
    return sum;
}

static void lists(void **state)
{
    (void)state;
    struct bt_list head;
    struct node nodes[4];
    bt_list_init(&head);
    assert_true(bt_list_empty(&head));
    assert_null(bt_list_pop(&head));
    for (int i = 0; i < 4; i++) {
        nodes[i].n = i + 1;
        bt_list_init(&nodes[i].link);
        bt_list_push(&head, &nodes[i].link);
    }
    assert_int_equal(order(&head), 1234);
    bt_list_remove(&nodes[1].link);
    bt_list_remove(&nodes[1].link);
    assert_true(bt_list_empty(&nodes[1].link));
    assert_int_equal(order(&head), 134);
    bt_list_push(&nodes[2].link, &nodes[1].link);
    assert_int_equal(order(&head), 1234);
    BT_LIST_FOREACH(e, &head)
        bt_list_remove(e); /* the current one may go */
    assert_true(bt_list_empty(&head));
    bt_list_push(&head, &nodes[3].link);
    assert_ptr_equal(bt_list_pop(&head), &nodes[3].link);
    assert_true(bt_list_empty(&nodes[3].link));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_removes),
        cmocka_unit_test(against_an_array),
        cmocka_unit_test(walk_may_remove),
        cmocka_unit_test(lists),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
