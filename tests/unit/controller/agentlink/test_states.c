/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_task */
/* docs/STATES.md says what the state tables of the controller say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/agentlink/agentlink_priv.h"
#include "controller/task/task.h"

#include <cmocka.h>

static char *read_doc(void)
{
    const char *root = getenv("BERTH_ROOT");
    char path[512];
    (void)snprintf(path, sizeof path, "%s/docs/STATES.md", root ? root : ".");
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    char *text = calloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    return text;
}

static void says(const char *doc, const struct bt_sm_def *def)
{
    char head[64], table[4096];
    (void)snprintf(head, sizeof head, "```%s\n", def->name);
    size_t n = bt_sm_print(def, table, sizeof table);
    assert_true(n < sizeof table);
    const char *at = strstr(doc, head);
    if (!at)
        fail_msg("docs/STATES.md has no table %s", def->name);
    if (strncmp(at + strlen(head), table, n) != 0)
        fail_msg("docs/STATES.md, %s: should be\n%s", def->name, table);
}

static void documented(void **state)
{
    (void)state;
    char *doc = read_doc();
    if (!doc) {
        print_message("# skip: docs/STATES.md is not here (BERTH_ROOT)\n");
        skip();
    }
    says(doc, &task_sm);
    says(doc, &agentlink_sm);
    free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(documented)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
