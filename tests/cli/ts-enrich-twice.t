#!/bin/bash
# ts-enrich runs on both sides of the queue: random events, sites and options, by a fixed dice.
# A second run changes nothing; ids do not hang on zones, rosters and directions; what a bare run
# left open a later one with site and roster fills in as if it had been the first.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
command -v python3 >/dev/null || skip_all "needs python3"
cd "$T" || exit 1
cat >roster.csv <<'END'
person_id,card_no,employee_id,name
1,100,E1,"A, B"
7,200,E7,Sev
007,,E007,Bond
twice,both,E2,x
twice,both,E3,y
nobody,,,none
END
cat >dice.py <<'END'
import json, random, subprocess, sys

CLOCKS = ["2024-03-31T02:30:00", "2024-10-27T02:30:00", "2024-10-27T02:30:00.123456",
          "2024-01-01T00:00:00", "2000-01-01T00:00:00", "1970-01-01T00:00:10",
          "2024-02-30T00:00:00", "2024-06-30T23:59:60", "2024-01-01 10:00:00", "2024-01-01T10:00",
          "2024-01-01T10:00:00Z", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "x"]
TIMES = ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00+05:30", "2024-01-01T10:00:00.5-00:00",
         "2024-01-01T10:00:00", "2024-01-01t10:00:00z", "9999-12-31T23:59:59+14:00", "nope"]
FIELDS = {
    "event_id": ["00000000-0000-8000-8000-000000000001", "no uuid", "A" * 100],
    "kind": ["granted", "door"], "time": TIMES, "local_time": CLOCKS, "received_at": TIMES,
    "time_note": ["gap", "fold", "clock_unset", "zone_corrected", "drift", "x"],
    "device_id": ["D1", "D2", "alias1", "alias2", "", "other", " D1 "], "reader": ["1", "2"],
    "direction": ["in", "out"], "direction_from": ["punch", "reader", "device"],
    "punch": ["check_in", "check_out", "overtime_in", "bogus"], "code": ["1"],
    "person_id": ["1", "7", "007", " 7 ", "twice", "nobody", "p"], "card_no": ["100", "both", "9"],
    "employee_id": ["E1", "E9"], "hr": [{"name": "N"}, {}], "snapshot": [None, {"file": "x"}],
    "serial_no": [1, 12345678901234567890], "raw": ["r", {"a": 1}], "skew_s": [1, -5.5],
    "skip": ["s"], "hold": ["person id claimed by two", "person not in the roster", "my reason"],
    "error": ["bad"], "attempts": [1], "ambiguous": [True], "ack": ["a1", "a\nb"],
    "own": [1.0, 1e300], "nested": [{"event_id": "no"}]}
ODD = [None, True, False, 0, -1, 10**18, 12345678901234567890123, "", [], {}, ["x"], {"a": [1]},
       "\0x", "a\x1fb", "\U0001f642", "x" * 5000, '"q"']


def event(dice):
    names = [k for k in FIELDS if dice.random() < 0.45]
    dice.shuffle(names)
    members = []
    for k in names:
        value = dice.choice(FIELDS[k] if dice.random() < 0.7 else ODD)
        gap = " " if dice.random() < 0.1 else ""
        members.append(gap + json.dumps(k) + gap + ":" +
                       json.dumps(value, ensure_ascii=dice.random() < 0.5))
    return "{" + ",".join(members) + "}"


def site(dice):
    s = {"devices": {}}
    if dice.random() < 0.6:
        s["zone"] = dice.choice(["Asia/Manila", "Europe/Berlin", "UTC", "+08:00"])
    if dice.random() < 0.4:
        s["require_employee"] = True
    if dice.random() < 0.3:
        s["max_skew_s"] = dice.choice([0, 1, 1e6])
    for name in ["D1", "D2"]:
        d = s["devices"][name] = {"aliases": ["alias" + name[1]]}
        if dice.random() < 0.5:
            d["zone"] = dice.choice(["Asia/Manila", "Europe/London"])
        if dice.random() < 0.4:
            d["direction"] = dice.choice(["in", "out", None])
        if dice.random() < 0.4:
            d["readers"] = {"1": dice.choice(["in", None]), "2": "out"}
        if dice.random() < 0.4:
            d["punch"] = {"check_in": dice.choice(["in", "out", None])}
    return s


def enrich(text, *args):
    p = subprocess.run(["ts-enrich", *args], input=text, capture_output=True, timeout=60)
    if p.returncode not in (0, 65):
        raise SystemExit("status %d: %s" % (p.returncode, p.stderr))
    return p.stdout


def compare(what, before, after, form):
    a, b = before.split(b"\n"), after.split(b"\n")
    wrong = [(x, y) for x, y in zip(a, b) if x and form(x) != form(y)]
    for x, y in wrong[:1]:
        print("#", seed, options, what, x[:600], y[:600])
    return len(wrong) + (len(a) != len(b))


def undirected(line):
    e = json.loads(line)
    return {k: v for k, v in e.items() if not k.startswith("direction")}


twice = ids = late = 0
for seed in range(24):
    dice = random.Random(seed)
    full = site(dice)
    names = {"devices": {k: {"aliases": v["aliases"]} for k, v in full["devices"].items()}}
    json.dump(full, open("site.json", "w"))
    json.dump(names, open("names.json", "w"))
    device = ["-d", "DD"] if dice.random() < 0.3 else []
    options = device + ["-c", "site.json"]
    for chance, more in [(0.5, ["-r", "roster.csv"]), (0.3, ["-z", "Asia/Tokyo"]),
                         (0.2, ["--max-skew", "10s"])]:
        options += more if dice.random() < chance else []
    lines = [event(dice) for _ in range(200)] + ["", "{", "[]", '"x"', "{}", "\0", '{"a":1}x']
    text = ("\n".join(lines) + "\n").encode()
    once, bare = enrich(text, *options), enrich(text, "-c", "names.json", *device)
    twice += compare("twice", once, enrich(once, *options), bytes)
    ids += compare("id", once, bare, lambda line: json.loads(line).get("event_id"))
    late += compare("late", once, enrich(bare, *options), undirected)
print(twice, ids, late)
END
got=$(python3 dice.py 2>&1)
grep '^#' <<<"$got"
read -r twice ids late <<<"$(tail -n 1 <<<"$got")"
is "$twice" 0 "a second run changes no byte"
is "$ids" 0 "an id is the same with and without zones, roster and directions"
is "$late" 0 "site and roster that come late give what they give in time"

# A hold whose person was redacted cannot be looked up again: it stays.
event='{"device_id":"D","local_time":"2024-01-01T10:00:00","card_no":"both"}'
ts-enrich -z UTC -r roster.csv --redact card_no <<<"$event" >once 2>err
ts-enrich -z UTC -r roster.csv <once >twice 2>err
like "$(<twice)" '"hold":"person id claimed by two"' "a hold stays when its person was redacted"
cmp -s once twice
ok $? "and nothing else changes"
done_testing
