# SPDX-License-Identifier: MIT
"""What must hold of a store after a power cut, and how it is found out.

A store is recovered by SQLite, in this process; on each content that comes out of it the real
ts-spool works once: list, stat, put of everything again (a peer that heard nothing sends again),
drain, list. What those say is held against the story up to the cut, as told by the trace: which
receipts had left put, which lines had left the drain, which answers its command had given.
"""
import collections
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess

# Keeps what it is given in a file, and says that it is delivered.
ANSWER = ("tee -a '%s' | "
          """sed -u 's/.*"ack":"\\([^"]*\\)".*/{"ack":"\\1","outcome":"delivered"}/'""")
ARRIVED = ("delivered", "duplicate")
ENDS = ("", "-journal", "-reserve", "-drain")
OLDER = "written by an older ts-spool"
FINAL = ("delivered", "dead", "skipped")


class StoreStory:
    """What happened to one store: all in terms of positions in the trace."""

    def __init__(self):
        self.stored = {}                                # id -> position of its first receipt
        self.batches = []                               # the ids that one commit stored
        self.tries = collections.defaultdict(list)      # id -> [(position, "handed" or outcome)]
        self.actions = []                               # (position, words)
        self.moments = []                               # positions at which obligations grow

    def moment(self, position):
        """The same number for positions between which nothing was promised."""
        return sum(1 for m in self.moments if m < position)

    def before(self, position, *words):
        return [w for at, w in self.actions if at < position and w[0] in words]


class Story:
    """Reads the trace: who is who, and what they said."""

    def __init__(self, records):
        self.stores = collections.defaultdict(StoreStory)
        self.role, self.text = {}, collections.defaultdict(bytes)
        self.outputs = []       # positions of words that left
        self.marks = {}
        for position, r in enumerate(records):
            if r.kind == "S":
                self.begin(position, r)
            elif r.kind == "M":
                self.marks[r.data.decode()] = position
            elif r.kind == "P" and r.pid in self.role:
                self.output(position, r)

    def begin(self, position, r):
        words = r.data.decode(errors="replace").split("\0")[:-1]
        name = os.path.basename(words[0]) if words else ""
        self.role.pop(r.pid, None)
        if name == "ts-spool" and len(words) > 2:
            stores = [os.path.basename(w) for w in words[2:] if w.endswith(".db")]
            self.role[r.pid] = words[1], stores
            for store in stores:
                self.stores[store].actions.append((position, words[1:]))
                self.stores[store].moments.append(position)
        elif "answer" in words and r.a in self.role:
            self.role[r.pid] = "answer", self.role[r.a][1]

    def output(self, position, r):
        role, stores = self.role[r.pid]
        if (role in ("put", "answer")) != (r.a == 1) or role not in ("put", "answer", "drain"):
            return
        key = r.pid, r.a
        *lines, self.text[key] = (self.text[key] + r.data).split(b"\n")
        said = [json.loads(line) for line in lines]
        self.outputs.append(position)
        for name in stores:
            story = self.stores[name]
            story.moments.append(position)
            if role == "put":
                fresh = {s["event_id"] for s in said if s["outcome"] == "stored"}
                story.batches.append(frozenset(fresh))
                for s in said:
                    story.stored.setdefault(s["event_id"], position)
            for s in said if role != "put" else ():
                what = "handed" if role == "drain" else s["outcome"]
                story.tries[s["event_id"]].append((position, what))


# ---- what the real program makes of a store -----------------------------------------------------


class Facts:
    """What the programs said of one content of a store."""

    def __init__(self):
        self.listed, self.ledger, self.final, self.wrong = [], [], [], []


def run(words, facts, good, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=False,
                          check=False, timeout=60, **options)
    if done.returncode not in good:
        facts.wrong.append("%s: status %d: %s" % (" ".join(words[:2]), done.returncode,
                                                  done.stderr.decode(errors="replace")[:300]))
    return done.stdout


def listed(store, facts, good=(0,)):
    lines = run(["ts-spool", "list", store], facts, good).splitlines()
    return [(e["event_id"], e.get("person_id"), e["state"]) for e in map(json.loads, lines)]


def check_counts(store, facts):
    said = json.loads(run(["ts-spool", "stat", "--json", store], facts, (0, 65, 75)) or "{}")
    for state in ("waiting", "held", "dead", "skipped"):
        count = sum(1 for e in facts.listed if e[2] == state)
        if said.get(state) != count:
            facts.wrong.append("stat says %s %s, list has %d" % (said.get(state), state, count))


def check_days(store, facts, words):
    """No event is counted twice, or on no day: as far as nothing was removed."""
    said = run(["ts-spool", "audit", "--json", store], facts, (0, 65, 75)).splitlines()
    received = json.loads(said[-1])["received"] if said else 0
    erased = any(w[0] == "purge" for w in words)
    if received != len(facts.final) and not erased:
        facts.wrong.append("audit counts %d events, list has %d" % (received, len(facts.final)))


def find_facts(folder, name, feed, words, counts):
    """Works on the store in `folder`; changes it. counts: whether to look at those as well."""
    facts, store = Facts(), os.path.join(folder, name)
    ledger = os.path.join(folder, "ledger")
    facts.listed = listed(store, facts, (0, 66))    # 66: there is none, or an empty one
    if facts.wrong and OLDER in facts.wrong[0]:
        facts.wrong.clear()
        run(["ts-spool", "put", store], facts, (0,), stdin=subprocess.DEVNULL)
        facts.listed = listed(store, facts)
    if facts.listed and counts:
        check_counts(store, facts)
    with open(feed, "rb") as f:
        run(["ts-spool", "put", store], facts, (0,), stdin=f)
    run(["ts-spool", "drain", "--into", ANSWER % ledger, store], facts, (0, 65))
    if os.path.exists(ledger):
        with open(ledger, "rb") as f:
            facts.ledger = [(e["event_id"], e.get("person_id"), e.get("ambiguous", False))
                            for e in map(json.loads, f)]
    facts.final = listed(store, facts)
    if counts:
        check_days(store, facts, words)
    return facts


# ---- what must hold -----------------------------------------------------------------------------


def may_be_gone(story, position):
    """Ids whose lines a purge may have removed."""
    gone = set()
    for words in story.before(position, "purge"):
        if any("--delivered-before" in w for w in words):
            gone |= {i for i in story.tries if arrived(story, i, position)}
        else:
            gone |= set(story.stored)       # by person: which ones is tested elsewhere
    return gone


def arrived(story, event, position):
    return any(at < position and what in ARRIVED for at, what in story.tries.get(event, ()))


def may_have_arrived(story, event, position):
    """Handed out, and not answered otherwise."""
    may = False
    for at, what in story.tries.get(event, ()):
        if at < position:
            may = what == "handed" or what in ARRIVED
    return may


def answered(story, event, position, outcome):
    return any(at < position and what == outcome for at, what in story.tries.get(event, ()))


def was_final(story, event, position):
    """Its person's later events could go: it had arrived, or would never; that may be forgotten."""
    return may_have_arrived(story, event, position) or any(
        answered(story, event, position, what) for what in ("rejected", "skipped"))


def check_there(facts, story, position, gone):
    there = {e[0] for e in facts.listed}
    for event, at in story.stored.items():
        if at < position and event not in there and event not in gone:
            yield "LOST: %s has a receipt and is not there" % event
    for batch in story.batches:
        new = {e for e in batch if e not in gone}
        if new & there and new - there:
            yield "half a batch: %d of %d" % (len(new & there), len(new))


def check_states(facts, story, position, marks):
    """Nothing counts as settled that was not."""
    by_hand = bool(story.before(position, "skip", "retry", "purge"))
    for event, _, state in facts.listed:
        if state == "delivered" and not arrived(story, event, position):
            yield "LOST: %s counts as delivered and was not" % event
        if state == "dead" and marks.get(event) != "error" and not answered(
                story, event, position, "rejected"):
            yield "LOST: %s is dead for no reason" % event
        if state == "skipped" and marks.get(event) != "skip" and not by_hand and not answered(
                story, event, position, "skipped"):
            yield "LOST: %s is skipped for no reason" % event


def check_repeats(facts, story, position):
    """What comes twice is marked."""
    by_hand = bool(story.before(position, "retry"))
    seen = set()
    for event, _, ambiguous in facts.ledger:
        if event in seen:
            yield "%s was handed out twice in one run" % event
        seen.add(event)
        if not ambiguous and not by_hand and may_have_arrived(story, event, position):
            yield "%s may have arrived and comes again without `ambiguous`" % event


def check_delivery(facts, gone, marks):
    """What was not final is delivered now, and the order of each person is kept."""
    states = {e[0]: e[2] for e in facts.listed}
    ledger = {e[0] for e in facts.ledger}
    final = {e[0]: e[2] for e in facts.final}
    number = {e[0]: n for n, e in enumerate(facts.final)}
    last = {}
    for event, state in states.items():
        if state not in FINAL and event not in ledger:
            yield "LOST: %s was %s and is not handed out" % (event, state)
        if state in FINAL and event in ledger:
            yield "%s was %s and is handed out" % (event, state)
    for event, state in final.items():
        if state not in FINAL:
            yield "LOST: %s is %s in the end" % (event, state)
    for event in marks:
        if event not in final and event not in gone:
            yield "LOST: %s was sent again and is not there" % event
    for event, person, _ in facts.ledger:
        if event in number and person is not None and number[event] < last.get(person, -1):
            yield "%s comes after a later event of its person" % event
        last[person] = max(last.get(person, -1), number.get(event, -1))


def check_order(facts, story, position):
    """Nothing first comes after a later event of its person that has arrived."""
    if story.before(position, "retry", "skip", "purge"):
        return
    number = {e[0]: n for n, e in enumerate(facts.final)}
    last = {}
    for event, person, _ in facts.final:
        if person is not None and arrived(story, event, position):
            last[person] = number[event]
    for event, person, _ in facts.ledger:
        if number.get(event, 0) < last.get(person, -1) and not was_final(story, event, position):
            yield "%s comes after a later event of its person had arrived" % event


def first_difference(facts, again):
    """None when they mean the same: different persons' events may come in any order."""
    for name in ("listed", "ledger", "final"):
        a, b = set(getattr(facts, name)), set(getattr(again, name))
        if a != b:
            return "%s has %s, not %s" % (name, sorted(b - a)[:2], sorted(a - b)[:2])
    return None


class Checker:
    """Looks at the files of one store after the other; knows contents that it has seen."""

    def __init__(self, story, feeds, folder, look_always):
        """feeds: store -> (file with all its events, {id: mark})"""
        self.story, self.feeds, self.folder = story, feeds, folder
        self.looks, self.look_always = set(), look_always
        self.facts, self.verdicts = {}, {}
        self.states = self.real = 0
        os.makedirs(folder, exist_ok=True)

    def lay_out(self, folder, name, state):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for other, (data, _) in state.items():
            if other.startswith(name):
                with open(os.path.join(folder, other), "wb") as f:
                    f.write(data)

    def recover(self, name, state):
        """The store's bytes after the recovery; and what is wrong with it. Where a journal stands
        ts-spool does it, as it looks at journals itself before SQLite may."""
        path = os.path.join(self.folder, name)
        for end in ENDS:
            if name + end in state:
                with open(path + end, "wb") as f:
                    f.write(state[name + end][0])
            elif os.path.exists(path + end):
                os.unlink(path + end)
        if name not in state or not state[name][0]:
            return b"", None
        wrong = None
        if self.must_look(name, state):
            facts = Facts()
            run(["ts-spool", "stat", path], facts, (0, 65, 66, 75))
            if facts.wrong and OLDER not in facts.wrong[0]:
                wrong = facts.wrong[0]
        try:
            db = sqlite3.connect(path)
            try:
                db.execute("PRAGMA synchronous=OFF")
                db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            finally:
                db.close()
        except sqlite3.Error as e:
            wrong = "does not open: %s" % e
        if wrong:
            return b"", wrong
        with open(path, "rb") as f:
            return f.read(), None

    def must_look(self, name, state):
        """Whether ts-spool has to open it itself: a journal stands there and, unless all are asked
        for, none with such a beginning beside such a first page was seen yet."""
        journal = state.get(name + "-journal")
        if not journal or not journal[0]:
            return False
        content = state[name][0]
        key = len(content), hash(content[:4096]), len(journal[0]) > 512, hash(journal[0][:4700])
        new = key not in self.looks
        self.looks.add(key)
        return new or self.look_always

    def left(self, name):
        """What stands in the folder after a recovery that came to an empty store, or to none."""
        state = {}
        for end in ENDS:
            path = os.path.join(self.folder, name + end)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    state[name + end] = f.read(), None
        return state

    def integrity(self, name):
        try:
            db = sqlite3.connect(os.path.join(self.folder, name))
            try:
                said = db.execute("PRAGMA integrity_check").fetchone()[0]
            finally:
                db.close()
        except sqlite3.Error as e:
            said = str(e)
        return [] if said == "ok" else ["damaged: " + said[:200]]

    def facts_of(self, name, state):
        """As of a recovered content, or of the raw files of a state."""
        folder = self.folder + ".real"
        self.lay_out(folder, name, state)
        self.real += 1
        actions = [words for _, words in self.story.stores[name].actions]
        counts = self.look_always or self.real % 4 == 1
        return find_facts(folder, name, self.feeds[name][0], actions, counts)

    def key_of(self, name, state):
        """Of the facts on what SQLite makes of it, and what is wrong with that."""
        content, wrong = self.recover(name, state)
        if wrong:
            return None, wrong
        clean = {name: (content, None)} if content else self.left(name)
        key = (name,) + tuple(
            hashlib.sha1(clean[name + end][0]).digest() if name + end in clean else None
            for end in ENDS)
        if key not in self.facts:
            damage = self.integrity(name) if content else []
            self.facts[key] = self.facts_of(name, clean)
            self.facts[key].wrong += damage
        return key, None

    def check(self, name, state, position, raw=False):
        """A list of what is wrong; raw: the real program also does the recovery."""
        key, wrong = self.key_of(name, state)
        if wrong:
            return ["%s: %s" % (name, wrong)]
        found = self.verdict(name, key, position)
        if raw:
            again = self.facts_of(name, state)
            found = found + self.judge(name, again, position)
            difference = first_difference(self.facts[key], again)
            if difference:
                found.append("ts-spool recovers it otherwise than SQLite alone: " + difference)
        return ["%s: %s" % (name, f) for f in found]

    def listed(self, name, state):
        key, _ = self.key_of(name, state)
        return {e[0] for e in self.facts[key].listed} if key else set()

    def verdict(self, name, key, position):
        at = key, self.story.stores[name].moment(position)
        if at not in self.verdicts:
            self.verdicts[at] = self.judge(name, self.facts[key], position)
        return self.verdicts[at]

    def judge(self, name, facts, position):
        story, marks = self.story.stores[name], self.feeds[name][1]
        gone = may_be_gone(story, position)
        return (facts.wrong + list(check_there(facts, story, position, gone)) +
                list(check_states(facts, story, position, marks)) +
                list(check_repeats(facts, story, position)) +
                list(check_delivery(facts, gone, marks)) +
                list(check_order(facts, story, position)))
