#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-send with the profiles frappe-hr, odoo, orangehrm and icehrm against simulators of these receivers
# (tests/sim/hrms): each passage is there once, with the right time, whatever happens to the replies;
# what the receiver's people have not set up yet waits and arrives later; what would be wrong stops.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
for p in python3 curl jq; do
    command -v $p >/dev/null || skip_all "needs $p"
done
cd "$T" || exit 1
sims=$ROOT/tests/sim/hrms

# --- the simulators

# receiver NAME: starts one; $url is its address.
receiver() {
    : >"$1.port"
    spawn python3 -B "$sims/$1.py" >"$1.port"
    wait_for 20 test -s "$1.port"
    url=http://127.0.0.1:$(cat "$1.port")
    root=$url
}
set_to() { # JSON
    curl -sS -o /dev/null -H 'Content-Type: application/json' -d "$1" "$root/_set"
}
ledger() { # a jq program over its rows
    curl -sS "$root/_ledger" | jq -rc ".rows | $1"
}

# --- the events

# passages DAY PERSON... : a working day of each, IN and OUT in the order of the clock; an id and an ack each
passages() {
    jq -nc --arg day "$1" '
        def two: tostring | if length == 1 then "0" + . else . end;
        ["07:55:03 in", "12:01:20 out", "12:42:59 in", "17:05:40 out"] as $clock
        | range(4) as $n | range($ARGS.positional | length) as $i
        | ($clock[$n] | split(" ")) as [$time, $way]
        | ($time[:6] + ($i + 10 | two)) as $time
        | "\($day)T\($time)" as $local
        | ($day | gsub("-"; "")) as $d
        | "\($d)-00\($n)0-8000-8000-\(100000000000 + ($ARGS.positional[$i] | tonumber))" as $id
        | {event_id: $id, kind: "granted", time: ($local + "+05:00"), local_time: $local, device_id: "GATE-1",
           direction: $way, person_id: $ARGS.positional[$i], employee_id: $ARGS.positional[$i], ack: $id}
        ' --args "${@:2}"
}

# send ARGUMENTS... <events: receipts to "receipts", what it says to "said"
send() {
    # short steps: what is looked at is the way back, not the patience
    timeout 60 ts-send --retry-first 50ms --retry-max 300ms --answer-within 3 "$@" >receipts 2>said
}
outcomes() {
    jq -r .outcome receipts | sort | uniq -c | awk '{ printf "%s%s %s", s, $2, $1; s = ", " }'
}
# How many events have arrived, by now or before.
arrived() {
    jq -r 'select(.outcome == "delivered" or .outcome == "duplicate") | .ack' receipts | sort -u | wc -l
}
umask 077
printf 'key:secret' >frappe.key
printf 'apikey' >odoo.key
printf 'access-0' >orangehrm.key
printf 'token' >icehrm.key
ts-send -p icehrm --token-file icehrm.key http://127.0.0.1:1 </dev/null 2>&1 | grep -q 'only with --explain' &&
    skip_all "this ts-send explains profiles, but does not send with them yet"

# --- Frappe HR

frappe() { send -p frappe-hr --token-file frappe.key -o zone=Asia/Tashkent "$@" "$url"; }
receiver frappe
set_to '{"employees": {"1": {"name": "HR-1", "status": "Active"}, "2": {"name": "HR-2", "status": "Active"},
         "3": {"name": "HR-3", "status": "Active"}, "4": {"name": "HR-4", "status": "Active"}}, "race_ms": 20}'

passages 2026-03-02 1 2 3 4 >day1
frappe -j 4 <day1
is "$(outcomes)" "delivered 16" "frappe-hr: a day of four people"
is "$(ledger 'map(select(.employee == "HR-2")) | map("\(.time) \(.log_type)") | join(", ")')" \
    "2026-03-02 07:55:11 IN, 2026-03-02 12:01:11 OUT, 2026-03-02 12:42:11 IN, 2026-03-02 17:05:11 OUT" \
    "each with its own time and direction, in order"
cat day1 day1 | jq -c '.ack += "-" + (input_line_number | tostring)' | frappe -j 4
is "$(outcomes)" "duplicate 32" "the same day twice more: duplicates"
set_to '{"lang": "ru"}'
frappe <day1
is "$(outcomes)" "duplicate 16" "also when the site answers in another language"
is "$(ledger length)" "16" "each passage is there once"

passages 2026-03-03 1 5 >day2
frappe <day2
is "$(outcomes)" "deferred 3, delivered 4, held 1" "nobody has the number 5 there: held, and what comes after it waits"
set_to '{"employees": {"1": {"name": "HR-1", "status": "Active"}, "5": {"name": "HR-5", "status": "Active"}}}'
frappe <day2
is "$(outcomes)" "delivered 4, duplicate 4" "when he is mapped, his passages arrive"
is "$(ledger 'map(select(.employee == "HR-5")) | map(.time[11:16]) | join(" ")')" "07:55 12:01 12:42 17:05" \
    "all of them, in order"

passages 2026-03-04 1 >day3
set_to '{"faults": ["drop", "empty", "page", "cut", "login", "drop"]}'
frappe --answer-within 45 <day3
is "$(arrived)" "4" \
    "lost, empty, cut replies and pages of a proxy: all arrive"
is "$(ledger 'map(select(.time | startswith("2026-03-04"))) | map(.time) | (length, (unique | length)) | tostring' | tr '\n' ' ')" \
    "4 4 " "each once"

passages 2026-03-05 1 >day4
before=$(ledger length)
set_to '{"hr_user": false}'
frappe <day4
is "$(outcomes)" "deferred 4" "the receiver stores its own time: nothing is delivered"
like "$(cat said)" "HR User" "it is said which role the user lacks"
is "$(ledger length)" "$before" "no row with a wrong time stays"
set_to '{"hr_user": true}'
frappe <day4
is "$(outcomes)" "delivered 4" "with the right role they arrive"

passages 2026-03-06 1 >day5
set_to '{"token": "new:one"}'
frappe <day5
is "$(outcomes)" "deferred 4" "a key that is not valid any more uses up no event"
printf 'new:one' >frappe.key
frappe <day5
is "$(outcomes)" "delivered 4" "with the new key they arrive"
is "$(cat receipts said | grep -c 'secret\|new:one')" "0" "no key in what is printed"

# --- Odoo

odoo_days() { # api, arguments
    receiver odoo
    set_to '{"employees": [{"id": 42, "barcode": "0042"}, {"id": 43, "barcode": "0043"}]}'
    odoo() { send -p odoo --token-file odoo.key "${how[@]}" "$@" "$url"; }
    local api=$1
    how=("${@:2}")
    passages 2026-03-02 42 43 >day1
    odoo -j 4 <day1
    is "$(outcomes)" "delivered 8" "odoo $api: a day of two people"
    is "$(ledger 'map(select(.employee_id == 42)) | map("\(.check_in) \(.check_out)") | join(", ")')" \
        "2026-03-02 02:55:10 2026-03-02 07:01:10, 2026-03-02 07:42:10 2026-03-02 12:05:10" "two records each, in UTC"
    odoo <day1
    is "$(outcomes)" "duplicate 8" "the same day again: duplicates"
    passages 2026-03-03 42 >day2
    set_to '{"locked": 1, "faults": ["page", null, "drop", null, "empty", "login", "cut"]}'
    odoo --answer-within 45 <day2
    is "$(arrived)" "4" \
        "locks, lost replies and pages: all arrive"
    is "$(ledger 'map(select(.check_in | startswith("2026-03-03"))) | map(.check_out != false)')" "[true,true]" "each once"
    passages 2026-03-04 42 | grep -v '"direction":"out"' >two_in
    odoo <two_in
    is "$(outcomes)" "delivered 1, held 1" "the OUT is missing: the next IN is held"
    passages 2026-03-05 43 99 >day4
    odoo <day4
    is "$(outcomes)" "deferred 3, delivered 4, held 1" "an unknown employee is held, the other arrives"
    is "$(cat receipts said | grep -c 'Test Person')" "0" "no name of the receiver's texts is printed"
    set_to '{"key": "new"}'
    passages 2026-03-06 43 >day5
    odoo <day5
    is "$(outcomes)" "deferred 4" "an API key that has expired uses up no event"
    like "$(cat said)" "expired" "and is called so"
}
odoo_days json2
odoo_days jsonrpc -o api=jsonrpc -o db=prod -o user=bridge

# --- OrangeHRM

receiver orangehrm
orangehrm() { send -p orangehrm --token-file orangehrm.key -o zone=Asia/Tashkent "$@" "$url"; }
passages 2026-03-02 2 3 >day1
orangehrm -j 2 <day1
is "$(outcomes)" "delivered 8" "orangehrm: a day of two people"
is "$(ledger 'map(select(.employee == 2)) | map("\(.in) \(.out)") | join(", ")')" \
    "2026-03-02 02:55 2026-03-02 07:01, 2026-03-02 07:42 2026-03-02 12:05" "two records each"
orangehrm <day1
is "$(outcomes)" "duplicate 8" "the same day again: duplicates"
passages 2026-03-03 2 >day2
set_to '{"lang": "de", "faults": ["page", null, "drop", null, "empty", "login", "cut"]}'
orangehrm --answer-within 45 <day2
is "$(arrived)" "4" \
    "lost replies and pages: all arrive"
is "$(ledger 'map(select(.in | startswith("2026-03-03"))) | map(.out != null)')" "[true,true]" "each once"
passages 2026-03-04 9 3 >day3
orangehrm <day3
is "$(outcomes)" "deferred 3, delivered 4, held 1" "an employee that the user may not see is held, the other arrives"

# The access token ends every few requests, in the middle of what is asked and written for one event.
jq -n '{token_url: "/oauth2/token", client_id: "bridge", refresh_token: "refresh-0"}' >oauth.json
set_to '{"uses_each": 7, "lang": "en", "employees": [2, 3, 4, 5]}'
oauth() { timeout 60 ts-send --retry-first 50ms --retry-max 300ms -p orangehrm --oauth oauth.json -o zone=Asia/Tashkent "$url"; }
passages 2026-03-05 2 3 | oauth >receipts 2>said &
one=$!
passages 2026-03-05 4 5 | oauth >receipts2 2>said2 &
wait $one $!
cat receipts2 >>receipts
is "$(arrived) $(ledger 'map(select(.in | startswith("2026-03-05"))) | map(.out != null) | length')" "16 8" \
    "orangehrm with OAuth 2, two at once with one refresh token: all arrive, each once"
is "$(jq -c 'select(.attempts > 1)' receipts | wc -l) $(cat said said2)" "0 " "no try is lost to it, and nobody troubled"
[ "$(jq -r .refresh_token oauth.json)" != refresh-0 ] && passages 2026-03-05 2 3 | oauth >receipts 2>said
is "$(outcomes)" "duplicate 8" "and the refresh token that stands in the file is the one that counts"

# --- IceHrm

receiver icehrm
url=$root/api
icehrm() { send -p icehrm --token-file icehrm.key -o zone=Asia/Tashkent "$@" "$url"; }
passages 2026-03-02 7 8 >day1
icehrm -j 2 <day1
is "$(outcomes)" "delivered 8" "icehrm: a day of two people"
icehrm <day1
is "$(outcomes)" "duplicate 8" "the same day again: duplicates"
passages 2026-03-03 7 >day2
set_to '{"faults": ["page", null, "drop", null, "empty", "login", "cut"]}'
icehrm --answer-within 45 <day2
is "$(arrived)" "4" \
    "lost replies and pages: all arrive"
is "$(ledger 'map(select(.in_time | startswith("2026-03-03"))) | map(.out_time != null)')" "[true,true]" "each once"

# the night shift: in at 17:05 of one day, out at 07:55 of the next
night() {
    jq -c 'select(.local_time[11:13] == "07" or .local_time[11:13] == "17")
        | .direction = (if .direction == "in" then "out" else "in" end)'
}
{ passages 2026-03-04 8 | night | tail -n 1 && passages 2026-03-05 8 | night | head -n 1; } >nights
icehrm <nights
is "$(outcomes)" "delivered 1, rejected 1" "a record over midnight is refused"
like "$(jq -r 'select(.outcome == "rejected") | .error' receipts)" "midnight" "and said why"
icehrm -o midnight=split <nights
is "$(outcomes)" "delivered 1, duplicate 1" "or split in two"
is "$(ledger 'map(select(.employee == "8" and .in_time >= "2026-03-04")) | map("\(.in_time) \(.out_time)") | join(", ")')" \
    "2026-03-04 17:05:10 2026-03-04 23:59:59, 2026-03-05 00:00:00 2026-03-05 07:55:10" "at the end of the day"

done_testing
