/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec and console: a ticket by POST, then one WebSocket with the ticket as subprotocol. Binary
 * messages are 1 byte channel (0 in, 1 out, 2 err) + bytes; text is {"resize"|"eof"|"exit": ...}.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/rpc/rpc_lws.h"

#define CHUNK 16000
#define QUEUE_HIGH (256 * 1024)
#define ESCAPE 0x1d /* ctrl-], as in telnet and virsh */

struct session {
    struct bt_loop *loop;
    struct rpc_peer peer;
    struct rpc_client *client;
    struct bt_watch in;
    bool tty, console, open, reading;
    bool eof; /* of our input: told */
    struct termios saved;
    int status; /* of the command; -1 = none came */
    struct bt_err err;
};

static void send_text(struct session *s, const char *text)
{
    if (s->open)
        (void)rpc_send_text(&s->peer, text, strlen(text));
}

static void send_eof(struct session *s)
{
    s->eof = true;
    send_text(s, "{\"eof\":true}");
}

static void send_size(struct session *s)
{
    struct winsize w;
    char text[96];
    if (!s->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &w) < 0)
        return;
    (void)snprintf(text, sizeof text, "{\"resize\":{\"rows\":%d,\"cols\":%d}}", w.ws_row, w.ws_col);
    send_text(s, text);
}

static void on_winch(void *ctx, int signum)
{
    (void)signum;
    send_size(ctx);
}

static void stop_reading(struct session *s)
{
    if (s->reading)
        bt_watch_stop(&s->in);
    s->reading = false;
}

static void on_input(struct bt_watch *w, int events)
{
    (void)events;
    struct session *s = BT_CONTAINER_OF(w, struct session, in);
    char data[CHUNK + 1];
    data[0] = 0;
    ssize_t n = read(STDIN_FILENO, data + 1, CHUNK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        stop_reading(s);
        send_eof(s);
        return;
    }
    if (s->console && n == 1 && data[1] == ESCAPE) {
        s->status = 0;
        rpc_close(&s->peer);
        return;
    }
    if (rpc_send_binary(&s->peer, 0, data, (size_t)n + 1) > QUEUE_HIGH)
        stop_reading(s);
}

static void start_reading(struct session *s)
{
    struct bt_err err = BT_ERR_INIT;
    if (s->reading)
        return;
    /* A regular file as stdin cannot be watched (epoll(7)): it is always readable. */
    s->reading = bt_watch_start(&s->in, s->loop, STDIN_FILENO, BT_READABLE, &err) >= 0;
    if (s->reading)
        return;
    char data[CHUNK + 1];
    data[0] = 0;
    for (ssize_t n; (n = read(STDIN_FILENO, data + 1, CHUNK)) > 0;) {
        if (rpc_send_binary(&s->peer, 0, data, (size_t)n + 1) > QUEUE_HIGH)
            return; /* on_writable goes on */
    }
    send_eof(s);
}

static void on_opened(struct rpc_peer *p)
{
    struct session *s = p->owner;
    s->open = true;
    send_size(s);
    start_reading(s);
}

static void on_writable(struct rpc_peer *p)
{
    struct session *s = p->owner;
    if (s->open && !s->reading && !s->eof)
        start_reading(s);
}

static void on_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    (void)stream;
    struct session *s = p->owner;
    const char *bytes = data;
    if (len < 1)
        return;
    int fd = bytes[0] == 2 ? STDERR_FILENO : STDOUT_FILENO;
    if (bt_write_all(fd, bytes + 1, len - 1, NULL) < 0)
        rpc_close(&s->peer);
}

static void on_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct session *s = p->owner;
    struct bt_doc *d = NULL;
    if (bt_doc_parse(json, len, &d, NULL) < 0)
        return;
    int64_t status = 0;
    const char *code = bt_doc_str(bt_doc_at(d, "error.code"));
    const char *message = bt_doc_str(bt_doc_at(d, "error.message"));
    if (bt_doc_int(bt_doc_at(d, "exit"), &status))
        s->status = (int)status;
    else if (code)
        (void)bt_fail(&s->err, bt_code_from_str(code), "%.200s", message ? message : code);
    bt_doc_free(d);
}

static void finish(struct session *s, const struct bt_err *why)
{
    s->open = false;
    stop_reading(s);
    if (s->status < 0 && s->err.code == BT_E_OK) {
        if (why && why->code != BT_E_OK)
            s->err = *why;
        else
            (void)bt_fail(&s->err, BT_E_UNAVAILABLE, "the connection ended");
    }
    bt_loop_stop(s->loop);
}

static void on_closed(struct rpc_peer *p, const struct bt_err *why)
{
    finish(p->owner, why);
}

static void on_failed(struct rpc_peer *p, const struct bt_err *err)
{
    finish(p->owner, err);
}

static void on_client_freed(void *ctx)
{
    bt_loop_stop(((struct session *)ctx)->loop);
}

static void raw_terminal(struct session *s)
{
    if (!s->tty || tcgetattr(STDIN_FILENO, &s->saved) < 0)
        return;
    struct termios raw = s->saved;
    cfmakeraw(&raw);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static int connect_and_run(struct cli *c, struct session *s, const char *url, const char *ticket,
                           struct bt_err *err)
{
    _cleanup_free_ char *wss = bt_xasprintf("wss%s%s", c->url + strlen("https"), url);
    const struct rpc_client_config cfg = {.loop = s->loop,
                                          .url = wss,
                                          .ca_file = c->cacert,
                                          .subprotocol = ticket,
                                          .raw_binary = true};
    s->peer = (struct rpc_peer){.text = on_text,
                                .binary = on_binary,
                                .writable = on_writable,
                                .closed = on_closed,
                                .owner = s};
    int rc = rpc_client_new(&cfg, &s->client, err);
    if (rc < 0)
        return rc;
    (void)bt_loop_on_signal(s->loop, SIGWINCH, on_winch, s, NULL);
    struct rpc_dialer *d = rpc_client_dialer(s->client);
    raw_terminal(s);
    d->dial(d, &s->peer, on_opened, on_failed);
    bt_loop_run(s->loop);
    if (s->tty)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
    /* Its end needs turns of the loop. */
    rpc_client_free(s->client, on_client_freed, s);
    bt_loop_run(s->loop);
    if (s->status < 0)
        *err = s->err;
    return s->status < 0 ? -(int)s->err.code : 0;
}

static void request_body(const struct session *s, const struct cli_args *a, struct bt_buf *out)
{
    struct winsize w = {.ws_row = 24, .ws_col = 80};
    if (s->tty)
        (void)ioctl(STDIN_FILENO, TIOCGWINSZ, &w);
    (void)bt_buf_adds(out, "{");
    if (!s->console) {
        (void)bt_buf_adds(out, "\"argv\":[");
        for (size_t i = 0; i < a->n_rest; i++) {
            (void)bt_buf_adds(out, i ? "," : "");
            (void)bt_json_quote(a->rest[i], out);
        }
        (void)bt_buf_adds(out, "],");
    }
    (void)bt_buf_addf(out, "\"tty\":%s,\"rows\":%d,\"cols\":%d}",
                      s->tty || s->console ? "true" : "false", w.ws_row ? w.ws_row : 24,
                      w.ws_col ? w.ws_col : 80);
}

static int open_session(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                        struct session *s, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf path = BT_BUF(4096);
    _cleanup_buf_ struct bt_buf body = BT_BUF(1u << 20);
    int rc = cli_path(cmd, a, &path, err);
    if (rc < 0)
        return rc;
    request_body(s, a, &body);
    struct cli_answer answer;
    const struct cli_call call = {.method = "POST", .path = path.data, .body = body.data};
    rc = cli_http(c, &call, &answer, err);
    if (rc < 0)
        return rc;
    struct bt_doc *d = NULL;
    rc = bt_doc_parse(answer.body.data ? answer.body.data : "", answer.body.len, &d, err);
    const char *ticket = bt_doc_str(bt_doc_at(d, "ticket"));
    const char *url = bt_doc_str(bt_doc_at(d, "url"));
    if (rc >= 0 && (!ticket || !url))
        rc = bt_fail(err, BT_E_PROTOCOL, "the answer has no ticket");
    if (rc >= 0)
        rc = connect_and_run(c, s, url, ticket, err);
    bt_doc_free(d);
    bt_buf_fini(&answer.body);
    return rc;
}

int cli_exec(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a, struct bt_err *err)
{
    struct session s = {
        .in = {.cb = on_input}, .status = -1, .console = strcmp(cmd->noun, "console") == 0};
    if (!s.console && a->n_rest == 0)
        return bt_fail(err, BT_E_INVALID, "usage: berth exec NAME -- CMD [ARG...]");
    if (strncmp(c->url, "https://", 8) != 0)
        return bt_fail(err, BT_E_INVALID, "BERTH_URL must begin with https://");
    s.tty = isatty(STDIN_FILENO) && (s.console || isatty(STDOUT_FILENO));
    s.loop = bt_loop_new(err);
    if (!s.loop)
        return -(int)err->code;
    int rc = open_session(c, cmd, a, &s, err);
    bt_loop_free(s.loop);
    if (rc >= 0)
        c->exit_status = s.status;
    return rc;
}
