#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays a captured transfer of a table of users to ts-read zk://.

usage: zk_replay.py CAPTURE     says "listening on PORT"; prints each user as "UID USER" before that

The capture has a line for what the device returned in one recv(), "R hex". Its log here is one record
of 8 bytes for each user, so that ts-read has to read the users; that is answered with the captured
bytes, piece by piece as they came.
"""
import socket
import struct
import sys

MAGIC = b"\x50\x50\x82\x7d"
MORNING = ((26 * 12) * 31 + 6) * 86400 + 6 * 3600


def packet(command, reply, data=b""):
    p = struct.pack("<4H", command, 0, 0x1F2E, reply) + data
    return MAGIC + struct.pack("<I", len(p)) + p


def command_of(piece):
    return struct.unpack("<H", piece[8:10])[0] if piece[:4] == MAGIC else None


def users_in(pieces):
    """By hand: the data of all frames 1501, without the size in front."""
    stream, body = b"".join(pieces), b""
    while len(stream) >= 16 and stream[:4] == MAGIC:
        n, = struct.unpack("<I", stream[4:8])
        if command_of(stream) == 1501:
            body += stream[16:8 + n]
        stream = stream[8 + n:]
    body = body[4:]
    rows = [body[n:n + 72] for n in range(0, len(body) - 71, 72)]
    users = [(struct.unpack("<H", r[:2])[0], r[48:72].split(b"\0")[0].decode()) for r in rows]
    return [(uid, user) for uid, user in users if uid and user]


def main():
    with open(sys.argv[1], encoding="ascii") as f:
        pieces = [bytes.fromhex(line[2:]) for line in f if line.startswith("R ")]
    first = next(n for n, p in enumerate(pieces[2:], 2) if command_of(p) in (1500, 1501) or
                 command_of(p) == 2000 and len(p) > 28)
    last = max(n for n, p in enumerate(pieces) if command_of(p) in (1500, 1501, None)) + 1
    if command_of(pieces[first]) == 1501:   # all in one frame
        last = next(n for n, p in enumerate(pieces) if n > first and command_of(p))
    transfer = pieces[first:last]
    users = users_in(transfer)
    # The answer to the request for the table, and what comes when it is asked for its parts.
    opened, parts = ([transfer[0]], transfer[1:]) if command_of(transfer[0]) == 2000 else \
        (transfer, [])
    log = b"".join(struct.pack("<HBIB", uid, 1, MORNING + n, 0) for n, (uid, _) in enumerate(users))
    log = struct.pack("<I", len(log)) + log
    for uid, user in users:
        print(uid, user)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print("listening on %d" % server.getsockname()[1], flush=True)
        conn, _ = server.accept()
    which, data = None, b""
    while True:
        data += conn.recv(65536)
        if len(data) < 16 or len(data) < 8 + struct.unpack("<I", data[4:8])[0]:
            if not data:
                break
            continue
        n, = struct.unpack("<I", data[4:8])
        command, _, _, reply = struct.unpack("<4H", data[8:16])
        body, data = data[16:8 + n], data[8 + n:]
        if command == 1503:
            which, = struct.unpack("<H", body[1:3])
        if command == 11:
            answer = [packet(2001, reply)]
        elif command == 50:
            # Some of these were cut when they were written down.
            answer = [pieces[1].ljust(8 + struct.unpack("<I", pieces[1][4:8])[0], b"\0")]
        elif command == 1503 and which == 13:
            answer = [packet(1501, reply, log)]
        elif command == 1503:
            answer = opened
        elif command == 1504:
            answer = parts
        else:
            answer = [packet(2000, reply)]
        for piece in answer:
            conn.sendall(piece)
        if command == 1001:
            break


main()
