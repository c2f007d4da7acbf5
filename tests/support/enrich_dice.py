# SPDX-License-Identifier: MIT
"""Random events, hostile lines, site files and options for ts-enrich, and what must hold for all.

    python3 enrich_dice.py SEED...        in an empty folder; ts-enrich is found by PATH

Each seed is one site file, one set of options and some hundred lines.  Prints "seed N" before each,
"# …" lines for what does not hold, and at the end a JSON object: property -> violations.  Keys of
the site file and options that the program knows and this file does not are violations too.
"""
import json
import os
import random
import re
import subprocess
import sys

# ---- events ----

CLOCKS = ["2024-03-31T02:30:00", "2024-10-27T02:30:00", "2024-10-27T02:30:00.123456",
          "2024-01-01T00:00:00", "2000-01-01T00:00:00", "1970-01-01T00:00:10",
          "2024-02-30T00:00:00", "2024-06-30T23:59:60", "2024-01-01 10:00:00", "2024-01-01T10:00",
          "2024-01-01T10:00:00Z", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "x",
          "2024-05-01T08:00:00", "2024-05-01T08:00:20", "2024-05-01T09:00:00",
          "2024-05-01T17:00:00", "2024-05-02T08:00:00", "2032-08-25T00:00:00"]
TIMES = ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00+05:30", "2024-01-01T10:00:00.5-00:00",
         "2024-01-01T10:00:00", "2024-01-01t10:00:00z", "9999-12-31T23:59:59+14:00", "nope",
         "2024-05-01T08:00:01Z", "2024-05-01T00:00:30Z"]
ID = "00000000-0000-8000-8000-000000000001"
FIELDS = {
    "event_id": [ID, "no uuid", "A" * 100], "kind": ["granted", "denied", "door"], "time": TIMES,
    "local_time": CLOCKS, "utc_offset": ["Z", "+00:00", "+08:00", "x"],
    "time_note": ["gap", "fold", "clock_unset", "zone_corrected", "clock_corrected",
                  "unset_corrected", "drift", "x"],
    "received_at": TIMES, "device_id": ["D1", "D1", "D1", "D2", "alias1", "alias2", "", "other",
                                        " D1 "],
    "reader": ["1", "2", "3"], "direction": ["in", "out"],
    "direction_from": ["punch", "reader", "device", "alternate"],
    "punch": ["check_in", "check_out", "overtime_in", "bogus"], "code": ["1", "255", "5/137"],
    "person_id": ["1", "7", "007", " 7 ", "twice", "nobody", "p"],
    "card_no": ["100", "both", "9", "0001234567", "012,34567", "0A1B2C3D"],
    "card_read": ["100", "x"], "credential": ["face", "card"], "employee_id": ["E1", "E9"],
    "hr": [{"name": "N"}, {}], "snapshot": [None, {"file": "x"}],
    "serial_no": [1, 2, 12345678901234567890], "source": ["csv", "hikvision"], "origin": ["a.csv:1"],
    "raw": ["r", {"a": 1}], "raw_base64": ["AAE="], "skew_s": [1, -5.5], "late": [True],
    "duplicate_of": [ID], "cancels": [ID], "skip": ["s"],
    "hold": ["person id claimed by two", "person not in the roster", "my reason",
             "clock unset: the device did not know the date"],
    "error": ["bad"], "attempts": [1], "ambiguous": [True], "ack": ["a1", "a\nb"]}
RARE = {"error": 0.06, "event_id": 0.15, "local_time": 0.9, "device_id": 0.9, "skip": 0.1}
OWN = ["own", "nested", "x\u00e9", "state", "EVENT_ID", "time_", "a\"b"]
ODD = [None, True, False, 0, -1, 10**18, 12345678901234567890123, 1e300, "", [], {}, ["x"],
       {"a": [1]}, "\0x", "a\x1fb", "\U0001f642", "x" * 5000, '"q"']
RAW = ["1.0", "1e5", "-0", "[ 1 , 2 ]", '{"a":{"event_id":"no"}}', '"\\u0041\\/"', "0.10"]


def value(dice, known):
    v = dice.choice(known if dice.random() < 0.8 else ODD)
    return json.dumps(v, ensure_ascii=dice.random() < 0.5)


def event(dice):
    """Its members in their order: (key, its text, the text of the value)."""
    members = [(k, json.dumps(k), value(dice, known)) for k, known in FIELDS.items()
               if dice.random() < RARE.get(k, 0.4)]
    for k in dice.sample(OWN, dice.randrange(3)):
        text = dice.choice(RAW) if dice.random() < 0.5 else value(dice, ODD)
        members.append((k, json.dumps(k, ensure_ascii=dice.random() < 0.5), text))
    dice.shuffle(members)
    return members


def line(members, gap=""):
    return ("{" + ",".join(gap + k + gap + ":" + v for _, k, v in members) + "}").encode()


def mutated(dice):
    text = bytearray(line(event(dice)))
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(text))
        text[at:at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(text)


HOSTILE = [
    lambda dice: dice.choice([b"", b" ", b"{", b"[]", b'"x"', b"7", b"null", b"{}", b"\0",
                              b'{"a":1}x', b"\xef\xbb\xbf{}", b"\xff\xfe", b'{"a":"\\ud800"}',
                              b'{"time":1,"time":2}', b"{'a':1}", b"{//\n}"[:3]]),
    lambda dice: dice.randbytes(dice.randrange(200)),
    mutated,
    lambda dice: line(event(dice))[:-dice.randrange(1, 30)],
    lambda dice: b"[" * dice.randrange(1, 3000),
    lambda dice: b'{"a":' * 2000 + b"1" + b"}" * 2000,
    lambda dice: line(event(dice)) + b"\r",
    lambda dice: b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(513)) + b"}",
]


# ---- site files ----

def way(dice):
    return dice.choice(["in", "out", "alternate", None])


def card(dice):
    return dice.choice(["dec", "hex", "pair", "last 24", "hex reverse 32", "reverse 32 last 24",
                        "facility 12", "h10301", "mirror"])


def reader(dice):
    return way(dice) if dice.random() < 0.5 else {"direction": way(dice), "card": card(dice)}


def roster(dice):
    columns = {"person_id": ["person_id", "employee_id"], "card_no": "card_no",
               "employee_id": "name"}
    return dice.choice(["roster.csv", {"file": "roster.csv", "least": 0}, "dated.json",
                        {"file": "wide.csv", "columns": columns}])


ZONES = ["Asia/Manila", "Europe/Berlin", "Europe/London", "America/New_York", "UTC", "+08:00"]
MOVED = [[{"zone": "Asia/Manila"}, {"from": "2024-03-31T02:30", "zone": "Europe/Berlin"}],
         [{"from": "2024-05-01", "zone": "America/New_York"}]]
FIXES = [{"until": "1980-01-01", "add_s": 1704103200}, {"from": "2024-05-01T08:00:20", "add_s": 0,
                                                        "until": "2024-05-01T17:00"},
         {"from": "2024-10-27T02:00", "until": "2024-10-27T03:00", "add_s": -3600},
         {"from": "2032-01-01", "add_s": -250000000}]
PUNCHES = ["check_in", "check_out", "break_out", "break_in", "overtime_in", "overtime_out", "255"]


def punches(dice):
    return {k: dice.choice(["in", "out", None]) for k in PUNCHES if dice.random() < 0.4}


SITE = {
    "zone": lambda d: d.choice(ZONES),
    "roster": roster,
    "roster_card": card,
    "card": card,
    "require_employee": lambda d: d.random() < 0.5,
    "max_skew_s": lambda d: d.choice([0, 1, 300, 1e6]),
    "direction": lambda d: d.choice(["alternate", None]),
    "punch": punches,
    "repeat_window_s": lambda d: d.choice([0, 20, 86400]),
    "day_starts": lambda d: d.choice(["00:00", "08:00"]),
    "own": lambda d: d.choice([1, {"zoen": [None]}, "x"]),
    "devices": lambda d: {"D%d" % n: device(d, n) for n in (1, 2)},
}
DEVICE = {
    "aliases": lambda d, n: ["alias%d" % n, "old%d" % n],
    "zone": lambda d, n: d.choice(ZONES + MOVED),
    "own": lambda d, n: {"building": "north"},
    "utc_offset": lambda d, n: d.choice(["trust", "ignore"]),
    "clock": lambda d, n: d.sample(FIXES, d.randrange(3)),
    "direction": lambda d, n: way(d),
    "punch": lambda d, n: punches(d),
    "readers": lambda d, n: {"1": reader(d), "2": reader(d)},
    "card": lambda d, n: card(d),
    "repeat_window_s": lambda d, n: d.choice([0, 60]),
    "day_starts": lambda d, n: "12:00",
    "ghost_hour": lambda d, n: d.random() < 0.5,
    "passing_time_s": lambda d, n: d.choice([0, 240]),
}


def device(dice, n):
    return {k: make(dice, n) for k, make in DEVICE.items() if k == "aliases" or dice.random() < 0.5}


def tables_only(x):
    """A site without turns and repeats, in which nothing is said to say nothing."""
    if isinstance(x, dict):
        return {k: tables_only(v) for k, v in x.items()
                if k not in ("repeat_window_s", "ghost_hour")}
    return "in" if x in (None, "alternate") else x


def site(dice):
    return {k: make(dice) for k, make in SITE.items() if k == "devices" or dice.random() < 0.5}


# ---- options ----

# What is given to every run of a seed; the path alone tells them apart.
OPTIONS = {
    "zone": lambda d: ["-z", d.choice(ZONES)],
    "roster": lambda d: ["-r", "roster.csv"],
    "id-key": lambda d: ["--id-key", "key"],
    "require-employee": lambda d: ["--require-employee"],
    "max-skew": lambda d: ["--max-skew", d.choice(["0", "10s", "1d"])],
    "repeat-window": lambda d: ["--repeat-window", d.choice(["0", "1m"])],
    "redact": lambda d: ["--redact", d.choice(["name", "card_no", "person_id,name", "own"])],
    "drop": lambda d: ["--drop", d.choice(["raw", "hr,own", "card_no", "credential,snapshot"])],
    "pseudonymize": lambda d: ["--pseudonymize", "key"],
    "jq": lambda d: ["--jq", d.choice([".", 'if .person_id == "7" then .skip = "seven" else . end',
                                       '.mine = {site: $site.zone}', 'del(.mine)'])],
    "snapshots": lambda d: ["--snapshots", d.choice(["omit", "keep"])],
    "keep": lambda d: ["--keep", ",".join(OWN[:5]) + ",origin"],
}
ELSEWHERE = {"config", "jq-file", "device", "changes", "card-forms", "check-config", "state",
             "snapshot-dir", "snapshot-max", "help", "version"}
# What hangs on the events before it.
BY_TURNS = ("direction", "duplicate_of", "cancels", "time_note")
# Where an id is redacted nobody can look the person up once more: redact behind the queue.
LOOKED_UP = ("employee_id", "hr", "hold")


def options(dice):
    names = [n for n in OPTIONS if dice.random() < (0.2 if n == "pseudonymize" else 0.4)]
    if "keep" in names and "pseudonymize" not in names:
        names.remove("keep")
    return names, [a for n in names for a in OPTIONS[n](dice)]


# ---- runs ----

def run(text, *args):
    p = subprocess.run(["ts-enrich", *args], input=text, capture_output=True, timeout=120)
    if p.returncode not in (0, 65):
        raise SystemExit("# status %d of %s: %s" % (p.returncode, args, p.stderr.decode()))
    return p.stdout


def lines_of(text):
    return text.split(b"\n")[:-1]


sys.setrecursionlimit(20000)
broken = {}


def differ(name, pairs, same, context):
    """Counts the pairs that are not the same, and shows the first of them."""
    pairs = list(pairs)
    wrong = [(a, b) for a, b in pairs if not same(a, b)]
    broken[name] = broken.get(name, 0) + len(wrong)
    for a, b in wrong[:1]:
        print("# %s, seed %d, %s\n#   %.700r\n#   %.700r" % ((name,) + context + (a, b)))


def same_id(a, b):
    """Records that were not understood have the id of their bytes, whoever they are."""
    a, b = (str(json.loads(t).get("event_id")) for t in (a, b))
    return a == b or (a.startswith("00000000-0000-8") and b.startswith("00000000-0000-8"))


def without(*prefixes):
    """Equal but for these fields.  A card that came as a number may come back as its digits."""
    def same(a, b):
        x, y = ({k: str(v) if k.startswith("card_") else v for k, v in json.loads(t).items()
                 if not k.startswith(prefixes)} for t in (a, b))
        return x == y
    return same


def late(tables, a, b):
    """What nobody would write, any other may have taken the place of: a hold for a person that was
    never there, a note that is no text.  Tables alone (no turns, nothing that they take away) give
    the direction anew, for the devices that the site file has."""
    e = json.loads(a)
    held = any(isinstance(e.get(k), str) for k in ("person_id", "card_no")) and \
        isinstance(e.get("hold", "x"), str) and e.get("hold") != ""
    noted = isinstance(e.get("time_note", ""), str)
    directed = tables and e.get("device_id") in ("D1", "D2")
    return without(*([] if directed else ["direction"]), "duplicate_of", "cancels", *([] if held else ["hold"]),
                   *([] if noted else ["time_note"]))(a, b)


def kept(given, redacted):
    """Whether unknown members and ack of the given event are in the line, byte for byte."""
    def same(members, out):
        at = 0
        for key, text, val in members:
            if (key in FIELDS and key != "ack") or key in redacted:
                continue
            found = out.find((text + ":" + val).encode(), at if key != "ack" else 0)
            if found < 0:
                return False
            at = at if key == "ack" else found
        return True
    return same


def by_path(dice, events):
    """The same events as another path brings them: by an alias in place of the name."""
    other = []
    for members in events:
        names = {"D1": "alias1", "D2": "old2"}
        other.append([(k, t, json.dumps(names[json.loads(v)])
                       if k == "device_id" and json.loads(v) in ("D1", "D2") else v)
                      for k, t, v in members])
    return other


def only_d1(events):
    return [m for m in events if ("device_id", '"device_id"', '"D1"') in m]


def dice_of(seed):
    dice = random.Random(seed)
    full = site(dice)
    if seed % 4 == 0:
        full = tables_only(full)
        full.pop("direction", None)
    names = {"devices": {k: {"aliases": v["aliases"]} for k, v in full["devices"].items()}}
    json.dump(full, open("site.json", "w"))
    json.dump(names, open("names.json", "w"))
    chosen, args = options(dice)
    context = (seed, " ".join(args))
    turns = re.search("alternate|window|ghost", json.dumps(full) + context[1])
    alone = without(*BY_TURNS) if turns else without("cancels")
    key = ["--id-key", "key"] if {"id-key", "pseudonymize"} & set(chosen) else []
    redacted = [n for how in ("redact", "drop") if how in chosen
                for n in args[args.index("--" + how) + 1].split(",")]
    if "pseudonymize" in chosen:
        redacted += OWN[5:] if "keep" in chosen else OWN

    events = [event(dice) for _ in range(150)]
    clean = b"".join(line(m) + b"\n" for m in events)
    once = run(clean, "-c", "site.json", *args)
    out = lines_of(once)
    differ("lines", [(b"%d" % len(events), b"%d" % len(out))], bytes.__eq__, context)
    for o in out:
        json.loads(o)
    differ("bytes kept", [(m, o) for m, o in zip(events, out)
                          if b'"error":' not in o or "error" in [k for k, _, _ in m]],
           kept(events, redacted), context)

    # Hostile lines among them: as many lines, in order, and a second run changes nothing.
    hostile = [dice.choice(HOSTILE)(dice).replace(b"\n", b"") for _ in range(60)]
    mixed = [line(m, dice.choice(["", " "])) for m in events[:60]] + hostile
    dice.shuffle(mixed)
    if seed % 10 == 0:
        mixed.insert(7, b'{"a":"' + b"x" * (1 << 20) + b'"}')
    dirty = run(b"\n".join(mixed) + b"\n", "-c", "site.json", *args)
    differ("lines", [(b"%d" % len(mixed), b"%d" % len(lines_of(dirty)))], bytes.__eq__, context)
    for i in dice.sample(range(len(mixed)), 5):
        differ("order", [(run(mixed[i] + b"\n", "-c", "site.json", *args),
                          lines_of(dirty)[i] + b"\n")], alone, context)
    same = without(*LOOKED_UP) if {"person_id", "card_no"} & set(redacted) else bytes.__eq__
    for text in (once, dirty):
        differ("twice", zip(lines_of(text), lines_of(run(text, "-c", "site.json", *args))), same,
               context)

    # The id on every path: by alias, by -d, without anything else, with everything.
    path = run(b"".join(line(m) + b"\n" for m in by_path(dice, events)), "-c", "site.json", *args)
    bare = run(clean, "-c", "names.json", *key)
    whole = [(a, b) for a, b in zip(out, lines_of(path)) if b'"error":' not in a]
    differ("alias", whole, lambda a, b: same_id(a, b) and without("event_id")(a, b), context)
    differ("id", zip(out, lines_of(bare)), same_id, context)
    ours = only_d1(events)
    unnamed = b"".join(line([x for x in m if x[0] != "device_id"]) + b"\n" for m in ours)
    named = b"".join(line(m) + b"\n" for m in ours)
    differ("id", zip(lines_of(run(unnamed, "-c", "site.json", "-d", "alias1", *args)),
                     lines_of(run(named, *key))), same_id, context)
    # Site and roster that come late give what they give in time.
    tables = not turns and "null" not in json.dumps(full)
    differ("late", zip(out, lines_of(run(bare, "-c", "site.json", *args))),
           lambda a, b: late(tables, a, b), context)
    order = sorted(range(len(out)), key=lambda i: dice.random())
    shuffled = run(b"".join(line(events[i]) + b"\n" for i in order), "-c", "site.json", *args)
    differ("each by itself", zip([out[i] for i in order], lines_of(shuffled)), alone, context)


def unknown():
    """Keys and options of the program of which this file knows nothing."""
    json.dump({"qqqqqqqqqq": 0, "devices": {"D": {"qqqqqqqqqq": 0}}}, open("bad.json", "w"))
    said = subprocess.run(["ts-enrich", "-c", "bad.json", "--check-config"], text=True,
                          capture_output=True).stderr
    keys = [k.split(", ") for k in re.findall(r"known here are (.*)", said)]
    shown = subprocess.run(["ts-enrich", "--help"], text=True, capture_output=True).stdout
    given = set(re.findall(r"^  (?:-.,|   ) --([a-z-]+)", shown, re.M))
    return (sorted(set(keys[0]) ^ set(SITE)) + sorted(set(keys[1]) ^ set(DEVICE)) +
            sorted(given ^ (set(OPTIONS) | ELSEWHERE)))


def main():
    with open("roster.csv", "w") as roster:
        roster.write("person_id,card_no,employee_id,name\n1,100,E1,\"A, B\"\n7,200,E7,Sev\n"
                     "007,,E007,Bond\ntwice,both,E2,x\ntwice,both,E3,y\nnobody,,,none\n")
    with open("wide.csv", "w") as wide:
        wide.write("name;person_id;employee_id;card_no;valid_from;valid_until;person_id@D1;"
                   "person_id@alias2\nA;1;E1;100;;2024-04-30;p;7\n"
                   "B;7;;\"9;012,34567;100\";2024-05-01;;1;\nC;007;p;9;;;;\n")
    with open("dated.json", "w") as dated:
        json.dump([{"person_id": ["1", "p"], "employee_id": "E1", "valid_until": "2024-05-01"},
                   {"person_id": 1, "employee_id": "E2", "valid_from": "2024-05-01", "card_no": 9},
                   {"person_id": "1", "employee_id": "E3", "device_id": "alias2;other", "x": {}},
                   {"card_no": ["100", "0A1B2C3D"], "employee_id": "E4", "dept": [1, "b"]}], dated)
    with open(os.open("key", os.O_CREAT | os.O_WRONLY, 0o600), "w") as key:
        key.write("0123456789abcdef0123456789abcdef\n")
    for name in unknown():
        broken["unknown"] = broken.get("unknown", 0) + 1
        print("# not known to both: %s" % name)
    broken.setdefault("unknown", 0)
    for seed in map(int, sys.argv[1:]):
        print("seed %d" % seed, flush=True)
        dice_of(seed)
    print(json.dumps(broken))


main()
