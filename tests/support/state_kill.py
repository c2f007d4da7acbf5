# SPDX-License-Identifier: MIT
"""ts-enrich --state killed at random moments, and sent again what it did not answer.

    python3 state_kill.py SEED KILLS        in an empty folder; ts-enrich is found by PATH

Prints "N killed, N answers, N differ": how often it was killed, how many answers came in all, and
how many of them are not those of a run that nobody disturbed.
"""
import json
import os
import random
import subprocess
import sys
import threading
import time

SITE = {"zone": "UTC", "direction": "alternate", "repeat_window_s": 60,
        "devices": {"A": {}, "B": {"direction": None}, "LANE": {"readers": {"2": "out"}}}}
PEOPLE = 40
DAY = 1767571200


def clock(s):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(s))


def events(dice, count):
    """Some people, some devices, repeats, late ones, passes that are taken back."""
    out, now, late = [], DAY, []
    for n in range(count):
        now += dice.choice([1, 2, 5, 20, 200])
        device = dice.choice(["A", "A", "B", "LANE"])
        e = {"kind": "granted", "local_time": clock(now), "device_id": device,
             "person_id": str(dice.randrange(PEOPLE)), "source": "hikvision", "serial_no": n}
        if device == "LANE":
            e["reader"] = dice.choice("12")
        if dice.random() < 0.05:
            late.append(e)
            continue
        out.append(e)
        if device == "LANE" and dice.random() < 0.2:
            now += dice.randrange(1, 9)
            out.append({"kind": "other", "local_time": clock(now), "device_id": "LANE",
                        "reader": e["reader"], "code": "5/137", "source": "hikvision",
                        "serial_no": 10**6 + n})
        if late and dice.random() < 0.3:
            out.append(late.pop(0))
    return [json.dumps(e).encode() + b"\n" for e in out]


class Run:
    """One process: fed by a thread, its whole lines counted by another."""

    def __init__(self, lines, whole):
        self.process = subprocess.Popen(["ts-enrich", "-c", "site.json", "--state", "state"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answers = []
        self.feeder = threading.Thread(target=self.feed, args=(lines, whole))
        self.reader = threading.Thread(target=self.read)
        self.feeder.start()
        self.reader.start()

    def feed(self, lines, whole):
        try:
            for i in range(0, len(lines), 7):
                self.process.stdin.write(b"".join(lines[i:i + 7]))
                self.process.stdin.flush()
            if whole:
                self.process.stdin.close()
        except OSError:
            pass

    def read(self):
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.answers.append(line)

    def end(self):
        self.feeder.join()
        self.reader.join()
        return self.process.wait()


def main():
    dice = random.Random(int(sys.argv[1]))
    kills = int(sys.argv[2])
    with open("site.json", "w") as f:
        json.dump(SITE, f)
    lines = events(dice, kills * 600)
    wanted = subprocess.run(["ts-enrich", "-c", "site.json"], input=b"".join(lines), check=True,
                            stdout=subprocess.PIPE).stdout.splitlines(True)
    done = killed = given = differ = 0
    while done < len(lines):
        start = max(0, done - dice.randrange(300))
        whole = killed == kills
        run = Run(lines[start:] if whole else lines[start:start + dice.randrange(3000)], whole)
        if not whole:
            time.sleep(dice.random() * 0.02)
            run.process.kill()
            killed += 1
        status = run.end()
        if status not in (0, -9):
            raise SystemExit("status %d" % status)
        given += len(run.answers)
        differ += sum(a != b for a, b in zip(run.answers, wanted[start:]))
        done = max(done, start + len(run.answers))
    print("%d killed, %d answers, %d differ" % (killed, given, differ))
    os.unlink("state")


main()
