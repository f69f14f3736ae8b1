/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_conf common_base */
/* Any bytes as an option file: refused with a message, or every value within its range. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct conf {
    char *name;
    char *path;
    int64_t port, cache, timeout, mode;
    bool verbose;
};

static const char *const modes[] = {"set", "check", NULL};

#define ROW(k, t, ...)                                                                             \
    {                                                                                              \
        .key = #k, .type = t, .off = offsetof(struct conf, k), __VA_ARGS__                         \
    }

static const struct bt_opt opts[] = {
    ROW(name, BT_OPT_STR, .min = 1, .max = 8, .def = "h1"),
    ROW(path, BT_OPT_PATH, .optional = true),
    ROW(port, BT_OPT_INT, .def = "1", .min = 1, .max = 65535),
    ROW(cache, BT_OPT_SIZE, .def = "64M", .min = 1, .max = 1 << 30),
    ROW(timeout, BT_OPT_DURATION, .def = "10s", .min = 1, .max = 60000),
    ROW(mode, BT_OPT_ENUM, .def = "check", .names = modes),
    ROW(verbose, BT_OPT_BOOL, .def = "no"),
    {.key = NULL},
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf c;
    struct bt_err err = BT_ERR_INIT;
    char *text = bt_xstrndup((const char *)data, size);
    if (bt_conf_parse(opts, &c, text, "fuzz", &err) == 0) {
        must(strlen(c.name) >= 1 && strlen(c.name) <= 8 && (!c.path || c.path[0] == '/'));
        must(c.port >= 1 && c.port <= 65535 && c.cache >= 1 && c.cache <= 1 << 30);
        must(c.timeout >= 1 && c.timeout <= 60000 && (c.mode == 0 || c.mode == 1));
        bt_conf_free(opts, &c);
    } else {
        must(err.code == BT_E_INVALID && err.msg[0] && !c.name && !c.path);
    }
    free(text);
    return 0;
}
