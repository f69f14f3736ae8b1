#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw clients of the listener's tests: client.py CASE PORT DIR. Exit status 0 = all as expected."""
import base64
import json
import os
import random
import socket
import ssl
import struct
import sys
import time

PORT, DIR = int(sys.argv[2]), sys.argv[3]
HOST = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def connect(cert=None, wait=5.0):
    context = ssl.create_default_context(cafile=DIR + "/ca.crt")
    if cert:
        context.load_cert_chain(f"{DIR}/{cert}.crt", f"{DIR}/{cert}.key")
    sock = socket.create_connection(("127.0.0.1", PORT), timeout=wait)
    return context.wrap_socket(sock, server_hostname="127.0.0.1")


def read_all(sock):
    """Everything up to the end of the connection."""
    out = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return out
            out += part
    except (ssl.SSLError, ConnectionError, TimeoutError) as error:
        return out + f"<{type(error).__name__}>".encode()


class Answers:
    """Answers of one connection, one by one."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def need(self, done):
        while not done(self.rest):
            part = self.sock.recv(65536)
            if not part:
                raise EOFError(self.rest)
            self.rest += part

    def next(self, bodiless=False):
        self.need(lambda b: b"\r\n\r\n" in b)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        length = 0 if bodiless else int(fields.get("content-length", 0))
        self.need(lambda b: len(b) >= length)
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(lines[0].split()[1]), fields, body


def ask(data, **kw):
    with connect(**kw) as sock:
        sock.sendall(data)
        return Answers(sock).next()


def check(what, seen, want):
    if seen != want:
        sys.exit(f"{what}: {seen!r}, wanted {want!r}")


# ---- requests ----

def fields(*lines):
    return HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


MALFORMED = [
    (400, b"GET /a%zz HTTP/1.1\r\n" + fields()),
    (400, b"GET /a%2 HTTP/1.1\r\n" + fields()),
    (400, b"GET /a% HTTP/1.1\r\n" + fields()),
    (400, b"GET /a%00b HTTP/1.1\r\n" + fields()),
    (400, b"GET /a%0ab HTTP/1.1\r\n" + fields()),
    (400, b"GET /a%ff HTTP/1.1\r\n" + fields()),
    (400, b"GET /a?b=%g0 HTTP/1.1\r\n" + fields()),
    (400, b"GET /a?b=% HTTP/1.1\r\n" + fields()),
    (400, b"GET /a/../b HTTP/1.1\r\n" + fields()),
    (400, b"GET /a/%2e%2e/b HTTP/1.1\r\n" + fields()),
    (400, b"GET /. HTTP/1.1\r\n" + fields()),
    (400, b"GET /a#b HTTP/1.1\r\n" + fields()),
    (400, b"GET /a\x80 HTTP/1.1\r\n" + fields()),
    (400, b"GET a HTTP/1.1\r\n" + fields()),
    (400, b"GET  HTTP/1.1\r\n" + fields()),
    (400, b"GET /\r\n" + fields()),
    (400, b"GET\r\n" + fields()),
    (400, b"GET / HTTP/1.1 \r\n" + fields()),
    (400, b"GET / / HTTP/1.1\r\n" + fields()),
    (400, b"GET\t/ HTTP/1.1\r\n" + fields()),
    (400, b"G@T / HTTP/1.1\r\n" + fields()),
    (400, b"ABCDEFGHIJKLMNOPQRST / HTTP/1.1\r\n" + fields()),
    (400, b"GET https://localhost/ HTTP/1.1\r\n" + fields()),
    (400, b"GET * HTTP/1.1\r\n" + fields()),
    (505, b"GET / HTTP/2.0\r\n" + fields()),
    (505, b"GET / HTTP/1.2\r\n" + fields()),
    (400, b"GET / http/1.1\r\n" + fields()),
    (400, b"GET / FTP/1.1\r\n" + fields()),
    (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (405, b"BREW / HTTP/1.1\r\n" + fields()),
    (405, b"OPTIONS / HTTP/1.1\r\n" + fields()),
    (405, b"TRACE / HTTP/1.1\r\n" + fields()),
    (405, b"get / HTTP/1.1\r\n" + fields()),
    (414, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + fields()),
    (431, b"GET / HTTP/1.1\r\n" + fields(b"X: " + b"a" * 16400)),
    (431, b"GET / HTTP/1.1\r\n" + fields(b"X: " + b"a" * 40000)),
    (431, b"GET / HTTP/1.1\r\n" + fields(*[b"X%d: a" % i for i in range(70)])),
    (431, b"G" * 20000),
    (400, b"GET / HTTP/1.1\n" + fields()),
    (400, b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    (400, b"GET / HTTP/1.1\r\r\n" + fields()),
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X: a", b" folded")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"\tX: a")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X : a")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b": a")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"no colon")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X\x00: a")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X: a\x00b")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X: a\x01b")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X: a\rb")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"X\xc3\xa9: a")),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 2", b"Content-Length: 2") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 2", b"Content-Length: 3") + b"abc"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 2, 2") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: +2") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: -2") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 2a") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 0x2") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: ") + b"ab"),
    (400, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 1 1") + b"ab"),
    (413, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 1048577")),
    (413, b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 99999999999999999999999")),
    (411, b"POST / HTTP/1.1\r\n" + fields(b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    (411, b"POST / HTTP/1.1\r\n" + fields(b"Transfer-Encoding: identity", b"Content-Length: 1") + b"a"),
    (411, b"POST / HTTP/1.1\r\n" + fields(b"Transfer-Encoding: xchunked", b"Content-Length: 1") + b"a"),
    (417, b"POST / HTTP/1.1\r\n" + fields(b"Expect: magic", b"Content-Length: 1") + b"a"),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"Authorization: a", b"Authorization: b")),
    (400, b"GET / HTTP/1.1\r\n" + fields(b"Idempotency-Key: a", b"Idempotency-Key: b")),
]


def malformed():
    for want, data in MALFORMED:
        with connect() as sock:
            sock.sendall(data)
            status, head, body = Answers(sock).next()
            check(data[:80], status, want)
            check(data[:80], head["content-type"], "application/problem+json")
            check(data[:80], head.get("connection"), "close")
            problem = json.loads(body)
            check(data[:80], problem["status"], want)
            check(data[:80], problem["request_id"], head["x-request-id"])
            check(data[:80], sock.recv(10), b"")
    check("alive", ask(GET)[0], 200)


def garbage():
    """Bytes that are no HTTP, on TLS and below it."""
    seed = random.Random(1)
    for i in range(60):
        noise = bytes(seed.randrange(256) for _ in range(seed.randrange(1, 3000)))
        if i % 3 == 0:
            with socket.create_connection(("127.0.0.1", PORT), timeout=1) as sock:
                try:
                    sock.sendall(noise)
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                read_all(sock)
        elif i % 3 == 1:
            with connect(wait=1) as sock:
                sock.sendall(noise + b"\n")
                read_all(sock)
        else:
            text = bytearray(b"POST /x HTTP/1.1\r\n" + fields(b"Content-Length: 3") + b"abc")
            for _ in range(seed.randrange(1, 6)):
                text[seed.randrange(len(text))] = seed.randrange(256)
            with connect(wait=0.3) as sock:
                sock.sendall(bytes(text))
                read_all(sock)
    check("alive", ask(GET)[0], 200)


def pipelined():
    with connect() as sock:
        answers = Answers(sock)
        sock.sendall(b"".join(b"POST /p%d HTTP/1.1\r\n" % i + fields(b"Content-Length: 1") + b"x"
                              for i in range(200)))
        for i in range(200):
            status, _, body = answers.next()
            check("pipelined", (status, body.split(b"?")[0]), (200, b"POST /p%d" % i))
        # the first answer comes later than the second request
        sock.sendall(b"GET /slow?ms=200 HTTP/1.1\r\n" + fields() + b"GET /after HTTP/1.1\r\n" + fields())
        check("slow", answers.next()[2], b"slow")
        check("after", answers.next()[2][:10], b"GET /after")
        # empty lines between requests are forgiven
        sock.sendall(b"\r\n\r\n" + GET)
        check("crlf", answers.next()[0], 200)


def split_bytes():
    data = b"POST /split?q=%41 HTTP/1.1\r\n" + fields(b"Content-Length: 5", b"X-A: b") + b"hello"
    with connect() as sock:
        answers = Answers(sock)
        for _ in range(2):
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
            check("split", answers.next()[2].split(b" key")[0], b"POST /split?q=%41 q=A")


def keep_alive():
    with connect() as sock:
        answers = Answers(sock)
        for _ in range(50):
            sock.sendall(GET)
            check("keep", answers.next()[0], 200)
        sock.sendall(b"GET / HTTP/1.1\r\n" + fields(b"Connection: foo, Close"))
        check("close", answers.next()[1]["connection"], "close")
        check("eof", sock.recv(1), b"")


def http_1_0():
    with connect() as sock:
        sock.sendall(b"GET /old HTTP/1.0\r\n\r\n")
        status, head, body = Answers(sock).next()
        check("1.0", (status, head["connection"], body[:8]), (200, "close", b"GET /old"))
        check("eof", sock.recv(1), b"")


def early_answer():
    """The refusal of a body that is still being sent arrives whole."""
    with connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 50000000"))
        try:
            for _ in range(100):
                sock.sendall(b"x" * 20000)
        except (ssl.SSLError, ConnectionError):
            pass
        check("early", Answers(sock).next()[0], 413)


def continues():
    """100 Continue comes before the body is sent, also when the connection will be closed."""
    for more in ((), (b"Connection: close",)):
        with connect() as sock:
            answers = Answers(sock)
            sock.sendall(b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 5", b"Expect: 100-continue", *more))
            check("100", answers.next(bodiless=True)[0], 100)
            sock.sendall(b"hello")
            check("200", answers.next()[0], 200)
    with connect() as sock:
        answers = Answers(sock)
        sock.sendall(b"PUT /upload/x HTTP/1.1\r\n" + fields(b"Content-Length: 5", b"Expect: 100-Continue"))
        check("100", answers.next(bodiless=True)[0], 100)
        sock.sendall(b"hello")
        check("201", answers.next()[0], 201)


def half_closed():
    with connect() as sock:
        sock.sendall(b"GET /slow?ms=100 HTTP/1.1\r\n" + fields())
        socket.socket.shutdown(sock, socket.SHUT_WR)  # TCP only: nothing more will come
        check("half", Answers(sock).next()[2], b"slow")


def slow_head():
    with connect(wait=20) as sock:
        began = time.monotonic()
        answers = Answers(sock)
        sock.settimeout(0.1)
        for byte in GET * 3:
            try:
                sock.sendall(bytes([byte]))
                status, _, _ = answers.next()
                break
            except TimeoutError:
                continue
            except ssl.SSLWantReadError:
                continue
        else:
            sys.exit("never answered")
        check("slow head", status, 408)
        took = time.monotonic() - began
        check(f"{took} s", 1.5 < took < 4, True)


def slow_body():
    with connect() as sock:
        began = time.monotonic()
        sock.sendall(b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 5") + b"ab")
        check("slow body", Answers(sock).next()[0], 408)
        check("time", 1.5 < time.monotonic() - began < 4, True)


def slow_upload():
    with connect() as sock:
        began = time.monotonic()
        sock.sendall(b"PUT /upload/ HTTP/1.1\r\n" + fields(b"Content-Length: 50000") + b"x" * 100)
        check("slow upload", Answers(sock).next()[0], 408)
        check("time", 1.5 < time.monotonic() - began < 4, True)
    with connect() as sock:
        sock.sendall(b"PUT /upload/sleep HTTP/1.1\r\n" + fields(b"Content-Length: 100") + b"x" * 100)
        check("slow disk", Answers(sock).next()[0], 201)


def connection_cap():
    held = [connect() for _ in range(20)]
    refused = 0
    for _ in range(5):
        try:
            connect(wait=2).close()
        except (ssl.SSLError, ConnectionError):
            refused += 1
    check("over the cap", refused, 5)
    held.pop().close()
    time.sleep(0.2)
    check("a place is free again", ask(GET)[0], 200)


def idle_while_waiting():
    eager, gone, reset = connect(), connect(), connect()
    for sock in (eager, gone, reset):
        sock.sendall(b"GET /slow?ms=3000 HTTP/1.1\r\n" + fields())
    time.sleep(0.2)
    eager.sendall(GET * 500)
    gone.close()
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset.close()
    answers = Answers(eager)
    check("slow", answers.next()[2], b"slow")
    for _ in range(500):
        check("queued", answers.next()[0], 200)


def gone_during_upload():
    with connect() as sock:
        sock.sendall(b"PUT /upload/ HTTP/1.1\r\n" + fields(b"Content-Length: 1000000") + b"x" * 5000)
        time.sleep(0.2)


def leave_open():
    """Ends in the middle of everything."""
    held = [connect() for _ in range(6)]
    held[0].sendall(b"GET /slow?ms=60000 HTTP/1.1\r\n" + fields())
    held[1].sendall(b"GET /slow?ms=60000 HTTP/1.1\r\n" + fields() + GET)
    held[2].sendall(b"GET /stream?n=1000000 HTTP/1.1\r\n" + fields())
    held[3].sendall(b"PUT /upload/ HTTP/1.1\r\n" + fields(b"Content-Length: 1000000") + b"x" * 5000)
    held[4].sendall(b"POST / HTTP/1.1\r\n" + fields(b"Content-Length: 100") + b"x")
    held[5].sendall(upgrade())
    time.sleep(0.3)
    os._exit(0)  # no close_notify


def descriptors_run_out():
    held = []
    try:
        for _ in range(15):
            held.append(connect(wait=0.4))
    except (ssl.SSLError, TimeoutError, ConnectionError):
        pass
    check("some came in", len(held) >= 2, True)
    time.sleep(2)  # the rest waits in the backlog meanwhile
    for sock in held:
        sock.close()
    time.sleep(1)
    check("alive", ask(GET)[0], 200)


def tls_versions():
    context = ssl.create_default_context(cafile=DIR + "/ca.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as sock:
            context.wrap_socket(sock, server_hostname="127.0.0.1")
        sys.exit("TLS 1.2 was accepted")
    except ssl.SSLError:
        pass
    context = ssl.create_default_context(cafile=DIR + "/ca.crt")
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as sock:
            context.wrap_socket(sock, server_hostname="127.0.0.1").recv(1)
        sys.exit("h2 alone was accepted")
    except ssl.SSLError:
        pass


# ---- WebSocket ----

def upgrade(path=b"/ws", key=KEY, version=b"13", protocol=b"tkt-abc.DEF_123", more=b""):
    text = b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    if key is not None:
        text += b"Sec-WebSocket-Key: " + key + b"\r\n"
    if version is not None:
        text += b"Sec-WebSocket-Version: " + version + b"\r\n"
    if protocol is not None:
        text += b"Sec-WebSocket-Protocol: " + protocol + b"\r\n"
    return text + more + b"\r\n"


def frame(opcode, data=b"", fin=True, masked=True, rsv=0, length=None):
    out = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    n = len(data) if length is None else length
    bit = 0x80 if masked else 0
    if n < 126:
        out += bytes([bit | n])
    elif n < 65536:
        out += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        out += bytes([bit | 127]) + struct.pack(">Q", n)
    if not masked:
        return out + data
    mask = os.urandom(4)
    return out + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data))


class WebSocket:
    def __init__(self, first=b"", cert=None, **kw):
        self.sock = connect(cert=cert)
        self.sock.sendall(upgrade(**kw) + first)
        self.answers = Answers(self.sock)
        self.status, self.head, _ = self.answers.next()

    def send(self, data):
        self.sock.sendall(data)

    def take(self, n):
        self.answers.need(lambda b: len(b) >= n)
        out, self.answers.rest = self.answers.rest[:n], self.answers.rest[n:]
        return out

    def next(self, pings=False):
        first, second = self.take(2)
        check("servers do not mask", second & 0x80, 0)
        n = second & 0x7f
        if n == 126:
            n = struct.unpack(">H", self.take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.take(8))[0]
        opcode, data = first & 0x0f, self.take(n)
        return (opcode, data) if opcode != 9 or pings else self.next()

    def closes_with(self, code):
        while True:
            opcode, data = self.next()
            if opcode == 8:
                break
        check("close code", struct.unpack(">H", data)[0] if data else None, code)
        check("the end", self.sock.recv(1), b"")


def ws_echo():
    ws = WebSocket(first=frame(1, b"first"))  # with the handshake in one go
    check("101", ws.status, 101)
    check("accept", ws.head["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    check("protocol", ws.head["sec-websocket-protocol"], "tkt-abc.DEF_123")
    check("first", ws.next(), (1, b"first"))
    for n in (0, 1, 125, 126, 127, 65535, 65536, 1 << 20, (1 << 20) + 4):
        data = os.urandom(n)
        ws.send(frame(2, data))
        check(f"{n} bytes", ws.next(), (2, data))
    ws.send(frame(1, "Grüße, 漢字 🌊".encode()))
    check("utf-8", ws.next(), (1, "Grüße, 漢字 🌊".encode()))
    ws.send(frame(9, b"ping"))
    check("pong", ws.next(), (10, b"ping"))
    ws.send(frame(10, b"unasked"))
    ws.send(b"".join(frame(1, b"%d" % i) for i in range(1000)))
    for i in range(1000):
        check("burst", ws.next(), (1, b"%d" % i))
    ws.send(frame(8, struct.pack(">H", 1000)))
    ws.closes_with(1000)


def ws_fragments():
    ws = WebSocket()
    ws.send(frame(1, b"a", fin=False) + frame(9, b"p") + frame(0, b"b", fin=False) + frame(0, b"c"))
    check("ping between", ws.next(), (10, b"p"))
    check("joined", ws.next(), (1, b"abc"))
    data = frame(2, os.urandom(300))
    for i in range(len(data)):
        ws.send(data[i:i + 1])
    check("byte by byte", len(ws.next()[1]), 300)
    euro = "€".encode()  # a character over two fragments
    ws.send(frame(1, euro[:1], fin=False) + frame(0, euro[1:]))
    check("euro", ws.next(), (1, euro))


def ws_violations():
    for name, code, data in [
            ("unmasked", 1002, frame(1, b"x", masked=False)),
            ("rsv", 1002, frame(1, b"x", rsv=4)),
            ("opcode 3", 1002, frame(3, b"x")),
            ("opcode 11", 1002, frame(11, b"x")),
            ("long ping", 1002, frame(9, b"x" * 126)),
            ("cut ping", 1002, frame(9, b"x", fin=False)),
            ("continues nothing", 1002, frame(0, b"x")),
            ("new one inside", 1002, frame(1, b"x", fin=False) + frame(1, b"y")),
            ("bad utf-8", 1007, frame(1, b"\xff")),
            ("surrogate", 1007, frame(1, b"\xed\xa0\x80")),
            ("too big", 1009, frame(2, b"", length=(1 << 20) + 5)),
            ("far too big", 1009, frame(2, b"", length=1 << 62)),
            ("too big in parts", 1009, frame(2, b"x" * 700000, fin=False) + frame(0, b"x" * 700000)),
            ("close 1005", 1002, frame(8, struct.pack(">H", 1005))),
            ("close of one byte", 1002, frame(8, b"x")),
            ("close with bad text", 1002, frame(8, struct.pack(">H", 1000) + b"\xff"))]:
        ws = WebSocket()
        ws.send(data)
        try:
            ws.closes_with(code)
        except (EOFError, TimeoutError) as error:
            sys.exit(f"{name}: no close frame, {error}")
    check("alive", ask(GET)[0], 200)


def ws_handshakes():
    def status(data):
        return ask(data)[0]
    check("no key", status(upgrade(key=None)), 400)
    check("short key", status(upgrade(key=b"abc")), 400)
    check("odd key", status(upgrade(key=b"!" * 22 + b"==")), 400)
    check("no version", status(upgrade(version=None)), 426)
    check("old version", status(upgrade(version=b"8")), 426)
    check("odd protocol", status(upgrade(protocol=b"a b")), 400)
    check("empty protocol", status(upgrade(protocol=b"")), 400)
    check("long protocol", status(upgrade(protocol=b"a" * 600)), 400)
    check("with a body", status(upgrade(more=b"Content-Length: 1\r\n") + b"x"), 400)
    with connect() as sock:
        answers = Answers(sock)
        sock.sendall(upgrade(protocol=b"bad-ticket"))
        refused = answers.next()
        check("refused", (refused[0], json.loads(refused[2])["code"]), (403, "denied"))
        sock.sendall(GET)  # the connection goes on
        check("goes on", answers.next()[0], 200)
    ws = WebSocket(protocol=None)
    check("no protocol", (ws.status, "sec-websocket-protocol" in ws.head), (101, False))
    ws = WebSocket(protocol=b"berth, t2")
    check("first of two", ws.head["sec-websocket-protocol"], "berth")
    check("not asked", ask(b"GET /ws HTTP/1.1\r\n" + fields(b"Upgrade: websocket"))[0], 200)


def ws_close():
    ws = WebSocket()
    ws.send(frame(1, b"close"))
    opcode, data = ws.next()
    check("their code", (opcode, data), (8, struct.pack(">H", 4001)))
    ws.send(frame(8, data))
    check("the end", ws.sock.recv(1), b"")
    ws = WebSocket()  # a peer that never answers a close is left after 5 s
    ws.sock.settimeout(10)
    ws.send(frame(1, b"close"))
    ws.next()
    began = time.monotonic()
    read_all(ws.sock)
    check("patience", 4 < time.monotonic() - began < 7, True)
    ws = WebSocket()
    ws.send(frame(8))
    ws.closes_with(None)


def ws_pings():
    ws = WebSocket()
    began = time.monotonic()
    while time.monotonic() - began < 2:  # who answers stays
        opcode, data = ws.next(pings=True)
        check("ping", opcode, 9)
        ws.send(frame(10, data))
    began = time.monotonic()
    read_all(ws.sock)  # who does not is left
    check("silence", 0.9 < time.monotonic() - began < 3, True)


def ws_flood():
    ws = WebSocket()
    ws.send(frame(1, b"flood"))
    time.sleep(0.5)
    for _ in range(1000):
        opcode, data = ws.next()
        check("flood", (opcode, len(data)), (2, 10000))


def mtls_ws():
    ws = WebSocket(cert="agent", protocol=None)
    check("101", ws.status, 101)
    ws.send(frame(1, b"{}"))
    check("echo", ws.next(), (1, b"{}"))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
