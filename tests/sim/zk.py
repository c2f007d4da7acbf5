#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A ZKTeco device on port 4370 of the loopback interface, over TCP and UDP.

usage: zk.py [option ...]

Says "listening on PORT" when it is ready. Each command that a client sends is a line of --log:
tcp or udp, and its number. With --each there is a device more for each of these quirks, "listening
on PORT QUIRK", and its log is FILE.QUIRK. Lines of the --happens file, a FIFO, are what happens at
the device:

    punch USER [YYYY-MM-DDTHH:MM:SS]   a record, and a live event for who asked for them
    mute USER [TIME]                   a record without the live event
    void                               a record that is begun and never filled
    clear                              the log is cleared
    wrap N                             the N oldest records are lost
    serial TEXT                        another device answers at the address
    drop                               all connections end, without a word
    sleep, wake                        nothing is answered; again
    layout SIZE                        new firmware: other records
    event SIZE                         live events have that many bytes from now on
    quirk NAME, cured NAME             it begins to have one of the QUIRKS; it has it no more

A log that is full (--room) loses its oldest record with each new one.
--quirk takes names separated by commas: see QUIRKS.
"""
import argparse
import array
import datetime
import random
import socket
import struct
import sys
import threading
import time

QUIRKS = {
    "no-ack": "no ACK_OK after a part",
    "late-ack": "it comes before the answer to the next request",
    "cut-ack": "its last bytes are missing (TCP)",
    "direct": "a part without PREPARE_DATA",
    "small": "frames of 1008 bytes",
    "wrong-ids": "sessions and reply ids that are none, in all of a transfer",
    "no-tables": "1503 is unknown: only the old way",
    "at-once": "the whole table as the answer to 1503",
    "prepared": "the same, announced",
    "junk": "bytes before each frame (TCP)",
    "short-once": "the first try of each part lacks its second half",
    "size-at-0": "the answer to 1503 without its first byte",
    "lies-low": "1503 announces half of the log",
    "lies-high": "1503 announces more than the log",
    "counts-0": "0 records in the free sizes",
    "counts-more": "100 records too many there",
    "less": "at most 5000 bytes a part, as announced",
    "split": "TCP: one byte a segment, at most",
    "slow": "10 ms before each answer",
    "repeat": "each live event twice",
    "cut-once": "the connection ends in the middle of a transfer, see --cut",
    "lose": "UDP: the first datagram of each first try is lost",
    "swap": "UDP: datagrams change places",
    "double": "UDP: each comes twice",
    "garbage": "the old way gives other memory",
    "no-serial": "no option is known",
    "mute-serial": "who asks for an option gets no answer",
    "keeps-users": "the table of users is not handed over",
    "no-events": "live events are refused",
    "access": "set up for access control: 4989",
    "sdk": "6001 to everybody",
    "half": "a last record that is not whole",
    "marks": "nine bytes before every third record of 40",
    "exclusive": "one client at a time, until it says goodbye",
}
MAGIC = b"\x50\x50\x82\x7d"
SESSION = 0x1F2E
MARK = b"\xff255\0\0\0\0\0"
# Whoever sends these wants to change something.
HARMFUL = {14, 15, 18, 19, 20, 31, 32, 33, 1004, 1005, 202, 8, 10, 12}


def pack_time(t):
    return (((t.year - 2000) * 12 + t.month - 1) * 31 + t.day - 1) * 86400 + \
        t.hour * 3600 + t.minute * 60 + t.second


def pack_six(t):
    return bytes([t.year - 2000, t.month, t.day, t.hour, t.minute, t.second])


def word_sum(data):
    if len(data) & 1:
        data += b"\0"
    words = array.array("H", data)
    if sys.byteorder == "big":
        words.byteswap()
    return sum(words)


def make_packet(command, session, reply, data=b"", summed=None):
    total = command + session + reply + (word_sum(data) if summed is None else summed)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("<4H", command, ~total & 0xFFFF, session, reply) + data


def comm_key(key, session, ticks=50):
    k = int("{:032b}".format(key)[::-1], 2)
    b = bytearray(struct.pack("<I", (k + session) & 0xFFFFFFFF))
    b = bytes(x ^ y for x, y in zip(b, b"ZKSO"))
    return bytes([b[2] ^ ticks, b[3] ^ ticks, ticks, b[1] ^ ticks])


class Device:
    """Its users and its log; what the connections share."""

    def __init__(self, options, quirk, log):
        self.options = options
        self.quirks = set(quirk.split(",")) if quirk else set()
        unknown = self.quirks - set(QUIRKS)
        if unknown:
            sys.exit("zk.py: no such quirk: " + " ".join(unknown))
        self.serial = options.serial
        self.layout = options.layout
        self.lock = threading.RLock()
        self.asleep = threading.Event()
        self.tables = {}            # what is open: command -> bytes
        self.sums = {}              # of parts of the log, as long as it does not change
        self.peers = set()
        self.holder = None
        self.transfers = 0
        self.users = ["%d" % (101 + n) for n in range(options.users)]
        self.log = []               # (user, time, verify, state) or None for an empty record
        dice = random.Random(options.seed)
        when = datetime.datetime.fromisoformat(options.start)
        for _ in range(options.records):
            when += datetime.timedelta(seconds=dice.randint(1, options.pace))
            self.log.append((dice.choice(self.users), when, dice.choice((1, 1, 1, 15, 4)),
                             0 if when.hour < 12 else 1))
        self.changed()
        self.out = open(log, "w", buffering=1, encoding="ascii") if log else None

    def changed(self):
        self.sums = {}
        self.bytes = None

    def uid(self, user):
        if user not in self.users:
            self.users.append(user)
        return self.users.index(user) + 1

    def record(self, entry):
        if entry is None:
            return b"\0" * {"8": 8, "8-flags": 8, "16": 16, "40": 40, "49": 49}[self.layout]
        user, when, verify, state = entry
        t, uid = pack_time(when), self.uid(user)
        if self.layout == "8":
            return struct.pack("<HBIB", uid, verify, t, state)
        if self.layout == "8-flags":
            return struct.pack("<HBBI", uid, (verify & 3) << 3 | state & 7 | 0x20, 0, t)
        if self.layout == "16":
            return struct.pack("<IIBBHI", int(user), t, state, verify, 0, 0)
        r = struct.pack("<H24sBIB", uid, user.encode(), verify, t, state) + b"\0\0\0\0\xff\0\0\0"
        return r + MARK if self.layout == "49" else r

    def log_bytes(self):
        """The table, with its size in front."""
        if self.bytes is None:
            rows = [self.record(e) for e in self.log]
            if "marks" in self.quirks:
                rows = [MARK + r if n % 3 == 0 else r for n, r in enumerate(rows)]
            if "half" in self.quirks and rows:
                rows.append(rows[-1][:5])
            body = b"".join(rows)
            self.bytes = struct.pack("<I", len(body)) + body if body or self.log else b"\0" * 4
        return self.bytes

    def user_bytes(self):
        rows = []
        for n, user in enumerate(self.users):
            if self.options.user_size == 28:
                rows.append(struct.pack("<HB5s8sIBBHI", n + 1, 0, b"4711", b"Anna Bel", 0, 0, 1, 0,
                                        int(user)))
            else:
                rows.append(struct.pack("<HB8s24sIBHHHH24s", n + 1, 0, b"471\0secr", b"Anna Bell", 0, 1,
                                        0, 0, 0, 0, user.encode()).ljust(72, b"\0"))
        body = b"".join(rows)
        return struct.pack("<I", len(body)) + body

    def sizes(self):
        n = len(self.log)
        if "counts-0" in self.quirks:
            n = 0
        if "counts-more" in self.quirks:
            n += 100
        words = [0] * 23
        words[4], words[8] = len(self.users), n
        words[14:20] = [3000, 10000, self.options.room, 3000, 10000 - len(self.users),
                        self.options.room - n]
        return struct.pack("<23i", *words)

    def event(self, entry):
        user, when, verify, state = entry
        six, size = pack_six(when), self.options.event
        if size in (10, 14):
            return (struct.pack("<HBB", self.uid(user), verify, state) + six).ljust(size, b"\0")
        if size == 12:
            return struct.pack("<IBB", int(user), verify, state) + six
        return (struct.pack("<24sBB", user.encode(), verify, state) + six).ljust(size, b"\0")

    def punch(self, words, live):
        with self.lock:
            when = datetime.datetime.fromisoformat(words[1]) if len(words) > 1 else \
                datetime.datetime.now().replace(microsecond=0)
            entry = (words[0], when, 15, 0)
            self.log.append(entry)
            del self.log[:-self.options.room]
            self.changed()
            if not live:
                return
            data = self.event(entry)
            for peer in [p for p in self.peers if p.listens]:
                for _ in range(2 if "repeat" in self.quirks else 1):
                    peer.put(500, 1, 0, data)
                peer.flush()

    def happen(self, line):
        words = line.split()
        if not words:
            return
        if words[0] in ("punch", "mute"):
            self.punch(words[1:], words[0] == "punch")
            return
        with self.lock:
            if words[0] == "void":
                self.log.append(None)
            elif words[0] == "clear":
                self.log = []
            elif words[0] == "wrap":
                del self.log[:int(words[1])]
            elif words[0] == "serial":
                self.serial = words[1]
            elif words[0] == "layout":
                self.layout = words[1]
            elif words[0] == "event":
                self.options.event = int(words[1])
            elif words[0] == "quirk":
                self.quirks.add(words[1])
            elif words[0] == "cured":
                self.quirks.discard(words[1])
            elif words[0] == "drop":
                for peer in list(self.peers):
                    peer.hang_up()
            elif words[0] == "sleep":
                self.asleep.set()
            elif words[0] == "wake":
                self.asleep.clear()
            else:
                sys.exit("zk.py: nothing that happens: " + line)
            self.changed()

    def note(self, kind, command):
        if self.out:
            self.out.write("%s %d\n" % (kind, command))


class Peer:
    """One client; `send` takes packets and puts them on its wire."""

    def __init__(self, device, kind):
        self.device, self.kind = device, kind
        self.listens = self.known = self.late = False
        self.tries, self.last = {}, None
        self.queue = []

    def has(self, quirk):
        return quirk in self.device.quirks

    def put(self, command, session, reply, data=b"", summed=None):
        self.queue.append(make_packet(command, session, reply, data, summed))

    def ok(self, reply, data=b""):
        self.put(2000, SESSION, reply, data)

    def ack_transfer(self, reply):
        self.late = self.has("late-ack")
        if not self.late and not self.has("no-ack"):
            if self.has("wrong-ids"):
                self.put(2000, 0x7777, 99)
            else:
                self.ok(reply)
            if self.has("cut-ack") and self.kind == "tcp":
                self.queue[-1] = self.queue[-1][:-3] + b"CUT"

    def transfer(self, data, reply, key):
        """PREPARE_DATA, DATA, …, ACK_OK, in the form that the quirks ask for."""
        ident = 4711 if self.has("wrong-ids") else reply
        each = 1024 if self.kind == "udp" else 1008 if self.has("small") else 65528
        first = key != self.last
        self.last = key
        if not self.has("direct") or len(data) > each:
            self.put(1500, SESSION, ident, struct.pack("<II", len(data), each))
        if self.has("short-once") and first:
            data = data[:len(data) // 2]
        begun = len(self.queue)
        whole = len(data) <= each
        for number, at in enumerate(range(0, len(data), each)):
            if self.has("lose") and first and number == 0:
                continue
            summed = self.device.sums.get(key) if whole else None
            part = data[at:at + each]
            if whole and summed is None:
                summed = self.device.sums[key] = word_sum(part)
            self.put(1501, 5 if self.has("wrong-ids") else number, ident, part, summed)
        if self.has("swap"):
            for n in range(begun, len(self.queue) - 1, 2):
                self.queue[n:n + 2] = self.queue[n + 1], self.queue[n]
        self.device.transfers += 1
        if self.has("cut-once") and self.device.transfers == self.device.options.cut:
            self.queue = self.queue[:begun + 1]
            self.flush()
            self.hang_up()
            return
        self.ack_transfer(reply)

    def open_table(self, data, reply):
        which, = struct.unpack("<H", data[1:3])
        if self.has("no-tables"):
            self.put(65535, SESSION, reply)
            return
        if self.has("access") and which == 13:
            self.put(4989, SESSION, reply)
            return
        if self.has("keeps-users") and which == 9:
            self.put(4989, SESSION, reply)
            return
        table = self.device.log_bytes() if which == 13 else self.device.user_bytes()
        self.device.tables[self] = table
        if self.has("at-once"):
            self.put(1501, SESSION, reply, table)
        elif self.has("prepared"):
            self.transfer(table, reply, ("whole", which))
        else:
            n = len(table)
            n = n // 2 if self.has("lies-low") else n + 200 if self.has("lies-high") else n
            sizes = struct.pack("<BIII", 0, n, n, 0xABCDEF)
            self.ok(reply, sizes[1:] if self.has("size-at-0") else sizes)

    def part(self, data, reply):
        start, n = struct.unpack("<II", data)
        table = self.device.tables.get(self)
        if table is None or start > len(table):
            self.put(2001, SESSION, reply)
            return
        if self.has("less"):
            n = min(n, 5000)
        self.transfer(table[start:start + n], reply, (id(table), start, n))

    def take(self, packet):
        """One request."""
        if len(packet) < 8:
            return
        command, _, session, reply = struct.unpack("<4H", packet[:8])
        data = packet[8:]
        self.device.note(self.kind, command)
        if command == 2000 or self.device.asleep.is_set():
            return
        if self.has("slow"):
            time.sleep(0.01)
        if self.late:
            self.late = False
            self.ok(3)
        with self.device.lock:
            self.answer(command, session, reply, data)
        self.flush()

    def answer(self, command, session, reply, data):
        d = self.device
        key = d.options.key
        if command == 1000:
            if self.has("sdk"):
                self.put(6001, 0, reply)
            elif self.has("exclusive") and d.holder not in (None, self):
                return
            elif key is not None and not self.known:
                self.put(2005, SESSION, reply)
            else:
                self.known = True
                d.holder = self
                self.ok(reply)
        elif command == 1102:
            self.known = data == comm_key(key or 0, session)
            self.put(2000 if self.known else 2005, SESSION, reply)
        elif command == 1001:
            self.listens = False
            d.holder = None if d.holder is self else d.holder
            self.ok(reply)
        elif key is not None and not self.known:
            self.put(2005, SESSION, reply)
        elif command == 11:
            self.option(data, reply)
        elif command == 50:
            self.ok(reply, d.sizes())
        elif command == 201:
            now = datetime.datetime.now() + datetime.timedelta(seconds=d.options.clock)
            self.ok(reply, struct.pack("<I", pack_time(now)))
        elif command == 1100:
            self.ok(reply, b"Ver 6.60 Aug 26 2011\0")
        elif command == 500:
            self.listens = not self.has("no-events") and data != b"\0\0\0\0"
            self.put(2001 if self.has("no-events") else 2000, SESSION, reply)
        elif command == 1503 and len(data) == 11:
            self.open_table(data, reply)
        elif command == 1504 and len(data) == 8:
            self.part(data, reply)
        elif command == 13:
            self.transfer(d.log_bytes() if not self.has("garbage") else
                          struct.pack("<I", 120) + bytes(range(7, 127)), reply, "log")
        elif command == 9:
            self.transfer(d.user_bytes(), reply, "users")
        elif command in HARMFUL:
            self.put(2001, SESSION, reply)
        else:
            self.ok(reply)

    def option(self, data, reply):
        name = data.split(b"\0")[0].decode("latin-1")
        if self.has("mute-serial"):
            return
        values = {"~SerialNumber": self.device.serial, "~DeviceName": "SIM40",
                  "~Platform": "ZEM560_TFT", "~ZKFPVersion": "10"}
        if name in values and not self.has("no-serial"):
            self.ok(reply, ("%s=%s\0" % (name, values[name])).encode())
        else:
            self.put(2001, SESSION, reply)


class TcpPeer(Peer):
    def __init__(self, device, conn):
        super().__init__(device, "tcp")
        self.conn, self.ask, self.diag = conn, None, None
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def flush(self):
        frames, self.queue = self.queue, []
        junk = b"\0\xffPP" if self.has("junk") else b""
        try:
            for packet in frames:
                frame = junk + MAGIC + struct.pack("<I", len(packet)) + packet
                if packet.endswith(b"CUT") and self.has("cut-ack"):
                    frame = frame[:-3]
                if self.has("split"):
                    for n in range(len(frame)):
                        self.conn.sendall(frame[n:n + 1])
                else:
                    if self.device.options.frames:
                        self.await_read()
                    self.conn.sendall(frame)
        except OSError:
            pass

    def await_read(self):
        """Until the client, a socket of this machine, has read all that was sent (sock_diag(7))."""
        if self.ask is None:
            self.diag = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)
            self.ask = self.make_ask()
        end, asked = time.monotonic() + 1, 0
        while time.monotonic() < end:
            self.diag.send(self.ask)
            answer = self.diag.recv(4096)
            if len(answer) < 76 or answer[72:76] == b"\0\0\0\0":
                return
            asked += 1
            if asked > 10:  # it may be waiting for this very processor
                time.sleep(0.00005)

    def make_ask(self):
        (host, port), (our_host, our_port) = self.conn.getpeername(), self.conn.getsockname()
        ident = struct.pack("!HH", port, our_port) + socket.inet_aton(host).ljust(16, b"\0") + \
            socket.inet_aton(our_host).ljust(16, b"\0") + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        ask = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ident
        return struct.pack("=IHHII", 16 + len(ask), 20, 1, 1, 0) + ask

    def hang_up(self):
        try:
            self.conn.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self):
        with self.device.lock:
            self.device.peers.add(self)
        data = b""
        while True:
            try:
                more = self.conn.recv(65536)
            except OSError:
                more = b""
            if not more:
                break
            data += more
            while len(data) >= 8:
                n, = struct.unpack("<I", data[4:8])
                if data[:4] != MAGIC or n > 1 << 20:
                    data = b""
                    break
                if len(data) < 8 + n:
                    break
                self.take(data[8:8 + n])
                data = data[8 + n:]
        with self.device.lock:
            self.device.peers.discard(self)
            self.device.tables.pop(self, None)
        self.conn.close()


class UdpPeer(Peer):
    def __init__(self, device, sock, address):
        super().__init__(device, "udp")
        self.sock, self.address = sock, address

    def flush(self):
        packets, self.queue = self.queue, []
        for packet in packets:
            for _ in range(2 if self.has("double") else 1):
                self.sock.sendto(packet, self.address)

    def hang_up(self):
        self.device.peers.discard(self)
        self.listens = False


def serve_tcp(device, sock):
    while True:
        conn, _ = sock.accept()
        threading.Thread(target=TcpPeer(device, conn).serve, daemon=True).start()


def serve_udp(device, sock):
    peers = {}
    while True:
        try:
            packet, address = sock.recvfrom(65536)
        except OSError:     # a client that has gone
            continue
        if address not in peers:
            peers[address] = UdpPeer(device, sock, address)
            device.peers.add(peers[address])
        peers[address].take(packet)


def sockets(port, tcp, udp):
    """Both on one port."""
    while True:
        t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        t.bind(("127.0.0.1", port))
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            u.bind(t.getsockname())
            break
        except OSError:
            if port:
                raise
    u.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    number = t.getsockname()[1]
    if tcp:
        t.listen(16)
    else:
        t.close()
    if not udp:
        u.close()
    return t, u, number


def listen(device, port, name):
    only = device.options.only
    tcp, udp, port = sockets(port, only != "udp", only != "tcp")
    device.log_bytes()
    if only != "udp":
        threading.Thread(target=serve_tcp, args=(device, tcp), daemon=True).start()
    if only != "tcp":
        threading.Thread(target=serve_udp, args=(device, udp), daemon=True).start()
    print("listening on %d%s" % (port, name), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--only", choices=("tcp", "udp"))
    parser.add_argument("--serial", default="CGXH2012345")
    parser.add_argument("--records", type=int, default=100)
    parser.add_argument("--layout", default="40", choices=("8", "8-flags", "16", "40", "49"))
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--user-size", type=int, default=72, choices=(28, 72))
    parser.add_argument("--event", type=int, default=32)
    parser.add_argument("--key", type=int)
    parser.add_argument("--room", type=int, default=100000)
    parser.add_argument("--start", default="2026-01-07T06:00:00")
    parser.add_argument("--pace", type=int, default=300, help="most seconds between two records")
    parser.add_argument("--clock", type=int, default=0, help="by how many seconds it is ahead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quirk", default="")
    parser.add_argument("--each", nargs="+", default=[], metavar="QUIRK")
    parser.add_argument("--cut", type=int, default=1, help="which transfer cut-once is about")
    parser.add_argument("--frames", action="store_true",
                        help="TCP: a frame once the one before was read, for clients that need it")
    parser.add_argument("--log")
    parser.add_argument("--happens")
    parser.add_argument("--attlog", help="write the log as a memory stick would have it, and end")
    options = parser.parse_args()
    device = Device(options, options.quirk, options.log)
    if options.attlog:
        with open(options.attlog, "w", encoding="ascii") as out:
            for entry in device.log:
                out.write("%9s\t%s\t1\t%d\t%d\t0\r\n" % (entry[0], entry[1], entry[3], entry[2]))
        return
    listen(device, options.port, "")
    for quirk in options.each:
        listen(Device(options, quirk, options.log and options.log + "." + quirk), 0, " " + quirk)
    print("ready", flush=True)
    if options.happens:
        with open(options.happens, encoding="utf-8") as lines:
            for line in lines:
                device.happen(line)
    threading.Event().wait()


main()
