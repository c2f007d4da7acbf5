#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A store for tests of --into that answers when and how it is told.

usage: back_store.py LEDGER [KEY=VALUE ...]

Each event is appended to LEDGER (and synced to it by line) before its answer can go out.
  gate=FILE     no answer before FILE exists
  keep=N        the Nth event (from 1) is answered last of all, or never without an end of input
  order=ORDER   of answers that are due together: fifo (default), reverse, random
  rate=N        at most N answers a second
  late=SECONDS  each answer that late
  noise=1       answers come with doubled, unknown, foreign and broken receipts between, in pieces
  die=N         ends with status 9 after N events, without an answer to what is open
  seed=N
"""
import os
import random
import re
import select
import sys
import time

ACK = re.compile(rb'"ack":"([^"]*)"\}$')


class Store:
    def __init__(self, path, given):
        self.ledger = open(path, "ab", buffering=0)
        self.given = given
        self.dice = random.Random(int(given.get("seed", 1)))
        self.count = 0
        self.open = []      # (due, ack) in order of coming
        self.kept = None
        self.done = []      # acks answered, for doubling
        self.next_s = 0

    def take(self, line):
        ack = ACK.search(line)
        if not ack:
            return
        self.ledger.write(line + b"\n")
        self.count += 1
        if self.count == int(self.given.get("die", 0)):
            sys.exit(9)
        due = time.monotonic() + float(self.given.get("late", 0))
        if self.count == int(self.given.get("keep", 0)):
            self.kept = ack.group(1)
        else:
            self.open.append((due, ack.group(1)))

    def due(self):
        """The acks to answer now."""
        now = time.monotonic()
        if "gate" in self.given and not os.path.exists(self.given["gate"]):
            return []
        ready = [a for t, a in self.open if t <= now]
        if "rate" in self.given:
            ready = ready[:max(0, int((now - self.next_s) * float(self.given["rate"])))]
            if ready or not self.open:
                self.next_s = now
        chosen = set(ready)
        self.open = [(t, a) for t, a in self.open if a not in chosen]
        if self.given.get("order") == "reverse":
            ready.reverse()
        elif self.given.get("order") == "random":
            self.dice.shuffle(ready)
        return ready

    def noise(self):
        kind = self.dice.randrange(6)
        if kind == 0 and self.done:
            return b'{"ack":"%s","outcome":"deferred"}\n' % self.dice.choice(self.done)
        if kind == 1:
            return b'{"ack":"%x-0-0","outcome":"stored"}\n' % self.dice.getrandbits(32)
        return (b"", b"", b"not a receipt\n", b'{"outcome":"stored"}\n', b'{"ack":7}\n', b"\n")[kind]

    def answer(self, acks):
        text = b""
        for ack in acks:
            text += b'{"ack":"%s","outcome":"stored"}\n' % ack
            if "noise" in self.given:
                self.done = (self.done + [ack])[-50:]
                text += self.noise()
        while text:
            part = self.dice.randrange(1, 400) if "noise" in self.given else len(text)
            n = os.write(1, text[:part])
            text = text[n:]

    def run(self):
        rest, ended = b"", False
        while not ended or self.open:
            wait = 0.01 if self.open or ended else None
            if not ended and select.select([0], [], [], wait)[0]:
                piece = os.read(0, 1 << 20)
                ended = piece == b""
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self.take(line)
            elif ended:
                time.sleep(0.01)
            self.answer(self.due())
        if self.kept and "never" not in self.given:
            self.answer([self.kept])


Store(sys.argv[1], dict(a.split("=", 1) for a in sys.argv[2:])).run()
