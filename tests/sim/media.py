#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A receiver that keeps snapshots, and events beside them.

usage: media.py [LEDGER]

Prints "listening PORT". POST /media/snapshot takes a multipart body (sha256, file) and says where
it is; any other POST takes an event or an array of them. PUT /control sets what it does with
pictures: a JSON object of
    status, times   answer so, so many times (0: for ever)
    only            answer so only to pictures whose hash begins so
    location, body  the Location field (null: none) and the JSON body (null: none) of its answer
    hold            seconds between two pieces of a picture that it reads, or "head": it reads none
    close           read no more than the head and end the connection
GET /state tells what came, GET /snapshot/ID the snapshot of an event. LEDGER gets a line for each upload and event, at once: it outlives both.
"""
import email.parser
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEFAULT = {"status": 201, "times": 0, "only": "", "location": "/media/snapshot/{name}", "body": None,
           "hold": 0, "close": False}
lock = threading.Lock()
control = dict(DEFAULT)
state = {"uploads": [], "events": [], "heads": [], "bad": [], "begun": 0, "now": 0, "most": 0}
ledger = open(sys.argv[1], "a", buffering=1) if len(sys.argv) > 1 else None


def parts(content_type, body):
    message = email.parser.BytesParser().parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    out = {}
    for part in message.get_payload():
        out[part.get_param("name", header="content-disposition")] = (
            part.get_payload(decode=True), part.get_filename(), part.get_content_type())
    return out


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", fields=()):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        wanted = self.path.rsplit("/", 1)[1]
        with lock:
            if wanted == "state":
                text = json.dumps(state)
            else:
                found = [e for e in state["events"] if e.get("event_id") == wanted]
                text = json.dumps(found[-1].get("snapshot") if found else "none", separators=(",", ":"))
        self.answer(200, text.encode() + b"\n")

    def do_PUT(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            control.clear()
            control.update(DEFAULT, **wanted)
        self.answer(204)

    def do_POST(self):
        if self.path.startswith("/media/"):
            return self.picture()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip
            body = gzip.decompress(body)
        events = json.loads(body)
        with lock:
            for e in events if isinstance(events, list) else [events]:
                state["events"].append(e)
                if ledger:
                    ledger.write("event %s\n" % e.get("event_id"))
        self.answer(201)

    def picture(self):
        with lock:
            how = dict(control)
            if control["times"] > 0:
                control["times"] -= 1
                if control["times"] == 0:
                    control.update(DEFAULT)
            state["begun"] += 1
            state["heads"].append(dict(self.headers))
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        try:
            self.take(how)
        finally:
            with lock:
                state["now"] -= 1

    def take(self, how):
        left = int(self.headers["Content-Length"])
        body = b""
        if how["close"]:
            self.close_connection = True
            return
        if how["hold"] == "head":
            time.sleep(30)
        while left > 0:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                return
            body += piece
            left -= len(piece)
            if how["hold"]:
                time.sleep(how["hold"])
        got = parts(self.headers["Content-Type"], body)
        name, content = got["sha256"][0].decode(), got["file"][0]
        if hashlib.sha256(content).hexdigest() != name or got["file"][1].split(".")[0] != name:
            with lock:
                state["bad"].append(name)
        if not name.startswith(how["only"]):
            how = DEFAULT
        if how["status"] < 300:
            with lock:
                state["uploads"].append({"sha256": name, "bytes": len(content),
                                         "type": got["file"][2], "name": got["file"][1]})
                if ledger:
                    ledger.write("upload %s\n" % name)
        fields = []
        if how["location"] is not None:
            fields.append(("Location", how["location"].replace("{name}", name[:16])))
        self.answer(how["status"], json.dumps(how["body"]).encode() if how["body"] else b"", fields)


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
print("listening", server.server_address[1], flush=True)
server.serve_forever()
