#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An HTTP proxy for tests that fails where it is told to: between.py TARGET_PORT WORD PIPE

Prints `listening PORT`, then carries each request to TARGET_PORT and its reply back. What becomes
of the next requests that contain WORD is read from PIPE, a word a line and request:

    pass    carried like any other
    lose    the server gets it, its reply is thrown away and the connection closed
    hold    the server gets it, its reply waits until the client is gone
    shut    the server never gets it: the connection is closed
    late    the client is left without a reply until it goes; the server gets the request just
            before the next one that contains WORD

Without a word they are carried. Each that contains WORD is reported on standard output, with what was
done: `held` when the reply is there and waits.
"""
import os
import queue
import socket
import sys
import threading

target, word = int(sys.argv[1]), sys.argv[2].encode()
orders = queue.SimpleQueue()
lock = threading.Lock()
kept = []


def message(s, whole):
    """One HTTP message; None when the other side is gone. Without a length a reply ends with its
    connection, a request with its head."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(1 << 16)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = [line.split(b":")[1] for line in head.split(b"\r\n")
              if line.lower().startswith(b"content-length:")]
    if not length and whole:
        while more := s.recv(1 << 16):
            body += more
    while length and len(body) < int(length[0]):
        more = s.recv(1 << 16)
        if not more:
            return None
        body += more
    return head + b"\r\n\r\n" + body


def ask(request):
    with socket.create_connection(("127.0.0.1", target)) as server:
        server.sendall(request)
        return message(server, True)


def say(what):
    with lock:
        print(what, flush=True)


def wait_gone(client):
    while client.recv(1 << 16):
        pass


def carry(client, request):
    """False when the connection is to be closed."""
    order = "pass"
    if word in request:
        try:
            order = orders.get_nowait()
        except queue.Empty:
            pass
        while kept and order != "late":
            ask(kept.pop(0))
            say("came late")
    if order == "late":
        kept.append(request)
        say("late")
        wait_gone(client)
        return False
    reply = None if order == "shut" else ask(request)
    if reply and order == "pass":
        if word in request:
            say("pass")
        client.sendall(reply)
        return True
    say("held" if order == "hold" else order)
    if order == "hold":
        wait_gone(client)
    return False


def serve(client):
    try:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := message(client, False)) and carry(client, request):
                pass
    except OSError:
        pass


def listen():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say(f"listening {listener.getsockname()[1]}")
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=listen, daemon=True).start()
with os.fdopen(os.open(sys.argv[3], os.O_RDWR), encoding="ascii") as pipe:  # it never ends
    for line in pipe:
        orders.put(line.strip())
