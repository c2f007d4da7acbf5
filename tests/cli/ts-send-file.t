#!/bin/bash
# SPDX-License-Identifier: MIT
# Events into files: what a row is, one row an event, whole files only, full disks, kills, and
# several writers at once.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
d=$T/in
mkdir "$d"

# events FROM TO [DAY]: NDJSON with acks; the ids count, one event a second.
events() {
    python3 - "$1" "$2" "${3:-2}" <<'END'
import json, sys
first, last, day = map(int, sys.argv[1:])
for i in range(first, last):
    print(json.dumps({"event_id": "019cacb1-8001-8b85-a657-%012x" % i, "kind": "granted",
        "time": "2026-03-%02dT%02d:%02d:%02d+05:30" % (day, i // 3600 % 24, i // 60 % 60, i % 60),
        "device_id": "GATE-2", "direction": "in", "person_id": str(i % 97), "raw": "r",
        "ack": "k%d" % i}))
END
}

outcomes() {
    sed -E 's/.*"outcome":"([a-z]+)".*/\1/' | sort | uniq -c | sed -E 's/^ +//' | paste -sd ' '
}

to() {
    ts-send "$@" 2>>"$T/err"
}

names() {
    find "$1" -mindepth 1 -printf '%f\n' | sort | paste -sd ' '
}

# The rows of a file that are no whole row: of any number of cells but 12.
torn() {
    awk -F, 'NF != 12' "$@" | wc -l
    tail -q -c 1 "$@" | tr -d '\n' | wc -c
}

# --- options ---------------------------------------------------------------------------------------

refused() {
    local status=$1 regex=$2
    shift 2
    ts-send "$@" </dev/null >"$T/out" 2>"$T/why"
    is "$? $(cat "$T/out")" "$status " "$*: status $status"
    like "$(cat "$T/why")" "$regex" "… and says why"
}
refused 64 'a file is file:///folder' file://relative/x.csv
refused 64 'a file is file:///folder' "file://$d/x.txt"
refused 64 'takes %Y' "file://$d/%s.csv"
refused 64 'name of the file alone' "file://$d/%Y/%m.csv"
refused 64 'begin with a dot' "file://$d/.x.csv"
refused 73 'cannot open the folder' "file://$T/none/x.csv"
refused 64 'files know columns=' -o colums=time "file://$d/x.csv"
refused 64 'must end like the URL' -o done=/tmp/x.ndjson "file://$d/x.csv"

refused 64 '--profile: nothing for a file:// URL' -p frappe-hr "file://$d/x.csv"
for option in -j2 -b2 -v --explain --watermark --gzip --http2 --insecure --id=v5 --rate=1/s --timeout=1s \
    --connect-timeout=1s --answer-within=1s --give-up-after=1s --retry-first=1s --retry-max=2s --max-body=1M \
    --max-memory=1M "--token-file=$T/none" "--header-file=$T/none" "--secret=a=$T/none" "--cacert=$T/none" \
    "--cert=$T/none" "--key=$T/none" --proxy=http://127.0.0.1:1 --reply=x --now=2026-01-01T00:00:00Z \
    '--header=X-A: b' --snapshots=omit "--snapshot-dir=$d" --snapshot-max=1M; do
    refused 64 'nothing for a file:// URL, which takes -o, -n and --check' "$option" "file://$d/x.csv"
done

# --- a dry run --------------------------------------------------------------------------------------

{
    events 0 2
    echo '{"skip":"s","event_id":"x"}'
    events 2 3 3
} >"$T/three"
is "$(ts-send -n -o columns=person_id "file://$d/%d.csv" <"$T/three")" "file://$d/02.csv
event_id,person_id
019cacb1-8001-8b85-a657-000000000000,0
019cacb1-8001-8b85-a657-000000000001,1

file://$d/03.csv
event_id,person_id
019cacb1-8001-8b85-a657-000000000002,2" "-n: the rows, and where they would go"
is "$(ts-send -n "file://$d/%d.ndjson" <"$T/three" | grep -c '^{"event_id"')" 3 "… as NDJSON too"
is "$(ls -A "$d")" "" "… and nothing is written"
ts-send -n "file://$d/%d.csv" <<<'{"a"' >"$T/out" 2>"$T/why"
is "$? $(cat "$T/out")" "65 " "… a line that is no event: status 65"
refused 73 'cannot open the folder' -n "file://$T/none/x.csv"

# --- rows --------------------------------------------------------------------------------------------

is "$(events 0 3 | to "file://$d/%Y-%m-%d.csv" | head -n 1 | sed 's/,"at.*//')" \
    '{"ack":"k0","event_id":"019cacb1-8001-8b85-a657-000000000000","outcome":"delivered"' "a receipt"
is "$(names "$d")" ".ts-send.lock 2026-03-02.csv" "one file a day, and the lock"
is "$(head -n 2 "$d/2026-03-02.csv")" \
    "event_id,time,local_time,device_id,reader,direction,kind,person_id,employee_id,card_no,credential,punch
019cacb1-8001-8b85-a657-000000000000,2026-03-02T00:00:00+05:30,,GATE-2,,in,granted,0,,,," \
    "a heading, then a row an event"
is "$(events 1 5 | to "file://$d/%Y-%m-%d.csv" | outcomes)" "2 delivered 2 duplicate" \
    "what the file has is not written again"
is "$(wc -l <"$d/2026-03-02.csv") $(torn "$d/2026-03-02.csv" | paste -sd ' ')" "6 0 0" "… five rows"
is "$( (events 5 6; events 5 6) | to "file://$d/%Y-%m-%d.csv" | outcomes)" "1 delivered 1 duplicate" \
    "nor what comes twice at once"

cat >"$T/odd" <<'END'
{"event_id":"a,\"1","time":"2026-03-03T01:00:00+05:30","employee_id":"=cmd|' /C calc'!A0","hr":{"name":"x;\r\ny\u2028z","n":-5},"person_id":"+1"}
{"event_id":"=1+2","time":"2026-03-03T01:00:00Z","employee_id":" @x","hr":{"name":"Zoë"}}
{"event_id":"=1+2","time":"2026-03-03T01:00:00Z"}
END
is "$(to -o separator=semicolon -o zone=Asia/Kolkata \
    -o columns=employee_id:Номер,date:Дата,clock,hr.name,hr.n,person_id "file://$d/odd-%d.csv" <"$T/odd" | outcomes)" \
    "2 delivered 1 duplicate" "own columns"
is "$(cat "$d/odd-03.csv")" "event_id;Номер;Дата;clock;hr.name;hr.n;person_id
\"a,\"\"1\";'=cmd|' /C calc'!A0;2026-03-03;01:00:00;\"x;  y z\";-5;'+1
'=1+2;\"' @x\";2026-03-03;06:30:00;Zoë;;" "no cell is a formula, no row is two lines"
is "$(to -o separator=semicolon -o columns=employee_id:Номер,date:Дата,clock,hr.name,hr.n,person_id \
    -o zone=Asia/Kolkata "file://$d/odd-%d.csv" <"$T/odd" | outcomes)" "3 duplicate" "odd ids are known again"
echo '{"event_id":"q","time":"2026-03-03T01:00:00+05:30"}' | ts-send "file://$d/odd-%d.csv" 2>"$T/why"
is $? 78 "other columns than the file has: status 78"
like "$(cat "$T/why")" 'other columns' "… and says why"

is "$(events 0 2 | to "file://$d/%Y.ndjson" | outcomes)" "2 delivered" "NDJSON"
is "$(head -n 1 "$d/2026.ndjson")" \
    '{"event_id": "019cacb1-8001-8b85-a657-000000000000", "kind": "granted", "time": "2026-03-02T00:00:00+05:30", "device_id": "GATE-2", "direction": "in", "person_id": "0"}' \
    "… the event without what only the toolkit needs"
is "$(events 1 3 | to "file://$d/%Y.ndjson" | outcomes)" "1 delivered 1 duplicate" "… once"
is "$(printf '%s\n' 'no JSON' '{"device_id":"x"}' '{"skip":"s"}' '{"hold":"h"}' '{"error":"e"}' |
    to "file://$d/x.csv" | outcomes)" "1 held 3 rejected 1 skipped" "what is not written"

# --- whole files -------------------------------------------------------------------------------------

printf '%s' '019cacb1-8001-8b85-a657-0000000000ff,2026-03-0' >>"$d/2026-03-02.csv"
is "$(events 6 7 | to "file://$d/%Y-%m-%d.csv" | outcomes)" "1 delivered" "a torn line"
is "$(wc -l <"$d/2026-03-02.csv") $(torn "$d/2026-03-02.csv" | paste -sd ' ')" "8 0 0" "… is cut off"

mkdir "$T/live"
mkfifo "$T/pipe"
exec 7<>"$T/pipe"
ts-send "file://$T/live/%d.csv" <&7 >"$T/receipts" &
spawned=$!
tap_pids+=("$spawned")
events 0 500 >&7
wait_for 10 grep -q k499 "$T/receipts"
ok $? "receipts come while the input stays open"
wait_for 10 grep -q 0000001f3, "$T/live/02.csv"
ok $? "… and the rows can be read"
# A reader looks again and again while rows come.
(
    bad=0
    while [ ! -e "$T/stop" ]; do
        [ "$(torn "$T/live/02.csv" | paste -sd ' ')" = "0 0" ] || bad=$((bad + 1))
    done
    echo "$bad" >"$T/bad"
) &
for i in 1 2 3 4 5 6; do
    events $((i * 500)) $((i * 500 + 500)) >&7
    wait_for 10 grep -q "\"k$((i * 500 + 499))\"" "$T/receipts"
done
wait_for 10 grep -q 000000dab, "$T/live/02.csv"
touch "$T/stop"
wait_for 10 test -s "$T/bad"
is "$(cat "$T/bad")" 0 "a reader never sees a torn row"

# --- kill -9 -----------------------------------------------------------------------------------------

events 3500 4000 >&7
wait_for 10 grep -q '"k3999"' "$T/receipts"
kill -9 "$spawned"
exec 7>&-
wait "$spawned" 2>/dev/null
is "$(to "file://$T/live/%d.csv" </dev/null; names "$T/live")" ".ts-send.lock 02.csv" \
    "after kill -9 the next run shows what there is"
cut -d, -f1 "$T/live/02.csv" | tail -n +2 | sort >"$T/have"
sed -E 's/.*"event_id":"([^"]+)".*/\1/' "$T/receipts" | sort >"$T/told"
is "$(comm -13 "$T/have" "$T/told" | wc -l) $(uniq -d "$T/have" | wc -l)" "0 0" \
    "every event with a receipt is there, once"
mkdir "$T/kills"
events 0 20000 >"$T/many"
: >"$T/receipts"
for i in 1 2 3 4 5 6 7 8; do
    ts-send "file://$T/kills/%d.csv" <"$T/many" >>"$T/receipts" 2>/dev/null &
    p=$!
    wait_for 5 test -s "$T/receipts"
    python3 -c "import time; time.sleep(0.0$i)"
    kill -9 $p 2>/dev/null
    wait $p 2>/dev/null
done
is "$(to "file://$T/kills/%d.csv" <"$T/many" | wc -l)" 20000 "killed at eight moments, then run to the end"
cut -d, -f1 "$T/kills/02.csv" | tail -n +2 | sort >"$T/have"
is "$(wc -l <"$T/have") $(uniq -d "$T/have" | wc -l) $(torn "$T/kills/02.csv" | paste -sd ' ')" \
    "20000 0 0 0" "… each event once, each row whole"

# --- several writers ---------------------------------------------------------------------------------

mkdir "$T/both"
pids=()
for i in 0 1 2 3; do
    events $((i * 1000)) $((i * 1000 + 2000)) | to "file://$T/both/%d.csv" >"$T/r$i" &
    pids+=($!)
done
for p in "${pids[@]}"; do
    wait "$p" || ok 1 "a writer failed"
done
cut -d, -f1 "$T/both/02.csv" | tail -n +2 | sort >"$T/have"
is "$(wc -l <"$T/have") $(uniq -d "$T/have" | wc -l) $(torn "$T/both/02.csv" | paste -sd ' ')" \
    "5000 0 0 0" "four writers of overlapping events: each once"
is "$(cat "$T"/r? | wc -l) $(names "$T/both")" "8000 .ts-send.lock 02.csv" \
    "… each has its receipts, and nothing is left over"

# --- finished files ----------------------------------------------------------------------------------

mkdir "$T/work" "$T/done"
today=$(TZ=UTC date +%Y-%m-%d)
now="{\"event_id\":\"n1\",\"time\":\"${today}T00:00:00Z\"}"
is "$(echo "$now" |
    to -o zone=UTC -o "done=$T/done/p-%Y-%m-%d.csv" "file://$T/work/%Y-%m-%d.csv" | outcomes)" "1 delivered" \
    "-o done: a file of its own for each day"
is "$(names "$T/work")" ".$today.csv.part .ts-send.lock" "… which is not shown while it is today"
yesterday=$(TZ=UTC date -d yesterday +%Y-%m-%d)
last="{\"event_id\":\"y1\",\"time\":\"${yesterday}T10:00:00Z\"}"
for i in 1 2; do
    echo "${last/y1/y$i}" | to -o zone=UTC -o "done=$T/done/p-%Y-%m-%d.csv" "file://$T/work/%Y-%m-%d.csv" >/dev/null
done
is "$(names "$T/done")" "p-$yesterday-2.csv p-$yesterday.csv" \
    "what comes later gets a file of its own; none is replaced"
is "$(echo "$last" | to -o zone=UTC -o "done=$T/done/p-%Y-%m-%d.csv" "file://$T/work/%Y-%m-%d.csv" | outcomes)" \
    "1 duplicate" "… and what was published is known while it is there"

# --- a full disk -------------------------------------------------------------------------------------

mkdir "$T/full"
(
    ulimit -f 64
    ts-send "file://$T/full/%d.csv" 2>"$T/why"
    echo $? >"$T/status"
) < <(events 0 3000) | cat >"$T/receipts"
is "$(cat "$T/status")" 75 "a disk that is full: status 75"
back=$(grep -c '"outcome":"deferred"' "$T/receipts")
is "$(wc -l <"$T/receipts") $((back > 1000))" "3000 1" "… all are answered, those without room are deferred"
like "$(head -n 1 "$T/why")" 'cannot write.*events are deferred' "… said"
is "$(grep -c 'events are deferred' "$T/why")" 1 "… once"
is "$(events 0 3000 | to "file://$T/full/%d.csv" | grep -c '"outcome":"delivered"')" "$back" \
    "with room again these are written"
is "$(wc -l <"$T/full/02.csv") $(torn "$T/full/02.csv" | paste -sd ' ')" "3001 0 0" "… each once"
done_testing
