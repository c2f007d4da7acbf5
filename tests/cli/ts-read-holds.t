#!/bin/bash
# SPDX-License-Identifier: MIT
# Does a device hold anything that was not delivered?  ts-read --count and events beside ts-spool
# audit --against, for each family and for memory sticks, with events that were lost on purpose.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-enrich ts-spool jq python3 curl; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
printf 'admin:Fine-2026\n' >login
chmod 600 login

# against NAME WANTED COMMAND: what it prints, compared with q.db; sets $out and $err.
against() {
    local name=$1 wanted=$2
    shift 2
    "$@" 2>reader.err | ts-spool audit --against - q.db >out 2>err
    is "${PIPESTATUS[1]}" "$wanted" "$name: status $wanted"
    out=$(<out)
    err=$(<err)
}
deliver() {
    ts-spool drain --into 'jq --unbuffered -c "{ack, outcome: (
        if .person_id == \"held\" then \"held\" elif .person_id == \"dead\" then \"rejected\"
        else \"delivered\" end)}"' q.db 2>/dev/null
}
# put [ENRICH OPTION...]: events into the queue.
put() { ts-enrich "$@" 2>/dev/null | ts-spool put q.db >/dev/null; }
fresh() { rm -f q.db q.db-*; }
# without N: all lines but the one with that number.
without() { sed "$1d"; }
# started COMMAND...: a simulated device; sets $port.
started() {
    : >port.out
    spawn "$@" >port.out
    wait_for 10 grep -q . port.out
    port=$(grep -o '[0-9]*' port.out | head -n 1)
}

# --- each family: one event lost in the middle -----------------------------------------------------
python3 "$ROOT/tests/sim/zk.py" --records 600 --attlog stick.dat
started python3 "$ROOT/tests/sim/zk.py" --records 600
zk=zk://127.0.0.1:$port
started python3 "$ROOT/tests/sim/hikvision.py" now=2026-03-03T08:20:00
hik=hikvision://127.0.0.1:$port
jq -nc '[range(300) | {time: (1772438400 + . * 300 + 10800 | todate | .[:19] + "+03:00")}]' |
    curl -s "http://127.0.0.1:$port/_sim/log" --data-binary @- >/dev/null
started python3 "$ROOT/tests/sim/dahua.py"
dahua=dahua://127.0.0.1:$port
jq -nc '[range(300) | {CreateTime: (1772427600 + . * 300)}]' |
    curl -s "http://127.0.0.1:$port/_sim/log" --data-binary @- >/dev/null

family() {
    local name=$1 all=$2
    shift 2
    fresh
    ts-read "$@" >events 2>/dev/null
    is "$(wc -l <events)" "$all" "$name: $all records"
    without 150 <events | put
    deliver
    day=$(sed -n 150p events | jq -r '(.local_time // .time)[:10]')
    device=$(sed -n 150p events | jq -r .device_id)
    against "$name, counted" 65 ts-read --count "$@"
    is "$(tail -n 1 <<<"$out")" "something never came: 1 of $all events of 1 device" "it says so"
    is "$(sed -n 2p <<<"$out" | awk '{ print $1, $2, $NF }')" "$device $day 1" "where, and on which day"
    against "$name, each event" 65 bash -c 'ts-read "$@" | ts-enrich' - "$@"
    is "$(sed -n 2p <<<"$out" | awk '{ print $1, $2, $NF }')" "$device $day 1" "the same by its id"
    ts-read "$@" 2>/dev/null | put
    against "$name, read again" 75 ts-read --count "$@"
    is "$(tail -n 1 <<<"$out")" "all came, but 1 waits or is held: $all events of 1 device" "it came and waits"
    deliver
    against "$name, delivered" 0 ts-read --count "$@"
    is "$out$err" "all came and is in: $all events of 1 device" "then all is in"
    against "$name, each event" 0 bash -c 'ts-read "$@" | ts-enrich' - "$@"
}
family "zk" 600 "$zk"
family "a memory stick" 600 -d CGXH2012345 stick.dat
family "hikvision" 300 --password-file login "$hik"
family "dahua" 300 --password-file login "$dahua"

fresh
started python3 "$ROOT/tests/sim/dahua.py" serial=6G9
ts-read -d A stick.dat 2>/dev/null | put
against "a device without a record" 0 ts-read --count --password-file login "dahua://127.0.0.1:$port"
is "$out" "all came and is in: 0 events of 1 device" "is an answer too"

# --- what counts cannot tell, and events can -------------------------------------------------------
# The queue has what the log has not: a door that was opened, by push.
fresh
ts-read -d CGXH2012345 stick.dat >events 2>/dev/null
without 150 <events | put
day=$(sed -n 150p events | jq -r .local_time)
printf '{"kind":"door","local_time":"%s","device_id":"CGXH2012345","code":"200","reader":"1"}\n' "$day" | put
deliver
against "a door event hides a passage from counts" 0 ts-read --count -d CGXH2012345 stick.dat
against "not from ids" 65 bash -c 'ts-read -d CGXH2012345 stick.dat | ts-enrich'
is "$(tail -n 1 <<<"$out")" "something never came: 1 of 600 events of 1 device" "one is missing"

# Two paths, a wrong zone that was corrected, days on which clocks are set: ids stay, so does the day.
fresh
{
    printf '%9s\t2026-03-28 23:59:59\t1\t0\t15\t0\n' 1
    printf '%9s\t2026-03-29 02:30:00\t1\t0\t15\t0\n' 2 # a gap
    printf '%9s\t2026-10-25 02:30:00\t1\t0\t15\t0\n' 3 # twice
    printf '%9s\t2026-10-25 02:30:00\t1\t1\t15\t0\n' 3
    printf '%9s\t2026-10-26 00:00:00\t1\t0\t15\t0\n' 4
} >dst.dat
ts-read -d A dst.dat | put -z Asia/Manila
ts-read -d A dst.dat | put -z Europe/Berlin
printf '1\t2026-03-28 23:59:59\t0\t15\n' >push.body
ts-read -f zk-push -d A push.body | put
deliver
against "zones, clocks that are set, two paths" 0 ts-read --count -d A dst.dat
is "$out" "all came and is in: 4 events of 1 device" "each once"
against "by ids" 0 bash -c 'ts-read -d A dst.dat | ts-enrich -z Europe/Berlin'

# What is held or dead came, and is not in.
fresh
{
    printf '%9s\t2026-05-04 08:00:00\t1\t0\t15\t0\n' held dead 5
    printf '%9s\t2026-05-05 08:00:00\t1\t0\t15\t0\n' 5
} >some.dat
ts-read -d A some.dat | put
deliver
against "held and dead" 75 ts-read --count -d A some.dat
is "$out" "\
device day           holds received  pending     dead  missing
A      2026-05-04        3        3        1        1        -
all came, but 1 waits or is held: 4 events of 1 device" "a table of the day that has them"
ts-spool skip --held --reason left q.db >/dev/null
against "what was given up is in" 65 ts-read --count -d A some.dat
is "$(tail -n 1 <<<"$out")" "all came and is in, but 1 is dead: 4 events of 1 device" "but for the dead"
ts-spool purge --delivered-before 2999-01-01 q.db >/dev/null
ts-spool skip --dead --reason left q.db >/dev/null
for how in --count ''; do
    # shellcheck disable=SC2086 # no word
    against "purged, given up ($how)" 0 ts-read $how -d A some.dat
done

# --- what users do wrong ---------------------------------------------------------------------------
against "another name" 65 ts-read --count some.dat
like "$err" 'nothing was ever put from some: is it called otherwise there\? \(-d' "is told of"
against "nothing to compare" 66 true
like "$err" 'neither counts nor events: nothing is compared \(did ts-read fail\?\)$' "is no success"
against "a device that is not there" 66 ts-read --count zk+tcp://127.0.0.1:1
against "what is no count" 65 printf '{"device":"A"\n'
like "$err" 'line 1 of - is neither an event nor a count of ts-read: ' "names the line"
against "both" 65 bash -c 'ts-read --count -d A some.dat; ts-read -d A some.dat'
like "$err" 'has both counts and events' "are too much"
ts-read --count -d A some.dat >counts
ts-spool audit --against counts --json --day 2026-05-05 q.db >out
is "$? $(jq -c '[.devices, .holds, .missing, .everything_in]' out)" "0 [1,1,0,true]" "one day, from a file, as JSON"
ts-spool audit --against missing q.db 2>err
is "$? $(<err)" "66 ts-spool: --against missing: cannot open: No such file or directory" "no such file"
ts-spool audit --against counts --gaps q.db 2>err
is "$?" 64 "not with --gaps"
fresh
ts-read -d A some.dat | without 2 | put
ts-spool audit --against counts --csv q.db >out
is "$? $(tr -d '\r' <out)" "65 device,day,holds,received,pending,dead,missing
\"A\",2026-05-04,3,2,2,0,1
\"A\",2026-05-05,1,1,1,0,0" "as CSV"
ts-spool audit --against counts --json q.db | jq -sc 'map([.device, .day, .pending, .missing])' >out
is "$(<out)" '[["A","2026-05-04",2,1],["A","2026-05-05",1,0],[null,null,3,1]]' "as JSON, with the sum"
done_testing
