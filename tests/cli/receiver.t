#!/bin/bash
# The scriptable receiver does what the fault tests rely on.
. "$(dirname "$0")/../support/tap.sh"
. "$(dirname "$0")/../support/ledger.sh"
command -v receiver >/dev/null || skip_all "the receiver is not built"
command -v curl >/dev/null || skip_all "needs curl"

# event N PERSON: one event as the tools print it.
event() {
    printf '{"event_id":"00000000-0000-8000-8000-%012d","local_time":"2024-05-01T08:%02d:%02d",' \
        "$1" $(($1 / 60 % 60)) $(($1 % 60))
    printf '"person_id":"%s"}' "$2"
}

# post BODY [CURL OPTION...]: prints the status; 000 where no answer came.
post() {
    local body=$1
    shift
    curl -s -o "$T/answer" -w '%{http_code}' --data-binary "$body" "$@" "$url"
}

# events FROM TO: an array.
events() {
    local i sep='['
    for ((i = $1; i <= $2; i++)); do
        printf '%s%s' "$sep" "$(event "$i" "$((i % 5))")"
        sep=,
    done
    printf ']'
}

# shellcheck disable=SC2317 # called by wait_for
has_distinct() {
    [ "$(receiver_sum distinct)" = "$1" ]
}

# shellcheck disable=SC2317
port_shut() {
    ! port_open "$1"
}

receiver_start --order-field local_time
is "$(post "$(event 1 17)")" 201 "a first event is stored"
is "$(post "$(event 1 17)")" 200 "the same id again is a duplicate"
is "$(post "$(events 2 4)")" 201 "an array is stored"
is "$(post "$(event 5 17)" -H 'Idempotency-Key: 00000000-0000-8000-8000-000000000005')" 201 \
    "an event with its key is stored"
is "$(post "$(event 6 17)" -H 'Idempotency-Key: other')" 201 "a wrong key is counted, not refused"
events 7 9 | gzip >"$T/events.gz"
is "$(post "@$T/events.gz" -H 'Content-Encoding: gzip')" 201 "a gzip body is read"
is "$(post "$(event 10 a)" -H 'Transfer-Encoding: chunked')" 201 "a chunked body is read"
is "$(post '{"event_id":')" 400 "broken JSON is refused"
is "$(post '[1]')" 400 "an array of numbers is refused"
is "$(post "$(event 3 x)")" 200 "a duplicate under another name is a duplicate"
is "$(post "$(event 11 b)")" 201 "b moves on"
is "$(post '{"event_id":"late","local_time":"2024-05-01T07:59:59","person_id":"b"}')" 201 \
    "an older event is stored"
is "$(curl -s -o /dev/null -w '%{http_code}' "$url")" 404 "GET elsewhere is 404"
is "$(receiver_sum distinct)" 12 "the running receiver tells how many it has"
receiver_stop
for pair in requests=12 events=14 distinct=12 duplicates=2 order_violations=1 bad_bodies=2 \
    key_wrong=1 overlapping=0; do
    is "$(receiver_sum "${pair%=*}")" "${pair#*=}" "summary: $pair"
done
is "$(sed -n 1,2p "$ledger")" "00000000-0000-8000-8000-000000000001 17 201
00000000-0000-8000-8000-000000000001 17 dup" "the ledger has id, person and status"
is "$(ledger_ids "$ledger" | wc -l)" 12 "the ledger has every id"

receiver_start --dup 409 --fault 'request 1 status 503 retry-after 2' \
    --fault 'request 2 status 429 retry-date 9' --fault 'request 3 close' \
    --fault 'request 4 close stored' --fault 'request 5 half' --fault 'request 6 close-early' \
    --fault 'request 7 slow 300' --fault 'request 9.. nth 2 status 500'
is "$(post "$(event 1 a)" -D "$T/head")" 503 "request 1: 503"
like "$(cat "$T/head")" 'Retry-After: 2' "with seconds"
is "$(post "$(event 1 a)" -D "$T/head")" 429 "request 2: 429"
like "$(cat "$T/head")" 'Retry-After: [A-Z][a-z][a-z], [0-9]+ [A-Z][a-z]+ 20[0-9]+ .* GMT' \
    "with an HTTP date"
is "$(post "$(event 1 a)")" 000 "request 3: closed without an answer"
is "$(receiver_sum distinct)" 0 "and not stored"
is "$(post "$(event 1 a)")" 000 "request 4: closed without an answer"
is "$(receiver_sum distinct)" 1 "but stored"
is "$(post "$(event 2 a)" --http1.1)" 000 "request 5: half a status line"
is "$(post "$(event 2 a)")" 000 "request 6: closed before it is read"
is "$(post "$(event 2 a)" -m 0.1)" 000 "request 7: slow"
wait_for 5 has_distinct 2
ok $? "a slow answer that nobody waits for is stored all the same"
is "$(post "$(event 1 a)")" 409 "--dup 409"
is "$(post "$(event 3 a)")$(post "$(event 3 a)")$(post "$(event 4 a)")" 201500201 "nth 2 from 9 on"
receiver_stop
is "$(grep -c ' 0$' "$ledger")" 1 "the ledger tells events without an answer"

receiver_start --fault 'every 7 status 422' --fault 'person 3 status 401'
for ((i = 0; i < 60; i++)); do
    post "$(event "$i" 1)"
done >"$T/first"
for ((i = 0; i < 60; i++)); do
    post "$(event "$i" 1)"
done | sed 's/200/201/g' >"$T/second"
is "$(cat "$T/first")" "$(cat "$T/second")" "the same events are refused on every try"
n=$(grep -o 422 "$T/first" | wc -l)
like "$n" '^([3-9]|1[0-9])$' "about one in seven is refused ($n of 60)"
is "$(receiver_sum refused)" "$n" "the summary counts them once"
is "$(wc -l <"$refused")" "$n" "--refused lists them"
is "$(post "$(events 0 59)")" 422 "an array with one of them is refused"
is "$(receiver_sum distinct)" $((60 - n)) "as a whole"
is "$(post "$(event 100 3)")" 401 "person 3 is refused"
receiver_stop

# Outage: with connections that were open before it.
receiver_start --fault 'event 2.. down for 0.6'
is "$(post "$(event 1 a)")" 201 "up"
wait_for 5 port_shut "$port"
ok $? "down: connections are refused"
wait_for 5 port_open "$port"
ok $? "up again, on the same port"
is "$(post "$(event 2 a)")" 201 "and stores"
receiver_stop

receiver_start --fault 'event 2.. status 401 for 0.4'
is "$(post "$(event 1 a)")$(post "$(event 2 a)")" 201401 "401 from the second event on"
wait_for 5 eval "post '$(event 2 a)' | grep -q 201"
ok $? "for a while"
receiver_stop

# Two requests of one person in flight at once, by a client that sends both before it reads.
receiver_start --fault 'slow 200'
python3 - "$port" "$(event 1 a)" "$(event 2 a)" "$(event 3 b)" <<'PY'
import socket, sys
port = int(sys.argv[1])
socks = []
for body in sys.argv[2:]:
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(b'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body.encode()))
    socks.append(s)
for s in socks:
    assert s.recv(100).startswith(b'HTTP/1.1 201'), 'no 201'
s.sendall(b'POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]')
got = b''
while got.count(b'HTTP/1.1 201') < 2:
    more = s.recv(1000)
    assert more, 'closed'
    got += more
PY
ok $? "three clients and two pipelined requests are answered"
receiver_stop
is "$(receiver_sum overlapping)" 1 "two requests of one person at once are counted"

# A client that leaves in the middle of a body is forgotten.
receiver_start
printf 'POST /x HTTP/1.1\r\nContent-Length: 500000\r\n\r\n{"event_id":' |
    curl -s -m 0.2 "telnet://127.0.0.1:$port"
is "$(post "$(event 1 a)")" 201 "half a request harms nobody"
receiver_stop
is "$(receiver_sum events)" 1 "and is not counted"

receiver --fault 'request x status 1' 2>"$T/err"
is $? 64 "a fault that is not understood is a usage error"
like "$(cat "$T/err")" 'not understood: request x' "and is named"
done_testing
