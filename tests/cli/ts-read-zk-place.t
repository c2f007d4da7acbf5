#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-read zk:// and its place in the log, and --count: nothing is lost, nothing is read twice.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/zk.sh
. "$ROOT/tests/support/zk.sh"

# ---- the checkpoint

# put ARG...: reads into the queue of the test; sets $status and $new, the number of new events.
put() {
    timeout 60 ts-read --checkpoint cp "$@" "zk://127.0.0.1:$port" --into \
        'ts-enrich | ts-spool put q.db | tee receipts' >out 2>err
    status=$?
    new=$(grep -c '"stored"' receipts)
    sent=$(grep -c . receipts)
}
rm -f cp q.db
device --records 2000
put
is "$status $new $sent" "0 2000 2000" "all of the log"
happens mute 105 2026-03-02T08:00:00
happens mute 106 2026-03-02T08:00:01
wait_for 5 holds 2002
: >sent
put
is "$status $new $sent" "0 2 2" "then only what is new"
is "$(grep -c ' 1504$' sent)" 3 "and of the table only its end is read"
put
is "$status $new $sent" "0 0 0" "then nothing"
! grep -vE 'no zone|^$' err
ok $? "without a word"
happens wrap 300
happens mute 107 2026-03-02T08:00:02
wait_for 5 holds 1703
put
is "$new $sent" "1 1" "a log that lost its oldest records: still only what is new"
like "$(<err)" "lost its oldest records, as a full one does" "which is told"
happens clear
happens mute 108 2026-03-02T08:00:03
wait_for 5 holds 1
put
is "$new $sent" "1 1" "a log that was cleared is read from its start"
like "$(<err)" "the log was cleared, or goes on behind what was read last" "which is told"
happens mute 109 2026-03-02T06:00:00
wait_for 5 holds 2
put
is "$new" 1 "a clock that was set back loses nothing"
like "$(<err)" "the clock of CGXH2012345 was set back 1 time, by up to 7203 s" "and is told of"
happens layout 49
put
is "$status $new $sent" "0 0 2" "records of another size: all again, known by their ids"
happens clear
put
is "$status $new" "0 0" "an empty log"
happens serial OTHER7654321
happens mute 109 2026-03-02T09:00:00
wait_for 5 holds 1
put
is "$new $(jq -r '.sources[0].cursor' cp | sed 's/.* //')" "1 OTHER7654321" "another device has a place of its own"
like "$(<err)" "another device answers here" "and is told of"

# A reading that is cut off: what came is safe, and the next one goes on from there.
device --records 5000 --quirk cut-once --cut 4
rm -f cp q.db*
put
is "$status" 69 "a connection that ends in the middle: status 69"
[ "$new" -gt 1000 ] && [ "$new" -lt 5000 ]
ok $? "with what came until then"
put
is "$status $(ts-spool stat --json q.db | jq .stored)" "0 5000" "then all is there"
is "$new" "$sent" "and nothing was read twice"
device --records 5 --layout 16
first=$port
spawn python3 "$ROOT/tests/sim/zk.py" --records 7 --serial OTHER7654321 >other.out
wait_for 10 grep -qx ready other.out
other=$(sed -n 's/^listening on //p' other.out)
ts-read "zk://127.0.0.1:$first" "zk://127.0.0.1:$other" >out 2>err
is "$? $(jq -r .device_id out | sort | uniq -c | tr -s ' \n' ' ')" "0  5 CGXH2012345 7 OTHER7654321 " \
    "two devices at once"
kill "$sim"
wait "$sim" 2>/dev/null
ts-read "zk://127.0.0.1:$first" "zk://127.0.0.1:$other" >out 2>err
is "$? $(wc -l <out)" "69 7" "one of them is not there: the other is read"

# It never moves past what has no final receipt.
device --records 50
rm -f cp
timeout 60 ts-read --checkpoint cp "zk://127.0.0.1:$port" --into \
    'jq --unbuffered -c "{ack, outcome: (if .person_id > \"110\" then \"deferred\" else \"stored\" end)}"' \
    >out 2>err
is "$? $(cat cp 2>/dev/null)" "75 " "events without a receipt: status 75, and no place is remembered"
timeout 60 ts-read --checkpoint cp "zk://127.0.0.1:$port" --into 'head -n 10 >/dev/null' >out 2>err
is "$? $(cat cp 2>/dev/null)" "75 " "a command that ends early: the same"
echo '{"sources":[{"source":"zk://127.0.0.1:'"$port"'","cursor":"what"}]}' >"cp"
rm q.db*
put
is "$status $new" "0 50" "a place that makes no sense: all is read"
like "$(<err)" "makes no sense: reading the whole log" "which is told"

# Live events reach the queue, and the place follows them.
follow --checkpoint cp "zk://127.0.0.1:$port" --into 'ts-enrich | ts-spool put q.db'
wait_for 10 asked 1502 1
happens punch 105 2026-03-02T08:00:00
wait_for 10 stored 51
ok $? "a live event reaches the queue"
{ kill -KILL "$reader"; } 2>/dev/null
wait "$reader" 2>/dev/null
happens mute 106 2026-03-02T08:00:01
wait_for 5 holds 52
put
is "$status $new" "0 1" "after kill -9 nothing is missing"

# kill -9 at any moment, while people pass, connections end and live events get lost.
device --records 3000
rm -f cp q.db*
rounds=${TS_FULL:+40}
n=3000
for round in $(seq "${rounds:-5}"); do
    # Of its own process group, so that the whole pipeline goes.
    setsid ts-read -F --checkpoint cp "zk://127.0.0.1:$port" --into \
        'ts-enrich | ts-spool put q.db' >out 2>err &
    reader=$!
    for way in punch mute punch drop punch; do
        if [ "$way" = drop ]; then
            happens drop
        else
            n=$((n + 1))
            happens "$way" "10$((RANDOM % 9))" "$(date -d "@$((1772440000 + n))" +%FT%T)"
        fi
        read -rt "0.$((RANDOM % 25 + 10))" <> <(:) # any moment
    done
    kill -KILL -- "-$reader"
    wait "$reader"
    [ "$round" -ne 3 ] || happens wrap 1000
done 2>/dev/null
wait_for 5 holds $((n - 1000))
put
is "$status $(ts-spool stat --json q.db | jq .stored)" "0 $n" "kill -9 at any moment: nothing is missing"

# ---- does the device hold anything that was not delivered?

device --records 600
rm -f cp q.db*
put --since 2026-01-07 --until 2026-01-07T15:00:00
pull zk --count
is "$status $(wc -l <out)" "0 3" "--count: a line a day, and one of the device"
is "$(tail -n 1 out)" '{"device":"CGXH2012345","events":600,"records":600,"first":"2026-01-07T06:01:09","last":"'"$(stick --records 600 | tail -n 1 | cut -d' ' -f1)"'","not_understood":0,"says":600,"room":100000}' \
    "what it holds, and what it says of itself"
not_delivered() {
    { ts-read --count "zk://127.0.0.1:$port"; ts-spool audit --json q.db; } | jq -rs '
        map(select(.day)) | group_by([.device, .day])[] |
        {device: .[0].device, day: .[0].day, holds: (map(.events // 0) | add),
         received: (map(.received // 0) | add)} | select(.holds > .received) |
        "\(.device) \(.day): \(.holds - .received)"'
}
late=$(stick --records 600 | awk '$1 >= "2026-01-07T15:00:00" { n[substr($1, 1, 10)]++ }
    END { for (d in n) print "CGXH2012345 " d ": " n[d] }' | sort)
is "$(not_delivered)" "$late" "beside ts-spool audit: the days and numbers of what never came"
rm cp
put
is "$(not_delivered)" "" "and nothing when all came"
ts-read --count -F "zk://127.0.0.1:$port" 2>err
is "$?$(<err)" "64ts-read: --count: not with -F, -l or --into" "--count ends by itself"
is "$(ts-read --count -d CGXH2012345 stick.dat | jq -c 'del(.says, .room)')" \
    "$(ts-read --count "zk://127.0.0.1:$port" | jq -c 'del(.says, .room)')" "a file counts the same"

done_testing
