/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/app_conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

#define OPT(k, t, ...)                                                                             \
    {                                                                                              \
        .key = #k, .type = t, .off = offsetof(struct app_conf, k), __VA_ARGS__                     \
    }
#define TEXT(k, d, h) OPT(k, BT_OPT_STR, .def = d, .optional = (d) == NULL, .help = h)
#define NUMBER(k, d, lo, hi, h) OPT(k, BT_OPT_INT, .def = d, .min = lo, .max = hi, .help = h)
#define TIME(k, d, lo, hi, h) OPT(k, BT_OPT_DURATION, .def = d, .min = lo, .max = hi, .help = h)

#define HOUR_MS 3600000

const struct bt_opt app_conf_opts[] = {
    TEXT(listen, "*", "addresses to listen on, comma list; * = all"),
    NUMBER(api_port, "8443", 1, 65535, "port of people, programs and joining hosts"),
    NUMBER(agent_port, "8444", 1, 65535, "port of agents, with certificates of ours"),
    OPT(state_dir, BT_OPT_PATH, .def = "/var/lib/berth", .help = "database, keys, images"),
    TEXT(server_names, NULL,
         "names and addresses in the server certificate, comma list; default: host name, localhost "
         "and the addresses of listen"),
    TEXT(agent_url, NULL, "wss://HOST:8444/agent/v1 as hosts reach it; default: where they joined"),
    TIME(lease, "5s", 100, HOUR_MS, "how often a host says that it is there"),
    TIME(suspect, "15s", 200, HOUR_MS, "silence after which a host is suspect"),
    TIME(unreachable, "45s", 400, 24 * HOUR_MS, "silence after which a host is unreachable"),
    TIME(task_deadline, "10m", 1000, 24 * HOUR_MS, "how long a task waits for its host"),
    NUMBER(db_readers, "2", 1, 8, "threads that read the database"),
    NUMBER(db_queue, "10000", 100, 1000000, "writes that may wait before requests are refused"),
    NUMBER(cpu_threads, "2", 1, 16, "threads for hashing and keys"),
    NUMBER(connections_per_address, "1000", 1, 100000,
           "connections of one IPv4 address or IPv6 /64"),
    OPT(log_level, BT_OPT_ENUM, .def = "info", .names = level_names, .help = "what is logged"),
    {.key = NULL}};

/* Split a comma list into at most APP_CONF_LIST_MAX words, blanks around them dropped. */
static int split(const char *list, const char *key, char **ret, struct bt_err *err)
{
    size_t n = 0;
    for (const char *at = list; *at;) {
        at += strspn(at, ", ");
        size_t len = strcspn(at, ", ");
        if (len == 0)
            break;
        if (n == APP_CONF_LIST_MAX)
            return bt_fail(err, BT_E_INVALID, "%s: more than %d entries", key, APP_CONF_LIST_MAX);
        ret[n++] = bt_xstrndup(at, len);
        at += len;
    }
    return n ? 0 : bt_fail(err, BT_E_INVALID, "%s: empty", key);
}

static int check_listen(const struct app_conf *c, struct bt_err *err)
{
    struct bt_ip ip;
    for (size_t i = 0; c->listen_on[i]; i++) {
        if (!bt_streq(c->listen_on[i], "*") && bt_ip_parse(c->listen_on[i], &ip, NULL) < 0)
            return bt_fail(err, BT_E_INVALID, "listen: %s is no address", c->listen_on[i]);
    }
    return 0;
}

/* ---- names in the certificate ---- */

static void add_san(struct app_conf *c, const char *name)
{
    size_t n = 0;
    for (; c->sans[n]; n++) {
        if (bt_streq(c->sans[n], name))
            return;
    }
    if (n < APP_CONF_LIST_MAX)
        c->sans[n] = bt_xstrdup(name);
}

static int make_sans(struct app_conf *c, struct bt_err *err)
{
    char *names[APP_CONF_LIST_MAX + 1] = {NULL};
    char host[256] = "";
    int rc = 0;
    if (c->server_names) {
        rc = split(c->server_names, "server_names", names, err);
        for (size_t i = 0; names[i]; i++) {
            add_san(c, names[i]);
            free(names[i]);
        }
        return rc;
    }
    if (gethostname(host, sizeof host - 1) == 0 && host[0])
        add_san(c, host);
    add_san(c, "localhost");
    add_san(c, "127.0.0.1");
    add_san(c, "::1");
    for (size_t i = 0; c->listen_on[i]; i++) {
        if (!bt_streq(c->listen_on[i], "*"))
            add_san(c, c->listen_on[i]);
    }
    return rc;
}

static int check(struct app_conf *c, struct bt_err *err)
{
    if (c->api_port == c->agent_port)
        return bt_fail(err, BT_E_INVALID, "api_port and agent_port are the same");
    if (c->lease >= c->suspect || c->suspect >= c->unreachable)
        return bt_fail(err, BT_E_INVALID, "lease, suspect and unreachable must grow");
    if (c->agent_url && !bt_starts_with(c->agent_url, "wss://"))
        return bt_fail(err, BT_E_INVALID, "agent_url is not a wss:// address");
    int rc = split(c->listen, "listen", c->listen_on, err);
    if (rc >= 0)
        rc = check_listen(c, err);
    return rc < 0 ? rc : make_sans(c, err);
}

int app_conf_load(const char *path, struct app_conf *ret, struct bt_err *err)
{
    struct app_conf c = {0};
    int rc = bt_conf_load(app_conf_opts, &c, path, NULL, err);
    if (rc < 0)
        return rc;
    rc = check(&c, err);
    if (rc < 0) {
        app_conf_free(&c);
        return bt_wrap(err, "%s", path ? path : "defaults");
    }
    *ret = c;
    return 0;
}

void app_conf_free(struct app_conf *c)
{
    bt_conf_free(app_conf_opts, c);
    for (size_t i = 0; i < APP_CONF_LIST_MAX; i++) {
        free(c->listen_on[i]);
        free(c->sans[i]);
    }
    memset(c, 0, sizeof *c);
}
