/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/conf/conf.h"

struct profile {
    char *url, *token, *cacert;
};

static const struct bt_opt options[] = {
    {.key = "url", .type = BT_OPT_STR, .off = offsetof(struct profile, url), .optional = true},
    {.key = "token", .type = BT_OPT_STR, .off = offsetof(struct profile, token), .optional = true},
    {.key = "cacert",
     .type = BT_OPT_STR,
     .off = offsetof(struct profile, cacert),
     .optional = true},
    {.key = NULL}};

static char *profile_path(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (config && *config == '/')
        return bt_xasprintf("%s/berth/profile", config);
    return bt_xasprintf("%s/.config/berth/profile", home && *home == '/' ? home : "/root");
}

static char *choose(const char *env, char **from_profile)
{
    const char *value = getenv(env);
    return value && *value ? bt_xstrdup(value) : TAKE_PTR(*from_profile);
}

int cli_profile_load(struct cli *c, struct bt_err *err)
{
    struct profile p = {0};
    _cleanup_free_ char *path = profile_path();
    _cleanup_buf_ struct bt_buf text = BT_BUF(65536);
    if (bt_read_file(AT_FDCWD, path, 65536, &text, NULL) >= 0) {
        int rc = bt_conf_parse(options, &p, text.data, path, err);
        if (rc < 0)
            return rc;
    }
    c->url = choose("BERTH_URL", &p.url);
    c->token = choose("BERTH_TOKEN", &p.token);
    c->cacert = choose("BERTH_CACERT", &p.cacert);
    bt_conf_free(options, &p);
    size_t n = c->url ? strlen(c->url) : 0;
    while (n > 0 && c->url[n - 1] == '/')
        c->url[--n] = '\0';
    return 0;
}

static int save(const struct cli *c, struct bt_err *err)
{
    _cleanup_free_ char *path = profile_path();
    _cleanup_free_ char *dir = bt_xstrndup(path, (size_t)(strrchr(path, '/') - path));
    _cleanup_buf_ struct bt_buf text = BT_BUF(65536);
    (void)bt_buf_addf(&text, "url = %s\ntoken = %s\n", c->url, c->token);
    if (c->cacert)
        (void)bt_buf_addf(&text, "cacert = %s\n", c->cacert);
    int rc = bt_mkdir_p(AT_FDCWD, dir, 0700, err);
    if (rc < 0)
        return rc;
    return bt_write_file_atomic(AT_FDCWD, path, text.data, text.len, 0600, err);
}

int cli_login(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
              struct bt_err *err)
{
    (void)cmd;
    static const struct {
        const char *flag;
        size_t off;
    } parts[] = {{"url", offsetof(struct cli, url)},
                 {"token", offsetof(struct cli, token)},
                 {"cacert", offsetof(struct cli, cacert)}};
    for (size_t i = 0; i < BT_ARRAY_LEN(parts); i++) {
        const char *value = cli_arg(a, parts[i].flag);
        char **slot = (char **)((char *)c + parts[i].off);
        if (!value)
            continue;
        free(*slot);
        *slot = bt_xstrdup(value);
    }
    if (!c->url || !c->token)
        return bt_fail(err, BT_E_INVALID, "--url and --token are needed");
    struct cli_answer answer;
    const struct cli_call call = {.method = "GET", .path = "/instances?limit=1"};
    int rc = cli_http(c, &call, &answer, err);
    if (rc < 0)
        return rc;
    bt_buf_fini(&answer.body);
    return save(c, err);
}
