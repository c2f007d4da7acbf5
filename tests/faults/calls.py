#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breaks programs at every call that they make, one call a run, and looks at what is left.

usage: calls.py kill   CASE [--points N] [--victim PROGRAM] [--at K --do HOW]
       calls.py errors CASE [--points N] [--victim PROGRAM] [--at K --do ERROR --classes LIST]

kill: SIGKILL before or after the k-th call, or half-way through a write.  errors: the k-th call of
a class fails, with every error that is legal for it.  k grows until a run ends undisturbed; with
--points the steps are as large as makes so many of it.  The programs are those in $PATH; the folder
is $T.  The last line says how many points were tried; 1 when one of them did harm.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import sys
import time

from calls_cases import CASES, intact
from calls_run import NO_MEMORY, Fault, Page

WORKERS = 2
SHOWN = 12          # violations printed

# class: (errors that are survived, errors that may end the program, the statuses for that)
SURVIVED = None
ERRORS = {
    "read": (("EINTR", "short"), ("EIO", "ENOMEM"), (66, 71, 73, 74)),
    "write": (("EINTR", "short"), ("ENOSPC", "EIO"), (73, 74)),
    "sync": ((), ("EIO", "ENOSPC"), (73, 74)),
    "open": ((), ("EMFILE", "EIO", "ENOSPC", "EACCES"), (66, 71, 73, 74, 77)),
    "size": (("EINTR",), ("ENOSPC", "EIO"), (73, 74)),
    "name": ((), ("EIO", "EROFS"), (73, 74)),
    "close": (("EINTR",), ("EIO",), (73, 74)),
    "lock": ((), ("ENOLCK", "EIO"), (71, 73, 74, 75)),
    "wait": (("EINTR",), ("ENOMEM",), (71, 74)),
    "accept": (("EINTR", "EMFILE", "ECONNABORTED", "EAGAIN"), (), ()),
    "stat": ((), ("EIO", "ENOMEM"), (66, 71, 73, 74, 75)),
    "start": ((), ("EMFILE", "ENOMEM", "EAGAIN"), (71,)),
    "setup": ((), ("EMFILE", "ENOMEM"), (69, 71, 73, 74)),
    "memory": ((), ("ENOMEM",), (71,)),
    "write,size,sync": ((), ("ENOSPC", "EIO"), (73, 74)),
}
CRASHED = re.compile(r"Segmentation|Aborted|Bus error|exit status 1[3-9]\d|Sanitizer|core dumped")
# What no failing call may be taken for.
MISTAKEN = re.compile(r"not a spool|is damaged|some other program|newer ts-spool")


class Sweep:
    def __init__(self, mode, case, folder):
        self.mode, self.case, self.folder = mode, case, folder
        self.points, self.wrong, self.serial = 0, [], 0

    def trial(self, fault):
        """One fault; whether it happened."""
        self.serial += 1
        cwd = os.path.join(self.folder, "%s.%d" % (self.case.name, self.serial))
        self.case.fresh(cwd)
        job = self.case.work(cwd, fault.environment(cwd + ".page"))
        page = Page(cwd + ".page")
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
            self.wrong.append("%s (%s): %s; status %s: %s" % (
                fault, page.what, "; ".join(wrong), job.status, job.say()[:300]))
        shutil.rmtree(cwd, ignore_errors=True)
        os.unlink(cwd + ".page")
        return page.hits > 0

    def judge_end(self, fault, job, page):
        """How the program itself ended."""
        said = job.err.decode(errors="replace")
        wrong = ["hangs"] if job.hung else []
        if fault.kills():
            return wrong
        if job.status is None or job.status < 0 and not job.hung or CRASHED.search(said):
            wrong.append("crashed")
        if MISTAKEN.search(said):
            wrong.append("takes it for something else")
        if page.synced_again:
            wrong.append("asked for the sync that failed again, without writing again")
        if page.hits == 0:
            return wrong + ([] if job.status in self.case.status else ["ends wrongly"])
        if job.status in self.case.status:
            return wrong
        survived, _, statuses = ERRORS[fault.classes]
        if fault.do in survived:
            wrong.append("does not survive it")
        elif job.status not in statuses + (75,) * (fault.program != self.case.victims[0]):
            wrong.append("ends with a wrong status")
        if not re.search(r"^ts-|^out of memory", said, re.M):
            wrong.append("says nothing")
        return wrong

    def sweep(self, program, classes, do, points, sticky=False):
        """k = 1, 1 + step, … until it is beyond the end."""
        step = 1
        if points:
            cwd = os.path.join(self.folder, "count")
            self.case.fresh(cwd)
            self.case.work(cwd, Fault(program, classes).environment(cwd + ".page"))
            step = max(1, -(-Page(cwd + ".page").count // points))
            shutil.rmtree(cwd)
        k, beyond = 1, False
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            while not beyond:
                faults = [Fault(program, classes, k + n * step, do, sticky)
                          for n in range(WORKERS)]
                beyond = not all(list(pool.map(self.trial, faults)))
                k += step * WORKERS

    def kill(self, program, points):
        self.sweep(program, NO_MEMORY, "before", points)
        self.sweep(program, "write,size,sync,name", "after", points and points // 3)
        self.sweep(program, "write", "torn", points and points // 3)

    def errors(self, program, points):
        for classes, (survived, ending, _) in ERRORS.items():
            sticky = "," in classes
            for error in survived + ending:
                self.sweep(program, classes, error, points, sticky)


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
    args = parser.parse_args()
    began = time.monotonic()
    case = next(c for c in CASES if c.name == args.case)(os.environ["T"])
    sweep = Sweep(args.mode, case, os.environ["T"])
    for victim in [args.victim] if args.victim else case.victims:
        if args.at:
            sweep.trial(Fault(victim, args.classes, args.at, args.do, args.sticky))
        else:
            getattr(sweep, args.mode)(victim, args.points)
    for text in sweep.wrong[:SHOWN]:
        print("#  " + text)
    print("# %s: %d %s points, %d did harm, %.1f s" % (
        case.name, sweep.points, "crash" if args.mode == "kill" else "error", len(sweep.wrong),
        time.monotonic() - began))
    return 1 if sweep.wrong or not sweep.points else 0


if __name__ == "__main__":
    sys.exit(main())
