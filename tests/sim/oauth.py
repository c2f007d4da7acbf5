#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A token service (/token) that revokes everything when a spent refresh token comes again, and a
receiver for whatever is posted elsewhere with one of its access tokens.

    GET  /log, /bodies   what came, what was taken
    GET  /state          {"refresh": the one that counts, or null, "rotations": how many there were}
    POST /_set           a JSON object of settings, see class S; "script" is a list of what the next
                         requests for a token get: a reply (object), or "page", "busy", "away" (a
                         redirect), "drop" (given, but no reply), "hold" (until {"go": 1})
"""
import base64
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
lock = threading.RLock()
held = threading.Event()



class S:
    refresh, spent, access, dead = "refresh-s3cret-0", [], [], []
    rotate, expires, grace = True, 3600, False   # grace: spent ones are good all the same
    n = 0                                        # rotations
    script, log, bodies = [], [], []
    uses, status = None, 401                     # of access tokens until they end; then


s = S()


class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def say(self, status, body="", **headers):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for k, v in headers.items(): self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        with lock:
            if self.path == "/state": return self.say(200, {"refresh": s.refresh, "rotations": s.n})
            self.say(200, "".join(l + "\n" for l in (s.bodies if self.path == "/bodies" else s.log)))
    def grant(self, form):
        if form.get("client_id") != "bridge" or form.get("client_secret") != "client-s3cret":
            return 401, {"error": "invalid_client"}
        kind = form.get("grant_type")
        reply = {"token_type": "bearer"}
        if s.expires: reply["expires_in"] = s.expires
        if kind == "refresh_token":
            got = form.get("refresh_token")
            if got in s.spent and not s.grace:
                s.refresh = None
                s.access.clear()
            if got != s.refresh and not (s.grace and got in s.spent):
                return 400, {"error": "invalid_grant", "error_description": "no: " + got}
            if s.rotate:
                s.spent.append(got)
                s.n += 1
                s.refresh = "refresh-s3cret-%d" % s.n
                reply["refresh_token"] = s.refresh
        elif kind not in ("client_credentials", "special"):
            return 400, {"error": "unsupported_grant_type"}
        s.access.append("access-s3cret-%d" % (len(s.access) + len(s.dead)))
        reply["access_token"] = s.access[-1]
        return 200, reply
    def token(self, body):
        form = {k: v[0] for k, v in parse_qs(body.decode(), keep_blank_values=True).items()}
        auth = self.headers.get("Authorization", "")
        basic = auth.startswith("Basic ")
        if basic:
            form["client_id"], form["client_secret"] = base64.b64decode(auth[6:]).decode().split(":")
        what = s.script.pop(0) if s.script else None
        s.log.append("token %s%s%s" % (form.get("grant_type"), " basic" if basic else "",
            "".join(" %s=%s" % (k, form[k]) for k in ("scope", "api_key") if k in form)
            + (" x-api-key" if self.headers.get("X-Api-Key") else "")))
        if what == "page": return self.say(200, "<html>welcome</html>")
        if what == "busy": return self.say(503, "", Retry_After="0")
        if what == "away": return self.say(302, "", Location="http://127.0.0.1:1/")
        if isinstance(what, dict): return self.say(200, what)
        status, reply = self.grant(form)
        if what == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if what == "hold":
            s.log.append("held")
            lock.release()
            held.wait()
            lock.acquire()
        try: self.say(status, reply)
        except BrokenPipeError: pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/_set":
            for k, v in json.loads(body).items():
                if k == "go": held.set()
                else: setattr(s, k, v)
            return self.say(200)
        with lock:
            if self.path == "/token": return self.token(body)
            given = self.headers.get("Authorization", "-").replace("Bearer ", "")
            good = given in s.access
            if good and s.uses is not None:
                s.uses -= 1
                if s.uses < 0: good = False
            if not good and given in s.access:
                s.access.remove(given)
                s.dead.append(given)
                s.uses = None
            s.log.append("event %s %s" % (200 if good else 401, given))
            if good: s.bodies.append(body.decode(errors="replace"))
            self.say(200 if good else s.status, {"said": "INVALID_OAUTHTOKEN"} if not good else {"ok": True})

server = ThreadingHTTPServer(("127.0.0.1", 0), H)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
