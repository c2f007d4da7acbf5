# SPDX-License-Identifier: MIT
"""What a power cut may leave of a folder, rebuilt from a trace of tests/support/fault_trace.c.

A file's bytes are durable from an fsync of the file on, an entry of the folder (made, removed,
renamed) from an fsync of the folder on. What was done since is pending: any subset of it may have
reached the disk, in any order, and of a write any of its sectors. That is the strict model. Under
`ext4` entries reach the disk in their order, and an fsync of a file that is new takes its entry,
and those before it, along: its states are among those of the strict model, so states are made
strictly and `ext4_may` says of one whether that file system could leave it too.

Room that is only allocated (the store's reserve) counts as never arrived: nobody reads it.
"""
import hashlib
import random

TORN = (512, 4096)
HOLE = "hole"       # the file has grown, the bytes never came: zeros


class Record:
    """One line of the trace."""

    __slots__ = ("kind", "pid", "inode", "a", "b", "data")

    def __init__(self, kind, pid, inode, a, b, data):
        self.kind, self.pid, self.inode, self.a, self.b, self.data = kind, pid, inode, a, b, data


def read_trace(path):
    records = []
    with open(path, "rb") as f:
        while line := f.readline():
            kind, pid, inode, a, b, n = line.decode().split()
            data = f.read(int(n))
            if f.read(1) != b"\n":
                raise ValueError("%s: torn after %d records" % (path, len(records)))
            if kind == "?":
                raise ValueError("%s: %s is not understood by the model" % (path, data.decode()))
            records.append(Record(kind, int(pid), int(inode), int(a), int(b), data))
    return records


class File:
    """An inode: its bytes as of the last fsync."""

    __slots__ = ("durable", "number")
    count = 0

    def __init__(self, durable=b""):
        self.durable = durable
        File.count += 1
        self.number = File.count


class Pending:
    """A change that is not durable: `write` or `length` of a file; `entry` of the folder."""

    __slots__ = ("kind", "file", "at", "data", "names", "forced")

    def __init__(self, kind, file=None, at=0, data=b"", names=()):
        self.kind, self.file, self.at, self.data, self.names = kind, file, at, data, names
        self.forced = False     # under ext4 it is durable: a later file was synced

    def apply(self, content, choice):
        """Changes `content`; choice: True, HOLE, or (sector size, sectors that arrived)."""
        end = self.at + len(self.data)
        if self.kind == "length":
            if len(content) > self.at:
                del content[self.at:]
            else:
                content.extend(bytes(self.at - len(content)))
            return
        if choice is HOLE:
            content.extend(bytes(max(0, end - len(content))))
            return
        parts = [(self.at, end)]
        if choice is not True:
            parts = [part for i, part in enumerate(self.sectors(choice[0])) if choice[1] >> i & 1]
        for begin, stop in parts:
            content.extend(bytes(max(0, stop - len(content))))
            content[begin:stop] = self.data[begin - self.at:stop - self.at]

    def sectors(self, size):
        begin, end = self.at, self.at + len(self.data)
        while begin < end:
            stop = min(end, begin - begin % size + size)
            yield begin, stop
            begin = stop


class Disk:
    """Follows the records; `pending` is in the order of the calls."""

    def __init__(self, initial):
        self.inodes = {inode: File(data) for inode, (_, data) in initial.items()}
        self.entries = {name: self.inodes[inode] for inode, (name, _) in initial.items()}
        self.now = dict(self.entries)       # the folder as programs see it
        self.pending = []

    def file(self, inode):
        if inode not in self.inodes:
            raise ValueError("inode %d was made by a call that is not recorded" % inode)
        return self.inodes[inode]

    def syncs(self, record):
        """Whether the record makes something durable that is pending now."""
        if record.kind == "Y":
            file = self.file(record.inode)
            return any(p.file is file and p.kind != "entry" for p in self.pending)
        return record.kind == "D" and any(p.kind == "entry" for p in self.pending)

    def step(self, record):
        do = getattr(self, "do_" + record.kind, None)
        if do:
            do(record)

    def entry(self, file, *names):
        self.pending.append(Pending("entry", file, names=names))

    def do_C(self, record):
        name = record.data.decode()
        self.inodes[record.inode] = self.now[name] = File()
        self.entry(self.now[name], "add", name)

    def do_W(self, record):
        self.pending.append(Pending("write", self.file(record.inode), record.a, record.data))

    def do_L(self, record):
        self.pending.append(Pending("length", self.file(record.inode), record.a))

    def do_U(self, record):
        name = record.data.decode()
        self.entry(self.now.pop(name), "del", name)

    def do_R(self, record):
        old, new = record.data.decode().split("\0")
        self.now[new] = self.now.pop(old)
        self.entry(self.now[new], "move", old, new)

    def do_K(self, record):
        old, new = record.data.decode().split("\0")
        self.now[new] = self.now[old]
        self.entry(self.now[new], "add", new)

    def do_Y(self, record):
        file = self.file(record.inode)
        content = bytearray(file.durable)
        for p in self.pending:
            if p.file is file and p.kind != "entry":
                p.apply(content, True)
        file.durable = bytes(content)
        own = [i for i, p in enumerate(self.pending) if p.kind == "entry" and p.file is file]
        for p in self.pending[:own[-1] + 1] if own else ():
            p.forced = p.forced or p.kind == "entry"
        self.pending = [p for p in self.pending if p.file is not file or p.kind == "entry"]

    def do_D(self, _):
        for p in self.pending:
            if p.kind == "entry":
                enter(self.entries, p)
        self.pending = [p for p in self.pending if p.kind != "entry"]


def enter(entries, p):
    if p.names[0] == "add":
        entries[p.names[1]] = p.file
        return
    entries.pop(p.names[1], None)
    if p.names[0] == "move":
        entries[p.names[2]] = p.file


def ext4_may(pending, choice):
    """Whether ext4 could leave this choice of entries: in order, and what a sync took along."""
    entries = [(p, c) for p, c in zip(pending, choice) if p.kind == "entry"]
    done = [bool(c) for _, c in entries]
    return done == sorted(done, reverse=True) and all(c for p, c in entries if p.forced)


# ---- which subsets ------------------------------------------------------------------------------


def whole_choices(n):
    """None, all, each alone, all but one, the first ones, the last ones."""
    yield (False,) * n
    yield (True,) * n
    for i in range(n):
        yield tuple(k == i for k in range(n))
        yield tuple(k != i for k in range(n))
        yield tuple(k <= i for k in range(n))
        yield tuple(k > i for k in range(n))


def torn_choices(pending, dice):
    """Each write torn, alone and with all others: its first half, its last, its odd sectors and
    some at random."""
    n = len(pending)
    for i, p in enumerate(pending):
        for size in TORN:
            count = sum(1 for _ in p.sectors(size)) if p.kind == "write" else 0
            if count < 2:
                continue
            half, every = (1 << count // 2) - 1, (1 << count) - 1
            masks = {half, every ^ half, every & 0x5555555555555555, dice.getrandbits(count)}
            for mask in sorted(masks - {0, every}):
                torn = (size, mask)
                yield tuple(torn if k == i else False for k in range(n))
                yield tuple(torn if k == i else True for k in range(n))
                yield tuple(torn if k == i else k < i for k in range(n))
        if p.kind == "write":
            yield tuple(HOLE if k == i else True for k in range(n))


def random_choice(pending, dice):
    share = dice.choice((0.1, 0.3, 0.5, 0.7, 0.9))
    choice = []
    for p in pending:
        c = dice.random() < share
        if p.kind == "write" and dice.random() < 0.2:
            size = dice.choice(TORN)
            count = sum(1 for _ in p.sectors(size))
            c = HOLE if dice.random() < 0.2 else (size, dice.getrandbits(count)) if count > 1 else c
        choice.append(c)
    return tuple(choice)


def choices(pending, most, randoms, dice):
    """At most `most` subsets, or all that there are of these kinds with most = 0."""
    if not pending:
        yield ()
        return
    every = list(dict.fromkeys(whole_choices(len(pending))))
    torn = list(torn_choices(pending, dice))
    if most and len(every) + len(torn) > most:
        first = every[:2]
        every = first + dice.sample(every[2:], min(len(every) - 2, most // 2))
        torn = dice.sample(torn, min(len(torn), most // 2))
    yield from every
    yield from torn
    for _ in range(randoms):
        yield random_choice(pending, dice)


class Builder:
    """Makes the states of one point; the content of a file is made once a choice of its changes."""

    def __init__(self, disk):
        self.entries, self.pending = dict(disk.entries), list(disk.pending)
        self.of = {}
        for i, p in enumerate(self.pending):
            if p.kind != "entry":
                self.of.setdefault(p.file.number, []).append(i)
        self.contents = {}

    def content(self, file, choice):
        own = self.of.get(file.number, ())
        key = (file.number, tuple(choice[i] for i in own))
        if key not in self.contents:
            content = bytearray(file.durable)
            for i in own:
                if choice[i]:
                    self.pending[i].apply(content, choice[i])
            content = bytes(content)
            self.contents[key] = content, hashlib.sha1(content).digest()
        return self.contents[key]

    def state(self, choice):
        """name -> (bytes, digest)"""
        entries = dict(self.entries)
        for p, c in zip(self.pending, choice):
            if p.kind == "entry" and c:
                enter(entries, p)
        return {name: self.content(file, choice) for name, file in entries.items()}


def digest_of(state):
    h = hashlib.sha1()
    for name in sorted(state):
        h.update(name.encode() + b"\0" + state[name][1])
    return h.digest()


def dice_of(seed, point):
    return random.Random("%s %d" % (seed, point))
