/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_openapi.h"

static void add_union(const char *const *names, struct bt_buf *out)
{
    for (size_t i = 0; names[i]; i++)
        (void)bt_buf_addf(out, "%s\"%s\"", i ? " | " : "", names[i]);
}

static void add_type(const struct bt_field *f, struct bt_buf *out)
{
    switch (f->type) {
    case BT_F_BOOL:
    case BT_F_OPT_BOOL:
        (void)bt_buf_adds(out, "boolean");
        break;
    case BT_F_INT:
        (void)bt_buf_adds(out, "number");
        break;
    case BT_F_OPT_INT:
        if (f->names)
            add_union(f->names, out);
        else
            (void)bt_buf_adds(out, "number");
        (void)bt_buf_adds(out, " | null");
        return;
    case BT_F_STR:
        (void)bt_buf_adds(out, "string");
        break;
    case BT_F_ENUM:
        add_union(f->names, out);
        break;
    case BT_F_REF:
        (void)bt_buf_adds(out, "Reference");
        break;
    case BT_F_OBJ:
    case BT_F_OBJ_PTR:
        (void)bt_buf_adds(out, f->sub->name);
        break;
    case BT_F_ARR_OBJ:
        (void)bt_buf_addf(out, "%s[]", f->sub->name);
        break;
    case BT_F_ARR_STR:
        (void)bt_buf_adds(out, "string[]");
        break;
    case BT_F_ARR_ENUM:
        (void)bt_buf_adds(out, "(");
        add_union(f->names, out);
        (void)bt_buf_adds(out, ")[]");
        break;
    case BT_F_MAP_STR:
        (void)bt_buf_adds(out, "Record<string, string>");
        break;
    case BT_F_RAW:
        (void)bt_buf_adds(out, "unknown");
        break;
    }
    if (f->flags & BT_NULLABLE)
        (void)bt_buf_adds(out, " | null");
}

void api_typescript_write(struct bt_buf *out)
{
    struct api_schemas all;
    api_schemas_collect(&all);
    (void)bt_buf_adds(
        out, "// SPDX-License-Identifier: GPL-2.0-or-later\n"
             "// Generated from proto/ by ./dev build; do not edit.\n\n"
             "/** An answer has {id, name}; a request may say a name, a uuid or an id. */\n"
             "export interface Reference {\n  id: number;\n  name: string;\n}\n");
    for (size_t i = 0; i < all.n; i++) {
        (void)bt_buf_addf(out, "\nexport interface %s {\n", all.list[i]->name);
        for (const struct bt_field *f = all.list[i]->fields; f->key; f++) {
            if (f->help)
                (void)bt_buf_addf(out, "  /** %s */\n", f->help);
            bool optional = !(f->flags & (BT_REQUIRED | BT_READONLY | BT_NULLABLE));
            (void)bt_buf_addf(out, "  %s%s: ", f->key, optional ? "?" : "");
            add_type(f, out);
            (void)bt_buf_adds(out, ";\n");
        }
        (void)bt_buf_adds(out, "}\n");
    }
}
