#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stands around the chain in the tests of networks, disks and of the soak.

network.py devices  --url U … --ledger F    HTTP devices that post until they are told OK
network.py receiver --port N --ledger F     a receiver whose ledger survives kill -9
network.py relay NAME=FROM,TO …             forwards TCP and misbehaves as told on its stdin
network.py check --told F … --arrived F …   compares what was told with what arrived

An event is person by person a count from 1 (`n`), so that a ledger shows order and gaps without a
clock.  Every line of a ledger is written by one write() before anybody is answered.
"""
import argparse
import asyncio
import collections
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import signal
import socket
import socketserver
import struct
import sys
import threading
import time


def append(fd, text):
    os.write(fd, text.encode())


def ledger_open(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def event_of(device, person, n):
    """Ids are made here, so that the ledgers need nothing from the programs under test."""
    digest = hashlib.sha256(("%s/%s/%d" % (device, person, n)).encode()).hexdigest()
    ident = "%s-%s-8%s-8%s-%s" % (digest[:8], digest[8:12], digest[12:15], digest[15:18],
                                  digest[18:30])
    when = "2026-%02d-%02dT%02d:%02d:%02d" % (1 + n // 2419200 % 12, 1 + n // 86400 % 28,
                                              n // 3600 % 24, n // 60 % 60, n % 60)
    return {"event_id": ident, "device_id": device, "person_id": person, "local_time": when,
            "serial_no": n, "n": n}


# ---- devices ----

class Device(threading.Thread):
    """Posts small arrays of its own persons' events, each again and again until it is told OK."""

    def __init__(self, name, run):
        super().__init__(daemon=True)
        self.device, self.run_of = name, run
        self.next = collections.Counter()
        self.dice = random.Random("%s %s" % (run.args.seed, name))
        self.busy = False

    def events(self):
        args, found = self.run_of.args, []
        for _ in range(self.dice.randint(1, args.batch)):
            person = "%s-%d" % (self.device, self.dice.randint(1, args.persons))
            self.next[person] += 1
            found.append(event_of(self.device, person, self.next[person]))
        return found

    def post(self, body):
        """The status, or the name of what went wrong."""
        host, port = self.run_of.args.url.split("//")[1].rstrip("/").rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=self.run_of.args.timeout)
        try:
            connection.request("POST", "/events", body, {"Content-Type": "application/x-ndjson"})
            reply = connection.getresponse()
            text = reply.read()
            if reply.status == 200 and b'"accepted"' not in text:
                return "no count"
            return reply.status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def deliver(self, events):
        run = self.run_of
        body = "".join(json.dumps(e) + "\n" for e in events)
        while True:
            began = time.monotonic()
            status = self.post(body)
            took = time.monotonic() - began
            with run.lock:
                run.answers[str(status)] += 1
                run.longest_s = max(run.longest_s, took)
            if run.tries >= 0:
                append(run.tries, "%s %.3f\n" % (status, took))
            if status == 200:
                run.told(events)
                return
            if run.over():
                return
            time.sleep(run.args.again)

    def run(self):
        run = self.run_of
        while not run.stopping.is_set() and run.more():
            self.busy = True
            self.deliver(self.events())
            self.busy = False
            time.sleep(self.run_of.args.pause)


class Devices:
    def __init__(self, args):
        self.args = args
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.answers, self.longest_s, self.count = collections.Counter(), 0.0, 0
        self.end = None
        self.fd = ledger_open(args.ledger)
        self.tries = ledger_open(args.tries) if args.tries else -1
        self.threads = [Device("%s%d" % (args.name, i), self) for i in range(args.devices)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def more(self):
        return not self.args.events or self.count < self.args.events

    def over(self):
        return self.end is not None and time.monotonic() > self.end

    def told(self, events):
        now = time.monotonic()
        append(self.fd, "".join("%s %s %d %.3f\n" % (e["event_id"], e["person_id"], e["n"], now)
                                for e in events))
        with self.lock:
            self.count += len(events)

    def stop(self, within):
        """No new events; those under way are posted until OK, so long.  How many stay unsaid."""
        self.end = time.monotonic() + within
        self.stopping.set()
        for thread in self.threads:
            thread.join(max(0.1, self.end - time.monotonic()) + 2 * self.args.timeout)
        return sum(t.busy and t.is_alive() for t in self.threads)


def devices_options(parser):
    parser.add_argument("--url", required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--tries", help="a line for each request: what came of it, seconds")
    parser.add_argument("--name", default="DEV")
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--persons", type=int, default=5, help="of each device")
    parser.add_argument("--batch", type=int, default=3, help="events in a request at most")
    parser.add_argument("--events", type=int, default=0, help="end after so many; 0: on SIGTERM")
    parser.add_argument("--timeout", type=float, default=3)
    parser.add_argument("--again", type=float, default=0.1, help="pause before the next try")
    parser.add_argument("--pause", type=float, default=0.02, help="pause after an OK")
    parser.add_argument("--within", type=float, default=20, help="to finish after SIGTERM")
    parser.add_argument("--seed", type=int, default=1)


def devices_main(args):
    run = Devices(args)
    signal.signal(signal.SIGTERM, lambda *_: run.stopping.set())
    run.start()
    while not run.stopping.is_set() and any(t.is_alive() for t in run.threads):
        run.stopping.wait(0.05)
    left = run.stop(args.within)
    print(json.dumps({"told": run.count, "left": left, "longest_s": round(run.longest_s, 3),
                      "answers": run.answers}))
    return 0 if left == 0 else 1


# ---- the receiver ----

class Store:
    """Ids and order as the ledger has them; the ledger is read again at the start."""

    def __init__(self, path):
        self.lock, self.known = threading.Lock(), set()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                self.known = {line.split(" ", 1)[0] for line in lines}
        self.fd = ledger_open(path)

    def take(self, events):
        """Writes them down; True when all were there."""
        lines, fresh = [], 0
        with self.lock:
            for e in events:
                new = e["event_id"] not in self.known
                fresh += new
                self.known.add(e["event_id"])
                lines.append("%s %s %s %.3f %s\n" % (e["event_id"], e["person_id"], e["n"],
                                                     time.monotonic(), "new" if new else "again"))
            append(self.fd, "".join(lines))
        return fresh == 0


def refused(args, event):
    return args.refuse_every and int(event["event_id"][:8], 16) % args.refuse_every == 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1                   # a reply is one piece

    def log_message(self, *_):      # pylint: disable=arguments-differ
        pass

    def reply(self, status, headers=()):
        body = b'{"said":"' + str(status).encode() + b'"}\n'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for header in headers:
            self.send_header(*header)
        if self.server.dying:       # kill -9 in the middle of this reply
            self.wfile.write(b"".join(self._headers_buffer)[:40])
            self.wfile.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.end_headers()
        self.wfile.write(body)

    def break_off(self, part):
        self.wfile.write(part)
        self.close_connection = True

    def misbehave(self, events):
        """True when a fault took the place of the normal answer."""
        dice, store = self.server.dice, self.server.store
        act = dice.choice(("503", "429", "500", "lost", "half", "stored500", "slow"))
        if act == "slow":
            time.sleep(dice.random())
            return False
        if act in ("lost", "half", "stored500") and not any(refused(self.server.args, e)
                                                            for e in events):
            store.take(events)
        if act == "lost":
            self.break_off(b"")
        elif act == "half":
            self.break_off(b"HTTP/1.1 20")
        else:
            self.reply(int(act[-3:]), [("Retry-After", "1")] if act == "429" else ())
        return True

    def do_POST(self):              # pylint: disable=invalid-name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        events = body if isinstance(body, list) else [body]
        server = self.server
        if server.args.slow:
            time.sleep(server.args.slow)
        if server.dice.random() < server.args.faults and self.misbehave(events):
            return
        bad = [e for e in events if refused(server.args, e)]
        if bad:
            self.reply(422)
            return
        self.reply(200 if server.store.take(events) else 201)


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    dying = False

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)    # without a look at the DNS

    def handle_error(self, *_):     # pylint: disable=arguments-differ
        pass


def receiver_main(args):
    def die(*_):
        Receiver.dying = True
    signal.signal(signal.SIGUSR1, die)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    store = Store(args.ledger)      # all of this before anybody can connect
    server = Receiver((args.host, args.port), Handler, bind_and_activate=False)
    server.args, server.store, server.dice = args, store, random.Random(args.seed)
    server.server_bind()
    server.server_activate()
    print("listening", server.server_address[1], flush=True)
    server.serve_forever()


def receiver_options(parser):
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--slow", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--faults", type=float, default=0, help="share of requests with a fault")
    parser.add_argument("--refuse-every", type=int, default=0, help="422, by the id")
    parser.add_argument("--seed", type=int, default=1)


# ---- the relay ----

class Link:
    """One listening address and what is done to the connections that go through it.

    pass                all well
    delay MS            every piece so much later
    trickle BYTES       so many at a time, 50 times a second
    stall               nothing moves, both ways; what came meanwhile goes on afterwards
    swallow             half-open: everything is taken, nothing handed on, nothing closed; a
                        connection that lost something stays so for ever
    cut N [K]           after N bytes of a reply (each K-th) the connection is closed
    reset N [K]         the same, with RST
    torn N [K]          after N bytes of a request RST, both ways
    refuse              nobody listens
    abort               RST to all that are open, then as in pass
    """

    def __init__(self, name, source, target):
        self.name, self.source, self.target = name, source, target
        self.mode, self.args, self.changed = "pass", [], asyncio.Event()
        self.server, self.pairs, self.pieces, self.hits = None, set(), 0, 0

    async def listen(self):
        host, port = self.source
        self.server = await asyncio.start_server(self.serve, host, port, reuse_address=True)
        self.source = self.server.sockets[0].getsockname()[:2]

    async def set(self, mode, args):
        self.mode, self.args = mode, args
        self.changed.set()
        self.changed = asyncio.Event()
        if mode == "refuse" and self.server:
            self.server.close()
            self.server = None
        if mode in ("refuse", "abort"):
            for pair in list(self.pairs):
                self.drop(pair, True)
        if mode != "refuse" and not self.server:
            await self.listen()

    def drop(self, pair, reset):
        self.hits += 1
        for writer in pair:
            try:
                if reset:
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                else:
                    writer.close()
            except OSError:
                pass

    async def serve(self, reader, writer):
        try:
            there, out = await asyncio.open_connection(*self.target)
        except OSError:
            self.drop((writer,), True)
            return
        pair = (writer, out)
        self.pairs.add(pair)
        await asyncio.gather(self.pump(reader, out, pair, False),
                             self.pump(there, writer, pair, True), return_exceptions=True)
        self.pairs.discard(pair)
        for w in pair:
            w.close()

    async def pump(self, reader, writer, pair, reply):
        lost = False
        while data := await reader.read(1 << 16):
            while self.mode == "stall":
                await self.changed.wait()
            if self.mode == "swallow":
                lost = True
                self.hits += 1
            if lost:
                continue
            if not await self.piece(data, writer, pair, reply):
                return
        if lost:                    # half-open: the other side never hears of the end
            await asyncio.sleep(3600)
        writer.write_eof()

    async def piece(self, data, writer, pair, reply):
        """Hands one piece on as the mode says; False when the connection is done with."""
        mode, number = self.mode, int(self.args[0]) if self.args else 0
        if mode == "delay":
            await asyncio.sleep(number / 1000)
        if mode in ("cut", "reset", "torn") and reply == (mode != "torn"):
            self.pieces += 1
            if self.pieces % (int(self.args[1]) if len(self.args) > 1 else 1) == 0:
                writer.write(data[:number])
                await writer.drain()
                await asyncio.sleep(0.01)       # so that the part is seen before the end
                self.drop(pair, mode != "cut")
                return False
        step = number if mode == "trickle" else len(data)
        for at in range(0, len(data), step):
            writer.write(data[at:at + step])
            await writer.drain()
            if mode == "trickle":
                await asyncio.sleep(0.02)
        return True


def address(text, host="127.0.0.1"):
    name, _, port = text.rpartition(":")
    return name or host, int(port)


async def relay_run(links, commands):
    """Commands are lines `NAME MODE [ARG …]`; each is answered when it is in force."""
    for link in links.values():
        await link.listen()
        print("listening", link.name, link.source[1], flush=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), commands)
    while line := await reader.readline():
        words = line.decode().split()
        if words[0] == "hits":
            print("hits", sum(link.hits for link in links.values()), flush=True)
            continue
        await links[words[0]].set(words[1], words[2:])
        print("set", *words, flush=True)


def relay_main(args):
    async def run():
        links = {}
        for text in args.links:
            name, _, ends = text.partition("=")
            source, _, target = ends.partition(",")
            links[name] = Link(name, address(source), address(target))
        await relay_run(links, sys.stdin)
    asyncio.run(run())


def relay_options(parser):
    parser.add_argument("links", nargs="+", help="NAME=FROM,TO with FROM and TO as HOST:PORT")


# ---- the comparison ----

def ledger_read(paths):
    """[id, person, n] of every line, in order."""
    rows = []
    for path in paths:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                rows += [(w[0], w[1], int(w[2]), float(w[3])) for w in map(str.split, lines)]
    return rows


def marked_read(paths):
    """Ids that were marked as ambiguous in handed-out events or receipts."""
    found = set()
    for path in paths:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if '"ambiguous":true' in line:
                    found.update(re.findall(r'"event_id": ?"([^"]*)"', line))
    return found


def compare(told, arrived, marked, excused=()):
    """What a passage can go wrong by; all of it is 0 when all is well."""
    got, last = collections.Counter(row[0] for row in arrived), {}
    disorder, seen = 0, set()
    for ident, person, n, _ in arrived:
        if ident not in seen:
            seen.add(ident)
            disorder += n < last.get(person, 0)
            last[person] = max(n, last.get(person, 0))
    twice = {i for i, count in got.items() if count > 1}
    told_ids = {row[0] for row in told}
    return {"told": len(told_ids), "arrived": len(got),
            "lost": len(told_ids - set(got) - set(excused)), "twice": len(twice),
            "twice_unmarked": len(twice - marked), "disorder": disorder,
            "untold": len(set(got) - told_ids)}


def check_options(parser):
    for name in ("--told", "--arrived", "--marks", "--excused"):
        parser.add_argument(name, nargs="*", default=[])


def check_main(args):
    excused = set()
    for path in args.excused:
        with open(path, encoding="utf-8") as lines:
            excused |= {line.strip() for line in lines}
    result = compare(ledger_read(args.told), ledger_read(args.arrived), marked_read(args.marks),
                     excused)
    print(json.dumps(result))
    return int(any(result[k] for k in ("lost", "twice_unmarked", "disorder")))


def main():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers(required=True)
    for name, options, run in (("devices", devices_options, devices_main),
                               ("receiver", receiver_options, receiver_main),
                               ("relay", relay_options, relay_main),
                               ("check", check_options, check_main)):
        one = sub.add_parser(name)
        options(one)
        one.set_defaults(main=run)
    args = parser.parse_args()
    return args.main(args)


if __name__ == "__main__":
    sys.exit(main())
