# SPDX-License-Identifier: MIT
"""Runs programs with a fault at one of their calls; the library is tests/support/fault_calls.c."""
import errno
import os
import signal
import struct
import subprocess
import sys
import threading

LIMIT_S = 20                # of one run: what takes longer hangs
MOST_CALLS, NAME_BYTES, WHAT_BYTES = 80, 24, 256
PAGE_BYTES = 4 * 8 + MOST_CALLS * (8 + NAME_BYTES) + WHAT_BYTES
# The build under test: its programs come first in $PATH.
B = os.environ.get("B", "build/release")
LIBRARY = os.path.abspath(os.path.join(B, "tests/support/fault_calls.so"))
NO_MEMORY = "read,write,sync,open,size,name,close,lock,wait,accept,stat,start,setup"


class Fault:
    """The k-th call of some classes of one program; at 0: none, they are only counted."""

    def __init__(self, program, classes=NO_MEMORY, at=0, do="before", sticky=False):
        self.program, self.classes, self.at = program, classes, at
        self.do, self.sticky = do, sticky

    def environment(self, page):
        with open(page, "wb") as f:
            f.write(bytes(PAGE_BYTES))
        do = self.do if self.do in ("before", "after", "torn", "short") else \
            getattr(errno, self.do)
        env = dict(os.environ, LD_PRELOAD=LIBRARY, FAULT_PAGE=page,
                   FAULT_PROGRAM=self.program, FAULT_CLASSES=self.classes,
                   FAULT_AT=str(self.at), FAULT_DO=str(do))
        if self.sticky:
            env["FAULT_STICKY"] = "1"
        return env

    def kills(self):
        return self.do in ("before", "after", "torn")

    def __str__(self):
        return "%s: %s%s at call %d of %s" % (
            self.program, self.do, " from then on" if self.sticky else "", self.at, self.classes)


def use_build():
    os.environ["PATH"] = ":".join(
        [os.path.abspath(B), os.path.abspath(os.path.join(B, "tests/sim")), os.environ["PATH"]])
    if not os.path.exists(LIBRARY):
        sys.exit("%s: is not built: make tests" % LIBRARY)


class Page:
    """What the library has seen."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        self.count, self.hits, self.synced_again, self.told_after = \
            struct.unpack_from("4Q", data)
        seen = struct.unpack_from("%dQ" % MOST_CALLS, data, 4 * 8)
        at = (4 + MOST_CALLS) * 8
        names = [data[at + i * NAME_BYTES:at + (i + 1) * NAME_BYTES].split(b"\0")[0].decode()
                 for i in range(MOST_CALLS)]
        self.seen = {n: s for n, s in zip(names, seen) if s}
        self.what = data[-WHAT_BYTES:].split(b"\0")[0].decode(errors="replace")


def end_session(leader):
    """SIGKILL to every process of a session that one of our children leads."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                if int(f.read().rpartition(")")[2].split()[3]) == leader:
                    os.kill(int(pid), signal.SIGKILL)
        except (OSError, ValueError):
            pass


class Job:
    """A program and all that it starts; it is over when all of them are."""

    def __init__(self, command, cwd, env=None):
        self.hung = False
        self.process = subprocess.Popen(        # pylint: disable=consider-using-with
            command, cwd=cwd, env=env, shell=isinstance(command, str), start_new_session=True,
            bufsize=0,      # or what follows a line that was read is lost for communicate()
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.timer = threading.Timer(LIMIT_S, self.give_up)
        self.timer.daemon = True
        self.timer.start()
        self.out = self.err = b""
        self.status = None

    def give_up(self):
        self.hung = True
        end_session(self.process.pid)

    def finish(self, data=None):
        """Waits until every process has closed stdout and stderr."""
        out, err = self.process.communicate(data)
        self.timer.cancel()
        self.out, self.err = self.out + out, self.err + err
        self.status = self.process.returncode
        return self

    def say(self):
        return self.err.decode(errors="replace").strip().replace("\n", " | ")


def run(command, cwd, env=None, data=None):
    return Job(command, cwd, env).finish(data)
