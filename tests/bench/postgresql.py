# SPDX-License-Identifier: MIT
"""A PostgreSQL server of its own for tests/bench/run, and what feeds ts-spool put in batches."""
import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import time


def binaries():
    """The folder of the newest server that is installed, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(found[-1]) if found and shutil.which("psql") else None


def as_server():
    """What runs a command as a user that a server may run as."""
    if os.getuid() != 0:
        return []
    user = next(u for u in ("postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()})
    return ["setpriv", "--reuid=" + user, "--regid=%d" % pwd.getpwnam(user).pw_gid,
            "--clear-groups"]


@contextlib.contextmanager
def server(work):
    """A server with its usual settings, all syncing on; gives its URL."""
    folder = os.path.join(work, "pg")
    data, prefix, bin_dir = folder + "/data", as_server(), binaries()
    os.mkdir(folder, 0o755)
    os.chmod(work, 0o755)
    if prefix:
        shutil.chown(folder, int(pwd.getpwnam(prefix[1].split("=")[1]).pw_uid))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    run = lambda *argv: subprocess.run(prefix + [bin_dir + "/" + argv[0], *argv[1:]], check=True,
                                       cwd="/", stdout=subprocess.DEVNULL)
    run("initdb", "-D", data, "-U", "super", "-A", "trust", "--no-sync")
    run("pg_ctl", "-D", data, "-s", "-w", "-l", folder + "/log", "-o",
        "-p %d -k %s -h 127.0.0.1" % (port, folder), "start")
    try:
        yield "postgresql://super@127.0.0.1:%d/postgres" % port
    finally:
        run("pg_ctl", "-D", data, "-s", "-w", "-m", "immediate", "stop")


def make_empty(url):
    """The tables of the store, without rows."""
    subprocess.run(["ts-spool", "put", url], stdin=subprocess.DEVNULL, check=True)
    subprocess.run(["psql", "-X", "-q", "-c", "TRUNCATE spool_id, spool_event, spool_open,"
                    " spool_day; CHECKPOINT", url], check=True)


def put_rate(url, path, batch):
    """Events a second that ts-spool put takes when it gets so many at a time, each time waiting for
    their receipts."""
    with open(path, "rb") as given:
        lines = given.readlines()
    blobs = [b"".join(lines[i:i + batch]) for i in range(0, len(lines), batch)]
    with subprocess.Popen(["ts-spool", "put", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0) as put:
        began = None
        for blob in blobs:
            put.stdin.write(blob)
            left = blob.count(b"\n")
            while left > 0:
                left -= os.read(put.stdout.fileno(), 1 << 16).count(b"\n")
            if began is None:    # the first batch does not count: it waits for the connection
                began = time.monotonic()
        took = time.monotonic() - began
        put.stdin.close()
        if put.wait() != 0:
            raise RuntimeError("ts-spool put ended with %d" % put.returncode)
    return (len(lines) - batch) / took
