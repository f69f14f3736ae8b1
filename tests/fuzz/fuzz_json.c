/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_json common_base */
/*
 * Bytes of strangers through the field tables: no fault, and what is taken once is emitted in a
 * form that is taken again and emits the same bytes.
 */
#include <stdlib.h>
#include <string.h>

/* The table with a field of every type; a fuzzer is one source. */
#include "tests/unit/common/json/lib_sample.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void round_trip(const struct sample *s)
{
    struct sample back;
    struct sample copy;
    char *once = bt_schema_emit_str(&sample_schema, s);
    must(sample_parse(once, BT_ALLOW_RO, &back, NULL) == 0);
    bt_schema_copy(&sample_schema, &back, &copy);
    bt_schema_free(&sample_schema, &back);
    char *twice = bt_schema_emit_str(&sample_schema, &copy);
    bt_schema_free(&sample_schema, &copy);
    must(strcmp(once, twice) == 0);
    free(once);
    free(twice);
}

static void parse(const char *text, size_t len, unsigned flags)
{
    static const struct sample zero;
    struct bt_err err = BT_ERR_INIT;
    struct bt_field_errors errs;
    struct sample s;
    if (bt_schema_parse(&sample_schema, text, len, flags, &s, &errs, &err) == 0) {
        /* An object by value is emitted also when it was absent, then without its required name. */
        if (s.inner.name)
            round_trip(&s);
        bt_schema_free(&sample_schema, &s);
        return;
    }
    must(memcmp(&s, &zero, sizeof s) == 0 && err.msg[0]);
    must(err.code == BT_E_BAD_REQUEST || (err.code == BT_E_INVALID && errs.n > 0));
    for (size_t i = 0; i < errs.n; i++)
        must(errs.list[i].code[0] && errs.list[i].message[0] && strlen(errs.list[i].field) < 96);
}

static void canonical(const char *text, size_t len)
{
    struct bt_err err = BT_ERR_INIT;
    char *once = NULL;
    char *twice = NULL;
    if (bt_json_canonical(text, len, &once, &err) < 0)
        return;
    must(bt_json_canonical(once, strlen(once), &twice, &err) == 0 && strcmp(once, twice) == 0);
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char op[16];
    const char *text = (const char *)data;
    parse(text, size, BT_STRICT);
    parse(text, size, BT_LENIENT | BT_ALLOW_RO);
    canonical(text, size);
    (void)bt_json_peek_str(text, size, "op", op, sizeof op, NULL);
    return 0;
}
