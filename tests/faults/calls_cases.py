# SPDX-License-Identifier: MIT
"""What is run, and what has to be true of it whatever happened at some call.

A case makes a folder as it was before (`template`), runs its programs there once with a fault
(`work`), says what is wrong with what is left (`judge`), and lets everything be done again without
one (`finish`), after which nothing may be missing.  Complaints are lists of words.
"""
import collections
import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
import uuid

from calls_run import Job, run

FINISH_RUNS = 8


def receipts(text):
    """The whole ones: a torn last line is none."""
    found = []
    for line in text.split(b"\n")[:-1]:
        try:
            found.append(json.loads(line))
        except ValueError:
            found.append({"outcome": "not JSON: %r" % line[:80]})
    return found


def listed(cwd, store="q.db"):
    """Arrival order: event_id -> (state, event); None when the store cannot be read."""
    job = run(["ts-spool", "list", store], cwd)
    if job.status == 66:        # nothing was ever put into it
        return {}
    if job.status != 0:
        return None
    return {e["event_id"]: (e["state"], e) for e in map(json.loads, job.out.splitlines())}


def intact(cwd, store="q.db"):
    """By SQLite itself, after recovery."""
    if not os.path.exists(os.path.join(cwd, store)):
        return []
    with sqlite3.connect(os.path.join(cwd, store)) as db:
        said = db.execute("PRAGMA integrity_check").fetchall()
    db.close()
    return [] if said == [("ok",)] else ["integrity_check: %s" % said[:3]]


def states(found):
    return {i: s for i, (s, _) in found.items()}


class Case:
    name = ""
    victims = ()
    status = (0,)       # of an undisturbed run

    def __init__(self, folder):
        self.template = os.path.join(folder, self.name + ".template")
        os.mkdir(self.template)
        self.prepare(self.template)

    def prepare(self, cwd):
        pass

    def fresh(self, cwd):
        shutil.rmtree(cwd, ignore_errors=True)
        shutil.copytree(self.template, cwd)

    def work(self, cwd, env):
        raise NotImplementedError

    def judge(self, cwd, job, killed):
        raise NotImplementedError

    def finish(self, cwd):
        raise NotImplementedError


def event(person, second, **more):
    return dict({"kind": "granted", "local_time": "2026-01-05T08:00:%02d" % second,
                 "device_id": "D", "person_id": person}, **more)


def lines(events):
    return b"".join(json.dumps(e).encode() + b"\n" for e in events)


class Put(Case):
    """Three batches, each given when the receipts of the one before are here."""
    name = "put"
    victims = ("ts-spool put",)
    status = (65,)
    old = False

    def prepare(self, cwd):
        first = [event("p%d" % (i % 3), i) for i in range(6)] + [event("p7", 9, hold="who is it")]
        second = [event("p%d" % (i % 3), 20 + i) for i in range(4)] + first[:1]
        self.chunks = [lines(first) + b"this is no event\n", lines(second),
                       lines([event("p1", 40), event("p2", 41, skip="a test")])]
        if self.old:
            run(["ts-spool", "put", "q.db"], cwd, data=lines([event("p0", 59)]))
        reference = os.path.join(cwd, "reference")
        os.mkdir(reference)
        for name in filter(os.path.isfile, (os.path.join(cwd, n) for n in os.listdir(cwd))):
            shutil.copy(name, reference)
        self.ids = []
        job = self.work(reference, None)
        assert job.status == 65, job.err
        at = 0
        for chunk in self.chunks:
            n = chunk.count(b"\n")
            self.ids.append([r["event_id"] for r in job.receipts[at:at + n]])
            at += n
        self.wanted = states(listed(reference))
        shutil.rmtree(reference)

    def work(self, cwd, env):
        job = Job(["ts-spool", "put", "q.db"], cwd, env)
        try:
            for chunk in self.chunks:
                job.process.stdin.write(chunk)
                job.process.stdin.flush()
                for _ in range(chunk.count(b"\n")):
                    line = job.process.stdout.readline()
                    job.out += line
                    if not line:
                        break
        except BrokenPipeError:
            pass
        job.finish()
        job.receipts = receipts(job.out)
        return job

    def judge(self, cwd, job, killed):
        told = {r.get("event_id") for r in job.receipts if r["outcome"] in ("stored", "duplicate")}
        wrong = ["a receipt says " + r["outcome"] for r in job.receipts
                 if r["outcome"] not in ("stored", "duplicate")]
        there = listed(cwd)
        if there is None:
            return wrong + ["the store cannot be listed"]
        if told - set(there):
            wrong.append("%d with a receipt are not in the store" % len(told - set(there)))
        if job.status in self.status and len(job.receipts) < sum(map(len, self.ids)):
            wrong.append("the end was in order, but not every event has a receipt")
        if any(self.wanted.get(i) != s for i, (s, _) in there.items()):
            wrong.append("an event is in a wrong state")
        whole = [set(sum(self.ids[:n], [])) for n in range(len(self.ids) + 1)]
        if killed and set(there) - self.before() not in whole:
            wrong.append("a part of a batch is in the store")
        return wrong

    def before(self):
        return set(self.wanted) - set(sum(self.ids, []))

    def finish(self, cwd):
        job = run(["ts-spool", "put", "q.db"], cwd, data=b"".join(self.chunks))
        if job.status != 65:
            return ["put again ends with %s: %s" % (job.status, job.say())]
        got = states(listed(cwd) or {})
        return ["after putting all again the store differs"] if got != self.wanted else []


class PutOld(Put):
    """The same into a store that has something."""
    name = "put-old"
    old = True


class Drain(Case):
    """Events that are delivered, deferred, held and rejected, in a small window."""
    name = "drain"
    victims = ("ts-spool drain", "ledger")
    status = (65, 75)
    command = ["ts-spool", "drain", "-w", "6", "--into", "ledger arrived", "q.db"]

    def prepare(self, cwd):
        people = ["p1", "d1", "p2", "h1", "r1", "p1", "d1", "p3", "h1", "p2", "d1", "p1", "p4",
                  "p3", "d2", "p1", "d2"]
        run(["ts-spool", "put", "q.db"], cwd,
            data=lines(event(p, i) for i, p in enumerate(people)))
        all_of = listed(cwd)
        self.wanted = [(i, e["person_id"]) for i, (_, e) in all_of.items()
                       if e["person_id"] != "r1"]
        assert len(self.wanted) == len(people) - 1

    def work(self, cwd, env):
        return run(self.command, cwd, env)

    def arrivals(self, cwd):
        try:
            with open(os.path.join(cwd, "arrived"), encoding="utf-8") as f:
                return [line.split() for line in f]
        except FileNotFoundError:
            return []

    def judge(self, cwd, job, killed):
        there = listed(cwd)
        if there is None:
            return ["the store cannot be listed"]
        arrived = {a[0] for a in self.arrivals(cwd)}
        gone = [i for i, _ in self.wanted
                if i not in arrived and there.get(i, ("gone",))[0] not in ("waiting", "held")]
        return ["%d have neither arrived nor wait" % len(gone)] if gone else []

    def order(self, cwd):
        """What arrived: in which order, and how often."""
        wrong, seen = [], collections.defaultdict(list)
        for i, person, how in self.arrivals(cwd):
            if i in seen[person]:
                if how != "ambiguous":
                    wrong.append("%s arrived again and was not marked" % i)
            else:
                seen[person].append(i)
        for person in {p for _, p in self.wanted}:
            due = [i for i, p in self.wanted if p == person]
            if sorted(seen[person]) != sorted(due):
                wrong.append("%s: %d of %d arrived" % (person, len(seen[person]), len(due)))
            elif seen[person] != due:
                wrong.append("%s: out of order" % person)
        return wrong

    def finish(self, cwd):
        for _ in range(FINISH_RUNS):
            job = run(self.command, cwd)
            if job.status not in (0, 65, 75):
                return ["drain again ends with %s: %s" % (job.status, job.say())]
            if job.status != 75 and "held" not in states(listed(cwd) or {"": ("held", 0)}).values():
                break
        left = collections.Counter(states(listed(cwd) or {}).values())
        wrong = self.order(cwd)
        if left != {"delivered": len(self.wanted), "dead": 1}:
            wrong.append("at the end: %s" % dict(left))
        return wrong


class ReadFile(Case):
    """A log with a checkpoint, into a queue."""
    name = "read-file"
    victims = ("ts-read", "ts-spool put")
    into = "ts-spool put q.db"

    def prepare(self, cwd):
        rows = ["%d\t2026-01-05 08:00:%02d\t1\t0\t1\t0\n" % (1 + i % 4, i) for i in range(14)]
        with open(os.path.join(cwd, "log.dat"), "w", encoding="utf-8") as f:
            f.write("".join(rows))
        self.size = sum(map(len, rows))
        reference = cwd + ".reference"
        shutil.copytree(cwd, reference)
        job = self.work(reference, None)
        assert job.status == 0, job.err
        self.ids, end = [], 0
        for row, i in zip(rows, listed(reference)):
            end += len(row)
            self.ids.append((end, i))
        assert len(self.ids) == len(rows)
        shutil.rmtree(reference)

    def work(self, cwd, env):
        return run(["ts-read", "-f", "zk-attlog", "-d", "D", "--checkpoint", "place", "--into",
                    self.into, "log.dat"], cwd, env)

    def place(self, cwd):
        """The offset up to which all is safe, by the checkpoint; 0 without one."""
        try:
            with open(os.path.join(cwd, "place"), encoding="utf-8") as f:
                return json.load(f)["sources"][0]["offset"]
        except FileNotFoundError:
            return 0
        except (ValueError, LookupError):
            return -1

    def judge(self, cwd, job, killed):
        there, place = listed(cwd), self.place(cwd)
        if there is None:
            return ["the store cannot be listed"]
        missing = {i for _, i in self.ids} - set(there)
        wrong = ["the checkpoint is damaged"] if place < 0 else []
        if any(end <= place and i in missing for end, i in self.ids):
            wrong.append("the checkpoint at %d is past events that are not in the store" % place)
        if job.status == 0 and (missing or place != self.size):
            wrong.append("the end was in order, but %d are missing" % len(missing))
        if set(states(there).values()) - {"waiting"}:
            wrong.append("an event is in a wrong state")
        return wrong

    def finish(self, cwd):
        job = self.work(cwd, None)
        if job.status != 0:
            return ["ts-read again ends with %s: %s" % (job.status, job.say())]
        wrong = self.judge(cwd, job, False)
        if set(listed(cwd) or {}) != {i for _, i in self.ids}:
            wrong.append("the store differs after reading again")
        return wrong


def post(port, body, told, at):
    """One request; told[at] becomes its status, 0: no answer."""
    told[at] = 0
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = b""
            while True:
                got = s.recv(4096)
                if not got:
                    break
                answer += got
        if b"\r\n\r\n" in answer:
            told[at] = int(answer.split()[1])
    except (OSError, ValueError, IndexError):
        pass


class ReadHttp(Case):
    """Devices that push: one, then three at once, then one; each has what it was told in hand."""
    name = "read-http"
    victims = ("ts-read", "ts-spool put")
    waves = ((0,), (1, 2, 3), (4,))

    def prepare(self, cwd):
        self.bodies = []
        for b in range(5):
            events = [event("p%d" % b, 10 * b + i, event_id=str(uuid.uuid4()))
                      for i in range(1 + b % 3)]
            self.bodies.append(([e["event_id"] for e in events], json.dumps(events).encode()))

    def work(self, cwd, env):
        told = dict.fromkeys(range(len(self.bodies)), 0)
        return self.serve(cwd, env, told, self.waves)

    def serve(self, cwd, env, told, waves):
        job = Job(["ts-read", "-d", "D", "-l", "--into", "ts-spool put q.db",
                   "http://127.0.0.1:0"], cwd, env)
        line = b"-"
        while line and not line.startswith(b"listening"):
            line = job.process.stderr.readline()
            job.err += line
        if line.endswith(b"\n"):
            port = int(line.rsplit(b":", 1)[1])
            for wave in waves:
                clients = [threading.Thread(target=post, args=(port, self.bodies[b][1], told, b))
                           for b in wave]
                for c in clients:
                    c.start()
                for c in clients:
                    c.join()
            job.process.send_signal(signal.SIGTERM)
        job.finish()
        job.told = told
        return job

    def judge(self, cwd, job, killed):
        there = listed(cwd)
        if there is None:
            return ["the store cannot be listed"]
        wrong = ["a client was told 200 and %s is not in the store" % i
                 for b, status in job.told.items() if status == 200
                 for i in self.bodies[b][0] if i not in there]
        if set(states(there).values()) - {"waiting"}:
            wrong.append("an event is in a wrong state")
        odd = {s for s in job.told.values() if s not in (0, 200, 503, 500)}
        return wrong + (["a client was told %s" % odd] if odd else [])

    def finish(self, cwd):
        # A client that was not told OK sends again; those that were do not.
        told = {b: 0 for b in range(len(self.bodies))}
        job = self.serve(cwd, None, told, [[b] for b in told])
        if set(told.values()) != {200} or job.status != 0:
            return ["sent again: %s, end with %s: %s" % (told, job.status, job.say())]
        if set(listed(cwd) or {}) != {i for ids, _ in self.bodies for i in ids}:
            return ["the store differs after sending again"]
        return []


class Receiver:
    """Over HTTP, within this process: /NAME -> the events that it got, in order."""

    def __init__(self):
        got = self.got = collections.defaultdict(list)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):      # pylint: disable=invalid-name
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:      # its sender is dead
                    return
                got[self.path].append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):     # a sender that was killed
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name):
        return "http://127.0.0.1:%d/%s" % (self.server.server_port, name)


class Pipeline(ReadFile):
    """From the log to a receiver over HTTP, through all four programs."""
    name = "pipeline"
    victims = ("ts-read", "ts-enrich", "ts-spool put", "ts-spool drain", "ts-send")
    into = "ts-enrich -z Asia/Manila | ts-spool put q.db"

    def __init__(self, folder):
        self.receiver = Receiver()
        self.runs = 0
        super().__init__(folder)

    def path(self, cwd):
        return "%s.%d" % (os.path.basename(cwd), os.stat(os.path.join(cwd, "log.dat")).st_ino)

    def work(self, cwd, env):
        first = super().work(cwd, env)
        second = run(["ts-spool", "drain", "--into", "ts-send " +
                      self.receiver.url(self.path(cwd)), "q.db"], cwd, env)
        first.err += second.err
        first.hung = first.hung or second.hung
        first.drained = second.status
        if first.status == 0:       # which of the two was hit is not known here
            first.status = second.status
        return first

    def judge(self, cwd, job, killed):
        there, place = listed(cwd), self.place(cwd)
        if there is None:
            return ["the store cannot be listed"]
        arrived = self.arrived(cwd)
        wrong = ["the checkpoint is damaged"] if place < 0 else []
        if any(end <= place and i not in there for end, i in self.ids):
            wrong.append("the checkpoint at %d is past events that are not in the store" % place)
        wrong += ["%s is delivered and did not arrive" % i for i, (s, _) in there.items()
                  if s == "delivered" and i not in arrived]
        if set(states(there).values()) - {"waiting", "delivered"}:
            wrong.append("an event is in a wrong state")
        return wrong

    def arrived(self, cwd):
        return [e["event_id"] for e in self.receiver.got["/" + self.path(cwd)]]

    def finish(self, cwd):
        for _ in range(FINISH_RUNS):
            job = self.work(cwd, None)
            if job.status == 0 and job.drained == 0:
                break
        else:
            return ["all again ends with %s, %s: %s" % (job.status, job.drained, job.say())]
        order = {i: n for n, (_, i) in enumerate(self.ids)}
        arrived, wrong, last = self.arrived(cwd), self.judge(cwd, job, False), {}
        if set(arrived) != set(order):
            return wrong + ["%d of %d arrived" % (len(set(arrived)), len(order))]
        for i in dict.fromkeys(arrived):
            person = order[i] % 4
            if order[i] < last.get(person, -1):
                wrong.append("person %d: out of order" % person)
            last[person] = order[i]
        return wrong


CASES = (Put, PutOld, Drain, ReadFile, ReadHttp, Pipeline)
