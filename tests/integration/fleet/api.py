# SPDX-License-Identifier: GPL-2.0-or-later
"""A raw client of the API: one connection, whole answers, nothing hidden."""

import http.client
import json
import socket
import ssl
import time


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {k.lower(): v for k, v in headers}
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of a problem, None when it is no problem."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return None
        return self.json()["code"]

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Api:
    def __init__(self, port, cafile, token=None):
        self.port, self.token = port, token
        self.tls = ssl.create_default_context(cafile=cafile)
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def with_token(self, token):
        other = Api.__new__(Api)
        other.port, other.tls, other.token, other.connection = self.port, self.tls, token, None
        return other

    def _send(self, method, path, body, headers):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                                          context=self.tls)
        self.connection.request(method, path, body=body, headers=headers)
        r = self.connection.getresponse()
        return Answer(r.status, r.getheaders(), r.read())

    def call(self, method, path, body=None, retry=True, **headers):
        """body: JSON to be, bytes as they are, or None. Headers: Idempotency_Key="x"."""
        if not path.startswith("/"):
            path = "/api/v1/" + path
        head = {k.replace("_", "-"): v for k, v in headers.items()}
        if self.token and "Authorization" not in head:
            head["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            head.setdefault("Content-Type", "application/json")
        try:
            return self._send(method, path, body, head)
        except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
            self.close()  # a kept connection that the server had closed
            if not retry:
                raise
            return self._send(method, path, body, head)

    def get(self, path, **headers):
        return self.call("GET", path, **headers)

    def post(self, path, body=None, **headers):
        return self.call("POST", path, {} if body is None else body, **headers)

    def raw(self, text, seconds=10):
        """Bytes as they are on a connection of their own; all that comes back until it ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as plain:
            with self.tls.wrap_socket(plain, server_hostname="127.0.0.1") as s:
                s.sendall(text)
                out = b""
                try:
                    while chunk := s.recv(65536):
                        out += chunk
                except (TimeoutError, ssl.SSLError, ConnectionError):
                    pass
                return out

    def events(self, last_id=None):
        """Server-sent events as they come, dicts; end it by closing the generator."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30,
                                                 context=self.tls)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self.token}"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        try:
            connection.request("GET", "/api/v1/events", headers=headers)
            r = connection.getresponse()
            assert r.status == 200, r.read()
            yield None  # it is open
            fields = {}
            while line := r.readline():
                line = line.decode().rstrip("\r\n")
                if not line and "data" in fields:
                    event = json.loads(fields["data"])
                    event["sse_id"] = fields.get("id")
                    yield event
                if not line:
                    fields = {}
                    continue
                key, _, value = line.partition(":")
                fields[key] = value.removeprefix(" ")
        finally:
            connection.close()

    # ---- what tests do all the time ----

    def items(self, path):
        return self.get(path).json()["items"]

    def create(self, name, plan="nano", image="tiny", wait=20, **more):
        """Its instance when the task has succeeded."""
        a = self.post("instances", {"name": name, "plan": plan, "image": image, **more},
                      Prefer=f"wait={wait}")
        assert a.status == 202, a
        assert a.headers.get("task-state") == "success", (a.headers, a)
        return a.json()["instance"]

    def act(self, ref, verb, body=None, wait=20):
        a = self.post(f"instances/{ref}/actions/{verb}", body, Prefer=f"wait={wait}")
        assert a.status == 202, (verb, a)
        assert a.headers.get("task-state", "success") == "success", (verb, a.headers, a)
        return a

    def wait_until(self, path, test, seconds=20):
        end = time.monotonic() + seconds
        while True:
            a = self.get(path)
            if test(a):
                return a
            if time.monotonic() > end:
                raise AssertionError(f"{path}: not within {seconds} s: {a}")
            time.sleep(0.05)
