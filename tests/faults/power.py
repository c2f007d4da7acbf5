#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Power cuts: records a run, rebuilds what a cut at each point may leave, and looks at all of it.

    power.py SCENARIO [--work DIR] [--states N] [--random N] [--jobs N] [--seed S] [--stop]
    power.py answer FILE        the command of the recorded drains: does what each event plans

--states: at most so many chosen states a crash point, 0 for all; --random: and so many random ones;
--stop: end at the first state that breaks a promise. Programs are taken from $PATH, the recorder
from $B/tests/support/fault_trace.so. The last line says how much was tried; exit status: 0 when
all promises were kept, 1 when not. power_disk.py has the model,
power_check.py the promises.
"""
import argparse
import collections
import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import memory
import power_check
import power_disk

LIMIT_S = 60


# ---- the command of the recorded drains ---------------------------------------------------------


def answer(path):
    """Answers by the plan of each event, its n-th time by the n-th word: an outcome, `silent` for
    ever, or `exit`. A person whose event was not final waits, as with ts-send."""
    times, behind = collections.Counter(), {}
    with open(path, "a+b", buffering=0) as log:
        log.seek(0)
        times.update(log.read().decode().split())
        for line in sys.stdin:
            event = json.loads(line)
            name, person = event["event_id"], event.get("person_id")
            plan = event.get("plan") or ["delivered"]
            word = plan[min(times[name], len(plan) - 1)]
            if behind.get(person, name) != name:
                word = "deferred"
            else:
                times[name] += 1
                log.write(name.encode() + b"\n")
            if word in ("delivered", "duplicate", "rejected", "skipped"):
                behind.pop(person, None)
            elif person is not None:
                behind[person] = name
            if word == "exit":
                return
            if word != "silent":
                receipt = {"ack": event["ack"], "event_id": name, "outcome": word}
                os.write(1, json.dumps(receipt).encode() + b"\n")


# ---- recording ----------------------------------------------------------------------------------


def identity(number):
    """A version-8 UUID, rising with the number."""
    return "018cc3d2-%04x-8000-8000-%012x" % (number >> 8 & 0xffff, number)


def event(number, person=None, plan=None, size=200, **marks):
    fields = {"event_id": identity(number), "kind": "granted",
              "local_time": "2024-03-01T08:%02d:%02d" % (number // 60 % 60, number % 60),
              "device_id": "GATE%d" % (number % 3), "serial_no": number}
    if person:
        fields["person_id"] = person
    if plan:
        fields["plan"] = plan
    return {**fields, **marks, "filler": "x" * size}


def lines_of(events):
    return b"".join(json.dumps(e).encode() + b"\n" for e in events)


class Put:
    """A running `ts-spool put`."""

    def __init__(self, stage, *words):
        self.process = stage.start(["ts-spool", "put", *words], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.stage, self.stores = stage, [w for w in words if w.endswith(".db")]

    def send(self, events):
        os.write(self.process.stdin.fileno(), lines_of(events))
        for store in self.stores:
            self.stage.fed[store].extend(events)
        return len(events)

    def receipts(self, count):
        for _ in range(count):
            if not self.process.stdout.readline():
                raise EOFError("put ended before its receipts")

    def feed(self, events):
        self.receipts(self.send(events))

    def end(self, good=(0,)):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        self.stage.ended(self.process, good)
        return rest


class Stage:
    """A folder in which programs run, and the trace of it."""

    def __init__(self, work):
        self.folder, self.trace = os.path.join(work, "spool"), os.path.join(work, "trace")
        self.answers = os.path.join(work, "answers")
        self.fed = collections.defaultdict(list)
        os.makedirs(self.folder)
        self.environment = dict(os.environ, TS_TRACE_DIR=self.folder, TS_TRACE=self.trace,
                                LD_PRELOAD=os.environ["B"] + "/tests/support/fault_trace.so",
                                ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") +
                                ":verify_asan_link_order=0")
        self.initial = {}
        self.copies = {}    # name of a copy -> store
        self.history = collections.defaultdict(list)    # store -> (id, what became of it before)
        self.checks = []    # further promises: called with (run, checker, state, position, raw)

    def room(self, more):
        """The disk has room for so many bytes more; None: for all there is to come."""
        self.environment.pop("TS_TRACE_ROOM", None)
        if more is not None:
            now = sum(e.stat().st_size for e in os.scandir(self.folder))
            self.environment["TS_TRACE_ROOM"] = str(now + more)

    def start(self, words, **options):
        return subprocess.Popen(words, cwd=self.folder, env=self.environment,
                                start_new_session=True, **options)

    def ended(self, process, good=(0,)):
        if process.wait(timeout=LIMIT_S) not in good:
            raise SystemExit("%s: ended with %d" % (" ".join(process.args), process.returncode))

    def run(self, *words, good=(0,)):
        process = self.start(["ts-spool", *words], stdout=subprocess.DEVNULL)
        self.ended(process, good)

    def begin(self):
        """What is in the folder now is durable; what follows is recorded."""
        self.initial = {}
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            with open(path, "rb") as f:
                self.initial[os.stat(path).st_ino] = (name, f.read())
        if os.path.exists(self.trace):
            os.unlink(self.trace)

    def mark(self, word):
        with open(self.trace, "ab") as f:
            f.write(b"M 0 0 0 0 %d\n%s\n" % (len(word), word.encode()))

    def into(self):
        return "exec %s %s answer %s" % (sys.executable, os.path.abspath(__file__), self.answers)

    def drain(self, store, *options, good=(0, 65, 75)):
        self.run("drain", *options, "--into", self.into(), store, good=good)

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def wait(self, condition, what):
        end = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > end:
                raise SystemExit("waited in vain for " + what)
            time.sleep(0.005)

    def answers_read(self):
        return self.read(self.answers).decode().split()

    def held(self, store, attempts):
        """How many events are held after so many tries; asked from outside of the trace."""
        said = subprocess.run(["ts-spool", "list", "--held", store], cwd=self.folder, check=True,
                              stdout=subprocess.PIPE).stdout
        return sum(1 for e in map(json.loads, said.splitlines()) if e.get("attempts") == attempts)

    def wait_tried(self, events):
        wanted = {e["event_id"] for e in events}
        self.wait(lambda: wanted <= set(self.answers_read()), "events to be handed out")

    def follow(self, store, *options):
        """A drain that follows, from when it is at work: a signal before would just kill it."""
        drain = self.start(["ts-spool", "drain", "-F", *options, "--into", self.into(), store])
        lock = os.path.join(self.folder, store + "-drain")
        self.wait(lambda: os.path.exists(lock), "the drain")
        return drain

    def kill(self, process):
        """Kills its group between two records: one that is half written would end the trace."""
        with open(self.trace, "rb") as trace:
            fcntl.flock(trace, fcntl.LOCK_EX)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.wait(lambda: not alive(process.pid), "the end of the killed")


def alive(group):
    """Whether the group has a process that is no zombie."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, "rb") as f:
                state, _, its = f.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue
        if int(its) == group and state not in b"ZX":
            return True
    return False


# ---- scenarios ----------------------------------------------------------------------------------


def mixed(first, count, persons=5):
    """Events with all that may become of one, in an order that mixes them."""
    plans = [None, ["deferred", "delivered"], None, ["duplicate"], ["rejected"], None,
             ["held", "delivered"], None, ["deferred", "deferred", "rejected"], None, ["skipped"]]
    for n in range(first, first + count):
        marks = {13: {"hold": "no such person"}, 17: {"error": "not understood"},
                 19: {"skip": "a test"}}.get(n % 23, {})
        person = "p%d" % (n % persons) if n % 7 else None
        yield event(n, person, plans[n % len(plans)], 9000 if n % 29 == 11 else 150, **marks)


def scenario_life(stage):
    """A new store, several batches, doubled events, two puts and a drain at once, a drain that is
    killed, changes by hand."""
    first, second, third = (list(mixed(n, c)) for n, c in ((0, 26), (100, 9), (200, 12)))
    put = Put(stage, "q.db")
    for begin, end in ((0, 1), (1, 7), (7, 26)):
        put.feed(first[begin:end])
    put.feed(first[20:26] + second[:3])
    put.end()
    stage.drain("q.db")
    drain = stage.follow("q.db", "-w", "24")
    puts = [Put(stage, "q.db"), Put(stage, "q.db")]
    sent = [puts[0].send(second[3:]), puts[1].send(third)]
    for put, count in zip(puts, sent):
        put.receipts(count)
        put.end()
    put = Put(stage, "q.db")
    put.feed([event(500 + n, "p%d" % (n % 9), size=0) for n in range(70)])   # past the first mark
    put.end()
    silent = [event(300 + n, "s%d" % (n % 2), ["silent", "delivered"]) for n in range(3)]
    put = Put(stage, "q.db")
    put.feed(silent)
    put.end()
    stage.wait_tried(silent[:2])
    stage.kill(drain)
    stage.drain("q.db")
    by_hand(stage)


def by_hand(stage):
    stage.run("retry", "--dead", "--reason=again", "q.db")
    stage.run("skip", "--held", "--reason=gone", "q.db")
    stage.run("retry", "--delivered", "--id=" + identity(0), "--reason=lost there", "q.db")
    stage.drain("q.db")
    stage.run("purge", "--delivered-before=2100-01-01T00:00:00Z", "q.db")
    put = Put(stage, "q.db")
    put.feed([event(400 + n, "p1") for n in range(3)])
    put.end()


def scenario_stores(stage):
    """One put into two stores."""
    put = Put(stage, "q.db", "r.db")
    for n in range(0, 12, 4):
        put.feed(list(mixed(n, 4)))
    put.end()
    stage.drain("r.db")
    stage.drain("q.db")


def scenario_full(stage):
    """A disk that gets full under a put, is full for the drain, and has room again."""
    put = Put(stage, "q.db")
    put.feed(list(mixed(0, 14)))
    put.end()
    stage.room(60000)
    put, first = Put(stage, "q.db"), 100
    try:
        while first < 400:
            put.feed(list(mixed(first, 9)))
            first += 9
        raise SystemExit("the disk never got full")
    except (EOFError, BrokenPipeError):
        put.end(good=(74,))
    stage.room(0)
    stage.drain("q.db", good=(0, 65, 74, 75))
    stage.room(None)
    put = Put(stage, "q.db")
    put.feed(list(mixed(first, 9)))
    put.end()
    stage.drain("q.db")


def scenario_held(stage):
    """Held events that a SIGHUP wakes, again and again, beside fresh ones."""
    put = Put(stage, "q.db")
    put.feed([event(n, "p%d" % (n % 3), ["held"] * 3 + ["delivered"] if n < 3 else None)
              for n in range(6)] +
             [event(10 + n, "h%d" % n, hold="no such person") for n in range(3)])
    drain = stage.follow("q.db")
    for n in range(3):      # the first event of each person was held so often, and is settled
        stage.wait(lambda n=n: stage.held("q.db", n + 1) >= 3, "held events")
        put.feed([event(20 + n, "p%d" % n), event(30 + n, "h%d" % n)])
        drain.send_signal(signal.SIGHUP)
    stage.wait_tried([event(20), event(21), event(22)])
    put.end()
    drain.terminate()
    stage.ended(drain)


# ---- the checkpoint of ts-read ------------------------------------------------------------------


def append(path, events):
    with open(path, "ab") as f:
        f.write(lines_of(events))


def scenario_checkpoint(stage):
    """ts-read --checkpoint before a put: run by run, each time first with a command that ends
    early; then following."""
    log, words = stage.folder + ".log", ["ts-read", "-f", "ndjson", "--checkpoint", "ck", "--into",
                                         "ts-spool put q.db"]
    events = list(mixed(0, 40))
    for begin, end in ((0, 3), (3, 10), (10, 20)):
        append(log, events[begin:end])
        early = "head -n %d | ts-spool put q.db" % ((end - begin) // 2)
        stage.ended(stage.start(words[:-1] + [early, log]), good=(75,))
        stage.ended(stage.start(words + [log]))
    follow = stage.start(words + ["-F", log])
    for begin, end in ((20, 30), (30, 40)):
        before = stage.read("ck")
        append(log, events[begin:end])
        stage.wait(lambda before=before: stage.read("ck") != before, "a checkpoint")
    follow.terminate()
    stage.ended(follow)
    stage.fed["q.db"].extend(events)
    stage.checks.append(CheckpointCheck(stage, words + [log], events))


class CheckpointCheck:
    """The checkpoint is the last one or, while that is being saved, the one before; what it has
    passed is in the store; and ts-read goes on from it to the end."""

    def __init__(self, stage, words, events):
        self.words, self.ends, at = words, [], 0
        for e in events:
            at += len(lines_of([e]))
            self.ends.append((at, e["event_id"]))
        self.versions = None
        self.all = {e["event_id"] for e in events}

    def find_versions(self, run):
        """(position of its rename, position of the next save's begin, content)"""
        disk, versions = power_disk.Disk(run.initial), []
        for position, r in enumerate(run.records):
            names = r.data.decode(errors="replace").split("\0") if r.kind in "CR" else [""]
            if r.kind == "C" and names[0].startswith("ck") and versions:
                versions[-1][1] = min(versions[-1][1], position)
            if r.kind == "R" and names[-1] == "ck":
                file = disk.now[names[0]]
                content = bytearray(file.durable)
                for p in disk.pending:
                    if p.file is file and p.kind != "entry":
                        p.apply(content, True)
                versions.append([position, len(run.records) + 1, bytes(content)])
            disk.step(r)
        if len(versions) < 4:
            raise SystemExit("only %d checkpoints were saved" % len(versions))
        return versions

    def allowed(self, position):
        done = [v for v in self.versions if v[0] < position]
        if not done:
            return [None]
        allowed = [done[-1][2]]
        if done[-1][1] >= position:
            allowed.append(done[-2][2] if len(done) > 1 else None)
        return allowed

    def __call__(self, run, checker, state, position, raw):
        if self.versions is None:
            self.versions = self.find_versions(run)
        content = state["ck"][0] if "ck" in state else None
        if content not in self.allowed(position):
            return ["ck: is neither the old nor the new one: %s" % (content or b"")[:60]]
        found = []
        if content is not None:
            offset = json.loads(content)["sources"][0]["offset"]
            passed = {e for end, e in self.ends if end <= offset}
            missing = passed - checker.listed("q.db", state)
            found = ["LOST: ck has passed %d events that are not there" % len(missing)] * bool(
                missing)
        return found + (self.resume(checker, state) if raw else [])

    def resume(self, checker, state):
        folder = checker.folder + ".resume"
        checker.lay_out(folder, "", state)
        facts = power_check.Facts()
        power_check.run(self.words, facts, (0, 65), cwd=folder, stdin=subprocess.DEVNULL)
        there = {e[0] for e in power_check.listed(os.path.join(folder, "q.db"), facts)}
        if there != self.all:
            facts.wrong.append("LOST: %d events after going on" % len(self.all - there))
        return facts.wrong


# ---- the copy of a store ------------------------------------------------------------------------


def scenario_backup(stage):
    """A copy is made, while a put and a drain are at work; then another one."""
    put = Put(stage, "q.db")
    put.feed(list(mixed(0, 30)))
    drain = stage.follow("q.db", "-w", "8")
    put.send(list(mixed(100, 9)))
    stage.mark("copy.db begins")
    stage.run("backup", "q.db", "copy.db")
    stage.mark("copy.db is there")
    put.receipts(9)
    put.end()
    drain.terminate()
    stage.ended(drain)
    stage.mark("again.db begins")
    stage.run("backup", "q.db", "again.db")
    stage.mark("again.db is there")
    stage.checks += [CopyCheck(stage, "copy.db"), CopyCheck(stage, "again.db")]


class CopyCheck:
    """The copy is whole or not there; once ts-spool backup has said so it is there."""

    def __init__(self, stage, name):
        self.name = name
        stage.copies[name] = "q.db"

    def __call__(self, run, checker, state, position, raw):
        begin, end = (run.story.marks[self.name + w] for w in (" begins", " is there"))
        if self.name not in state:
            if position > end:
                return ["LOST: %s is not there" % self.name]
            return self.try_again(checker, state) if raw and position > begin else []
        key, wrong = checker.key_of(self.name, state)
        if wrong:
            return ["%s: %s" % (self.name, wrong)]
        facts, story = checker.facts[key], run.story.stores["q.db"]
        there = {e[0]: e[2] for e in facts.listed}
        found = list(facts.wrong)
        for event, at in story.stored.items():
            if at < begin and event not in there:
                found.append("LOST: %s was stored and is not in %s" % (event, self.name))
        for event, _, ambiguous in facts.ledger:
            if event in there and not ambiguous:
                found.append("%s of %s comes without `ambiguous`" % (event, self.name))
        for event, state_of in there.items():
            if state_of == "delivered" and not power_check.arrived(story, event, end):
                found.append("LOST: %s counts as delivered in %s" % (event, self.name))
        return found

    def try_again(self, checker, state):
        """What was left of it is in nobody's way."""
        folder, facts = checker.folder + ".again", power_check.Facts()
        checker.lay_out(folder, "", state)
        power_check.run(["ts-spool", "backup", "q.db", self.name], facts, (0,), cwd=folder)
        return facts.wrong


# ---- a store of the first schema ----------------------------------------------------------------

SCHEMA_1 = """
CREATE TABLE id(id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE event(seq INTEGER PRIMARY KEY, person TEXT, at INTEGER, line BLOB);
CREATE TABLE exception(seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, person TEXT,
 due INTEGER, attempts INTEGER NOT NULL, ambiguous INTEGER NOT NULL, since INTEGER NOT NULL,
 reason TEXT);
CREATE INDEX exception_state ON exception(state, seq);
CREATE INDEX exception_person ON exception(person, due, seq) WHERE person IS NOT NULL;
CREATE INDEX exception_due ON exception(due, seq) WHERE due IS NOT NULL;
CREATE TABLE done(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE action(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL,
 what TEXT NOT NULL, why TEXT, count INTEGER NOT NULL);
PRAGMA application_id=0x54735370;
PRAGMA user_version=1;
"""


def make_first_schema(path, events, delivered, held):
    """As version 1 left it: the first ones delivered, one held, the others waiting."""
    meta = dict.fromkeys("duplicates known dead skipped erased purged".split(), 0)
    meta.update(stored=len(events), delivered=delivered, held=1, last_put=1709280000000,
                last_delivered=1709280001000, floor=delivered + 1, handed=delivered)
    db = sqlite3.connect(path)
    db.executescript(SCHEMA_1)
    for seq, e in enumerate(events, 1):
        octets = bytes.fromhex(e["event_id"].replace("-", ""))
        db.execute("INSERT INTO id VALUES(?, ?)", (octets, seq))
        db.execute("INSERT INTO event VALUES(?, ?, ?, ?)", (
            seq, e.get("person_id"), 1709280000000, json.dumps(e).encode()))
    db.execute("INSERT INTO exception VALUES(?, 1, ?, ?, 1, 0, ?, 'a test')", (
        held + 1, events[held]["person_id"], 1709283600000, 1709280000000))
    db.executemany("INSERT INTO meta VALUES(?, ?)", meta.items())
    db.commit()
    db.close()


def scenario_forward(stage):
    """A store of version 1 is brought forward by a put, then used."""
    events = [event(n, "p%d" % (n % 4), size=300) for n in range(60)]
    make_first_schema(os.path.join(stage.folder, "q.db"), events, 20, 30)
    stage.fed["q.db"] += events
    for e in events[:20]:
        stage.history["q.db"].append((e["event_id"], ("handed", "delivered")))
    for e in events[20:]:
        stage.history["q.db"].append((e["event_id"], ()))
    stage.begin()
    put = Put(stage, "q.db")
    put.feed(list(mixed(100, 8)))
    put.end()
    stage.drain("q.db")


SCENARIOS = {name[9:]: f for name, f in list(globals().items()) if name.startswith("scenario_")}


# ---- trying all of it ---------------------------------------------------------------------------


class Run:
    """A recorded run, and the crash points in it that are worth a full look: before something
    becomes durable, as then most is pending, and after words have left."""

    def __init__(self, stage, work, options):
        self.options, self.work = options, work
        self.records = power_disk.read_trace(stage.trace)
        self.initial, self.further = stage.initial, stage.checks
        self.story = power_check.Story(self.records)
        for store, events in stage.history.items():
            for name, before in events:
                self.story.stores[store].stored[name] = -1
                self.story.stores[store].tries[name][:0] = [(-1, what) for what in before]
        self.feeds = {}
        for store, events in stage.fed.items():
            path = os.path.join(work, store + ".feed")
            with open(path, "wb") as f:
                f.write(lines_of(events))
            marks = {e["event_id"]: next((m for m in ("error", "skip", "hold") if m in e), "")
                     for e in events}
            self.feeds[store] = path, marks
        self.stores = list(self.feeds)
        self.feeds.update((copy, self.feeds[store]) for copy, store in stage.copies.items())
        self.full, self.checker = self.full_points(), None

    def full_points(self):
        outputs, points = set(self.story.outputs), set()
        disk = power_disk.Disk(self.initial)
        for position, record in enumerate(self.records):
            if disk.syncs(record):
                points.add(position)
            disk.step(record)
            if position in outputs:
                points.add(position + 1)
        points.add(len(self.records))
        return points

    def changes(self):
        return sum(1 for r in self.records if r.kind in "CWLFURKYDP")

    def try_points(self, begin, end):
        """Crash points [begin, end): states tried, distinct ones, contents, violations."""
        if not self.checker:        # one a process: it knows contents from piece to piece
            self.checker = power_check.Checker(self.story, self.feeds, os.path.join(
                self.work, "try%d" % os.getpid()), not self.options.states)
        checker, real = self.checker, self.checker.real
        disk, tried, seen, found = power_disk.Disk(self.initial), 0, {}, []
        for position in range(end):
            if position >= begin:
                dice = power_disk.dice_of(self.options.seed, position)
                builder = power_disk.Builder(disk)
                for choice in self.choices(position, disk.pending, dice):
                    tried += 1
                    state = builder.state(choice)
                    found += self.look(checker, seen, position, state, choice, builder.pending)
                    if found and self.options.stop:
                        return tried, len(seen), checker.real - real, found
            if position < len(self.records):
                disk.step(self.records[position])
        return tried, len(seen), checker.real - real, found

    def moment(self, position):
        """The same for positions with the same promises."""
        counts = [self.story.stores[store].moment(position) for store in self.stores]
        names = sum(1 for r in self.records[:position] if r.kind in "CRM") if self.further else 0
        return tuple(counts + [names])

    def choices(self, position, pending, dice):
        if position not in self.full:
            return [(True,) * len(pending)]
        return power_disk.choices(pending, self.options.states, self.options.random, dice)

    def look(self, checker, seen, position, state, choice, pending):
        """Checks a state that was not seen with the same promises."""
        key = power_disk.digest_of(state)
        moment = self.moment(position)
        if seen.get(key) == moment:
            return []
        seen[key] = moment
        raw = self.options.raw and len(seen) % self.options.raw == 0
        found = []
        for store in self.stores:
            found += checker.check(store, state, position, raw)
        for check in self.further:
            found += check(self, checker, state, position, raw)
        if not found:
            return []
        ext4 = power_disk.ext4_may(pending, choice)
        return [(position, describe(self.records, position), found[:3], ext4)]


def describe(records, position):
    if position == 0:
        return "at the beginning"
    r = records[position - 1]
    data = r.data[:40].decode(errors="replace").replace("\0", " ") if r.kind in "CURKPSM" else ""
    return "after %s %d %d %s" % (r.kind, r.a, r.b, data)


def pieces(points, total, count):
    """Cuts the crash points where the work is about even."""
    marks = sorted(points)
    cuts = [0] + [marks[len(marks) * k // count] for k in range(1, count)] + [total]
    return [(a, b) for a, b in zip(cuts, cuts[1:]) if a < b]


CURRENT = None


def try_piece(piece):
    return CURRENT.try_points(*piece)


def begin_worker():
    # Not by an exception, as the main process: it would leave a lock behind that others wait for.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def try_all(run):
    global CURRENT      # the workers are forked: what stands here need not be sent to them
    CURRENT = run
    total = len(run.records) + 1
    tried = distinct = real = 0
    found = []
    with multiprocessing.Pool(run.options.jobs, begin_worker) as pool:
        work = pieces(run.full, total, 8 * run.options.jobs)
        for piece in pool.imap_unordered(try_piece, work):
            tried, distinct, real = tried + piece[0], distinct + piece[1], real + piece[2]
            found += piece[3]
            if found and run.options.stop:
                pool.terminate()
                break
        pool.close()
        pool.join()
    return tried, distinct, real, found


def options_of(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scenario", choices=sorted(SCENARIOS))
    parser.add_argument("--work")
    parser.add_argument("--states", type=int, default=60)
    parser.add_argument("--random", type=int, default=10)
    parser.add_argument("--raw", type=int, default=50, help="each n-th state is opened by ts-spool")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seed", default="1")
    parser.add_argument("--stop", action="store_true")
    return parser.parse_args(argv)


def main(argv):
    if argv[:1] == ["answer"]:
        return answer(argv[1])
    options = options_of(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that the folder goes
    began = time.monotonic()
    work = tempfile.mkdtemp(prefix="power.", dir=options.work or memory.folder())
    try:
        stage = Stage(work)
        SCENARIOS[options.scenario](stage)
        run = Run(stage, work, options)
        tried, distinct, real, found = try_all(run)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    found.sort(key=lambda f: f[0])
    for position, where, what, ext4 in found[:8]:
        print("VIOLATION at %d, %s%s: %s" % (position, where, "" if ext4 else " (not under ext4)",
                                             "; ".join(what)))
    print("%s: %d crash points, %d crash states tried, %d different ones checked, %d contents put "
          "to ts-spool, %d bad (%d on ext4 too), %.0f s" % (
              options.scenario, run.changes(), tried, distinct, real, len(found),
              sum(1 for f in found if f[3]), time.monotonic() - began))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
