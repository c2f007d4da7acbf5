#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keeps a feed and a drain running, kills programs of theirs at random moments, lets them finish.

usage: killer.py --kills N --seed S --store Q --url URL --chunks FILE...

The feed is `trickle CHUNK | ts-read - | ts-enrich | ts-spool put Q` for one chunk after the other,
each until it ends with 0; rows trickle in, so that each program lives long enough to be hit; the drain is `ts-spool drain -F --into 'ts-send URL' Q`, started again when it
ends. A victim is picked by name, waited for, and gets SIGKILL after a random pause. Only processes
that this script started can be hit. When all kills are done and all chunks are in, it waits until
the store has nothing left, ends the drain with SIGTERM and prints how often each program died.
"""
import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time

VICTIMS = ("ts-read", "ts-enrich", "ts-spool put", "ts-spool drain", "ts-send")
TRICKLE = """awk '{ print } NR % 40 == 0 { fflush(); system("sleep 0.005") }'"""
FEED = "%s %s | ts-read -d KILL1 -f zk-attlog - | ts-enrich -z Asia/Manila | ts-spool put %s"
LIMIT_S = 100 if not os.environ.get("TS_FULL") else 900


def children():
    """Parent -> pids, of all processes."""
    of = collections.defaultdict(list)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                of[int(f.read().rpartition(")")[2].split()[1])].append(int(pid))
        except OSError:
            pass
    return of


def name_of(pid):
    """`ts-read`, `ts-spool put` …; empty when the process is gone."""
    try:
        with open("/proc/%d/comm" % pid, encoding="utf-8") as f:
            name = f.read().strip()
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            words = f.read().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if name != "ts-spool":
        return name
    return next((" ".join([name, word]) for word in words if word in ("put", "drain")), name)


def descendants(of, roots):
    for root in roots:
        yield root
        yield from descendants(of, of.get(root, ()))


class Job:
    """A shell command in the background that is started again until it ends with 0."""

    def __init__(self, command, log):
        self.command, self.log, self.process, self.starts = command, log, None, 0

    def start(self):
        self.starts += 1
        self.process = subprocess.Popen(["bash", "-o", "pipefail", "-c", self.command],
                                        stdout=self.log, stderr=self.log)

    def tend(self):
        """True when it has ended with 0; starts it, or starts it again."""
        if self.process is None or self.process.poll() not in (None, 0):
            self.start()
        return self.process.poll() == 0


def waiting(store):
    got = subprocess.run(["ts-spool", "stat", "--json", store], stdout=subprocess.PIPE, check=False)
    try:
        return sum(json.loads(got.stdout).get(k, 0) for k in ("waiting", "deferred", "handed_out"))
    except ValueError:
        return -1


class Run:
    def __init__(self, args):
        self.args, self.dice = args, random.Random(args.seed)
        self.killed = collections.Counter()
        self.log = open(args.log, "ab")     # pylint: disable=consider-using-with
        self.chunks = list(args.chunks)
        self.feed = None
        self.drain = Job("exec ts-spool drain -F --into 'ts-send %s' %s" % (args.url, args.store),
                         self.log)
        self.end = time.monotonic() + LIMIT_S

    def tend(self):
        """Keeps both going; the next chunk comes when its share of the kills is done."""
        if time.monotonic() > self.end:
            sys.exit("killer.py: not done in %d s" % LIMIT_S)
        process = self.drain.process
        if process and process.poll() not in (None, -signal.SIGKILL):
            sys.exit("killer.py: the drain ended by itself with %d" % process.returncode)
        self.drain.tend()
        if self.feed is None or self.feed.tend():
            share = len(self.args.chunks) * sum(self.killed.values()) / max(1, self.args.kills)
            done = len(self.args.chunks) - len(self.chunks)
            if self.chunks and done <= share:
                self.feed = Job(FEED % (TRICKLE, self.chunks.pop(0), self.args.store), self.log)
            elif self.feed is not None and sum(self.killed.values()) < self.args.kills:
                self.feed.start()           # a replay: all of them are there already
        return self.feed is not None and self.feed.process is not None and \
            self.feed.process.poll() == 0 and not self.chunks

    def victims(self, name):
        roots = [j.process.pid for j in (self.feed, self.drain) if j and j.process]
        return [p for p in descendants(children(), roots) if name_of(p) == name]

    def kill_one(self):
        name = self.dice.choice(VICTIMS)
        pause = self.dice.uniform(0, 0.06)
        pids, until = [], time.monotonic() + 2
        while not pids and time.monotonic() < until:
            self.tend()
            pids = self.victims(name)
            time.sleep(0 if pids else 0.02)
        time.sleep(pause)
        for pid in pids:
            if name_of(pid) == name:        # still the same program under this number
                os.kill(pid, signal.SIGKILL)
                self.killed[name] += 1

    def settle(self):
        """No more kills: everything has to come to rest."""
        while not self.tend() or waiting(self.args.store) != 0:
            time.sleep(0.05)
        self.drain.process.terminate()
        return self.drain.process.wait()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--store", "--url", "--log"):
        parser.add_argument(name, required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--chunks", nargs="+", required=True)
    run = Run(parser.parse_args())
    while sum(run.killed.values()) < run.args.kills:
        run.kill_one()
    status = run.settle()
    print("# killed:", ", ".join("%s %d" % k for k in sorted(run.killed.items())))
    return status


if __name__ == "__main__":
    sys.exit(main())
