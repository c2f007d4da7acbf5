#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A ZKTeco terminal that pushes over HTTP: its own log, one place in it up to which the server has
said OK, the same batch again on anything else.

    zk_push.py [OPTION...] PORT

It shakes hands, posts what it has (and OPERLOG, photos, people, when told to), polls for work
--polls times, does what it is asked, and prints one JSON object: what it sent, what it heard.
Attendance push by default, --acc is access-control push 3.x. --firmware chooses the habits of a
generation. The wire can be cut (--cut), slowed (--slow), repeated (--twice).  Nothing here knows
the code that it is to try: it is written from the protocol.
"""
import argparse
import calendar
import json
import socket
import sys
import time
from datetime import datetime, timedelta

TEXT = "%Y-%m-%d %H:%M:%S"


def packed(t):
    return ((((t.year - 2000) * 12 + t.month - 1) * 31 + t.day - 1) * 86400
            + t.hour * 3600 + t.minute * 60 + t.second)


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--sn", default="CGXH2012345")
    p.add_argument("--acc", action="store_true")
    p.add_argument("--firmware", choices=("2009", "2.2", "2.4", "3"), default="2.4")
    p.add_argument("--rows", type=int, default=10)
    p.add_argument("--people", type=int, default=3)
    p.add_argument("--start", default="2026-03-02 08:00:00")
    p.add_argument("--step", type=int, default=61, help="seconds between two rows")
    p.add_argument("--attlog", metavar="FILE", help="its log, as a memory stick would have it")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--body", action="append", default=[], metavar="TABLE=FILE",
                   help="post this body too")
    p.add_argument("--polls", type=int, default=1)
    p.add_argument("--tries", type=int, default=50)
    p.add_argument("--delay", type=float, default=0.05, help="for ErrorDelay")
    p.add_argument("--cut", type=int, default=0, help="send so many bytes at a time")
    p.add_argument("--slow", type=float, default=0, help="seconds between two pieces")
    p.add_argument("--twice", action="store_true", help="drop every first reply to a post")
    p.add_argument("--path", default="/iclock/%s", help="of a page")
    p.add_argument("--spaces", action="store_true", help="do not escape them")
    p.add_argument("--expect", action="store_true", help="ask with 100-continue")
    p.add_argument("--crlf", action="store_true")
    p.add_argument("--keep", action="store_true", help="one connection for all")
    p.add_argument("--ledger", help="rows that were acknowledged")
    p.add_argument("--no-query", action="store_true", help="refuse DATA QUERY")
    p.add_argument("--restart", action="store_true", help="forget the pointer at the end, begin anew")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("port", type=int)
    return p.parse_args()


class Device:
    def __init__(self, a):
        self.a = a
        self.peer = None
        self.heard = []         # of each request: page, status, first line
        self.again = 0          # posts that were sent more than once
        self.options = {}
        self.work = []          # commands that it was given
        start = datetime.strptime(a.start, TEXT)
        self.log = [(str(1000 + n % a.people), start + timedelta(seconds=n * a.step), n % 2,
                     (1, 15, 4)[n % 3]) for n in range(a.rows)]
        if a.attlog:
            with open(a.attlog, encoding="ascii") as f:
                rows = [line.split("\t") for line in f]
            self.log = [(r[0].strip(), datetime.strptime(r[1], TEXT), int(r[3]), int(r[4]))
                        for r in rows]
        self.sent = 0           # rows that the server has
        self.ledger = open(a.ledger, "a", encoding="ascii") if a.ledger else None

    # ---- the wire ----

    def connect(self):
        if self.peer:
            return
        self.peer = socket.create_connection((self.a.host, self.a.port), timeout=30)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def hang_up(self):
        if self.peer:
            self.peer.close()
        self.peer = None

    def write(self, data):
        step = self.a.cut or len(data) or 1
        for at in range(0, len(data), step):
            self.peer.sendall(data[at:at + step])
            if self.a.slow:
                time.sleep(self.a.slow)

    def read_reply(self):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.peer.recv(65536)
            if not piece:
                raise ConnectionError("no answer")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        fields = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
        length = int(fields["content-length"])
        while len(body) < length:
            piece = self.peer.recv(65536)
            if not piece:
                raise ConnectionError("half an answer")
            body += piece
        return int(lines[0].split()[1]), fields, body

    def ask(self, method, page, query, body=None, drop=False):
        """One request: status, body; 0 where there was no answer."""
        target = self.a.path % page + "?" + "&".join(
            "%s=%s" % (k, v if self.a.spaces else str(v).replace(" ", "%20")) for k, v in query)
        head = "%s %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: iClock Proxy/1.09\r\nAccept: */*\r\n" % (
            method, target, self.a.host, self.a.port)
        if not self.a.keep:
            head += "Connection: close\r\n"
        if body is not None:
            head += "Content-Type: %s\r\nContent-Length: %d\r\n" % (
                "application/push;charset=UTF-8" if self.a.acc else "text/plain", len(body))
            if self.a.expect:
                head += "Expect: 100-continue\r\n"
        try:
            self.connect()
            self.write(head.encode("latin-1") + b"\r\n")
            if body is not None and self.a.expect:
                if not self.peer.recv(65536).startswith(b"HTTP/1.1 100"):
                    raise ConnectionError("no 100")
            if body is not None:
                self.write(body)
            status, fields, answer = self.read_reply()
            self.check(page, status, fields)
        except (OSError, ConnectionError) as e:
            self.hang_up()
            self.heard.append([page, 0, type(e).__name__])
            return 0, b""
        if not self.a.keep or fields.get("connection") == "close":
            self.hang_up()
        self.heard.append([page, status, answer.split(b"\n")[0].decode("latin-1")])
        if drop:
            return 0, b""
        return status, answer

    def check(self, page, status, fields):
        """What would harm a real device."""
        date = datetime.strptime(fields["date"], "%a, %d %b %Y %H:%M:%S GMT")
        if abs(calendar.timegm(date.timetuple()) - time.time()) > 5:
            sys.exit("%s: its clock would be set to %s" % (page, fields["date"]))
        if status == 200 and not fields["content-type"].startswith("text/plain"):
            sys.exit("%s: %s" % (page, fields["content-type"]))

    # ---- the protocol ----

    def shake_hands(self):
        a = self.a
        query = [("SN", a.sn), ("options", "all")]
        if a.firmware != "2009":
            query += [("language", 69), ("pushver", {"2.2": "2.2.14", "2.4": "2.4.0", "3": "3.1.2"}[
                a.firmware])]
        if a.acc:
            query += [("DeviceType", "acc"), ("PushOptionsFlag", 1)]
        elif a.firmware == "2.4":
            query += [("DeviceType", "middle east"), ("PushOptionsFlag", 1)]
        status, body = self.ask("GET", "cdata", query)
        if status != 200:
            return False
        lines = body.decode("ascii").split("\n")
        if a.acc and lines[0] != "registry=ok" or \
                not a.acc and lines[0] != "GET OPTION FROM: " + a.sn:
            return False
        self.options = dict(x.split("=", 1) for x in lines if "=" in x)
        if a.firmware == "2009":    # newer firmware keeps its own pointer
            stamp = int(self.options["Stamp"])
            self.sent = sum(packed(row[1]) <= stamp for row in self.log)
        if a.acc:
            return self.register()
        return True

    def register(self):
        line = ("DeviceType=acc,~DeviceName=SenseFace 2A,FirmVer=ZAM70-NF24HA-Ver3.0.15,"
                "PushVersion=Ver 3.0.4S-20240809,~SerialNumber=%s,~OEMVendor=ZKTECO CO., LTD.,"
                "CommKey=12345,FaceFunOn=1" % self.a.sn)
        status, body = self.ask("POST", "registry", [("SN", self.a.sn)], line.encode("ascii"))
        if status != 200 or not body.startswith(b"RegistryCode="):
            return False
        if body.strip().decode("ascii") != "RegistryCode=" + self.options["RegistryCode"]:
            sys.exit("another registry code: " + body.decode("ascii"))
        status, body = self.ask("POST", "push", [("SN", self.a.sn)], b"")
        return status == 200 and body.startswith(b"ServerVersion=")

    def line(self, number):
        pin, at, state, verify = self.log[number]
        a = self.a
        if a.acc:
            return ("time=%s\tpin=%s\tcardno=0\teventaddr=1\tevent=3\tinoutstatus=%d\tverifytype=%d\t"
                    "index=%d\tsitecode=0\tlinkid=0" % (at.strftime(TEXT), pin, state, verify, number + 1))
        more = {"2009": "", "2.2": "\t0\t0\t0", "2.4": "\t\t0\t0\t", "3": "\t0\t0\t0\t0\t0\t0"}
        return "%s\t%s\t%d\t%d%s" % (pin, at.strftime(TEXT), state, verify, more[a.firmware])

    def body_of(self, numbers):
        end = "\r\n" if self.a.crlf else "\n"
        return "".join(self.line(n) + end for n in numbers).encode("ascii")

    def query_of(self, first):
        a = self.a
        if a.acc:
            return [("SN", a.sn), ("table", "rtlog")]
        stamp = packed(self.log[first][1]) if a.firmware == "2009" else 9999
        if a.firmware == "2009":
            return [("SN", a.sn), ("Stamp", stamp)]
        return [("SN", a.sn), ("table", "ATTLOG"), ("Stamp", stamp)]

    def post(self, page, query, body):
        """Sends it until the server takes it; None when it never did."""
        for n in range(self.a.tries):
            self.again += n > 0
            status, answer = self.ask("POST", page, query, body, self.a.twice and n == 0)
            if status == 200 and (answer.startswith(b"OK") or b"=" in answer):
                return answer.decode("ascii").strip()
            time.sleep(self.a.delay)
        return None

    def upload(self):
        while self.sent < len(self.log):
            numbers = range(self.sent, min(self.sent + self.a.batch, len(self.log)))
            answer = self.post("cdata", self.query_of(numbers[-1]), self.body_of(numbers))
            if answer is None:
                return False
            if not self.a.acc and answer != "OK: %d" % len(numbers):
                sys.exit("of %d rows it took: %s" % (len(numbers), answer))
            if self.ledger:
                self.ledger.write(self.body_of(numbers).decode("ascii").replace("\r", ""))
                self.ledger.flush()
            self.sent = numbers[-1] + 1
        return True

    def upload_bodies(self):
        for spec in self.a.body:
            table, _, path = spec.partition("=")
            with open(path, "rb") as f:
                body = f.read()
            query = [("SN", self.a.sn), ("table", table), ("Stamp", 9999)]
            if table.startswith("tabledata:"):
                query = [("SN", self.a.sn), ("table", "tabledata"), ("tablename", table[10:]),
                         ("count", len(body.splitlines()))]
            answer = self.post("cdata", query, body)
            if answer is None:
                return False
            if table.startswith("tabledata:") and answer != "%s=%d" % (
                    table[10:], len(body.splitlines())):
                sys.exit("%s would be sent for ever: %s" % (table, answer))
        return True

    # ---- work ----

    def poll(self):
        query = [("SN", self.a.sn)]
        if not self.a.acc:
            query.append(("INFO", "Ver 6.39 Apr 28 2008,%d,0,%d,127.0.0.1" % (self.a.people, len(self.log))))
        status, body = self.ask("GET", "getrequest", query)
        if status != 200:
            return
        for line in body.decode("ascii").split("\n"):
            if line.startswith("C:"):
                self.work.append(line)
                _, number, command = line.split(":", 2)
                self.obey(number, command)
            elif line not in ("", "OK"):
                sys.exit("not a command: " + line)

    def obey(self, number, command):
        value = -1002
        if self.a.no_query:
            value = -1004
        elif command.startswith("DATA QUERY ATTLOG "):
            value = -629 if self.a.acc else self.query_period(command[18:])
        elif command.startswith("DATA QUERY tablename=transaction") and self.a.acc:
            self.query_table(number)
            return
        self.post("devicecmd", [("SN", self.a.sn)],
                  b"ID=%s&Return=%d&CMD=DATA\n" % (number.encode("ascii"), value))

    def query_period(self, text):
        ends = dict(x.split("=", 1) for x in text.split("\t"))
        first, last = (datetime.strptime(ends[k], TEXT) for k in ("StartTime", "EndTime"))
        numbers = [n for n, row in enumerate(self.log) if first <= row[1] <= last]
        for at in range(0, len(numbers), self.a.batch):
            part = numbers[at:at + self.a.batch]
            if self.post("cdata", self.query_of(part[-1]), self.body_of(part)) is None:
                return -1003
        return 0 if numbers else -1

    def query_table(self, number):
        pages = [range(at, min(at + self.a.batch, len(self.log)))
                 for at in range(0, len(self.log), self.a.batch)]
        for n, page in enumerate(pages, 1):
            body = "".join("transaction cardno=0\tpin=%s\tverified=%d\tdoorid=1\teventtype=3\t"
                           "inoutstate=%d\ttime_second=%d\tindex=%d\r\n" % (
                               self.log[i][0], self.log[i][3], self.log[i][2], packed(self.log[i][1]),
                               i + 1) for i in page)
            answer = self.post("querydata", [
                ("SN", self.a.sn), ("type", "tabledata"), ("cmdid", number),
                ("tablename", "transaction"), ("count", len(page)), ("packcnt", len(pages)),
                ("packidx", n)], body.encode("ascii"))
            if answer != "transaction=%d" % len(page):
                sys.exit("it would be sent for ever: %s" % answer)

    def run(self):
        for _ in range(self.a.tries):
            if self.shake_hands():
                break
            time.sleep(self.a.delay)
        else:
            return False
        good = self.upload() and self.upload_bodies()
        for _ in range(self.a.polls):
            self.poll()
        return good


def main():
    a = arguments()
    device = Device(a)
    good = device.run()
    if good and a.restart:
        device.sent = 0
        good = device.run()
    print(json.dumps({"good": good, "rows": device.sent, "again": device.again,
                      "options": device.options, "work": device.work, "heard": device.heard}))
    return 0 if good else 1


sys.exit(main())
