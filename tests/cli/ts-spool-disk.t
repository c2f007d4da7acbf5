#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool and its file: what is not ours is left alone, a full disk refuses the new and settles the
# old, failing system calls give no receipt, and two programs at once do not harm each other.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# events FROM TO: with ids of that range and something to fill the disk.
events() {
    awk -v from="$1" -v to="$2" 'BEGIN {
        for (n = from; n <= to; n++)
            printf "{\"event_id\":\"00000000-0000-8000-8000-%012d\",\"person_id\":\"%d\",\"raw\":\"%0200d\"}\n",
                n, n % 50, n
    }'
}

stat_of() {
    ts-spool stat --json "$1" | jq -c '[.waiting, .held, .dead, .skipped, .delivered]'
}

ids() {
    sed -n 's/.*"event_id":"\([^"]*\)".*/\1/p' "$@" | sort
}

# shellcheck disable=SC2317 # called by wait_for
all_delivered() { [ "$(ts-spool stat --json "$1" | jq '.waiting + .held')" = 0 ]; }

delivered='jq --unbuffered -c "{ack, outcome: \"delivered\"}"'

# status NAME WANTED COMMAND...
status() {
    local name=$1 wanted=$2
    shift 2
    "$@" >out 2>err
    is "$?" "$wanted" "$name"
}

sql() {
    python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
for row in c.execute(sys.argv[2]):
    print(*row)
c.commit()' "$@"
}

# --- whose file it is

events 1 3 >three
echo 'this is my diary, and no database at all' >diary
cp diary before
for c in put list stat "drain --into true"; do
    # shellcheck disable=SC2086 # words
    status "${c%% *} of a file that is no database" 78 ts-spool $c diary <three
done
is "$(cat err)" "ts-spool: diary: is not a spool: name a new file, or the right one" "is told"
cmp -s diary before
ok $? "and the file is as it was"
mkdir folder
status "a folder for a store" 73 ts-spool put folder <three
: >zero
status "an empty file holds no events" 66 ts-spool stat zero
status "but can become a store" 0 ts-spool put zero <three
is "$(stat_of zero)" '[3,0,0,0,0]' "that works"
if command -v python3 >/dev/null; then
    sql other.db 'CREATE TABLE event(x)'
    cp other.db before
    status "a database of some other program" 78 ts-spool put other.db <three
    cmp -s other.db before
    ok $? "is as it was"
    ts-spool put new.db <three >/dev/null
    sql new.db 'PRAGMA user_version=99'
    status "a store of a newer version" 78 ts-spool put new.db <three
    like "$(cat err)" "newer ts-spool \(schema 99" "says so"
    ts-spool put wal.db <three >/dev/null
    sql wal.db 'PRAGMA journal_mode=WAL' >/dev/null
    status "a store that somebody turned to WAL" 0 ts-spool put wal.db <three
    is "$(sql wal.db 'PRAGMA journal_mode')" delete "is turned back"
else
    skip "needs python3"
fi
dd if=/dev/zero of=zero bs=1 seek=5000 count=30000 conv=notrunc 2>/dev/null
ts-spool list zero >out 2>err
ok "$([ $? -ge 64 ]; echo $?)" "a damaged store is a fault"
ts-spool put './file:x?mode=memory' <three >/dev/null
ts-spool put ':memory:' <three >/dev/null
ok "$([ -s 'file:x?mode=memory' ] && [ -s ':memory:' ]; echo $?)" "names with a colon are files"
is "$(find . -name '*journal' -size +0 | wc -l)" 0 "no journal is left with anything in it"

# --- two at once

for n in 1 2 3 4; do
    events $((n * 1000)) $((n * 1000 + 1499)) | ts-spool put both.db >"receipts.$n" &
done
wait
is "$(jq -r .outcome receipts.* | sort | uniq -c | tr -s ' \n' ' ')" " 1500 duplicate 4500 stored " \
    "four puts of overlapping events: each id once"
events 1000 5499 | ids >wanted
ts-spool list both.db | ids >there
cmp -s wanted there
ok $? "and all of them are there"

# --- kill -9 in the middle of a drain, again and again: every event comes, in order, none is lost

cat >slowly <<'P'
tee -a arrived | while read -r line; do
    ack=${line##*\"ack\":\"}
    printf '{"ack":"%s","outcome":"delivered"}\n' "${ack%%\"*}"
done
P
grown() { # shellcheck disable=SC2317 # called by wait_for
    ! kill -0 "$drain" || [ "$(stat -c %s arrived)" -gt "$1" ]
}
kills=0
while ! ts-spool stat both.db >/dev/null && [ $kills -lt 12 ]; do
    ts-spool drain -w 200 --into 'sh slowly' both.db 2>/dev/null &
    drain=$!
    wait_for 10 grown $(($(stat -c %s arrived 2>/dev/null || echo 0) + RANDOM * 3))
    kill -9 $drain 2>/dev/null
    wait $drain 2>/dev/null
    kills=$((kills + 1))
done
ts-spool drain --into 'sh slowly' both.db
is "$? $(stat_of both.db)" "0 [0,0,0,0,4500]" "a drain killed $kills times: everything is delivered"
ids arrived | uniq >there
cmp -s wanted there
ok $? "every event has arrived"
is "$(jq -R -r 'fromjson? | "\(.event_id) \(.ambiguous)"' arrived | awk '$2 != "true" { n[$1]++ }
    END { for (i in n) if (n[i] > 1) bad++; print bad + 0 }')" 0 \
    "and what arrived again was marked as ambiguous"

# --- system calls that fail (each of them with TS_FULL=1)

if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    lost=0 faults=0 step=4
    no_leaks=${ASAN_OPTIONS:-}:detect_leaks=0 # the search for them needs ptrace, which strace has
    [ -n "${TS_FULL:-}" ] && step=1
    for fault in fdatasync:error=EIO pwrite64:error=ENOSPC pwrite64:error=EIO ftruncate:error=EIO \
        openat:error=EMFILE; do
        for ((k = 1; k < 99; k += step)); do
            rm -f fail.db*
            ts-spool put fail.db <three >/dev/null
            events 4 9 | ASAN_OPTIONS=$no_leaks strace -f -qq -o trace -e "trace=${fault%%:*}" \
                -e "inject=$fault:when=$k" ts-spool put fail.db >out 2>err
            grep -q INJECTED trace || break
            faults=$((faults + 1))
            ids out >receipts
            ts-spool list fail.db | ids >there
            lost=$((lost + $(comm -23 receipts there | wc -l)))
            is "$(wc -l <there | awk '{ print ($1 == 3 || $1 == 9) }')" 1 "$fault at $k: all or nothing"
        done
    done
    is "$lost" 0 "no receipt without its event ($faults faults)"
else
    skip "strace is not usable here"
fi

# --- a full disk

if [ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=3m tmpfs disk 2>/dev/null; then
    trap 'umount disk; tap_end' EXIT
    events 1 20000 | ts-spool put disk/q.db >out 2>err
    is "${PIPESTATUS[1]}" 74 "a disk that fills up: 74"
    like "$(cat err)" "disk/q.db: the disk is full" "is told"
    ids out >receipts
    ts-spool list disk/q.db | ids >there
    is "$(comm -23 receipts there | wc -l)" 0 "what has a receipt is there"
    ok "$([ -s receipts ]; echo $?)" "and some have ($(wc -l <receipts))"
    cat /dev/zero >disk/rest 2>/dev/null
    all=$(wc -l <there)
    ts-spool drain -w 500 --into "jq --unbuffered -c '{ack, outcome: (if .event_id[-2:] == \"00\"
        then \"rejected\" else \"delivered\" end)}'" disk/q.db 2>err
    is "$?" 65 "a drain on it settles what was delivered"
    is "$(stat_of disk/q.db)" "[0,0,$((all / 100)),0,$((all - all / 100))]" "all of it"
    events 30000 30001 >two
    rm -f disk/q.db-reserve
    status "while there is no room for the reserve, put refuses" 74 ts-spool put disk/q.db <two
    rm disk/rest
    status "when there is room again it does not" 0 ts-spool put disk/q.db <two
    is "$(stat -c %s disk/q.db-reserve)" 262144 "and the reserve is back"
    status "and it is delivered" 0 ts-spool drain --into "$delivered" disk/q.db

    # Without a reserve, as a drain leaves it that was killed on a full disk.
    events 40000 40003 | ts-spool put disk/q.db >/dev/null
    rm disk/q.db-reserve
    cat /dev/zero >disk/rest 2>/dev/null
    status "a drain on it ends with 74" 74 ts-spool drain --into "$delivered" disk/q.db
    spawn ts-spool drain -F --into "$delivered" disk/q.db 2>err
    drain=$spawned
    wait_for 10 grep -q 'the disk is full; trying again until there is room' err
    ok $? "with -F it waits for room"
    rm disk/rest
    wait_for 10 all_delivered disk/q.db
    ok $? "and then delivers"
    kill -TERM "$drain"
    wait "$drain"
    is $? 0 "and ends when it is told to"
    like "$(cat err)" 'there is room again' "which it has said"
    umount disk
    trap tap_end EXIT
else
    skip "a small file system needs root"
fi

# --- another user

chmod 755 "$T"
mkdir closed
ts-spool put closed/q.db <three >/dev/null
as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
}
if [ "$(id -u)" = 0 ] && as_nobody ts-spool --version >/dev/null 2>&1; then
    status "a new store in a folder of somebody else" 73 as_nobody ts-spool put closed/new.db <three
    like "$(cat err)" "closed/new.db: cannot make the store: Permission denied" "says why"
    status "a store of somebody else" 77 as_nobody ts-spool stat closed/q.db
    chmod 644 closed/q.db
    status "that may be read: stat" 75 as_nobody ts-spool stat closed/q.db
    status "put" 73 as_nobody ts-spool put closed/q.db <three
    status "drain" 73 as_nobody ts-spool drain --into true closed/q.db
    chown 65534 closed/q.db
    status "in a folder that may not be written: put" 73 as_nobody ts-spool put closed/q.db <three
    is "$(cat out)" "" "gives no receipt"
else
    skip "another user needs root"
fi
done_testing
