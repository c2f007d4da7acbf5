#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A receiver whose replies are odd, for ts-send --check; prints its port.

  /clock/N     its Date is N seconds off; /clock/none: it has none
  /silence     takes the request and never answers
  /allow       200, and Allow without POST
  /garbage     no HTTP
  /hostile     a redirect whose Location has controls in it, and the token that it was sent
"""
import email.utils
import socket
import threading
import time


def reply(path, authorization):
    lines = ["HTTP/1.1 204 No Content"]
    date = 0
    if path.startswith("/clock/"):
        date = None if path.endswith("none") else int(path.rsplit("/", 1)[1])
    if path == "/allow":
        lines = ["HTTP/1.1 200 OK", "Allow: GET, HEAD"]
    if path == "/garbage":
        return b"220 mail.example ESMTP\r\n\x1b[2J"
    if path == "/hostile":
        lines = ["HTTP/1.1 302 Found", "Location: http://x.example/\x1b[2J\u202e/" + authorization]
    if date is not None:
        lines.append("Date: " + email.utils.formatdate(time.time() + date, usegmt=True))
    return ("\r\n".join(lines + ["Content-Length: 0", "Connection: close"]) + "\r\n\r\n").encode()


def serve(connection):
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(4096)
            if not more:
                return
            head += more
        lines = head.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        token = [l.split("Bearer ")[1] for l in lines if "Bearer " in l]
        if path == "/silence":
            while connection.recv(4096):
                pass
            return
        connection.sendall(reply(path, token[0] if token else ""))


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    taken, _ = listener.accept()
    threading.Thread(target=serve, args=(taken,), daemon=True).start()
