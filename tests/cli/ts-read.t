#!/bin/bash
# ts-read on files and standard input: order, origins, options, and every way an input can be bad.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# row N [PIN]: one ATTLOG row at second N of a day.
row() {
    printf '%9d\t2026-01-07 %02d:%02d:%02d\t1\t0\t15\t0\n' \
        "${2:-$1}" $(($1 / 3600)) $(($1 / 60 % 60)) $(($1 % 60))
}
# event N: one event as NDJSON.
event() {
    printf '{"local_time":"2026-01-07T10:34:%02d","person_id":"%d"}\n' "$1" "$1"
}
# reading ARG...: runs it; sets $status, $out and $err.
reading() {
    out=$(ts-read "$@" 2>err)
    status=$?
    err=$(<err)
}

# --- files -----------------------------------------------------------------------------------------
{ row 1; row 2; row 3; } >gate.dat
{ event 4; event 5; } >door.ndjson
reading -d D gate.dat
is "$status" 0 "a file is read"
is "$(jq -r '[.kind,.local_time,.device_id,.person_id,.credential,.source,.origin]|join(" ")' <<<"$out")" \
    "granted 2026-01-07T00:00:01 D 1 face zk-attlog gate.dat:1
granted 2026-01-07T00:00:02 D 2 face zk-attlog gate.dat:2
granted 2026-01-07T00:00:03 D 3 face zk-attlog gate.dat:3" "its events in its order"
is "$(head -n 1 <<<"$out" | jq -r .raw)" "$(row 1)" "raw is the device's own record"
is "$(jq -r 'has("received_at")' <<<"$out" | sort -u)" false "a file has no received_at"
is "$(jq -c keys_unsorted <<<"$out" | sort -u)" \
    '["kind","local_time","device_id","punch","person_id","credential","source","origin","raw"]' \
    "fields stand in the order of ts-event(5)"
is "$err" "" "nothing is said when all is well"
reading -d D gate.dat door.ndjson gate.dat
is "$(jq -r .origin <<<"$out" | tr '\n' ' ')" \
    "gate.dat:1 gate.dat:2 gate.dat:3 door.ndjson:1 door.ndjson:2 gate.dat:1 gate.dat:2 gate.dat:3 " \
    "several files are read one after another, each in its own format"
is "$(ts-read -d D <gate.dat)" "$(ts-read -d D - <gate.dat)" "no source is standard input"
is "$(ts-read -d D <gate.dat | jq -r .origin | tr '\n' ' ')" "stdin:1 stdin:2 stdin:3 " \
    "its origin says so"
mkfifo fifo
spawn bash -c 'cat gate.dat >fifo'
is "$(ts-read -d D fifo | jq -r .origin | tr '\n' ' ')" "fifo:1 fifo:2 fifo:3 " "a FIFO is read"
reading gate.dat gate.dat
is "$(jq -r .device_id <<<"$out" | sort -u)" gate "without -d the file's stem is the device"
is "$(wc -l <<<"$err")" 1 "with one warning"
like "$err" 'no device id .*"gate".*will not match' "that says what it means"
is "$(printf '{"local_time":"2026-01-07T10:34:08","device_id":"OWN"}\n' | ts-read -d D | jq -r .device_id)" \
    OWN "what the record says of its device stays"
: >empty
reading empty
is "$status $out$err" "0 ts-read: empty: is empty" "an empty file is no event and no fault, but said"

# --- formats ---------------------------------------------------------------------------------------
reading -f ndjson -d D gate.dat
is "$status" 65 "with the wrong format all is not understood"
is "$(jq -r 'select(.error)|.kind' <<<"$out" | wc -l)" 3 "but every record comes out"
like "$err" '^ts-read: 3 of 3 records not understood: 3 ' "and they are counted"
printf 'hello\nworld\n' >prose
reading prose gate.dat
is "$status" 65 "a file of no known format is a fault"
like "$err" 'prose: unknown format: give -f' "that says what to do"
is "$(wc -l <<<"$out")" 3 "and the next file is read all the same"
is "$(ts-read -f nope gate.dat 2>&1; echo $?)" \
    "ts-read: -f nope: no such format; see ts-read --list-formats
64" "-f takes only formats that there are"
is "$(ts-read --list-formats | awk '{ print $1 }' | LC_ALL=C sort -c && echo sorted)" sorted \
    "--list-formats is sorted"
while read -r name _; do
    ts-read -f "$name" -d D empty 2>/dev/null
    ok $? "-f $name reads an empty file"
done < <(ts-read --list-formats)

# --- what is not understood ------------------------------------------------------------------------
{ row 1; echo broken; row 2; printf '        3\t2026-13-07 10:00:00\t1\t0\t1\t0\n'; echo broken; } >dirt.dat
reading -d D dirt.dat
is "$status" 65 "some records were not understood"
is "$(wc -l <<<"$out")" 5 "one line in, one line out"
like "$err" '3 of 5 records not understood: 2 [a-z].*, 1 [a-z]' "the reasons are counted, most first"
is "$(jq -r 'select(.error)|.origin' <<<"$out" | tr '\n' ' ')" "dirt.dat:2 dirt.dat:4 dirt.dat:5 " \
    "each where it stood"
{ event 1; printf '{"local_time":"2026-01-0'; } >torn.ndjson
reading -d D torn.ndjson
is "$status $(jq -r .error <<<"$out" | tr '\n' ' ')" "65 null torn last line " "a torn last line is told"
{ event 1; printf '{"local_time":"2026-01-07T10:00:00"}'; } >nonl.ndjson
reading -d D nonl.ndjson
is "$status $(wc -l <<<"$out")" "0 2" "a whole last line without a newline is none"
printf '{"local_time":"2026-01-07T10:00:00"}\377\n' >bytes.ndjson
reading -f ndjson -d D bytes.ndjson
is "$(jq -r '.raw_base64 // empty' <<<"$out" | base64 -d | tail -c 2 | od -An -tx1)" " 7d ff" \
    "raw that is not UTF-8 comes as base64"

# --- long records ----------------------------------------------------------------------------------
long() {
    row 1
    head -c "$1" /dev/zero | tr '\0' x
    printf '\n'
    row 2
}
long 100000000 | (
    [ "${MODE:-release}" = release ] && ulimit -v 60000
    exec ts-read -f zk-attlog -d D >long.out 2>long.err
)
is $? 65 "a line of 100 MB is read in little memory"
is "$(wc -l <long.out)" 3 "as one record of three"
is "$(jq -r 'select(.error)|.error,(.raw|length)' long.out | tr '\n' ' ')" \
    "longer than 1048576 bytes 4096 " "with its beginning as raw"
is "$(jq -r .origin long.out | tr '\n' ' ')" "stdin:1 stdin:2 stdin:3 " "and lines are still counted"
long 50 >short.dat
reading -d D --max-line 64 short.dat
is "$(grep -c '"error":"longer' <<<"$out")" 0 "--max-line is a limit"
long 65 >short.dat
reading -d D --max-line 64 short.dat
is "$(grep -c '"error":"longer than 64 bytes"' <<<"$out")" 1 "of the record in bytes"
head -c 3000000 /dev/zero | tr '\0' x >noend
reading -f ndjson -d D noend
is "$status $(wc -l <<<"$out")" "65 1" "a long line without an end is one record"

# --- time ------------------------------------------------------------------------------------------
is "$(ts-read -d D -z Asia/Manila gate.dat | jq -r .time | head -n 1)" 2026-01-07T00:00:01+08:00 \
    "-z resolves the local time"
is "$(ts-read -d D -z -03:30 gate.dat | jq -r .time | head -n 1)" 2026-01-07T00:00:01-03:30 \
    "an offset does too"
gap() { printf '{"local_time":"%s"}\n' "$1" | ts-read -d D -z Europe/Berlin | jq -r '.time+" "+(.time_note//"-")'; }
is "$(gap 2026-03-29T02:30:00)" "2026-03-29T02:30:00+01:00 gap" "a time that never was is marked"
is "$(gap 2026-10-25T02:30:00)" "2026-10-25T02:30:00+02:00 fold" "one that was twice too"
is "$(gap 2026-07-01T02:30:00)" "2026-07-01T02:30:00+02:00 -" "others are not"
is "$(printf '{"local_time":"2026-07-01T02:30:00","time":"2026-07-01T00:00:00Z"}\n' |
    ts-read -d D -z Europe/Berlin | jq -r .time)" 2026-07-01T00:00:00Z "a time that is there stays"
is "$(ts-read -z Nowhere/City gate.dat 2>&1 >/dev/null | head -c 26)" "ts-read: zone Nowhere/City" \
    "a zone that is none is told"
for n in 1 2 3 4 5; do printf '{"local_time":"2026-01-%02dT12:00:00","n":%d}\n' $n $n; done >days.ndjson
# range ARG...: which of the five days come out.
range() { ts-read -d D "$@" days.ndjson | jq -r .n | tr -d '\n'; }
is "$(range --since 2026-01-03)" 345 "--since a date"
is "$(range --until 2026-01-03)" 123 "--until a date has its whole day"
is "$(range --since 2026-01-02T12:00:00 --until 2026-01-04T12:00:00)" 23 "from the first on, before the last"
is "$(range --since '2026-01-02 12:00:01')" 345 "a space for the T"
is "$(range -z Asia/Manila --since 2026-01-03T04:00:00Z)" 345 "an offset is compared as a moment"
is "$(range -z Asia/Manila --since 2026-01-03T04:00:01Z)" 45 "to the second"
reading -d D --since 2026-01-03T04:00:00Z days.ndjson
is "$status" 64 "an offset and only local times need -z"
like "$err" 'needs -z' "which is said"
is "$(ts-read --since yesterday days.ndjson 2>/dev/null; echo $?)" 64 "a time that is none is refused"
printf '{"time":"2026-01-03T12:00:00+08:00","n":9}\n{"n":8}\n' >zoned.ndjson
is "$(ts-read -d D --since 2026-01-03T12:00:00 zoned.ndjson 2>/dev/null | jq -r '.n // "bad"' | tr '\n' ' ')" "9 bad " \
    "a time with offset is compared by its own clock; what has no time is not left out"

# --- what cannot be read or written ----------------------------------------------------------------
reading -d D missing gate.dat
is "$status $(wc -l <<<"$out")" "66 3" "a missing file is told, the others are read"
like "$err" 'missing: cannot open: No such file' "by its name"
reading "$T"
is "$status" 66 "a folder is no input"
ts-read -d D gate.dat >/dev/full 2>err
is $? 74 "a full disk is a fault"
like "$(<err)" 'standard output: cannot write: No space' "that is told"
for _ in $(seq 20000); do row 1; done >much.dat
ts-read -d D much.dat 2>err | head -n 1 >one
is "${PIPESTATUS[0]} $(wc -l <one) $(<err)" "74 1 " "a reader that has enough ends it without a word"
ts-read -d D gate.dat >&- 2>err
is $? 74 "a standard output closed at the start is a fault"
is "$(ts-read -d D 0<&- 2>/dev/null; echo $?)" 0 "a closed standard input is an empty one"

# --- live and bulk from the same loop --------------------------------------------------------------
mkfifo live
spawn ts-read -d D live >live.out 2>live.err
reader=$spawned
exec 7>live
event 1 >&7
wait_for 5 test -s live.out
ok $? "an event comes out while its pipe stays open"
event 2 >&7
# shellcheck disable=SC2317 # called by wait_for
lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
wait_for 5 lines live.out 2
ok $? "and the next"
printf '{"half":' >&7
kill -TERM "$reader"
wait "$reader"
is $? 0 "SIGTERM ends it in order"
is "$(wc -l <live.out)" 2 "half a line is not in hand"
exec 7>&-

# --- usage -----------------------------------------------------------------------------------------
ts-read --help >help
is $? 0 "--help"
is "$(awk 'END { print (NR <= 40) }' help) $(awk 'length > 80' help | wc -l)" "1 0" "fits a screen"
is "$(grep -cE '^ +\[source|^--' help)" 0 "without a line that was folded"
like "$(ts-read -V)" '^ts-read [0-9]' "-V"
usage() {
    local name=$1
    shift
    ts-read "$@" >/dev/null 2>err
    is $? 64 "$name"
}
usage "an option that there is not" --nope
usage "-o without a key" -o =x gate.dat
usage "-d empty" -d '' gate.dat
usage "--checkpoint without --into" --checkpoint c gate.dat
usage "-l without an address" -l
usage "-l with a file" -l gate.dat
usage "a scheme that there is not" gopher://x
usage "http without -l" http://127.0.0.1:1/
usage "--allow that is no range" --allow 10.0.0.0/33 gate.dat
usage "--max-line too small" --max-line 1 gate.dat
usage "--answer-within nothing" --answer-within 0 gate.dat
usage "--since after --until" --since 2026-01-02 --until 2026-01-01 gate.dat
like "$(<err)" 'since is not before --until' "which is said"
usage "also with offsets" --since 2026-01-01T00:00:00Z --until 2026-01-01T07:00:00+08:00 gate.dat
usage "one bound with offset, one without" --since 2026-01-01 --until 2026-01-02T00:00:00Z gate.dat

# --- progress --------------------------------------------------------------------------------------
ts-read --progress -d D much.dat >/dev/null 2>err
is "$(<err)" "" "--progress says nothing into a file"
python3 - much.dat >pty.out 2>/dev/null <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    os.execvp("ts-read", ["ts-read", "--progress", "-d", "D", sys.argv[1]])
text = b""
try:
    while True:
        piece = os.read(fd, 4096)
        if not piece:
            break
        text += piece
except OSError:
    pass
sys.stdout.write(text.decode())
END
like "$(<pty.out)" '0\.8 MB of 0\.8 MB, 100 %, 20000 rows, [0-9]+ rows/s' "but on a terminal"

done_testing
