#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-read -F zk://: what happens live, and what happens while nobody listens.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/zk.sh
. "$ROOT/tests/support/zk.sh"

# ids FILE: of its last event.
id_of() { tail -n 1 "$1" | ts-enrich -z UTC | jq -r .event_id; }

# ---- events in all their forms

device --records 20
follow "zk://127.0.0.1:$port"
wait_for 10 asked 1502 1
n=20
for event in 32 36 37 52 12 10 14; do
    happens event $event
    happens punch 105 2026-03-02T08:$n:00
    happens punch 106 2026-03-02T08:$n:01
    n=$((n + 2))
    wait_for 5 lines $n
    is "$(tail -n 2 out | jq -r '[.local_time, .person_id, .credential, has("received_at")] | join(" ")')" \
        "2026-03-02T08:$((n - 2)):00 105 face true
2026-03-02T08:$((n - 2)):01 106 face true" "a live event of $event bytes"
done
ends
is "$status $(tail -n 1 sent)" "0 tcp 1001" "SIGTERM ends it in order, the device is told goodbye"
wait_for 5 holds 34
ts-read "zk://127.0.0.1:$port" >log.out
is "$(id_of out)" "$(id_of log.out)" "a passage has one id live and from the log"

# People are enrolled while we listen, and stand in the log, or live, by a number inside the device.
device --records 20 --layout 8 --event 10
follow "zk://127.0.0.1:$port"
wait_for 10 lines 20
happens punch 4711 2026-03-02T08:00:00
wait_for 5 lines 21
is "$(tail -n 1 out | jq -r .person_id)" 4711 "live: somebody who was enrolled meanwhile"
happens mute 4712 2026-03-02T08:00:01
happens drop
wait_for 10 lines 22
is "$(tail -n 1 out | jq -r .person_id)" 4712 "the same in the log"
ends

device --records 20 --quirk repeat
follow "zk+udp://127.0.0.1:$port"
wait_for 10 asked 1502 1
happens punch 105 2026-03-02T08:00:00
happens punch 106 2026-03-02T08:00:01
wait_for 5 lines 22
is "$(who out | tail -n 2 | cut -d' ' -f2 | tr '\n' ' ')" "105 106 " \
    "live events over UDP; one that is sent again is given once"
is "$(grep -c ' 2000$' sent | sed 's/^[1-9]$/some/')" some "events are acknowledged"
ends

# ---- connections that end

# The connection ends, and people go on passing: nothing is lost, nothing comes twice.
device --records 50
follow "zk://127.0.0.1:$port"
wait_for 10 asked 1502 1
happens punch 105 2026-03-02T08:00:00
wait_for 5 lines 51
happens drop
happens mute 106 2026-03-02T08:00:05
happens mute 107 2026-03-02T08:00:06
wait_for 10 lines 53
ok $? "what happened without a connection comes from the log"
happens punch 108 2026-03-02T08:00:09
wait_for 10 lines 54
is "$(who out | tail -n 4 | cut -d' ' -f2 | tr '\n' ' ')" "105 106 107 108 " "in order, each once"
like "$(<err)" "trying again until it works.*connected again" "and it is told"
happens drop
happens serial OTHER7654321
happens clear
happens mute 109 2026-03-02T09:00:00
wait_for 10 lines 55
is "$(tail -n 1 out | jq -r '.device_id + " " + .person_id')" "OTHER7654321 109" \
    "another device at the address is read from its start"
like "$(<err)" "another device answers here: OTHER7654321, not CGXH2012345" "and told of"
ends

device --records 50 --quirk cut-once
follow "zk+tcp://127.0.0.1:$port"
wait_for 10 lines 50
ok $? "a reading that was cut off is begun again"
ends
is "$(who out | sort | uniq -d)" "" "and nothing comes twice"
device --records 5 --key 7
follow "zk://127.0.0.1:$port"
wait_for 10 gone
wait "$reader"
is $? 77 "a wrong key ends it, also with -F"

# A device that fails is told goodbye at once, though others go on.
device --records 5 --quirk exclusive,access --each small
follow "zk://127.0.0.1:$port" "zk://127.0.0.1:$(port_of small)"
wait_for 10 lines 5
wait_for 5 asked 1001 1
ok $? "a device that cannot be read is told goodbye while the others are read"
ends
is "$status" 69 "and the end says that one was not read"

# ---- what takes minutes: clocks leap, and the program looks at them five times a second

if [ ! -e "$B/tests/support/fault_warp.so" ] || [ "${MODE:-}" = asan ]; then
    skip "time leaps only in a release build"
    done_testing
fi
leap() { python3 "$ROOT/tests/support/warp.py" warp 1 "$1"; }
fast() { python3 "$ROOT/tests/support/warp.py" warp 8; } # while only waits are to pass
# A reader with a checkpoint, under that clock.
watch() {
    rm -f out err cp warp
    leap 0
    # shellcheck disable=SC2016 # jq's
    TS_WARP=$T/warp LD_PRELOAD=$B/tests/support/fault_warp.so spawn ts-read -F --checkpoint cp \
        "zk://127.0.0.1:$port" --into \
        'tee out | jq -c --unbuffered "{ack, outcome: \"stored\"}"' >/dev/null 2>err
    reader=$spawned
    wait_for 10 asked 1502 1
}
# shellcheck disable=SC2317 # called by wait_for
place() { [ "$(jq -r '.sources[0].cursor' cp | cut -d' ' -f 3)" -eq "$1" ]; }

device --records 50 --room 52
watch
happens mute 106 2026-03-02T08:00:05
leap 31
wait_for 10 lines 51
ok $? "a live event that never came is found by its number"
wait_for 5 place $((4 + 51 * 40))
happens punch 107 2026-03-02T08:00:06
wait_for 5 lines 52
leap 31
wait_for 5 asked 50 3
place $((4 + 51 * 40))
ok $? "while all comes live the log is left alone"
leap 601
wait_for 10 place $((4 + 52 * 40))
ok $? "but after ten minutes the place has followed"
wait_for 5 asked 1502 3
happens mute 108 2026-03-02T08:00:07
leap 601
wait_for 10 lines 53
ok $? "a full log counts the same for ever: it is looked into"
wait_for 5 asked 1502 4
happens punch 109 2026-03-02T08:00:08
wait_for 5 lines 54
leap 31
wait_for 5 asked 1502 5
is "$(grep -c 'the log lost its oldest records' err)" 1 "that it lost its oldest records is said once"

happens sleep
leap 31
wait_for 5 asked 50 7
leap 11
wait_for 10 grep -q 'does not answer any more: trying again' err
ok $? "a device that is silent is told of"
happens mute 110 2026-03-02T08:00:09
happens quirk mute-serial
happens wake
fast
wait_for 10 asked 11 3
happens cured mute-serial
wait_for 20 lines 55
ok $? "and what it has is read when it answers again"
like "$(<err)" "connected again" "which is told"
is "$(jq -r .device_id out | sort -u)" CGXH2012345 "a device that once does not say its name is no other"
is "$(who out | sort | uniq -d)" "" "nothing twice"
ends

# One client at a time, and to the device the last one is still there.
device --records 5 --quirk exclusive
watch
happens drop
fast
wait_for 10 asked 1000 3
happens cured exclusive
wait_for 10 asked 1502 2
ends
is "$(sed 's/.*: //' err | tr '\n' ' ')" "trying again until it works connected again " \
    "a device that is taken is told of once, and when it is free again"
done_testing
