#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breaks programs at every call that they make, one call a run, and looks at what is left.

usage: calls.py kill   CASE [--points N] [--stop] [--victim PROGRAM] [--at K --do HOW]
       calls.py errors CASE [--points N] [--stop] [--victim PROGRAM]
                       [--at K --do ERROR --classes LIST [--sticky]]

kill: SIGKILL before or after the k-th call, or half-way through a write.  errors: the k-th call of
a class fails, with every error that is legal for it.  k grows until a run ends undisturbed; with
--points the steps are as large as makes so many of it; --stop ends it at the first harm.  The
programs are those of the build in $B.  The last line says how many points were tried; exit status 1
when one of them did harm.
"""
import argparse
import collections
import concurrent.futures
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import zlib

import memory
from calls_cases import CASES, intact
from calls_run import NO_MEMORY, Fault, Page, use_build

WORKERS = 2
SHOWN = 40          # kinds of harm printed

# class: (errors that are survived, errors that may end the program, the statuses for that)
ERRORS = {
    "read": (("EINTR", "short"), ("EIO", "ENOMEM"), (66, 71, 73, 74)),
    "write": (("EINTR", "short"), ("ENOSPC", "EIO"), (73, 74)),
    "sync": ((), ("EIO", "ENOSPC"), (73, 74)),
    "open": ((), ("EMFILE", "EIO", "ENOSPC", "EACCES"), (66, 71, 73, 74, 77)),
    "size": (("EINTR",), ("ENOSPC", "EIO"), (73, 74)),
    "name": ((), ("EIO", "EROFS"), (73, 74)),
    "close": ((), ("EINTR", "EIO"), (73, 74)),
    "lock": ((), ("ENOLCK", "EIO"), (71, 73, 74, 75)),
    "wait": (("EINTR",), ("ENOMEM",), (71, 74)),
    "accept": (("EINTR", "EMFILE", "ECONNABORTED"), (), ()),
    "stat": ((), ("EIO", "ENOMEM"), (66, 71, 73, 74, 75)),
    "start": ((), ("EMFILE", "ENOMEM", "EAGAIN"), (71,)),
    "setup": ((), ("EMFILE", "ENOMEM"), (69, 71, 73, 74)),
    "memory": ((), ("ENOMEM",), (71,)),
    "write,size,sync": ((), ("ENOSPC", "EIO"), (73, 74)),
}
CRASHED = re.compile(r"Segmentation|Aborted|Bus error|exit status 13[4569]|Sanitizer|core dumped")
# Of libmicrohttpd's own calls: it ends the process by itself, before it has answered anybody.
ABORTS = re.compile(r"epoll_ctl .*by libmicrohttpd")
# What no failing call may be taken for.
MISTAKEN = re.compile(r"not a spool|is damaged|some other program|newer ts-spool")


class Sweep:
    def __init__(self, mode, case, folder, stop):
        self.mode, self.case, self.folder, self.stop = mode, case, folder, stop
        self.points, self.wrong, self.serial = 0, collections.defaultdict(list), 0
        self.counts = {}

    def trial(self, fault):
        """One fault; whether it happened."""
        self.serial += 1
        cwd = os.path.join(self.folder, "%s.%d" % (self.case.name, self.serial))
        self.case.fresh(cwd)
        job = self.case.work(cwd, fault.environment(cwd + ".page"))
        page = Page(cwd + ".page")
        page.what = what = re.sub(r" of %s by" % re.escape(os.path.basename(cwd)),
                                  " of its folder by", page.what)
        wrong = self.judge_end(fault, job, page)
        try:
            wrong += self.case.judge(cwd, job, fault.kills())
            if not job.hung:
                wrong += self.case.finish(cwd)
            wrong += intact(cwd)
        except Exception as e:      # pylint: disable=broad-except # it is a finding, go on
            wrong.append("%s: %s" % (type(e).__name__, e))
        if page.hits:
            self.points += 1
        if wrong:
            kind = (fault.program, fault.do, what,
                    "; ".join(wrong))
            self.wrong[kind].append("at %d of %s; status %s: %s" % (
                fault.at, fault.classes, job.status, job.say()[:300]))
        shutil.rmtree(cwd, ignore_errors=True)
        os.unlink(cwd + ".page")
        return page.hits > 0

    def judge_end(self, fault, job, page):
        """How the program itself ended."""
        said = job.err.decode(errors="replace")
        wrong = ["hangs"] if job.hung else []
        if fault.kills():
            return wrong
        if ABORTS.match(page.what):
            return wrong
        if job.status is None or job.status < 0 and not job.hung or CRASHED.search(said):
            wrong.append("crashed")
        if MISTAKEN.search(said):
            wrong.append("takes it for something else")
        if page.synced_again:
            wrong.append("asked for the sync that failed again, without writing again")
        if page.told_after:
            wrong.append("told something on standard output after a sync had failed")
        if page.hits == 0:
            return wrong + ([] if job.status in self.case.status else ["ends wrongly"])
        survived, _, statuses = ERRORS.get(fault.classes, ((), (), ()))
        own = fault.program == self.case.victims[0]
        # SQLite itself lets it pass when the folder of a new journal cannot be synced.
        if own and fault.classes == "sync" and " of its folder by libsqlite3" not in page.what and \
                job.status in self.case.status:
            wrong.append("goes on after it")
        elif job.status in self.case.status:
            return wrong
        elif fault.do in survived:
            wrong.append("does not survive it")
        elif job.status not in statuses and not (
                # Another program is told, or does tell, of what a pipe between two does.
                job.status == 75 and (not own or re.search("pipe:|socket:", page.what))):
            wrong.append("ends with a wrong status")
        if not re.search(r"^ts-|^out of memory", said, re.M):
            wrong.append("says nothing")
        return wrong

    def calls(self, program, classes):
        """How many calls a run makes when none is broken."""
        if (program, classes) not in self.counts:
            cwd = os.path.join(self.folder, "count")
            self.case.fresh(cwd)
            self.case.work(cwd, Fault(program, classes).environment(cwd + ".page"))
            self.counts[program, classes] = Page(cwd + ".page").count
            shutil.rmtree(cwd)
        return self.counts[program, classes]

    def some(self, program, classes, do, points):
        """So many k, evenly; each kind starts elsewhere, so that not all meet the same calls."""
        count = self.calls(program, classes)
        step = max(1, -(-count // points))
        return range(1 + zlib.crc32((program + classes + do).encode()) % step, count + 1, step)

    def sweep(self, program, classes, do, points, sticky=False):
        """Some k, or every one until a run was not broken any more."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            ks = iter(self.some(program, classes, do, points) if points else itertools.count(1))
            happened = [True]
            while happened and not (self.stop and self.wrong) and (points or all(happened)):
                happened = list(pool.map(self.trial, [
                    Fault(program, classes, k, do, sticky)
                    for k in itertools.islice(ks, WORKERS)]))

    def kill(self, program, points):
        self.sweep(program, NO_MEMORY, "before", points)
        self.sweep(program, "write,size,sync,name", "after", points and points // 3)
        self.sweep(program, "write", "torn", points and points // 3)

    def errors(self, program, points):
        for classes, (survived, ending, _) in ERRORS.items():
            sticky = "," in classes
            for error in survived + ending:
                self.sweep(program, classes, error, points, sticky)


def try_all(args, folder):
    began = time.monotonic()
    case = next(c for c in CASES if c.name == args.case)(folder)
    sweep = Sweep(args.mode, case, folder, args.stop)
    # The ledger is a tool of ours: it may die, but nobody asks how it speaks of its own errors.
    victims = [v for v in case.victims if args.mode == "kill" or v != "ledger"]
    for victim in [args.victim] if args.victim else victims:
        if args.at:
            sweep.trial(Fault(victim, args.classes, args.at, args.do, args.sticky))
        else:
            getattr(sweep, args.mode)(victim, args.points)
    for kind, texts in list(sweep.wrong.items())[:SHOWN]:
        print("#  %s, %s, %s: %s: %d times, first " % (*kind, len(texts)) + texts[0])
    print("# %s: %d %s points, %d did harm, %.1f s" % (
        case.name, sweep.points, "crash" if args.mode == "kill" else "error",
        sum(map(len, sweep.wrong.values())), time.monotonic() - began))
    return 1 if sweep.wrong or not sweep.points else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("kill", "errors"))
    parser.add_argument("case", choices=[c.name for c in CASES])
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--victim")
    parser.add_argument("--at", type=int)
    parser.add_argument("--do", default="before")
    parser.add_argument("--classes", default=NO_MEMORY)
    parser.add_argument("--sticky", action="store_true")
    parser.add_argument("--stop", action="store_true")
    args = parser.parse_args()
    use_build()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that the folder goes
    with tempfile.TemporaryDirectory(prefix="ts-calls.", dir=memory.folder()) as folder:
        return try_all(args, folder)


if __name__ == "__main__":
    sys.exit(main())
