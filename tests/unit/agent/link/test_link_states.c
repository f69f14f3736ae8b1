/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job/job.h"
#include "agent/journal/journal_job.h"
#include "agent/link/link.h"
#include "common/base/buf.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#include <cmocka.h>

/* docs/STATES.md says what the tables say. */
static void document_is_true(void **state)
{
    static const struct bt_sm_def *const defs[] = {&job_sm, &journal_job_sm, &link_sm};
    const char *root = getenv("BERTH_ROOT");
    (void)state;
    if (!root) {
        print_message("# skip: BERTH_ROOT is not set\n");
        skip();
    }
    _cleanup_free_ char *path = bt_xasprintf("%s/docs/STATES.md", root);
    _cleanup_buf_ struct bt_buf doc = BT_BUF(1u << 20);
    assert_int_equal(bt_read_file(AT_FDCWD, path, 1u << 20, &doc, NULL), 0);
    for (size_t i = 0; i < BT_ARRAY_LEN(defs); i++) {
        char text[4096];
        assert_true(bt_sm_print(defs[i], text, sizeof text) < sizeof text);
        if (!strstr(doc.data, text))
            print_message("%s is not as documented:\n%s", defs[i]->name, text);
        assert_non_null(strstr(doc.data, text));
    }
}

/* No state without a way out, but the ends of jobs. */
static void no_dead_ends(void **state)
{
    static const struct bt_sm_def *const defs[] = {&job_sm, &link_sm};
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(defs); i++) {
        for (unsigned s = 0; s < defs[i]->n_states; s++)
            assert_true(defs[i]->states[s].next != 0);
    }
    assert_false(bt_sm_allowed(&journal_job_sm, JOURNAL_JOB_SUCCESS, JOURNAL_JOB_ERROR));
    assert_false(bt_sm_allowed(&journal_job_sm, JOURNAL_JOB_UNDOING, JOURNAL_JOB_SUCCESS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(document_is_true),
                                       cmocka_unit_test(no_dead_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
