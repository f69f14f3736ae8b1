/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_http common_base */
/* Heads of requests: found the same way in one piece and byte by byte, and what parses is clean. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/http/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
    assert(path[0] == '/');
    for (const char *p = path; *p; p++)
        assert((unsigned char)*p >= ' ' && *p != 0x7f);
    assert(!strstr(path, "/../"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > HTTP_HEAD_MAX)
        return 0;
    char *text = bt_xstrndup(size ? (const char *)data : "", size);
    size_t scanned = 0, slow = 0;
    int n = http_head_end(text, size, &scanned), m = 0;
    for (size_t i = 1; i <= size && m == 0 && size < 512; i++)
        m = http_head_end(text, i, &slow);
    assert(size >= 512 || n == m || (n == 0 && m <= 0));
    if (n > 0) {
        struct http_head h;
        struct bt_err err = BT_ERR_INIT;
        if (http_head_parse(text, (size_t)n, &h, &err) < 0) {
            assert(h.status >= 400 && h.status < 600 && err.code != 0);
        } else {
            check_path(h.path);
            assert(h.n_fields <= HTTP_FIELDS_MAX && h.content_length >= -1);
            assert(!http_head_get(&h, "transfer-encoding"));
            (void)http_head_has_token(&h, "connection", "close");
            struct http_request req = {.query = h.query};
            char name[8], value[8];
            size_t pos = 0;
            while (http_query_next(&req, &pos, name, sizeof(name), value, sizeof(value)))
                assert(strlen(name) < sizeof(name) && strlen(value) < sizeof(value));
            (void)http_query(&req, "q", value, sizeof(value));
        }
    }
    free(text);
    return 0;
}
