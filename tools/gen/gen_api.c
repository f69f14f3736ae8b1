/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gen_api openapi|typescript: what is committed in docs/api and web/src/gen (tools/gen/check
 * compares). */
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json_doc.h"
#include "controller/api/v1/api_openapi.h"

static void indented(const struct bt_buf *text, struct bt_buf *out)
{
    struct bt_doc *d = NULL;
    struct bt_err err = BT_ERR_INIT;
    if (bt_doc_parse(text->data, text->len, &d, &err) < 0)
        (void)fprintf(stderr, "gen_api: %s\n", err.msg);
    else
        bt_doc_dump(d, 1, out);
    bt_doc_free(d);
}

int main(int argc, char **argv)
{
    _cleanup_buf_ struct bt_buf text = BT_BUF(16u << 20);
    _cleanup_buf_ struct bt_buf pretty = BT_BUF(64u << 20);
    if (argc == 2 && strcmp(argv[1], "openapi") == 0) {
        api_openapi_write(&text);
        indented(&text, &pretty);
        (void)bt_buf_addc(&pretty, '\n');
    } else if (argc == 2 && strcmp(argv[1], "typescript") == 0) {
        api_typescript_write(&pretty);
    } else {
        (void)fprintf(stderr, "usage: gen_api openapi|typescript\n");
        return 2;
    }
    return fwrite(pretty.data, 1, pretty.len, stdout) == pretty.len ? 0 : 1;
}
