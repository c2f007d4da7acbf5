#!/bin/bash
# hikvision:// and a log that is not as it should be: gaps, overwritten and emptied logs, clocks that
# were set back, records without numbers, answers that make no sense; and kill -9 in between.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
for tool in curl jq python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
printf 'admin:Fine-2026\n' >login
chmod 600 login

# device KNOB=VALUE...: a terminal; sets $sim, $port and $url.
device() {
    : >port.out
    spawn python3 "$ROOT/tests/sim/hikvision.py" heartbeat_ms=50 "$@" >port.out
    sim=$spawned
    wait_for 10 test -s port.out
    read -r port <port.out
    url=hikvision://127.0.0.1:$port
}
sim() { curl -s -m 10 "http://127.0.0.1:$port/_sim/$1" "${@:2}"; }
count() { grep -c "^$1\$" port.out; }
# happens TIME FIRST LAST [DAY]: records of these numbers, one a second from TIME on.
happens() {
    jq -nc --arg t "${4:-2026-03-02}T$1Z" --argjson a "$2" --argjson b "$3" \
        '[range($a; $b + 1) | {serialNo: ., time: (($t | fromdate) + . - $a | todate[:-1] + "+03:00")}]' |
        sim log --data-binary @- >/dev/null
}
follow() {
    rm -f out err
    spawn ts-read -F --password-file login "$@" "$url" >out 2>err
    reader=$spawned
}
came() { [ "$(wc -l <"${2:-out}")" -ge "$1" ]; }
beaten() { [ "$(count heartbeats)" -ge "$1" ]; }
armed() { [ "$(count alertStream)" -ge "$1" ]; }
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
serials() { jq -r .serial_no "${1:-out}" | tr "\n" " "; }
range() { seq "$1" "$2" | tr '\n' ' '; }
# A program that keeps what comes and answers for it.
# shellcheck disable=SC2016 # for that shell
printf '#!/bin/sh\ntee -a "$KEEP" | jq -c --unbuffered "{ack, outcome: \\"stored\\"}"\n' >keep
chmod +x keep
export KEEP=$T/kept
# fetch: on from the checkpoint; what comes is in `out`.
fetch() {
    rm -f kept
    ts-read --password-file login --checkpoint c --into ./keep "$url" >ignored 2>err
    status=$?
    touch kept
    mv kept out
}

# --- pages ---------------------------------------------------------------------------------------
device
happens 08:00:01 1 70
sim 'set?parts=1' >/dev/null
is "$(ts-read --password-file login "$url" 2>err | jq -r .serial_no | tr '\n' ' ')" "$(range 1 70)" \
    "pages that come as parts, with pictures"
sim 'set?parts=0&stuck=1' >/dev/null
ts-read --password-file login "$url" >out 2>err
like "$? $(serials) $(<err)" "^69 $(range 1 30) .*gives the same page of its log again and again$" \
    "a terminal that knows no positions"
sim 'set?stuck=0&ring=60&happens=1' >/dev/null
ts-read --password-file login "$url" >out 2>err
is "$? $(serials | tr ' ' '\n' | sort -n | uniq -c | awk '$1 > 1' | grep -c .) $(<err)" "0 0 " \
    "a full log that goes on while it is read: nothing twice"
n=$(serials | tr ' ' '\n' | sort -n | tail -n 1)
is "$(serials | tr ' ' '\n' | sort -n | sed 1d | tail -n 50 | tr '\n' ' ')" "$(range $((n - 49)) "$n")" "and nothing missed"
sim 'set?elsewhere=1' >/dev/null
ts-read --password-file login "$url" >out 2>err
like "$? $(<err)" "^69 .*sends us elsewhere, where we do not go: does it want TLS\\?$" "a redirect is said"
kill "$sim"

# --- on from the checkpoint ----------------------------------------------------------------------
device now=2026-03-02T09:00:00
happens 08:00:01 1 20
fetch
is "$status $(serials)" "0 $(range 1 20)" "a log"
sim 'set?no_numbers=1' >/dev/null # then by time, in all of the log
happens 05:10:00 21 30
happens 08:30:00 31 33
fetch
is "$status $(serials | tr ' ' '\n' | grep . | sort -n | tr '\n' ' ')" "0 $(range 21 33)" \
    "records while the clock was three hours slow are searched for by number"
like "$(<err)" 'its clock was set back by [0-9]* s' "which is said"
is "$(grep -c 'set back' err)" 1 "once"
fetch
is "$status $(serials)$(<err)" "0 " "and they come once"
sim 'set?ring=10&no_numbers=0&numbers=1' >/dev/null
happens 08:40:00 34 53
fetch
is "$status $(serials)" "65 $(range 44 53)" "records that were overwritten before they were read"
like "$(<err)" 'records 34 to 43 cannot be had' "are told of"
fetch
is "$status $(serials)$(<err)" "0 " "once"
sim 'set?no_info=1' >/dev/null
happens 08:50:00 54 54
fetch
is "$status $(serials) $(jq -r .device_id out) $(<err)" "0 54  FZ1234567 " \
    "a terminal that does not say its name is the one that it was"
sim 'set?no_info=0&ring=0' >/dev/null
happens 23:59:59 55 55 2035-12-31
happens 08:51:00 56 155
fetch
is "$status $(serials)" "0 $(range 56 155)55 " "a record of a clock that was years ahead"
sim clear >/dev/null
happens 00:00:10 1 3 1970-01-01
sim 'set?now=1970-01-01T00:01:00' >/dev/null
fetch
is "$status $(serials)" "0 $(range 1 3)" "a log that was emptied together with its clock"
like "$(<err)" 'its log ends at record 3, and 155 was read: it was emptied' "which is said"
kill "$sim"

# --- live ----------------------------------------------------------------------------------------
device boundary=another now=2026-03-02T09:00:00
happens 08:00:01 1 3
follow -o sweep=2
wait_for 20 armed 1
happens 08:01:01 4 5
wait_for 20 came 5
is "$(serials) $(jq -r 'select(has("received_at")) | .serial_no' out | tail -n 1)" "$(range 1 5) 5" \
    "the parts of a stream are told by themselves, not by its head"
sim 'set?lose=100&now=2026-03-05T09:00:00' >/dev/null
happens 08:01:01 6 7 2026-03-05
wait_for 20 came 7
is "$(serials)" "$(range 1 7)" "what a silent stream does not say is looked for by the clock of that day"
sim 'set?lose=1&no_front=1' >/dev/null
happens 08:01:11 8 9 2026-03-05
wait_for 20 came 9
is "$(serials)" "$(range 1 9)" "and by the numbers, where no frontSerialNo is said"
sim 'set?lose=1&no_front=0&hide=10' >/dev/null
happens 08:01:21 10 11 2026-03-05
wait_for 20 came 11
is "$(serials | tr ' ' '\n' | grep . | sort -n | tr '\n' ' ')" "$(range 1 11)" "also where the log has them later than the stream"
happens 08:01:30 9 9 2026-03-05
wait_for 20 came 12
is "$(serials | cut -d ' ' -f 12) $(grep -c anew err)" "9 0" "a late record is no log that begins again"
is "$(grep -c 'cannot be had' err)" 0 "and nothing is said to be lost"
ends
kill "$sim"

device now=2026-03-02T09:00:00
happens 08:00:01 99990 99999
follow
wait_for 20 armed 1
happens 08:00:10 1 1
happens 08:00:11 2 3
wait_for 20 came 13
is "$(serials)" "$(range 99990 99999)$(range 1 3)" \
    "numbers that begin anew in the second of the last record: none is missed"
like "$(<err)" 'its records are numbered anew \(2 after 99999\)' "which is said"
sim cut >/dev/null
wait_for 20 armed 2
happens 08:00:20 4 4
wait_for 20 came 14
is "$(serials)" "$(range 99990 99999)$(range 1 4)" "and those of before are known"
ends
kill "$sim"

device no_serial=1 no_search=1 now=2026-03-02T09:00:00
follow
wait_for 20 armed 1
printf '[%s]' '{"time":"2026-03-02T08:00:01+03:00"},{"time":"2026-03-02T08:00:01+03:00"},{"time":"2026-03-02T07:00:01+03:00"}' |
    sim log --data-binary @- >/dev/null
wait_for 20 came 3
is "$(jq -r '.local_time + " " + .person_id' out | tr '\n' ' ')" \
    "2026-03-02T08:00:01 1001 2026-03-02T08:00:01 1002 2026-03-02T07:00:01 1003 " \
    "live events without numbers: two in a second, and one after the clock was set back"
ends
kill "$sim"

device now=2026-03-02T09:00:00
follow -o silence=1
for i in 1 2 3; do
    wait_for 20 armed $i
    happens 08:00:0$i $i $i
    wait_for 20 came $i
    beats=$(($(count heartbeats) + 14)) # of 50 ms: more than half the silence
    wait_for 20 beaten $beats
    sim cut >/dev/null
done
wait_for 20 armed 4
is "$(serials) $(grep -c 'trying again' err)" "1 2 3  1" "a stream that ends again and again is said once"
sim 'set?refuse=1' >/dev/null
sim cut >/dev/null
happens 08:00:10 4 4
wait_for 20 came 4
is "$(serials) $(grep -c 'is lost' err) $(sim get | jq .knobs.refuse)" "1 2 3 4  0 0" \
    "a search that fails for once is made again"
ends
kill "$sim"

# --- kill -9 -------------------------------------------------------------------------------------
device now=2026-03-02T09:00:00 page=7 replay=1
happens 08:00:00 1 120
rm -f kept c
touch kept
for i in $(seq ${TS_FULL:+4}6); do
    ts-read -F --password-file login --checkpoint c --into ./keep "$url" >ignored 2>>err &
    reader=$!
    happens 08:10:$((i + 10)) $((120 + i)) $((120 + i))
    wait_for 5 came $((i * 23 < 110 ? i * 23 : 120 + i / 2)) kept
    [ $((i % 2)) = 0 ] || sim cut >/dev/null
    kill -9 $reader
    wait $reader 2>/dev/null
done
ts-read --password-file login --checkpoint c --into ./keep "$url" >ignored 2>>err
is "$(serials kept | tr ' ' '\n' | grep . | sort -nu | tr '\n' ' ')" "$(range 1 $((120 + i)))" \
    "kill -9 at any moment: nothing is missed"
kill "$sim"
done_testing
