#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-read zk://: a ZKTeco device (tests/sim/zk.py) in all its forms, and with all its faults.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v python3 >/dev/null || skip_all "needs python3"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# device OPTION...: starts one; sets $sim and $port. What happens there goes to descriptor 8.
device() {
    [ -z "${sim:-}" ] || kill "$sim" 2>/dev/null
    rm -f happens
    mkfifo happens
    exec 8<>happens
    spawn python3 "$ROOT/tests/sim/zk.py" --log sent --happens happens "$@" >device.out 2>device.err
    sim=$spawned
    wait_for 10 grep -q '^listening on ' device.out
    port=$(sed -n 's/^listening on //p' device.out)
}
happens() { printf '%s\n' "$*" >&8; }
# what people did, in the order of the events
who() { jq -r '.local_time + " " + .person_id' "$1"; }
# the same of a memory stick's file
stick() {
    python3 "$ROOT/tests/sim/zk.py" --attlog stick.dat "$@"
    ts-read -d X stick.dat >stick.out 2>/dev/null
    who stick.out
}
# pulls SCHEME ARG...: one reading; sets $status.
pull() {
    local scheme=$1
    shift
    timeout 60 ts-read "$@" "$scheme://127.0.0.1:$port" >out 2>err
    status=$?
}
# shellcheck disable=SC2317 # called by wait_for
holds() { [ "$(ts-read "zk://127.0.0.1:$port" 2>/dev/null | wc -l)" -eq "$1" ]; }
# shellcheck disable=SC2317
left_out() { ts-read "zk://127.0.0.1:$port" 2>&1 >/dev/null | grep -q "$1 records: empty, left out"; }
# shellcheck disable=SC2317
stored() { [ "$(ts-spool stat --json q.db | jq .stored)" -eq "$1" ]; }
# shellcheck disable=SC2317
gone() { ! kill -0 "$reader" 2>/dev/null; }
only_reads() { # no command but those that read
    ! grep -vE '^(tcp|udp) (9|11|13|50|500|1000|1001|1102|1502|1503|1504|2000)$' sent
}

# ---- one reading

stick --records 2000 >wanted
for layout in 16 40 49; do
    device --records 2000 --layout $layout
    for scheme in zk zk+udp; do
        pull $scheme
        is "$status$(<err)" 0 "$layout bytes over $scheme: status 0, nothing to say"
        who out | cmp -s - wanted
        ok $? "and every record, in order"
    done
done
is "$(jq -rs '[.[].device_id] | unique | join(" ")' out)" CGXH2012345 "device_id is the serial number"
is "$(jq -rs '[.[] | has("received_at")] | any' out)" false "the past was not received now"
is "$(tail -n 1 sent)" "udp 1001" "the device is told goodbye"
only_reads
ok $? "nothing but reading was asked of it"

for layout in 8 8-flags; do
    for size in 28 72; do
        device --records 2000 --layout $layout --user-size $size
        pull zk
        who out | cmp -s - wanted
        ok $? "$layout with users of $size bytes: uids become user ids"
        ! grep -qE 'Anna|471' out err
        ok $? "no name and no password comes out"
    done
done

device --records 0
pull zk
is "$status$(<out)$(<err)" 0 "an empty log"
device --records 3 --user-size 72 --layout 40
happens void
happens void
wait_for 5 left_out 2
ok $? "records that were never filled are left out, and told of"

# ---- what devices do wrong

for quirk in no-ack late-ack cut-ack direct small wrong-ids no-tables at-once prepared junk \
    short-once size-at-0 lies-high counts-0 counts-more less marks small,no-ack,wrong-ids \
    small,late-ack,junk no-tables,cut-ack,small direct,late-ack; do
    device --records 2000 --quirk $quirk
    pull zk+tcp
    is "$status" 0 "$quirk: status 0"
    who out | cmp -s - wanted
    ok $? "$quirk: every record"
    wait_for 5 grep -q ' 1001$' sent
    ok $? "$quirk: goodbye"
done
like "$(<err)" '^$' "late acknowledgements are nothing to talk about"
device --records 60 --quirk split,small
pull zk+tcp
is "$(who out)" "$(head -n 60 wanted)" "cut at every byte"
for quirk in no-ack wrong-ids no-tables lose swap double lose,no-ack swap,double; do
    device --records 600 --quirk $quirk
    pull zk+udp
    head -n 600 wanted >wanted.600
    who out | cmp -s - wanted.600
    ok $? "UDP, $quirk: every record, in order"
done
device --records 2000 --quirk counts-more
pull zk
like "$(<err)" "the device counts 2100 records and hands over 2000" "a device that counts more says so"
device --records 2000 --quirk half
pull zk
is "$status $(wc -l <out)" "0 2000" "a last record that is not whole is left out"
like "$(<err)" "ends in the middle of a record" "and told of"

# refused FAULTS STATUS TEXT OPTION...: a device that gives nothing.
refused() {
    local name=$1 wanted=$2 text=$3
    shift 3
    device --records 50 "$@"
    pull zk
    is "$status$(<out)" "$wanted" "$name: status $wanted"
    like "$(<err)" "$text" "$name: says why"
}
refused "another firmware" 69 "does not speak the protocol \(6001\): let the device push" --quirk sdk
refused "access control" 69 "no attendance log: it is set up for access control" --quirk access
refused "other memory for a log" 65 "makes no sense: nothing of it is kept" --quirk no-tables,garbage
refused "no key" 77 "communication key is missing or wrong" --key 987654
umask 077
echo 987653 >key
pull zk --password-file key
is "$status" 77 "a wrong key"
echo 987654 >key
for scheme in zk+tcp zk+udp; do
    pull $scheme --password-file key
    is "$status $(wc -l <out)" "0 50" "the right key over $scheme"
done
! grep -q 98765 out err
ok $? "is said nowhere"
echo secret >key
pull zk --password-file key
is "$status$(<err)" "78ts-read: key: a communication key is a number" "a key is a number"
kill "$sim"
wait "$sim" 2>/dev/null
pull zk
is "$status" 69 "nobody there: status 69"
like "$(<err)" "Connection refused over TCP, nor over UDP" "over none of the two"
device --records 5 --only udp
pull zk
is "$status $(wc -l <out)" "0 5" "where TCP is refused, UDP is tried"
device --records 5 --only tcp
pull zk+udp
is "$status" 69 "zk+udp:// tries nothing else"
device --records 5 --quirk no-serial
pull zk
is "$(jq -rs '.[0].device_id' out)" 127.0.0.1 "without a serial number: its address"
like "$(<err)" "does not say its serial number" "which is told"
for address in zk:// zk://:4370 zk://a:b zk://a/b 'zk://[::1' zk://a:99999; do
    ts-read "$address" 2>/dev/null
    is $? 64 "$address: no address"
done
ts-read -l zk://127.0.0.1 2>/dev/null
is $? 64 "it cannot be listened to"

# ---- one id by every path

device --records 30
pull zk
printf '%9s\t2026-03-02 07:59:58\t1\t0\t15\t0\r\n' 118 >one.dat
happens punch 118 2026-03-02T07:59:58
ids() { ts-enrich -z UTC "$@" | jq -r .event_id; }
wait_for 5 holds 31
ts-read "zk://127.0.0.1:$port" | tail -n 1 >log.out
ts-read -d CGXH2012345 one.dat >file.out
is "$(ids log.out)" "$(ids file.out)" "one passage has one id from the log and from a memory stick"
is "$(jq -c 'del(.source, .origin, .raw, .raw_base64)' log.out)" \
    "$(jq -c 'del(.source, .origin, .raw, .raw_base64)' file.out)" "and says the same"

# ---- live

# follow ARG...: -F, in the background.
follow() {
    rm -f out err
    spawn ts-read -F "$@" >out 2>err
    reader=$spawned
}
# shellcheck disable=SC2317 # called by wait_for
lines() { [ "$(wc -l <out)" -ge "$1" ]; }
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
for event in 32 36 37 52 12 10 14; do
    device --records 20 --event $event
    follow "zk://127.0.0.1:$port"
    wait_for 10 lines 20
    wait_for 5 grep -q ' 1502$' sent
    happens punch 105 2026-03-02T08:00:00
    happens punch 106 2026-03-02T08:00:01
    wait_for 5 lines 22
    is "$(tail -n 2 out | jq -r '[.local_time, .person_id, .credential, has("received_at")] | join(" ")')" \
        "2026-03-02T08:00:00 105 face true
2026-03-02T08:00:01 106 face true" "a live event of $event bytes"
    ends
    is "$status" 0 "SIGTERM ends it in order"
    is "$(tail -n 1 sent)" "tcp 1001" "and the device is told goodbye"
done
tail -n 1 out >live.out
ts-read "zk://127.0.0.1:$port" | tail -n 1 >log.out
is "$(ids live.out)" "$(ids log.out)" "a passage has one id live and from the log"

device --records 20 --quirk repeat
follow "zk+udp://127.0.0.1:$port"
wait_for 10 lines 20
wait_for 5 grep -q ' 1502$' sent
happens punch 105 2026-03-02T08:00:00
happens punch 106 2026-03-02T08:00:01
wait_for 5 lines 22
is "$(who out | tail -n 2 | cut -d' ' -f2 | tr '\n' ' ')" "105 106 " \
    "live events over UDP; one that is sent again is given once"
is "$(grep -c ' 2000$' sent | sed 's/^[1-9]$/some/')" some "events are acknowledged"
ends

# The connection ends, and people go on passing: nothing is lost, nothing comes twice.
device --records 50
follow "zk://127.0.0.1:$port"
wait_for 10 lines 50
wait_for 5 grep -q ' 1502$' sent
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

# What takes half a minute, ten times as fast.
if [ -e "$B/tests/support/fault_warp.so" ] && [ "${MODE:-}" != asan ]; then
    device --records 50
    python3 "$ROOT/tests/support/warp.py" warp 10
    rm -f out err
    TS_WARP=$T/warp LD_PRELOAD=$B/tests/support/fault_warp.so spawn \
        ts-read -F "zk://127.0.0.1:$port" >out 2>err
    reader=$spawned
    wait_for 10 lines 50
    wait_for 5 grep -q ' 1502$' sent
    happens mute 106 2026-03-02T08:00:05
    wait_for 10 lines 51
    ok $? "a live event that never came is found by its number"
    happens punch 107 2026-03-02T08:00:06
    wait_for 5 lines 52
    happens sleep
    wait_for 10 grep -q 'does not answer any more: trying again' err
    ok $? "a device that is silent is told of"
    happens mute 108 2026-03-02T08:00:07
    happens wake
    wait_for 20 lines 53
    ok $? "and what it has is read when it answers again"
    like "$(<err)" "connected again" "which is told"
    is "$(who out | sort | uniq -d)" "" "nothing twice"
    ends
else
    skip "time runs faster only in a release build"
fi

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
wait_for 10 grep -q '^listening on ' other.out
ts-read "zk://127.0.0.1:$first" "zk://127.0.0.1:$(sed 's/.* //' other.out)" >out 2>err
is "$? $(jq -r .device_id out | sort | uniq -c | tr -s ' \n' ' ')" "0  5 CGXH2012345 7 OTHER7654321 " \
    "two devices at once"
kill "$sim"
wait "$sim" 2>/dev/null
ts-read "zk://127.0.0.1:$first" "zk://127.0.0.1:$(sed 's/.* //' other.out)" >out 2>err
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
wait_for 10 grep -q ' 500$' sent
wait_for 10 grep -q ' 1502$' sent
happens punch 105 2026-03-02T08:00:00
wait_for 10 stored 51
ok $? "a live event reaches the queue"
{ kill -KILL "$reader"; } 2>/dev/null
wait "$reader" 2>/dev/null
happens mute 106 2026-03-02T08:00:01
wait_for 5 holds 52
put
is "$status $new" "0 1" "after kill -9 nothing is missing"

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

# ---- no harm

# The numbers of the commands that change, delete or switch something appear nowhere as such.
harmful='14|15|18|19|20|31|32|33|66|67|8|10|12|202|1002|1003|1004|1005|1006|1013|1014'
! grep -nE "ZK_[A-Z_]+ = ($harmful),|ZK_(CLEAR|DELETE|ENABLE|DISABLE|RESTART|POWER|SET|WRITE)" \
    "$ROOT"/tools/ts-read/zk_*.[ch] "$ROOT"/tools/ts-read/sources/zk*.[ch]
ok $? "the source knows no command that changes anything"
done_testing
