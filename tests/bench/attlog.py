# SPDX-License-Identifier: MIT
"""The same as attlog.awk in Python, with zoneinfo and json: attlog.py DEV FILE."""
import json
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

PUNCH = dict(enumerate("check_in check_out break_out break_in overtime_in overtime_out".split()))
DIRECTION = dict(enumerate("in out out in in out".split()))
CREDENTIAL = {0: "pin", 1: "fingerprint", 15: "face"}
ZONE = ZoneInfo("Asia/Manila")

device, path = sys.argv[1:]
with open(path, encoding="utf-8") as rows:
    for number, row in enumerate(rows, 1):
        raw = row.rstrip("\n")
        pin, time, _, state, verify, _ = raw.split("\t")
        person, clock = pin.lstrip(), time.replace(" ", "T")
        print(json.dumps({
            "event_id": f"{device}-{person}-{clock}", "kind": "granted",
            "time": datetime.fromisoformat(clock).replace(tzinfo=ZONE).isoformat(),
            "local_time": clock, "device_id": device, "direction": DIRECTION.get(int(state)),
            "direction_from": "punch", "punch": PUNCH.get(int(state)),
            "person_id": person, "credential": CREDENTIAL.get(int(verify)),
            "snapshot": None, "source": "zk-attlog", "origin": f"{path}:{number}", "raw": raw},
            separators=(",", ":")))
