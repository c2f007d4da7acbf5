#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast time runs for programs under tests/support/fault_warp.c.

usage: warp.py FILE FACTOR [SECONDS]   from now on, so many times as fast, after a leap ahead;
                                       makes FILE
       warp.py FILE                    prints how many seconds clocks are ahead
"""
import os
import struct
import sys
import time

ENTRY = struct.Struct("=qqq")


def main():
    name, factor = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    if os.fstat(fd).st_size == 0:
        os.ftruncate(fd, 8 + 64 * ENTRY.size)
    count, = struct.unpack("=q", os.pread(fd, 8, 0))
    now, ahead = time.monotonic_ns(), 0
    if count:
        since, ahead, speed = ENTRY.unpack(os.pread(fd, ENTRY.size, 8 + (count - 1) * ENTRY.size))
        ahead += (now - since) * (speed - 1)
    if factor is None:
        print(ahead // 10**9)
        return
    ahead += int(sys.argv[3]) * 10**9 if len(sys.argv) > 3 else 0
    os.pwrite(fd, ENTRY.pack(now, ahead, factor), 8 + count * ENTRY.size)
    os.pwrite(fd, struct.pack("=q", count + 1), 0)


main()
