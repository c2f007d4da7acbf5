#!/bin/bash
# A receiver that is away for a day, in seconds (support/fault_warp.c), while the programs are killed
# and started again: it is asked at most once in five minutes, and everything arrives after it, in
# order, once.  TS_FULL=1: three days, 100,000 events.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
for tool in ts-send ts-spool receiver python3 curl jq; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
[ "${MODE:-release}" = asan ] && skip_all "a preloaded library and the sanitizer's do not mix"
events=20000 persons=500 days=1 fast=5000
[ -n "${TS_FULL:-}" ] && events=100000 persons=4000 days=3

python3 "$ROOT/tests/bench/gen.py" $events --persons $persons |
    ts-read -d DAYS1 -f zk-attlog - | ts-enrich -z Asia/Manila >"$T/events" || exit 1
event_ids "$T/events" >"$T/wanted"
ts-spool put "$T/q.db" <"$T/events" >/dev/null || exit 1
speed() { python3 -S "$ROOT/tests/support/warp.py" "$T/warp" "$@"; }
speed $fast
export TS_WARP=$T/warp

# drain_start: $drain; its words go to $T/err.
drains=0
drain_start() {
    drains=$((drains + 1))
    LD_PRELOAD=$B/tests/support/fault_warp.so \
        ts-spool drain -F --into "ts-send -j 8 $url" "$T/q.db" 2>>"$T/err" &
    drain=$!
    tap_pids+=("$drain")
}

# The children of a process, and theirs.
below() {
    local child children
    read -r -a children <"/proc/$1/task/$1/children" 2>/dev/null || return 0
    for child in "${children[@]}"; do
        echo "$child"
        below "$child"
    done
}

# shellcheck disable=SC2317 # called by wait_for
passed() { [ "$(speed)" -ge "$1" ]; }
# shellcheck disable=SC2317
settled() { spool_has "$T/q.db" waiting 0; }
# shellcheck disable=SC2317
asked() { [ "$(receiver_sum requests)" -gt 0 ]; }

receiver_start --fault 'status 503'
drain_start
kills=0
for ((hour = 4; hour < days * 24; hour += 4)); do
    wait_for 20 passed $((hour * 3600))
    # The command twice out of three times, the drain itself once.
    if [ $((hour % 12)) -eq 0 ]; then
        kill -9 $drain
        wait $drain 2>/dev/null
        drain_start
    else
        for pid in $(below $drain); do
            [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != ts-send ] || kill -9 "$pid"
        done
    fi
    kills=$((kills + 1))
done
wait_for 20 passed $((days * 86400))
asked=$(receiver_sum requests)
away=$(speed)
speed 40
receiver_stop
[ "$asked" -le $((away / 300)) ] && [ "$asked" -gt $((away / 900)) ]
ok $? "asked $asked times in $((away / 3600)) hours, with $kills kills: at most once in five minutes"
starts=$((drains + $(grep -c 'starting it again' "$T/err")))
[ "$(grep -c 'it is not available' "$T/err")" -le "$starts" ]
ok $? "each program tells it once"
is "$(ts-spool stat --json "$T/q.db" | jq -c '[.waiting, .dead]')" "[$events,0]" "no event is used up or given up"

# Its first reply takes long enough for the clocks to be slowed down before.
receiver_start --port "$port" --order-field local_time --fault 'request 1 slow 400'
away=$(speed)
wait_for 60 asked
ok $? "it is found when it comes back"
speed 1
late=$(($(speed) - away))
[ $late -le 720 ]
ok $? "… within twelve minutes ($late s)"
wait_for 200 settled
ok $? "all is settled"
is "$(grep -c 'takes events again' "$T/err")" 1 "its return is told once"
kill -TERM $drain
wait $drain
is $? 0 "the drain ends with 0"
receiver_stop
ledger_ids "$ledger" >"$T/arrived"
is "$(only_first "$T/wanted" "$T/arrived") $(only_first "$T/arrived" "$T/wanted")" "0 0" "all $events events have arrived"
is "$(receiver_sum order_violations) $(receiver_sum overlapping) $(receiver_sum duplicates)" "0 0 0" "in order, once"
is "$(ts-spool stat --json "$T/q.db" | jq .dead)" 0 "and none was given up"
done_testing
