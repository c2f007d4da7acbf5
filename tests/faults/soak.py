#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The whole chain for a while, with everything going wrong at random, and a ledger at both ends.

usage: soak.py --seconds N --seed N --folder F

    devices --> relay --> ts-read -l http (two of them) --\\
    a log that is rotated --> ts-read -F --checkpoint -----+--> ts-enrich | ts-spool put
    files, again and again --> ts-read --------------------/
    ts-spool drain -F --into 'ts-enrich | ts-send' --> relay --> receiver

In the first two thirds any program may be killed or stopped; in the last third the readers and the
drain live, while the rest goes on, and their memory and descriptors are watched.  Then everything
is healed, and all that anybody was told OK for has to arrive.  Prints one JSON object.
"""
import argparse
import collections
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network      # pylint: disable=wrong-import-position

NETWORK = [sys.executable, network.__file__]
MARKS = """perl -MIO::Handle -ne 'BEGIN { $| = 1; open F, q(>>), shift; F->autoflush(1) }
    print F if /"ambiguous":true/; print'"""
PUT = "ts-enrich -z Asia/Manila | ts-spool put %s"
VICTIMS = ("ts-read", "ts-read", "ts-enrich", "ts-spool put", "ts-spool drain", "ts-send",
           "receiver", "receiver in mid-reply")
NET = ("up stall", "up swallow", "up reset 10 3", "up torn 80 3", "up cut 0 3", "up refuse",
       "up abort", "up delay 150", "down stall", "down swallow", "down reset 10 3",
       "down torn 60 3", "down cut 0 3", "down refuse", "down abort", "down delay 100",
       "down trickle 200")
REFUSE_EVERY = 211


def port_free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def processes():
    """pid -> (parent, name) of all processes; the name as in VICTIMS."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                head, _, rest = f.read().rpartition(")")
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        name = head.partition("(")[2]
        if name == "ts-spool":
            name = next((name + " " + w for w in words[1:] if w in ("put", "drain")), name)
        if rest.split()[0] != "Z":
            found[int(pid)] = (int(rest.split()[1]), name)
    return found


def ours(found):
    """Those that descend from this process."""
    for pid in found:
        at = pid
        while at in found and at != os.getpid():
            at = found[at][0]
        if at == os.getpid() and pid != at:
            yield pid


class Part:
    """A program that is started again whenever it ends."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log = name, command, log
        self.process, self.starts, self.ended = None, 0, collections.Counter()

    def tend(self):
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            self.ended[self.process.returncode] += 1
        self.starts += 1
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=self.log,
                                        stdout=self.log)

    def stop(self, within):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "did not end in %d s" % within


class Log(threading.Thread):
    """Writes a log, now and then half a line first, and rotates it when told."""

    def __init__(self, path, ledger, rate, seed):
        super().__init__(daemon=True)
        self.path, self.rate, self.dice = path, rate, random.Random(seed)
        self.fd, self.stopping, self.turn = network.ledger_open(ledger), threading.Event(), False
        self.rotations = 0
        open(path, "ab").close()

    def rotate(self):
        for n in range(self.rotations, 0, -1):
            os.rename("%s.%d" % (self.path, n), "%s.%d" % (self.path, n + 1))
        os.rename(self.path, self.path + ".1")
        self.rotations += 1

    def run(self):
        counts = collections.Counter()
        while not self.stopping.wait(1 / self.rate):
            if self.turn:
                self.rotate()
                self.turn = False
            person = "LOG-%d" % self.dice.randint(1, 8)
            counts[person] += 1
            event = network.event_of("LOG", person, counts[person])
            line = (json.dumps(event) + "\n").encode()
            cut = self.dice.randint(1, len(line)) if self.dice.random() < 0.1 else len(line)
            with open(self.path, "ab", buffering=0) as f:
                f.write(line[:cut])
                if cut < len(line):
                    time.sleep(0.01)
                    f.write(line[cut:])
            network.append(self.fd, "%s %s %d 0\n" % (event["event_id"], person, event["n"]))


class Batches(threading.Thread):
    """A file, put again and again until each of its events has a receipt; then the next."""

    def __init__(self, name, store, folder, log):
        super().__init__(daemon=True)
        self.name_of, self.store, self.log = name, store, log
        self.path = os.path.join(folder, name + ".ndjson")
        self.fd, self.stopping = network.ledger_open(os.path.join(folder, "told." + name)), \
            threading.Event()
        self.tries, self.idle = 0, True

    def put(self, events):
        """Runs once; the ids that got a receipt, also when it was killed later."""
        command = "ts-read -f ndjson -d %s %s | %s" % (self.name_of, self.path, PUT % self.store)
        got = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=self.log,
                             stdin=subprocess.DEVNULL, check=False).stdout
        told = set()
        for line in got.decode(errors="replace").splitlines():
            try:
                receipt = json.loads(line)
            except ValueError:
                continue
            if receipt["outcome"] in ("stored", "duplicate"):
                told.add(receipt["event_id"])
        network.append(self.fd, "".join("%s %s %d 0\n" % (e["event_id"], e["person_id"], e["n"])
                                        for e in events if e["event_id"] in told))
        return told

    def run(self):
        n = 0
        while not self.stopping.wait(0.3):
            self.idle = False
            events = []
            for _ in range(20):
                n += 1
                events += [network.event_of(self.name_of, "%s-%d" % (self.name_of, p), n)
                           for p in (1, 2)]
            with open(self.path, "w", encoding="utf-8") as f:
                f.writelines(json.dumps(e) + "\n" for e in events)
            missing = {e["event_id"] for e in events}
            while missing:
                self.tries += 1
                missing -= self.put(events)
                if missing:
                    time.sleep(0.2)
            self.idle = True


class Soak:
    def __init__(self, args):
        self.args, self.dice = args, random.Random(args.seed)
        self.patience = min(150, max(45, args.seconds))    # to come to rest in the end
        self.did, self.samples = collections.Counter(), collections.defaultdict(list)
        self.log = open(self.at("log.err"), "ab")   # pylint: disable=consider-using-with
        os.makedirs(self.at("disk"), exist_ok=True)
        self.disk = os.path.ismount(self.at("disk"))
        self.store = self.at("disk/q.db")
        self.pending = []                           # (when, function): what heals a fault
        self.ports = [port_free() for _ in range(5)]
        self.receiver_port = self.ports[4]
        self.relay = self.relay_start()
        self.parts = {p.name: p for p in self.make_parts()}
        self.log_writer = Log(self.at("gate.log"), self.at("told.log"), 40, args.seed)
        self.batches = [Batches("BATCH%d" % i, self.store, args.folder, self.log)
                        for i in (1, 2)]
        self.devices = []

    def at(self, name):
        return os.path.join(self.args.folder, name)

    def make_parts(self):
        send = ("ts-send -j 4 -b 8 --timeout 2s --connect-timeout 1s --retry-first 100ms "
                "--retry-max 1s --answer-within 20s http://127.0.0.1:%d/" % self.ports[3])
        into = "%s %s | ts-enrich -z Asia/Manila | %s | %s %s" % (
            MARKS, self.at("handed"), send, MARKS, self.at("receipts"))
        put = PUT % self.store
        listen = ["ts-read", "-F", "-d", "D", "--answer-within", "5s", "--into", put, "-l"]
        yield Part("receiver", NETWORK + [
            "receiver", "--port", str(self.receiver_port), "--ledger", self.at("arrived"),
            "--faults", "0.03", "--refuse-every", str(REFUSE_EVERY), "--seed",
            str(self.args.seed)], self.log)
        for i in (0, 1):
            yield Part("listener %d" % i, listen + ["http://127.0.0.1:%d" % self.ports[i]],
                       self.log)
        yield Part("follower", [
            "ts-read", "-F", "-f", "ndjson", "-d", "LOG", "--checkpoint",
            self.at("disk/checkpoint"), "--into", put, self.at("gate.log")], self.log)
        # A command that died by halves is noticed by its silence.
        yield Part("drain", ["ts-spool", "drain", "-F", "-w", "512", "--answer-within", "30s",
                             "--into", into, self.store],
                   self.log)

    def relay_start(self):
        relay = subprocess.Popen(
            NETWORK + ["relay", "up=:%d,127.0.0.1:%d" % (self.ports[2], self.ports[0]),
                       "down=:%d,127.0.0.1:%d" % (self.ports[3], self.receiver_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        for _ in range(2):
            relay.stdout.readline()
        return relay

    def order(self, words):
        self.relay.stdin.write(words + "\n")
        self.relay.stdin.flush()
        self.relay.stdout.readline()

    def start(self):
        for part in self.parts.values():
            part.tend()
        for i, port in enumerate((self.ports[2], self.ports[1])):
            self.devices.append(subprocess.Popen(NETWORK + [
                "devices", "--url", "http://127.0.0.1:%d" % port, "--name", "DEV%d-" % i,
                "--ledger", self.at("told.devices%d" % i), "--devices", "4", "--pause", "0.05",
                "--timeout", "4", "--within", str(self.patience), "--seed", str(self.args.seed)],
                stdout=subprocess.PIPE, stderr=self.log, text=True))
        for thread in [self.log_writer] + self.batches:
            thread.start()

    # ---- what goes wrong ----

    def quiet(self):
        """In the last third the long-lived programs stay alive."""
        return time.monotonic() > self.quiet_from

    def later(self, seconds, function):
        self.pending.append((time.monotonic() + seconds, function))

    def pick(self, name):
        found = processes()
        mine = [p for p in ours(found) if found[p][1] == name]
        spared = {p.process.pid for p in self.parts.values()} if self.quiet() else ()
        mine = [p for p in mine if p not in spared]
        return self.dice.choice(sorted(mine)) if mine else None

    def do_kill(self):
        name = self.dice.choice(VICTIMS)
        if name.startswith("receiver"):
            pid = self.parts["receiver"].process.pid
        else:
            pid = self.pick(name)
            if self.quiet() and name == "ts-send":
                pid = None
        if pid is None:
            return
        self.did["kill " + name] += 1
        try:
            os.kill(pid, signal.SIGUSR1 if name.endswith("reply") else signal.SIGKILL)
        except ProcessLookupError:
            pass

    def do_stop(self):
        """A program that gets no time for a while, as on a host that swaps."""
        name = self.dice.choice(VICTIMS[:6])
        pid = self.pick(name)
        if pid is None:
            return
        self.did["stop " + name] += 1
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return

        def go_on():
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        self.later(self.dice.uniform(0.2, 2), go_on)

    def do_net(self):
        words = self.dice.choice(NET)
        self.did["net " + words] += 1
        self.order(words)
        self.later(self.dice.uniform(0.3, 4), lambda: self.order(words.split()[0] + " pass"))

    def do_fill(self):
        ballast = self.at("disk/ballast")
        if not self.disk or os.path.exists(ballast):
            return
        self.did["full disk"] += 1
        with open(ballast, "wb", buffering=0) as f:
            size = 1 << 20
            while size >= 512:
                try:
                    f.write(b"\0" * size)
                except OSError:
                    size //= 2

        def empty():
            if os.path.exists(ballast):
                os.unlink(ballast)
        self.later(self.dice.uniform(0.5, 4), empty)

    def do_rotate(self):
        self.did["rotate"] += 1
        self.log_writer.turn = True

    def do_hup(self):
        self.did["hangup"] += 1
        self.parts[self.dice.choice(("drain", "follower", "listener 1"))].process.send_signal(
            signal.SIGHUP)

    def do_purge(self):
        self.did["purge"] += 1
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
        subprocess.Popen(["ts-spool", "purge", "--delivered-before", before, self.store],
                         stdout=subprocess.DEVNULL, stderr=self.log)

    def do_look(self):
        self.did["stat"] += 1
        subprocess.Popen(["ts-spool", "stat", "--json", self.store], stdout=subprocess.DEVNULL,
                         stderr=self.log)

    ACTS = (do_kill, ) * 6 + (do_net, ) * 5 + (do_stop, do_fill, do_fill, do_rotate, do_rotate,
                                               do_hup, do_purge, do_look)

    # ---- the run ----

    def tend(self):
        for part in self.parts.values():
            part.tend()
        now = time.monotonic()
        for when, function in [p for p in self.pending if p[0] <= now]:
            self.pending.remove((when, function))
            function()

    def sample(self):
        for name, part in self.parts.items():
            if name == "receiver":
                continue
            pids = [(name, part.process.pid)]
            if name == "drain":
                found = processes()
                pids += [("ts-send", p) for p in ours(found) if found[p][1] == "ts-send"]
            for label, pid in pids:
                try:
                    with open("/proc/%d/statm" % pid, encoding="utf-8") as f:
                        pages = int(f.read().split()[1])
                    fds = len(os.listdir("/proc/%d/fd" % pid))
                except OSError:
                    continue
                self.samples[label, pid].append((pages * 4, fds))

    def run(self):
        began = time.monotonic()
        end = began + self.args.seconds
        self.quiet_from = began + self.args.seconds * 2 / 3
        self.start()
        pace = min(3.0, max(0.3, self.args.seconds / 60))
        act_at, sample_at = began + 1, self.quiet_from
        while (now := time.monotonic()) < end:
            self.tend()
            if now >= act_at:
                self.dice.choice(self.ACTS)(self)
                act_at = time.monotonic() + self.dice.uniform(0.2, 2) * pace
            if now >= sample_at:
                self.sample()
                sample_at = now + max(0.2, self.args.seconds / 600)
            time.sleep(0.03)

    # ---- the end ----

    def until(self, what, limit):
        """Waits for a condition while all parts are kept alive; how long it took, or -1."""
        began = time.monotonic()
        while not what():
            if time.monotonic() - began > limit:
                return -1
            self.tend()
            time.sleep(0.1)
        return time.monotonic() - began

    def told(self):
        return network.ledger_read(self.at(n) for n in os.listdir(self.args.folder)
                                   if n.startswith("told."))

    def stat(self):
        got = subprocess.run(["ts-spool", "stat", "--json", self.store], stdout=subprocess.PIPE,
                             stderr=self.log, check=False).stdout
        try:
            return json.loads(got)
        except ValueError:
            return {"waiting": -1}

    def settled(self):
        due = {r[0] for r in self.told() if int(r[0][:8], 16) % REFUSE_EVERY}
        come = {r[0] for r in network.ledger_read([self.at("arrived")])}
        return due <= come and self.stat()["waiting"] == 0

    def heal(self):
        for _, function in self.pending:
            function()
        self.pending = []
        for link in ("up", "down"):
            self.order(link + " pass")

    def finish(self):
        """Everything is healed and comes to rest; what is wrong then is in the result."""
        self.heal()
        self.log_writer.stopping.set()
        for thread in self.batches:
            thread.stopping.set()
        for process in self.devices:
            process.terminate()
        result = {"devices_s": self.until(lambda: all(p.poll() is not None for p in self.devices),
                                          self.patience + 20)}
        result["batches_s"] = self.until(lambda: all(t.idle for t in self.batches), self.patience)
        result["settled_s"] = self.until(self.settled, self.patience)
        result["idle_cpu_s"] = self.idle_cpu(1.0)
        result["statuses"] = {n: self.parts[n].stop(70) for n in sorted(
            self.parts, key=lambda n: n == "receiver") if n != "receiver"}
        result["ended_by_themselves"] = {
            n: {str(s): c for s, c in p.ended.items() if s != -signal.SIGKILL}
            for n, p in self.parts.items() if n != "receiver"}
        result["devices"] = [json.loads(p.stdout.read() or "{}") for p in self.devices]
        result.update(self.compare())
        self.parts["receiver"].process.kill()
        self.relay.kill()
        return result

    def idle_cpu(self, seconds):
        """Seconds of processor time that each part takes while there is nothing to do."""
        def used(pid):
            with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
                words = f.read().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        parts = {n: p.process.pid for n, p in self.parts.items() if n != "receiver"}
        before = {n: used(pid) for n, pid in parts.items()}
        time.sleep(seconds)
        return {n: round(used(pid) - before[n], 2) for n, pid in parts.items()}

    def compare(self):
        told = self.told()
        refused = {r[0] for r in told if int(r[0][:8], 16) % REFUSE_EVERY == 0}
        result = network.compare(told, network.ledger_read([self.at("arrived")]),
                                 network.marked_read([self.at("handed"), self.at("receipts")]),
                                 refused)
        dead = subprocess.run(["ts-spool", "list", "--dead", self.store], stdout=subprocess.PIPE,
                              stderr=self.log, check=False).stdout.decode().splitlines()
        result["refused"] = len(refused)
        result["dead_wrong"] = len({json.loads(d)["event_id"] for d in dead} ^ refused)
        result["left"] = {k: v for k, v in self.stat().items()
                          if k in ("waiting", "held") and v}
        with sqlite3.connect(self.store) as db:
            result["store"] = db.execute("PRAGMA integrity_check").fetchone()[0]
        return result

    def growth(self):
        """KiB and descriptors that each program gained while it was left alive."""
        found = {}
        for (label, _), rows in self.samples.items():
            if len(rows) < 10:
                continue
            part = max(2, len(rows) // 4)
            first, last = rows[:part], rows[-part:]
            found[label] = {"kib": max(r[0] for r in rows),
                            "grown_kib": min(r[0] for r in last) - max(r[0] for r in first),
                            "grown_fds": min(r[1] for r in last) - min(r[1] for r in first)}
        return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", required=True)
    soak = Soak(parser.parse_args())
    soak.run()
    result = soak.finish()
    result["did"], result["growth"], result["disk"] = soak.did, soak.growth(), soak.disk
    result["rotations"] = soak.log_writer.rotations
    result["starts"] = {n: p.starts for n, p in soak.parts.items()}
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
