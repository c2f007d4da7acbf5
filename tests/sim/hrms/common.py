# SPDX-License-Identifier: MIT
"""What the simulated HR systems share: an HTTP server on a free port of the loopback, faults on
demand, and a ledger.

A simulator subclasses Receiver and answers in `answer`. Beside its own paths there are, for tests:

    GET  /_ledger   {"rows": what it has stored, "requests": how many, "log": "METHOD path status" each}
    POST /_set      a JSON object: attributes of the simulator to change (employees, lang, ...); one is
                    "faults", a list that the next requests of its own paths use up, one each:
        null      as always
        "page"    not done, a proxy's HTML page with 502
        "login"   not done, an HTML page with 200
        "empty"   done, but the reply has no body
        "cut"     done, but the body ends in the middle
        "drop"    done, but the connection ends without a reply
        "busy"    not done, 503 with Retry-After: 1
"""
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = ("<html><head><title>502 Bad Gateway</title></head>"
        "<body><center><h1>502 Bad Gateway</h1></center></body></html>")
LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"


class Request:
    """One request, read whole."""

    def __init__(self, handler):
        parts = urlsplit(handler.path)
        self.method = handler.command
        self.path = unquote(parts.path)
        self.query = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        self.headers = {k.lower(): v for k, v in handler.headers.items()}
        self.body = handler.rfile.read(int(self.headers.get("content-length") or 0))

    def fields(self):
        """The body as an object, JSON or form; {} if it is neither."""
        try:
            if "json" in self.headers.get("content-type", ""):
                value = json.loads(self.body)
                return value if isinstance(value, dict) else {}
            return {k: v[-1] for k, v in parse_qs(self.body.decode()).items()}
        except ValueError:
            return {}


class Reply:
    def __init__(self, status, body=None, headers=None, kind="application/json"):
        self.status, self.headers, self.kind = status, headers or {}, kind
        self.body = body if isinstance(body, bytes) else (
            body.encode() if isinstance(body, str) else json.dumps(body).encode())


class Receiver:
    def __init__(self):
        self.rows = []
        self.faults = []
        self.requests = 0
        self.log = []
        self.lock = threading.RLock()
        self.last_id = 0

    def next_id(self):
        with self.lock:
            self.last_id += 1
            return self.last_id

    def answer(self, request):
        raise NotImplementedError

    def control(self, request):
        if request.path == "/_ledger":
            with self.lock:
                return Reply(200, {"rows": self.rows, "requests": self.requests, "log": self.log})
        for name, value in json.loads(request.body).items():
            if not hasattr(self, name):
                return Reply(400, {"unknown": name})
            setattr(self, name, value)
        return Reply(200, {})

    def handle(self, request):
        """The reply, or None to hang up."""
        with self.lock:
            self.requests += 1
            fault = self.faults.pop(0) if self.faults else None
        if fault == "page":
            reply = Reply(502, PAGE, kind="text/html")
        elif fault == "login":
            reply = Reply(200, LOGIN, kind="text/html")
        elif fault == "busy":
            reply = Reply(503, PAGE, {"Retry-After": "1"}, "text/html")
        else:
            reply = self.answer(request)
            if fault == "empty":
                reply.body = b""
            elif fault == "cut":
                reply.body = reply.body[:len(reply.body) // 2]
        with self.lock:
            self.log.append("%s %s %s" % (request.method, request.path, reply.status))
        return None if fault == "drop" else reply


def serve(receiver):
    """Serves until it is killed; the port is the first line on stdout."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def one(self):
            request = Request(self)
            reply = receiver.control(request) if request.path.startswith("/_") else receiver.handle(request)
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = one

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(130)
