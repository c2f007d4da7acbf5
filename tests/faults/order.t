#!/bin/bash
# SPDX-License-Identifier: MIT
# Somebody stands still for longer than an event is put off: the drain, with later events in its
# hands, or a program between it and ts-send. What ts-send handed back has to arrive first all the
# same. TS_FULL=1: in PostgreSQL as well.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
# shellcheck source=tests/support/pg.sh
. "$(dirname "$0")/../support/pg.sh"
for program in receiver jq; do
    command -v $program >/dev/null || skip_all "needs $program"
done
cd "$T" || exit 1
store=

# event N PERSON: one line; N counts all events.
event() {
    printf '{"event_id":"00000000-0000-8000-8000-%012d","local_time":"2026-05-01T08:%02d:%02d",' \
        "$1" $(($1 / 60 % 60)) $(($1 % 60))
    printf '"time":"2026-05-01T08:%02d:%02d+08:00","device_id":"D1","person_id":"%s"}\n' \
        $(($1 / 60 % 60)) $(($1 % 60)) "$2"
}

# The first program of COMMAND: makes its input narrow, says when it is full, and is ts-send then.
cat >narrow.py <<'PY'
import array, fcntl, os, sys, time
F_SETPIPE_SZ, FIONREAD = 1031, 0x541B
size = fcntl.fcntl(0, F_SETPIPE_SZ, 4096)
with open("pid.send", "w") as pid:
    pid.write(str(os.getpid()))
held = array.array("i", [0])
while held[0] < size:
    time.sleep(0.02)
    fcntl.ioctl(0, FIONREAD, held)
open("full", "w").close()
open("go").close()
os.execvp(sys.argv[1], sys.argv[1:])
PY

# waits_in PID: whether there is something in the pipe that is its descriptor 3.
# shellcheck disable=SC2317 # called by wait_for
waits_in() {
    python3 -c 'import array, fcntl, sys
n = array.array("i", [0])
fcntl.ioctl(open("/proc/%s/fd/3" % sys.argv[1]), 0x541B, n)
sys.exit(n[0] == 0)' "$1"
}

# due COUNT: so many receipts put an event off until a time that has come.
# shellcheck disable=SC2317
due() {
    local now
    now=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
    [ "$(jq -r 'select(.outcome == "deferred").retry_at' receipts | awk -v now="$now" '$0 < now' |
        wc -l)" -ge "$1" ]
}

# shellcheck disable=SC2317
settled() {
    spool_has "$store" waiting 0
}

# shellcheck disable=SC2317
refusals() {
    [ "$(wc -l <"$refused")" -ge "$1" ]
}

# ts-send takes a turn of its loop, and finds that nothing has come.
look_around() {
    local before
    waits() {
        grep '^voluntary' "/proc/$(cat pid.send)/status"
    }
    # shellcheck disable=SC2317 # called by wait_for
    waited() {
        [ "$(waits)" != "$before" ]
    }
    before=$(waits)
    kill -HUP "$(cat pid.send)"
    wait_for 5 waited
}

# drain OPTION... -- COMMAND: follows $store; sets $drain.
drain() {
    local command=${*: -1}
    rm -f full go receipts pid.*
    mkfifo go
    spawn ts-spool drain -F "${@:1:$#-2}" --into "$command | tee receipts" "$store" 2>drain.err
    drain=$spawned
}

# drained NAME EVENTS: what has to be true at the end.
drained() {
    wait_for 30 settled
    ok $? "$1: all is delivered in the end"
    kill -TERM "$drain"
    wait "$drain"
    is $? 0 "$1: the drain ends with 0"
    receiver_stop
    is "$(receiver_sum distinct) $(receiver_sum order_violations)" "$2 0" "$1: all, in order"
    is "$(receiver_sum duplicates)" 0 "$1: nothing twice"
    sed 's/^/# /' drain.err
}

send="ts-send --answer-within 1s --retry-first 100ms --retry-max 200ms"

# The last events of p1 and p2 are in the drain's hands, not yet in the pipe, when it stops.
giver_stops() {
    receiver_start --order-field local_time --fault 'person p1 status 503 for 2' \
        --fault 'person p2 status 503 for 3'
    drain "${@:2}" -- "python3 narrow.py $send $url"
    wait_for 10 test -s pid.send
    {
        event 1 p1
        event 2 p2
        for n in {3..98}; do
            event "$n" "f$n"
        done
        event 99 p1
        event 100 p2
    } | ts-spool put "$store" >/dev/null
    wait_for 10 test -e full
    ok $? "$1: more is handed out than fits into the pipe"
    kill -STOP "$drain"
    : >go
    wait_for 10 due 2
    ok $? "$1: events were put off until a time that has come"
    look_around
    kill -CONT "$drain"
    drained "$1" 100
}

# A program between the two stops, with a later event in its hands.
between_stops() {
    receiver_start --order-field local_time --fault 'person p1 status 503 for 2'
    # Into the pipe of a program of ours only root may look: somebody else has it open too.
    # shellcheck disable=SC2016 # for the drain's shell
    drain "${@:2}" -- 'sh -c "exec 3<&0; sleep 60 >/dev/null & echo \$! >pid.pipe
            echo \$\$ >pid.enrich; exec ts-enrich -z Asia/Manila 3<&-" |
        sh -c "echo \$\$ >pid.send; exec '"$send $url"'"'
    event 1 p1 | ts-spool put "$store" >/dev/null
    wait_for 10 refusals 1
    kill -STOP "$(cat pid.enrich)"
    event 2 p1 | ts-spool put "$store" >/dev/null
    wait_for 10 waits_in "$(cat pid.pipe)"
    ok $? "$1: a later event is handed out"
    wait_for 10 due 1
    ok $? "$1: the earlier one was put off until a time that has come"
    look_around
    kill "$(cat pid.pipe)"
    kill -CONT "$(cat pid.enrich)"
    drained "$1" 2
}

store=$T/a.db giver_stops "the drain stops"
store=$T/b.db giver_stops "the drain stops for longer than it waits for answers" --answer-within 1s
store=$T/c.db between_stops "ts-enrich stops"
[ -n "${TS_FULL:-}" ] || done_testing
if ts-spool stat postgresql://127.0.0.1:1/x 2>&1 | grep -q 'not built in' || ! pg_there ||
    ! pg_make one || ! pg_start one; then
    skip "no PostgreSQL"
    done_testing
fi
for name in a b c; do
    pg_sql one "CREATE DATABASE $name"
done
store=$(pg_url one a) giver_stops "PostgreSQL, the drain stops"
store=$(pg_url one b) giver_stops "PostgreSQL, the drain stops for longer" --answer-within 1s
store=$(pg_url one c) between_stops "PostgreSQL, ts-enrich stops"
done_testing
