#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-enrich --state, killed at random moments and at each of its calls, on a full disk, and with
# a file that is cut short under it: what is sent again gets the answers of an undisturbed run.
# TS_FULL=1: more kills; TS_SEED repeats a run. (Each single store: tests/unit/ts-enrich/trail_kill.)
[ -n "${TS_OWN_MOUNTS:-}" ] || ! unshare -m true 2>/dev/null ||
    TS_OWN_MOUNTS=1 exec unshare -m bash "$0" "$@"
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-enrich python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
kills=30
[ -n "${TS_FULL:-}" ] && kills=400
seed=${TS_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "# TS_SEED=$seed"
got=$(python3 "$ROOT/tests/support/state_kill.py" "$seed" $kills 2>&1)
echo "# $got"
like "$got" ' answers, 0 differ$' "killed at random: every answer is that of an undisturbed run"
answers=${got#*, }
ok $((${answers%% answers*} > kills * 600 ? 0 : 1)) "many of them more than once"

echo '{"zone":"UTC","direction":"alternate","repeat_window_s":60}' >site.json
# people FROM TO: each passes once.
people() {
    awk -v from="$1" -v to="$2" 'BEGIN { for (n = from; n <= to; n++)
        printf "{\"kind\":\"granted\",\"local_time\":\"2026-01-05T08:%02d:00\",\"device_id\":\"A\",\"person_id\":\"%d\"}\n",
            n % 60, n }'
}
people 1 1500 >many
ts-enrich -c site.json many >wanted
ts-enrich -c site.json --state grown many >/dev/null

# At each call that has to do with the file: it opens again, and goes on.
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null && [ "${MODE:-}" != asan ]; then
    broken=0 points=0
    for call in openat flock fstat ftruncate pwrite64 fsync mmap fallocate fdatasync munmap; do
        for n in 1 2 3; do
            rm -f k
            [ $call != fallocate ] || [ $n -lt 3 ] || cp grown k
            {
                strace -qq -o /dev/null -P "$T/k" -e trace=$call -e inject=$call:signal=KILL:when=$n \
                    ts-enrich -c site.json --state "$T/k" many >out
            } 2>/dev/null
            [ $? -eq 137 ] || continue
            points=$((points + 1))
            ts-enrich -c site.json --state k many >out 2>err
            cmp -s out wanted || { broken=$((broken + 1)) && echo "# $call $n: $(<err)"; }
        done
    done
    is "$broken" 0 "killed at each call for the file ($points points): the next run is whole"
    ok $((points >= 6 ? 0 : 1)) "there were such calls"
else
    skip "needs strace"
    skip "needs strace"
fi

# A full disk: nobody new, no answer without its place in the state, and all of it later.
mkdir small
if [ -n "${TS_OWN_MOUNTS:-}" ] && mount -t tmpfs -o size=800k tmpfs small 2>/dev/null; then
    ts-enrich -c site.json --state small/s many >out 2>err
    is "$?" 74 "a full disk: 74"
    like "$(<err)" 'small/s: no room for more people' "… and why"
    n=$(wc -l <out)
    ok $((n >= 200 && n < 1500 ? 0 : 1)) "what had room was answered ($n)"
    is "$(cmp out <(head -n "$n" wanted) 2>&1)" "" "as ever"
    mount -o remount,size=4m small
    ts-enrich -c site.json --state small/s many >out
    is "$? $(cmp out wanted 2>&1)" "0 " "with room again: everything, with the same answers"
    umount small
    mount -t tmpfs -o size=40k tmpfs small
    head -c 40960 /dev/zero >small/full
    ts-enrich -c site.json --state small/s many >out 2>err
    is "$? $(wc -l <out)" "74 0" "no room for the file at all: 74, no event"
    rm small/full
    mount -o remount,size=4m small
    ts-enrich -c site.json --state small/s </dev/null
    is "$?" 0 "and it is no half a file afterwards"
    umount small
else
    for _ in 1 2 3 4 5 6 7; do skip "needs a mount namespace (root)"; done
fi

# Somebody cuts the file short while it is in use: an end that says so, never a wrong answer.
mkfifo in
ts-enrich -c site.json --state grown <in >out 2>err &
pid=$!
exec 7>in
people 1 1 >&7
wait_for 5 test -s out
: >grown
people 900 901 >&7
wait $pid
is "$?" 74 "the file is cut short under it: 74"
like "$(<err)" 'state file' "… and a message"
exec 7>&-
done_testing
