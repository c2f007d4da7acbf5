#!/bin/bash
# Whatever the receiver does: every event arrives, in each person's order, and is answered once.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
command -v receiver >/dev/null || skip_all "the receiver is not built"
command -v curl >/dev/null || skip_all "needs curl"

# events FROM TO PERSONS [ACK]: with ACK, each has one.
events() {
    awk -v from="$1" -v to="$2" -v persons="$3" -v ack="${4:-}" 'BEGIN {
        for (i = from; i <= to; i++) {
            printf "{\"event_id\":\"00000000-0000-8000-8000-%012d\",", i
            printf "\"local_time\":\"2024-05-01T%02d:%02d:%02d\",", i / 3600, i / 60 % 60, i % 60
            printf "\"person_id\":\"p%d\",\"raw\":\"secret row\"%s}\n", i % persons,
                ack ? sprintf(",\"ack\":\"a%d\"", i) : ""
        }
    }'
}

# count OUTCOME FILE
count() {
    grep -c "\"outcome\":\"$1\"" "$2"
}

fast="--retry-first 20ms --retry-max 100ms"

# complete N NAME: the receiver has N events, in order, none of a person twice at a time.
complete() {
    receiver_stop
    is "$(receiver_sum distinct) $(receiver_sum order_violations) $(receiver_sum overlapping)" \
        "$1 0 0" "$2: all $1 are there, in order, one request a person"
    is "$(receiver_sum key_missing) $(receiver_sum key_wrong) $(receiver_sum bad_bodies)" "0 0 0" \
        "$2: keys and bodies are right"
}

# run NAME N ARGS...: sends N events of 23 persons; wants status 0 and N receipts.
run() {
    local name=$1 n=$2
    shift 2
    # shellcheck disable=SC2086 # words
    events 1 "$n" 23 | ts-send $fast "$@" "$url" >"$T/out" 2>"$T/err"
    is $? 0 "$name: status 0"
    is "$(wc -l <"$T/out")" "$n" "$name: one receipt an event"
}

receiver_start --order-field local_time
run "no fault, -j 16" 2000 -j 16
complete 2000 "no fault, -j 16"
is "$(count delivered "$T/out")" 2000 "no fault: all are delivered"
is "$(wc -c <"$T/err")" 0 "no fault: not a word"

receiver_start --order-field local_time
run "arrays" 5000 -j 4 -b 100
complete 5000 "arrays"
receiver_start
events 1 5000 23 >"$T/in"
ts-send -b 100 -j 1 "$url" <"$T/in" >"$T/out"
receiver_stop
is "$(receiver_sum requests)" 50 "5000 events in arrays of 100: 50 requests"

receiver_start --order-field local_time --fault 'nth 7 status 503'
run "every 7th request 503" 1000 -j 8
complete 1000 "every 7th request 503"

receiver_start --order-field local_time --fault 'request 50..60 status 503 retry-after 1' \
    --fault 'request 61 status 429 retry-date 1' --fault 'request 80..85 status 429'
run "503 with Retry-After" 500 -j 8
complete 500 "503 with Retry-After"
is "$(grep -c 'is not available (503 Service Unavailable)' "$T/err")" 1 \
    "503 with Retry-After: said once"
is "$(grep -c 'takes events again after' "$T/err")" "$(grep -c 'one is tried' "$T/err")" \
    "503 with Retry-After: as often as its end"

receiver_start --order-field local_time --fault 'request 20 close stored' \
    --fault 'request 40 half stored' --fault 'request 60 close' --fault 'request 70 close-early' \
    --fault 'request 90 slow 2000'
run "no answer" 300 -j 8 --timeout 300ms
complete 300 "no answer"
like "$(receiver_sum duplicates)" '^[2-5]$' "no answer: what had arrived is sent again"
is "$(grep -c '"ambiguous":true' "$T/out")" 5 "no answer: five receipts say ambiguous"
is "$(grep '"ambiguous":true' "$T/out" | grep -vc '"attempts":[2-9]')" 0 \
    "no answer: and that it took more than one attempt"

receiver_start --order-field local_time --fault 'time 0..1 status 401'
run "401 for a while" 300 -j 8
complete 300 "401 for a while"
is "$(count delivered "$T/out")" 300 "401 for a while: uses up no event"
is "$(grep -c 'credentials are refused (401 Unauthorized)' "$T/err") $(wc -l <"$T/err")" "1 2" \
    "401 for a while: begin and end are said, once each"
like "$(receiver_sum requests)" '^3[0-9][0-9]$' "401 for a while: few requests in vain"

receiver_start --order-field local_time --fault 'event 100.. down for 1'
run "down in the middle" 1000 -j 8
complete 1000 "down in the middle"
like "$(cat "$T/err")" 'is not available \(no answer: .*takes events again' \
    "down in the middle: is said"

port=$(port_free)
url=http://127.0.0.1:$port/api/turnstile
events 1 200 23 >"$T/in"
rm -f "$T/out" "$T/err" # or the words of the one before are taken for its own
# shellcheck disable=SC2086
ts-send $fast "$url" <"$T/in" >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
wait_for 10 grep -q 'is not available' "$T/err"
ok $? "down at first: is said"
receiver_start --port "$port" --order-field local_time
wait "$sender"
is $? 0 "down at first: status 0"
complete 200 "down at first"

# Down, then with the wrong token: that is said too.
port=$(port_free)
url=http://127.0.0.1:$port/api/turnstile
events 1 1 1 >"$T/in"
rm -f "$T/out" "$T/err" # or the words of the one before are taken for its own
# shellcheck disable=SC2086
ts-send $fast "$url" <"$T/in" >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
wait_for 10 grep -q 'is not available' "$T/err"
receiver_start --port "$port" --fault 'time 0..1 status 401'
wait "$sender"
receiver_stop
is "$(sed 's/(no answer: .*)/(-)/; s/after [0-9.]* s/after - s/' "$T/err")" \
    "ts-send: $url: it is not available (-); 1 event waits, one is tried from time to time
ts-send: $url: still stopped: now the credentials are refused (401 Unauthorized): no token is sent: give --token-file
ts-send: $url: takes events again after - s; 1 event waited" "down, then 401: each is said once"

# --- refused events --------------------------------------------------------------------------------

receiver_start --order-field local_time --fault 'every 97 status 422'
events 1 5000 23 | ts-send -j 8 "$url" >"$T/out" 2>"$T/err"
is $? 65 "every 97th refused: status 65"
receiver_stop
ledger_ids "$refused" >"$T/refused"
grep '"outcome":"rejected"' "$T/out" | event_ids - >"$T/rejected"
is "$(cat "$T/rejected")" "$(cat "$T/refused")" "every 97th refused: exactly those are rejected"
n=$(wc -l <"$T/refused")
is "$(receiver_sum distinct) $(count delivered "$T/out")" "$((5000 - n)) $((5000 - n))" \
    "every 97th refused: all $((5000 - n)) others are delivered"
is "$(receiver_sum refused_tries)" "$n" "every 97th refused: each is tried once"
is "$(receiver_sum order_violations) $(receiver_sum overlapping)" "0 0" "every 97th refused: order"
is "$(grep '"outcome":"rejected"' "$T/out" | grep -c '"status":422,"error":"Unprocess')" "$n" \
    "every 97th refused: with their reason"

for code in 400 409 413 415 422; do
    receiver_start --order-field local_time --fault "every 97 status $code"
    events 1 5000 400 | ts-send -j 4 -b 200 "$url" >"$T/out" 2>"$T/err"
    receiver_stop
    ledger_ids "$refused" >"$T/refused"
    outcome=rejected
    [ $code != 409 ] || outcome=duplicate
    grep "\"outcome\":\"$outcome\"" "$T/out" | event_ids - >"$T/rejected"
    is "$(cat "$T/rejected")" "$(cat "$T/refused")" "arrays, $code: exactly those are $outcome"
    is "$(wc -l <"$T/out") $(receiver_sum distinct)" "5000 $((5000 - $(wc -l <"$T/refused")))" \
        "arrays, $code: all others are delivered"
    is "$(receiver_sum order_violations) $(receiver_sum overlapping)" "0 0" "arrays, $code: order"
done

# One bad event in an array of 256: 1 + 2 * 8 requests, and 3 more arrays.
id=$(events 300 300 1000 | event_ids -)
receiver_start --order-field local_time --fault "id $id status 422"
events 1 1024 1000 >"$T/many"
ts-send -j 1 -b 256 "$url" <"$T/many" >"$T/out" 2>"$T/err"
is $? 65 "one bad event: status 65"
complete 1023 "one bad event"
is "$(receiver_sum requests)" 20 "one bad event of 1024 in arrays of 256: 20 requests"

# --- a receiver that refuses everything ------------------------------------------------------------

receiver_start --order-field local_time --fault 'time 0..1 status 422'
run "wrong map for a while" 400 -j 8
is "$(count delivered "$T/out")" 400 "wrong map for a while: burns no event"
complete 400 "wrong map for a while"
like "$(cat "$T/err")" 'it refuses every event' "wrong map for a while: is said"

receiver_start --order-field local_time --fault 'time 0..1 status 400'
run "wrong map for a while, arrays" 4000 -j 8 -b 100
complete 4000 "wrong map for a while, arrays"

# A person whom the receiver does not know is no wrong map.
receiver_start --order-field local_time --fault 'person bad status 422'
{
    events 1 400 1 | sed 's/"p0"/"bad"/'
    events 401 1600 3
} >"$T/in"
# shellcheck disable=SC2086
timeout 60 ts-send $fast -j 2 "$url" <"$T/in" >"$T/out" 2>"$T/err"
is $? 65 "many bad events of one among good ones: status 65"
is "$(count rejected "$T/out") $(count delivered "$T/out")" "400 1200" \
    "many bad events of one among good ones: each gets what it deserves"
complete 1200 "many bad events of one among good ones"

# Nothing tells it from a wrong map, when nobody else's events come any more.
receiver_start --order-field local_time --fault 'event 5.. status 422'
# shellcheck disable=SC2086
events 1 400 3 | timeout 60 ts-send $fast -j 1 --give-up-after 2s "$url" >"$T/out" 2>"$T/err"
is $? 78 "a wrong map after four deliveries: status 78"
is "$(count delivered "$T/out") $(count rejected "$T/out")" "4 0" \
    "a wrong map after four deliveries: costs no event"
complete 4 "a wrong map after four deliveries"

# Thirty such persons stop it; one good event is found among them and clears them up.
{
    for ((i = 1; i <= 30; i++)); do printf -- "--fault\nperson b%d status 422\n" $i; done
} >"$T/rules"
mapfile -t rules <"$T/rules"
receiver_start --order-field local_time "${rules[@]}"
{
    events 1 30 100 | sed 's/:"p/:"b/'
    events 31 35 3
} >"$T/in"
# shellcheck disable=SC2086
timeout 60 ts-send $fast -j 1 "$url" <"$T/in" >"$T/out" 2>"$T/err"
is $? 65 "thirty unknown persons: status 65"
is "$(count rejected "$T/out") $(count delivered "$T/out")" "30 5" \
    "thirty unknown persons: each gets what it deserves"
like "$(cat "$T/err")" 'refuses every event.*takes events again' "thirty unknown persons: is said"

receiver_start --fault 'status 404'
# shellcheck disable=SC2086
events 1 300 23 | ts-send $fast --give-up-after 1s "$url" >"$T/out" 2>"$T/err"
is $? 78 "404 for ever: status 78 when it gives up"
is "$(count rejected "$T/out")" 0 "404 for ever: uses up no event"
like "$(cat "$T/err")" 'deferred; gave up before the end of the input' "404 for ever: is said"
receiver_stop
# shellcheck disable=SC2086
events 1 300 23 | ts-send $fast --give-up-after 500ms "$url" >"$T/out" 2>"$T/err"
is $? 69 "nobody there: status 69 when it gives up"
is "$(count deferred "$T/out")" "$(wc -l <"$T/out")" "nobody there: what was read is deferred"

# --- a stuck person --------------------------------------------------------------------------------

receiver_start --order-field local_time --fault 'person p3 status 500'
# shellcheck disable=SC2086
events 1 500 23 | ts-send $fast -j 4 --give-up-after 2s "$url" >"$T/out" 2>"$T/err"
is $? 75 "a stuck person: status 75"
receiver_stop
of3=$(events 1 500 23 | grep -c '"p3"')
is "$(count delivered "$T/out") $(count deferred "$T/out")" "$((500 - of3)) $of3" \
    "a stuck person: holds back nobody else"
is "$(receiver_sum distinct) $(receiver_sum order_violations)" "$((500 - of3)) 0" \
    "a stuck person: and none of its own passes it"
is "$(grep -c 'not available' "$T/err")" 0 "a stuck person: is no outage"
done_testing
