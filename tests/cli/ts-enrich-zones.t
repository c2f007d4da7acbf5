#!/bin/bash
# SPDX-License-Identifier: MIT
# A year and more of punches in zones of all kinds, enriched, and worked out again by Python from
# the same tz database: time, time_note and event_id of every event.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
command -v python3 >/dev/null || skip_all "python3 is not installed"
cd "$T" || exit 70

cat >zones.py <<'END'
"""make: events.ndjson and site.json; check: standard input against them."""
import hashlib
import json
import random
import sys
import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ZONES = """Asia/Manila Europe/Berlin America/New_York Australia/Lord_Howe Asia/Kathmandu
America/Sao_Paulo Africa/Casablanca Asia/Tehran Pacific/Apia Europe/Dublin America/St_Johns
Antarctica/Troll Asia/Gaza Pacific/Chatham America/Caracas UTC""".split()
SPACE = uuid.UUID("6c1f2b0e-5a43-5f0d-9f4e-1d3c7a9b8e20")
EPOCH = datetime(1970, 1, 1)


def changes(zone, first, last):
    """The local times around which the zone's offset changes."""
    info, at = ZoneInfo(zone), first
    while at < last:
        if at.replace(tzinfo=info).utcoffset() != (at + timedelta(hours=3)).replace(
                tzinfo=info).utcoffset():
            yield at
        at += timedelta(hours=3)


def make():
    random.seed(20260504)
    events = []
    for zone in ZONES:
        spots = [datetime(2000, 1, 2) + timedelta(minutes=random.randrange(60 * 24 * 365 * 26))
                 for _ in range(300)]
        for at in changes(zone, datetime(2024, 11, 5), datetime(2026, 11, 5)):
            spots += [at + timedelta(minutes=m) for m in range(-90, 360, 5)]
        for at in changes(zone, datetime(2008, 1, 1), datetime(2020, 1, 1)):
            spots += [at + timedelta(seconds=random.randrange(-3600, 18000)) for _ in range(20)]
        events += [(zone, at) for at in spots]
    random.shuffle(events)
    with open("events.ndjson", "w", encoding="ascii") as out:
        for n, (zone, at) in enumerate(events):
            out.write(json.dumps({"local_time": at.isoformat(), "device_id": zone,
                                  "person_id": str(n % 500)}) + "\n")
    with open("site.json", "w", encoding="ascii") as out:
        json.dump({"devices": {z: {"zone": z} for z in ZONES}}, out)


def resolve(local, zone):
    at = datetime.fromisoformat(local)
    first, second = (at.replace(tzinfo=ZoneInfo(zone), fold=f).utcoffset() for f in (0, 1))
    minutes = int(first.total_seconds()) // 60
    time = "%s%s%02d:%02d" % (local, "-" if minutes < 0 else "+", *divmod(abs(minutes), 60))
    return time, None if first == second else "gap" if first < second else "fold"


def identity(device, who, clock):
    name = "\x1f".join([device, who, clock]).encode()
    ms = (datetime.fromisoformat(clock) - EPOCH) // timedelta(milliseconds=1)
    octets = bytearray(hashlib.sha1(SPACE.bytes + name).digest()[:16])
    octets[0:6] = (ms % 2**48).to_bytes(6, "big")
    octets[6], octets[8] = octets[6] & 0x0F | 0x80, octets[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(octets)))


def check():
    count, wrong, notes = 0, 0, {"gap": 0, "fold": 0, None: 0}
    for line, given in zip(sys.stdin, open("events.ndjson", encoding="ascii"), strict=True):
        event, was = json.loads(line), json.loads(given)
        local, zone = was["local_time"], was["device_id"]
        wanted = (*resolve(local, zone), identity(zone, was["person_id"], local))
        got = (event.get("time"), event.get("time_note"), event["event_id"])
        notes[wanted[1]] += 1
        count += 1
        if got != wanted:
            wrong += 1
            if wrong < 10:
                print("#", zone, local, "got", got, "wanted", wanted)
    print("%d wrong" % wrong)
    print("%d events, %d gaps, %d folds" % (count, notes["gap"], notes["fold"]), file=sys.stderr)
    return count > 10000 and notes["gap"] > 200 and notes["fold"] > 200


sys.exit(0 if {"make": make, "check": check}[sys.argv[1]]() in (None, True) else 1)
END

python3 zones.py make
ts-enrich -c site.json events.ndjson >out 2>err
is "$? $(cat err)" "0 " "all zones are known"
is "$(python3 zones.py check <out 2>sum; echo $?)" "0 wrong
0" "time, note and id are what Python says: $(cat sum)"
sed 's/"time":"[^"]*"/"time":"2026-01-01T00:00:00Z"/' out | ts-enrich -c site.json >again
is "$(cmp out again)" "" "a wrong time that came along is put right"
done_testing
