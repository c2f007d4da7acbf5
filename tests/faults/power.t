#!/bin/bash
# SPDX-License-Identifier: MIT
# Power cuts: whatever of the unsynced changes has reached the disk, each event with a receipt is
# there, what may come twice is marked, and one person's events keep their order. See power.py.
# TS_FULL=1: every chosen state of every crash point, instead of a few; and another seed each time.
. "$(dirname "$0")/../support/tap.sh"
here=$ROOT/tests/faults
command -v python3 >/dev/null || skip_all "python3 is not installed"
export B
amount=(--states 5 --random 2 --raw 240) seed=${TS_SEED:-1}
if [ -n "${TS_FULL:-}" ]; then
    amount=(--states 0 --random 60 --raw 100) seed=${TS_SEED:-$RANDOM}
fi
asan=$([ "${MODE:-release}" = asan ] && echo yes)
[ -n "$asan" ] && amount=(--states 3 --random 1 --raw 200)
echo "# TS_SEED=$seed"

# kept SCENARIO NAME
kept() {
    if [ -n "$asan" ] && [ "$1" != life ] && [ "$1" != forward ]; then
        skip "$2: slow with the sanitizers, and no other code than in a build without"
        return
    fi
    "$here/power.py" "$1" --seed "$seed" "${amount[@]}" >"$T/out" 2>"$T/err"
    ok $? "$2: every promise is kept"
    sed 's/^/# /' "$T/out"
    grep -vE 'rejected:|was not answered' "$T/err" | head -n 20 | sed 's/^/# /'
    read -r _ points _ _ states _ <<<"$(tail -n 1 "$T/out")"
    all_points=$((all_points + points)) all_states=$((all_states + states))
}

all_points=0 all_states=0
kept life "a new store, puts and a drain at once, a killed drain, changes by hand"
kept stores "one put into two stores"
kept held "held events and their waking"
kept full "a full disk"
kept checkpoint "the checkpoint of ts-read"
kept backup "copies of a store in use"
kept forward "a store of the first schema"
echo "# in all: $all_points crash points, $all_states crash states"
done_testing
