/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: runtime_unpack */
/* What unpack_path_ok lets pass is relative, goes nowhere up, and fits the kernel's limits. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/unpack/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool climbs(const char *path)
{
    int depth = 0;
    _cleanup_free_ char *copy = bt_xstrdup(path);
    char *save = NULL;
    for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (strlen(part) > 255)
            return true;
        if (strcmp(part, "..") == 0)
            depth--;
        else if (strcmp(part, ".") != 0)
            depth++;
        if (depth < 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_err err = BT_ERR_INIT;
    _cleanup_free_ char *path = bt_xstrndup((const char *)data, size);
    int rc = unpack_path_ok(path, &err);
    if (rc < 0 && (err.code != BT_E_BAD_IMAGE || !err.msg[0]))
        abort();
    if (rc >= 0 && (path[0] == '/' || !path[0] || strlen(path) >= 4096 || climbs(path)))
        abort();
    return 0;
}
