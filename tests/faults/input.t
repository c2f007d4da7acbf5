#!/bin/bash
# Hostile input: bad lines come out marked, good ones unharmed, in bounded memory, status 65.
. "$(dirname "$0")/../support/tap.sh"
. "$(dirname "$0")/../support/ledger.sh"
long=100000000      # bytes of the longest line
limit_kib=100000    # address space that the programs get: less than that line

# limited COMMAND...: with little memory, except under a sanitizer, which maps terabytes.
limited() {
    (
        [ "${MODE:-release}" = asan ] || ulimit -v $limit_kib
        exec "$@"
    )
}

# nested N: an object with arrays N deep.
nested() {
    printf '{"event_id":"deep","x":'
    head -c "$1" /dev/zero | tr '\0' '['
    head -c "$1" /dev/zero | tr '\0' ']'
    printf '}\n'
}

# good N: a complete event.
good() {
    printf '{"event_id":"01890000-0000-8000-8000-%012d","kind":"granted",' "$1"
    printf '"time":"2024-05-01T08:00:%02d+08:00","local_time":"2024-05-01T08:00:%02d",' "$1" "$1"
    printf '"device_id":"IN1","person_id":"%d"}\n' "$1"
}

{
    good 1
    printf '{"event_id":"01890000-0000-8000-8000-00000000000a","kind":"gra\n'
    good 2
    head -c 70000 /dev/zero
    printf '\n'
    good 3
    printf '{"event_id":"01890000-0000-8000-8000-00000000000b","person_id":"\377\376"}\n'
    good 4
    nested 100000
    good 5
    head -c $long /dev/zero | tr '\0' x
    printf '\n[1,2,3]\nnull\n{"event_id":1,}\n'
    good 6
} >"$T/hostile.ndjson"
good_ids=$(for i in 1 2 3 4 5 6; do good $i; done | event_ids -)
lines=$(wc -l <"$T/hostile.ndjson")

# hostile NAME STATUS COMMAND...: runs it on the hostile lines and looks at what comes out.
hostile() {
    local name=$1
    shift
    limited "$@" <"$T/hostile.ndjson" >"$T/out" 2>"$T/err"
    is $? 65 "$name: some records were not understood"
    like "$(tail -n 1 "$T/err")" '[0-9]' "$name: the last message counts them"
    is "$(wc -l <"$T/out")" "$lines" "$name: one line out for each line in"
    jq -e . "$T/out" >/dev/null 2>"$T/jq" && iconv -f UTF-8 -t UTF-8 "$T/out" >/dev/null
    ok $? "$name: all of it is JSON in UTF-8"
    is "$(grep -c '[^[:print:][:space:]]' "$T/err")" 0 "$name: messages are clean text"
    is "$(($(wc -c <"$T/err") < 8000))" 1 "$name: and short"
}

# marked NAME: the good lines came through without `error`, the others with it.
marked() {
    is "$(grep -v '"error":' "$T/out" | event_ids -)" "$good_ids" "$1: the good ones are unharmed"
    is "$(grep -c '"error":' "$T/out")" $((lines - 6)) "$1: the others say why"
}

hostile ts-read ts-read -f ndjson -d IN1 -
marked ts-read
hostile ts-enrich ts-enrich -z Asia/Manila
marked ts-enrich
cp "$T/out" "$T/errors.ndjson"

hostile "ts-spool put" ts-spool put "$T/q.db"
is "$(ts-spool list --waiting "$T/q.db" | event_ids -)" "$good_ids" "ts-spool put: the good ones wait"
is "$(ts-spool list --dead "$T/q.db" | wc -l)" $((lines - 6)) "ts-spool put: the others are dead"
is "$(ts-spool list --dead "$T/q.db" | jq -r 'select((.reason // "") == "")' | wc -l)" 0 \
    "ts-spool put: each with its reason"

receiver_start --port 0
hostile ts-send ts-send "$url"
is "$(grep -c '"outcome":"rejected"' "$T/out")" $((lines - 6)) "ts-send: the others are rejected"
receiver_stop

is "$(ledger_ids "$ledger")" "$good_ids" "ts-send: the good ones are delivered"

# An ATTLOG file with a NUL hole, the row that it cut, other bytes, a very long line.
{
    printf '       17\t2024-05-01 08:00:01\t1\t0\t1\t0\n'
    head -c 300000 /dev/zero
    printf ':40\t1\t0\t1\t0\n       18\t2024-05-01 08:00:02\t1\t0\t1\t0\n'
    printf '    \377\376\t2024-05-01 08:00:03\t1\t0\t1\t0\n       19\t2024-05-01 08:0\n'
    printf '       20\t'
    head -c $long /dev/zero | tr '\0' 9
    printf '\n\n       21\t2024-05-01 08:00:04\t1\t0\t1\t0\n '
} >"$T/hostile.dat"
limited ts-read -d IN1 "$T/hostile.dat" >"$T/out" 2>"$T/err"
is $? 65 "attlog: some records were not understood"
is "$(jq -r 'select(.error == null).person_id' "$T/out" | grep -x '[0-9]*' | tr '\n' ' ')" \
    "17 18 21 " "attlog: the good rows come out"
is "$(($(wc -c <"$T/out") < 2000000))" 1 "attlog: a long line is not repeated in full"
iconv -f UTF-8 -t UTF-8 "$T/out" >/dev/null
ok $? "attlog: the output is UTF-8"
like "$(tail -n 1 "$T/err")" '[0-9]' "attlog: the last message counts them"

# Nothing, and a last line without its newline.
for name in "ts-read -f ndjson -" "ts-enrich" "ts-spool put $T/e.db" "ts-send -n http://[::1]:9/"; do
    # shellcheck disable=SC2086 # words
    $name </dev/null >"$T/out" 2>"$T/err"
    is "$? $(wc -c <"$T/out")" "0 0" "${name%% http*}: no input, no output"
done
good 1 | head -c -1 | ts-enrich >"$T/out" 2>"$T/err"
is "$? $(wc -l <"$T/out")" "0 1" "a complete last line needs no newline"
for name in "ts-read -f ndjson -" ts-enrich "ts-spool put $T/torn.db" "ts-send http://[::1]:9/"; do
    # shellcheck disable=SC2086 # words
    good 1 | head -c -9 | $name >"$T/out" 2>"$T/err"
    is "$? $(grep -cvE '"(error|outcome)":' "$T/out")" "65 0" \
        "${name%% [-hp]*}: half a last line is not taken for an event"
    like "$(cat "$T/err")" "^${name%% *}: " "${name%% [-hp]*}: and that is said"
done

# Errors that ts-enrich passed on keep their way to the dead.
ts-spool put "$T/again.db" <"$T/errors.ndjson" >"$T/out" 2>"$T/err"
is "$(ts-spool list --dead "$T/again.db" | wc -l)" $((lines - 6)) "error events go to the dead"

# What is kept of a long record is short; the id is of all of it, so none hides another.
for end in a b; do
    printf '%0100000d%s\n' 0 "$end"
done >"$T/alike"
for name in "ts-read -f ndjson -" ts-enrich; do
    # shellcheck disable=SC2086 # words
    is "$($name <"$T/alike" 2>/dev/null | ts-enrich 2>/dev/null | event_ids - | sort -u | wc -l)" 2 \
        "${name%% *}: long records that begin alike are two"
done
ts-spool put "$T/alike.db" <"$T/alike" >"$T/out" 2>/dev/null
is "$(jq -r .outcome "$T/out" | uniq -c | tr -s ' ')" " 2 stored" "ts-spool put: and both are kept"
done_testing
