#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints N clean ATTLOG rows of 38 bytes: the work that the benchmarks measure.

Times only ascend, so no two rows are the same passage; people come in no order, each alternates
between in and out only roughly, as in life. Same rows for the same arguments, always.

usage: gen.py N [--persons P]     (P defaults to 4000)
"""
import argparse
import datetime as dt
import sys

EPOCH = dt.date(2024, 1, 1)
MEAN_GAP = 7                  # seconds from row to row: a million rows are 81 days
TAILS = ["\t1\t%d\t%d\t0\n" % (status, verify) for status in (0, 1) for verify in (1, 1, 1, 0)]


def rows(count, persons):
    """Yields text of many rows at a time."""
    pins = ["%9d\t" % (1 + n) for n in range(persons)]
    clocks = [" %02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86400)]
    state, day, second = 12345, EPOCH, 25200
    date, out = day.isoformat(), []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        second += 1 + (state >> 8) % (2 * MEAN_GAP - 1)
        if second >= 86400:
            second -= 86400
            day += dt.timedelta(days=1)
            date = day.isoformat()
        out.append(pins[(state >> 12) % persons] + date + clocks[second] + TAILS[state >> 29])
        if len(out) == 20000:
            yield "".join(out)
            out.clear()
    yield "".join(out)


def main():
    parser = argparse.ArgumentParser(description="prints clean ATTLOG rows")
    parser.add_argument("count", type=int, metavar="N")
    parser.add_argument("--persons", type=int, default=4000, metavar="P")
    args = parser.parse_args()
    if args.count < 0 or not 0 < args.persons <= 10**6:
        parser.error("N must not be negative, P must be 1 to 1000000")
    try:
        for text in rows(args.count, args.persons):
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()    # the reader had enough


if __name__ == "__main__":
    main()
