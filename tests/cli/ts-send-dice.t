#!/bin/bash
# ts-send against a receiver that misbehaves by dice, with and without acks, alone and in arrays, with
# the plain profile and with one of jq, whose replies are thrown too.
# Whatever happens: one receipt for each handing over, exactly the bad events rejected, everything
# else delivered, each person's events in order, and nothing sent again after it was rejected.  The
# jq profile logs in, and looks before it repeats what may have arrived: nothing is stored twice.
# TS_DICE=FIRST..LAST runs other seeds.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
command -v python3 >/dev/null || skip_all "needs python3"
cd "$T" || exit 1
cat >dice.py <<'END'
import collections, json, os, random, select, socket, subprocess, sys, threading, time

seed, jq = int(sys.argv[1]), sys.argv[2] == "jq"
dice = random.Random(seed)
batch, connections = dice.choice([1, 1, 7, 500]), dice.choice([1, 4, 16])
persons, bad_rate, window = dice.choice([0, 1, 5, 60]), dice.choice([0, 0.03, 0.2]), dice.choice([10, 4096])
acks = seed % 2 == 0
arrays = dice.choice(["items", "atomic"]) if jq else "atomic"
wrong = []
PROFILE = '''
def defaults: {arrays: "%s", %s options: {}};
def login: {path: "/login", json: {}, safe: true};
def session: if .body.sid then {sid: .body.sid} else null end;
def request:
    if .memo == null and any(.events[]; .ambiguous) then
        {method: "GET", path: "/find", query: {id: [.events[].key]}}
    else {path: "/store", headers: {"X-Sid": .session.sid}, idempotency: false, json: [.events[]]} end;
def one: {ok: "delivered", had: "duplicate", bad: {outcome: "rejected", reason: "bad"}, again: "retry",
    unknown: {outcome: "held", reason: "not known yet"}, busy: {outcome: "retry", cause: "busy", wait_s: 0.05},
    stop: {outcome: "stop", cause: "config", reason: "shut"}}[.];
def verdict:
    if .status == 401 then "session"
    elif .status != 200 then null
    elif .request.path == "/find" then
        if .body.found == null then {outcome: "retry"}
        elif (.body.found | length) == (.events | length) then "duplicate"
        elif (.body.found | length) == 0 then {then: "write"}
        else "split" end
    elif .body.more then {then: ((.memo | numbers) // 0 | . + 1)}
    elif (.body.results | length) == (.events | length) then [.body.results[] | one]
    elif .body.all then (.body.all | one)
    else {outcome: "retry", cause: "outage", perhaps: true} end;
''' % (arrays, dice.choice(["", 'fields: ["event_id", "n", "person_id", "bad", "ambiguous"],']))
FAULTS = {"early": None, "read": None, "half": b"HTTP/1.1 20", "garbage": b"\0\xff oops\r\n\r\n",
          "short": b"HTTP/1.1 201 X\r\nContent-Length: 10\r\n\r\nabc",
          "chunk": b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "500": (500, ""), "401": (401, ""), "404": (404, ""), "429": (429, ""),
          "302": (302, "Location: http://127.0.0.1:1/\r\n"), "503": (503, ""),
          "503-0": (503, "Retry-After: 0\r\n"), "503-neg": (503, "Retry-After: -5\r\n"),
          "503-text": (503, "Retry-After: 1e9\r\n"),
          "503-past": (503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
          "slow": (201, ""), "interim": (201, "")}
if jq:  # a search while a request still runs that was given up does not find what that will store
    del FAULTS["slow"]
    FAULTS.update({"page": (200, "Content-Type: text/html\r\n"), "few": (200, ""), "text": (200, "")})
BODIES = {"page": b"<html>please log in</html>", "few": b'{"results":[],"x":1}', "text": b'"ok"'}


class Receiver:
    def __init__(self):
        self.lock, self.dice, self.until = threading.Lock(), random.Random(seed + 1), time.time() + 1
        self.stored, self.have, self.rejected, self.sessions = [], set(), set(), 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            threading.Thread(target=self.serve, args=(self.socket.accept()[0],), daemon=True).start()

    def serve(self, peer):
        try:
            with peer, peer.makefile("rb") as lines:
                while self.request(peer, lines):
                    pass
        except OSError:
            pass

    def request(self, peer, lines):
        fields, length, session = collections.Counter(), 0, 0
        first = lines.readline().split(b" ")
        for line in iter(lines.readline, b"\r\n"):
            if not line:
                return False
            name, _, value = line.partition(b":")
            fields[name.lower()] += 1
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"x-sid":
                session = int(value)
        with self.lock:
            faulty = time.time() < self.until and self.dice.random() < 0.5
            fault = self.dice.choice(sorted(FAULTS)) if faulty else ""
            stores = fault in ("", "slow", "interim") or self.dice.random() < 0.5
        if fault == "early":
            return False
        body = lines.read(length)
        if jq and first[1:] and not first[1].startswith(b"/store"):
            return self.other(peer, first[1].decode(), FAULTS.get(fault))
        events = json.loads(body)
        events = events if isinstance(events, list) else [events]
        if jq:
            return self.judge(peer, events, session, fault, stores)
        if fields[b"idempotency-key"] != 1:
            wrong.append("a request with %d keys" % fields[b"idempotency-key"])
        if fault == "slow":
            time.sleep(0.4)
        refused = any("bad" in e for e in events)
        if stores and not refused:
            self.store(events)
        if fault == "interim":
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 20)
        answer = FAULTS.get(fault, (201, ""))
        if answer == (201, "") and refused:
            answer = (422, "")
        if isinstance(answer, tuple):
            peer.sendall(b"HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\n{}" % (answer[0], answer[1].encode()))
            return True
        peer.sendall(answer or b"")
        return False

    def say(self, peer, status, more, body):
        peer.sendall(b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, more.encode(), len(body), body))
        return True

    # A login, or a search; what goes wrong with it goes wrong before anything is done.
    def other(self, peer, path, fault):
        if isinstance(fault, bytes) or fault and fault[0] != 201:
            if isinstance(fault, tuple):
                return self.say(peer, *fault, b"{}")
            peer.sendall(fault)
            return False
        with self.lock:
            if path == "/login":
                self.sessions += 1
                return self.say(peer, 200, "", b'{"sid":"%d"}' % self.sessions)
            ids = [part[3:] for part in path.partition("?")[2].split("&")]
            return self.say(peer, 200, "", json.dumps({"found": [i for i in ids if i in self.have]}).encode())

    # Events of a jq profile: one after the other, none behind one of its person that is not taken.
    def judge(self, peer, events, session, fault, stores):
        answer, results, stuck = FAULTS.get(fault, (201, "")), [], set()
        if isinstance(answer, tuple) and answer[0] in (302, 401, 404, 429, 503):
            stores = False      # they say so
        with self.lock:
            if session != self.sessions or fault == "401":
                return self.say(peer, 401, "", b"{}")
            dice_now = self.dice if time.time() < self.until else None
            if dice_now and not fault and dice_now.random() < 0.05:
                return self.say(peer, 200, "", b'{"more":1}')
            for e in events:
                person, roll = e.get("person_id"), dice_now.random() if dice_now else 1
                if "bad" in e:
                    results.append("bad")
                elif acks and dice_now and person == "p0":
                    results.append("unknown")
                elif not stores or person and person in stuck or roll < 0.1 and arrays == "items":
                    results.append((dice_now or random).choice(["again", "busy"] + ["stop"] * (roll < 0.03)))
                    stuck.add(person)
                else:
                    results.append("had" if e["event_id"] in self.have else "ok")
            refused = {"bad", "unknown"} & set(results)
            if refused and arrays == "atomic":
                return self.say(peer, 200, "", b'{"all":"%s"}' % refused.pop().encode())
        if arrays == "items" or set(results) <= {"ok", "had"}:
            self.store([e for e, r in zip(events, results) if r in ("ok", "had")])
        if fault == "interim":
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 20)
        if isinstance(answer, tuple):
            good = answer == (201, "")
            return self.say(peer, 200 if good else answer[0], answer[1],
                            json.dumps({"results": results}).encode() if good else BODIES.get(fault, b"{}"))
        peer.sendall(answer or b"")
        return False

    def store(self, events):
        with self.lock:
            for e in events:
                if e["event_id"] not in self.have:
                    self.have.add(e["event_id"])
                    self.stored.append(e)
                elif jq and e["n"] not in twice:
                    wrong.append("stored twice: %d" % e["n"])
                if e["event_id"] in self.rejected:
                    wrong.append("stored after it was rejected: %d" % e["n"])


def make_events(count):
    for n in range(count):
        e = {"event_id": "00000000-0000-8000-8000-%012d" % n, "time": "2024-01-01T00:00:00Z", "n": n}
        if persons and dice.random() < 0.9:
            e["person_id"] = "p%d" % dice.randrange(persons)
        roll = dice.random()
        if roll < bad_rate:
            e["bad"] = 1
        elif roll > 0.99:
            e["skip"] = "no"
        elif roll > 0.98:
            e["error"] = "not understood"
        yield e
        if not roll < bad_rate and dice.random() < 0.03:
            yield dict(e)


def without_acks(sender):
    text = "".join(json.dumps(e) + "\n" for e in events).encode()
    receipts = [json.loads(line) for line in sender.communicate(text, timeout=60)[0].splitlines()]
    if collections.Counter(e["event_id"] for e in events) != collections.Counter(r["event_id"] for r in receipts):
        wrong.append("%d receipts for %d events, or of others" % (len(receipts), len(events)))
    return [(r["event_id"], r["outcome"]) for r in receipts]


# As a drain does: what is deferred or held comes again when nothing of its person is out.
def with_acks(sender):
    fresh, again, out, final, handed = collections.deque(range(len(events))), [], {}, [], 0
    until = time.time() + 60
    while len(final) < len(events) and time.time() < until:
        busy = {events[i].get("person_id") for i in out.values()} - {None}
        go = [i for i in sorted(again) if events[i].get("person_id") not in busy]
        again = [i for i in again if i not in set(go)]
        stuck = {events[i].get("person_id") for i in again} - {None}
        while fresh and len(out) + len(go) < window:
            i = fresh.popleft()
            (again if events[i].get("person_id") in stuck else go).append(i)
        for i in go:
            e = dict(events[i], ack="%d" % handed)
            if i % 50 == 7 and i not in held:
                held.add(i)
                e["hold"] = "unmapped"
            out[e["ack"]] = i
            handed += 1
            sender.stdin.write(json.dumps(e).encode() + b"\n")
        sender.stdin.flush()
        while select.select([sender.stdout], [], [], 0.02)[0]:
            line = sender.stdout.readline()
            if not line:
                raise SystemExit("ts-send ended")
            r = json.loads(line)
            i = out.pop(r["ack"], None)
            if i is None or events[i]["event_id"] != r["event_id"]:
                wrong.append("a receipt of nothing: %s" % line)
            elif r["outcome"] in ("deferred", "held"):
                again.append(i)
            else:
                final.append((r["event_id"], r["outcome"]))
                if r["outcome"] == "rejected":
                    receiver.rejected.add(r["event_id"])
    rest = sender.communicate(timeout=20)[0]
    if rest or len(final) < len(events):
        wrong.append("%d of %d final; then %s" % (len(final), len(events), rest[:100]))
    return final


receiver, held = Receiver(), set()
events = list(make_events(dice.choice([40, 150, 400])))
twice = {n for n, times in collections.Counter(e["n"] for e in events).items() if times > 1}
with open("dice.jq", "w") as out:
    out.write(PROFILE)
arguments = ["ts-send", "-j", str(connections), "-b", str(batch), "--timeout", "10s" if jq else "300ms", "--retry-first", "20ms",
             "--retry-max", "100ms", "--give-up-after", "1m", "--answer-within", dice.choice(["5s", "9s"] if jq else ["700ms", "2s"]),
             *(["-p", "./dice.jq"] if jq else []), "http://127.0.0.1:%d/" % receiver.socket.getsockname()[1]]
with open("err", "wb") as err:
    sender = subprocess.Popen(arguments, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
outcomes = collections.defaultdict(set)
for name, outcome in (with_acks if acks else without_acks)(sender):
    outcomes[name].add(outcome)
for e in events:
    want = "skipped" if "skip" in e else "rejected" if "error" in e or "bad" in e else "delivered"
    if want == "delivered" and jq:
        outcomes[e["event_id"]] = {"delivered" if o == "duplicate" else o for o in outcomes[e["event_id"]]}
    if outcomes[e["event_id"]] != {want}:
        wrong.append("%d is %s, not %s" % (e["n"], sorted(outcomes[e["event_id"]]), want))
    if (want == "delivered") != (e["event_id"] in receiver.have):
        wrong.append("%d is %s, but the receiver's ledger says otherwise" % (e["n"], want))
last = {}
for e in receiver.stored:
    if e["n"] < last.get(e.get("person_id"), -1) and "person_id" in e:
        wrong.append("%d after %d" % (e["n"], last[e["person_id"]]))
    last[e.get("person_id")] = e["n"]
print("; ".join(wrong[:4]))
END
seeds=${TS_DICE:-1..6}
[ -z "${TS_FULL:-}" ] || seeds=${TS_DICE:-1..30}
for ((seed = ${seeds%..*}; seed <= ${seeds#*..}; seed++)); do
    for profile in plain jq; do
        is "$(python3 dice.py "$seed" $profile 2>&1)" "" "seed $seed, $profile: each event has what it deserves"
    done
done
done_testing
