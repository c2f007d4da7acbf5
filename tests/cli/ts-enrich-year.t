#!/bin/bash
# SPDX-License-Identifier: MIT
# Two years of punches from ten devices, from the log to the moment: what ts-read and ts-enrich make
# of each is held, line by line, against what Python works out from the same tz database. Zones with
# summer time north and south, of half an hour, of none, and with rules that changed within; a
# device that was moved, one that lies about its offset, one that does not, and clocks that were
# wrong for a time. ts-enrich-zones.t has more zones and years; here are the rules of the site file.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-enrich python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 70

cat >year.py <<'END'
"""make: punches.csv, site.json, wanted; check FILE: the events against what is wanted."""
import csv
import json
import random
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

FIRST, LAST = datetime(2022, 1, 1), datetime(2024, 1, 1)
NAMES = {"BERLIN": "Europe/Berlin", "SYDNEY": "Australia/Sydney", "HOWE": "Australia/Lord_Howe",
         "MANILA": "Asia/Manila", "CAIRO": "Africa/Cairo", "MEXICO": "America/Mexico_City"}
# What each device has in the site file.
SITE = {name: {"zone": zone} for name, zone in NAMES.items()}
SITE["MOVED"] = {"zone": [{"zone": "Europe/Berlin"},
                          {"from": "2022-10-30T02:30", "zone": "Asia/Kathmandu"},
                          {"from": "2023-04-02", "zone": "Australia/Sydney"}]}
SITE["LIAR"] = {"zone": "America/New_York", "utc_offset": "ignore"}
SITE["HONEST"] = {"zone": "America/New_York"}
SITE["WRONG"] = {"zone": "Europe/Berlin", "clock": [
    {"from": "2022-02-01", "until": "2022-04-01T12:00", "add_s": 412},
    {"from": "2022-10-30T01:30", "until": "2022-10-31", "add_s": -3600},
    {"from": "2023-03-26T01:59", "add_s": 60}]}


def local(text):
    return datetime.fromisoformat(text)


def offset_of(name, at):
    return at.replace(tzinfo=zone_of(name, at)).utcoffset()


def punches(dice, name):
    """The wall clock of a device for two years: shifts of a day, and the nights of a change."""
    day = FIRST
    while day < LAST:
        for hour in (6, 14, 22):
            yield day + timedelta(hours=hour, seconds=dice.randrange(-1200, 1200))
        if offset_of(name, day) != offset_of(name, day + timedelta(days=1)):
            for minute in range(-120, 24 * 60, 5):
                yield day + timedelta(minutes=minute, seconds=dice.randrange(300))
        day += timedelta(days=1)
    periods = SITE[name].get("clock", []) + (SITE[name]["zone"] if name == "MOVED" else [])
    for change in periods:
        for end in ("from", "until"):
            if end in change:
                for s in range(-3, 4):
                    yield local(change[end]) + timedelta(seconds=s)


def zone_of(name, at):
    zones = SITE[name]["zone"]
    if isinstance(zones, str):
        return ZoneInfo(zones)
    return ZoneInfo([z["zone"] for z in zones if "from" not in z or local(z["from"]) <= at][-1])


def text_of(offset):
    minutes = int(offset.total_seconds()) // 60
    return "%s%02d:%02d" % ("-" if minutes < 0 else "+", *divmod(abs(minutes), 60))


def resolved(name, at, told):
    """time and time_note, by the rules of ts-enrich(1)."""
    added = [f["add_s"] for f in SITE[name].get("clock", []) if local(f["from"]) <= at and
             ("until" not in f or at < local(f["until"]))]
    wall = at + timedelta(seconds=sum(added))
    if told and SITE[name].get("utc_offset") != "ignore":
        return wall.isoformat() + told, None
    first, second = (wall.replace(tzinfo=zone_of(name, wall), fold=f).utcoffset() for f in (0, 1))
    time = wall.isoformat() + text_of(first)
    if first != second:
        return time, "gap" if first < second else "fold"
    if added:
        return time, "clock_corrected"
    wrong = told and local(at.isoformat() + told.replace("Z", "+00:00")) != local(time)
    return time, "zone_corrected" if wrong else None


def told_by(dice, name, at):
    if name == "LIAR":
        return dice.choice(["Z", "Z", "+00:00", "-04:00", "+08:00"])
    if name == "HONEST":
        return text_of(at.replace(tzinfo=zone_of(name, at), fold=dice.randrange(2)).utcoffset())
    return ""


def make():
    dice = random.Random(20220101)
    rows = [(at, name) for name in SITE for at in punches(dice, name)]
    dice.shuffle(rows)
    with open("punches.csv", "w", encoding="ascii") as log, open("wanted", "w") as wanted:
        out = csv.writer(log)
        out.writerow(["Device", "PIN", "Time"])
        for n, (at, name) in enumerate(rows):
            told = told_by(dice, name, at)
            out.writerow([name, n % 300, at.isoformat(" " if not told else "T") + told])
            time, note = resolved(name, at, told)
            wanted.write(json.dumps([name, at.isoformat(), told or None, time, note]) + "\n")
    with open("site.json", "w", encoding="ascii") as out:
        json.dump({"devices": SITE}, out)


def check(path):
    count, wrong, seen = 0, 0, {}
    with open(path) as events, open("wanted") as rows:
        for line, row in zip(events, rows, strict=True):
            event, want = json.loads(line), json.loads(row)
            got = [event.get(k) for k in ("device_id", "local_time", "utc_offset", "time",
                                          "time_note")]
            count += 1
            wrong += got != want
            seen[want[0], want[4]] = seen.get((want[0], want[4]), 0) + 1
            if got != want and wrong < 10:
                print("# got", got, "wanted", want)
    print("%d wrong" % wrong)
    notes = [sum(n for (_, note), n in seen.items() if note == want)
             for want in ("gap", "fold", "clock_corrected", "zone_corrected")]
    print("%d events, %d in gaps, %d in folds, %d with clock, %d with zone corrected"
          % (count, *notes), file=sys.stderr)
    # Every rule was met, and often.
    return count > 20000 and min(notes) > 30 and all(
        (name, note) in seen for name in NAMES if name != "MANILA" for note in ("gap", "fold"))


sys.exit(0 if {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:]) in (None, True) else 1)
END

python3 year.py make || exit 70
ts-read -f csv punches.csv >events 2>err
is "$? $(cat err)" "0 " "the log is read"
ts-enrich -c site.json events >out 2>err
is "$? $(cat err)" "0 " "and completed"
is "$(python3 year.py check out 2>sum; echo $?)" "0 wrong
0" "time and note are what Python says: $(cat sum)"

# However it comes about: in two runs, from another zone's time, with the site file later.
ts-enrich -c site.json out >again 2>err
is "$? $(cmp out again)" "0 " "a second run changes no byte"
ts-enrich -z Asia/Tokyo events 2>err | ts-enrich -c site.json >late 2>>err
is "$(cmp out late)" "" "a zone and clocks that are set right late come out the same"
ts-read -f csv -z Asia/Tokyo punches.csv 2>err | ts-enrich -c site.json >zoned 2>>err
is "$(python3 year.py check zoned 2>/dev/null; echo $?)" "0 wrong
0" "also when ts-read was told another zone"
done_testing
