#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TCP proxy that loses replies: cutter.py TARGET_PORT EVERY

Prints `listening PORT`. Of the replies that come after the first ten of a connection one in EVERY,
by dice, is swallowed, of those that confirm a COMMIT eight times as many, and both sides are
closed: the server has done what it was asked, the client cannot know. On SIGTERM it prints how many
replies it lost.
"""
import random
import select
import signal
import socket
import sys
import threading

target, every = int(sys.argv[1]), int(sys.argv[2])
lock = threading.Lock()
dice = random.Random(7)
lost = 0


def lose(reply):
    """Whether this one is of those that get lost."""
    global lost
    with lock:
        if dice.randrange(every) >= (8 if b"COMMIT\0" in reply else 1):
            return False
        lost += 1
        return True


def serve(client):
    server = socket.create_connection(("127.0.0.1", target))
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    seen = 0
    try:
        while True:
            for s in select.select([client, server], [], [])[0]:
                data = s.recv(1 << 16)
                if not data:
                    return
                if s is server:
                    seen += 1
                    if seen > 10 and lose(data):
                        return
                (client if s is server else server).sendall(data)
    except OSError:
        pass
    finally:
        client.close()
        server.close()


def finish(*_):
    print("lost", lost, flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, finish)
listener = socket.create_server(("127.0.0.1", 0))
print("listening", listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
