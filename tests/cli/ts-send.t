#!/bin/bash
# Options, secrets, requests as they are printed and as they arrive.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"

event='{"event_id":"019b9805-6100-8b85-a657-08efdeb09c4e","time":"2026-01-07T10:34:08+08:00",'
event+='"person_id":"126","x":12345678901234567890,"y": 1.50 ,"origin":"a:1","raw":"r","raw_base64":"cg==",'
event+='"attempts":2,"ambiguous":true,"ack":"k1"}'
body='{"event_id":"019b9805-6100-8b85-a657-08efdeb09c4e","time":"2026-01-07T10:34:08+08:00",'
body+='"person_id":"126","x":12345678901234567890,"y": 1.50}'

# refused STATUS REGEX ARGS...: the options are refused, with a message, before anything is sent.
refused() {
    local status=$1 regex=$2
    shift 2
    echo "$event" | ts-send "$@" >"$T/out" 2>"$T/err"
    is "$? $(wc -l <"$T/err") $(cat "$T/out")" "$status 1 " "$(head -n 1 <<<"$*" | tr -d "\r" | head -c 60): status $status"
    like "$(cat "$T/err")" "$regex" "… and says why"
}

secret=s3cr3t-t0ken-of-the-test
umask 077
printf '%s\n' "$secret" >"$T/token"
printf 'X-Api-Key: %s\n' "$secret" >"$T/header"

# --- options -----------------------------------------------------------------------------------------

refused 64 'must begin with http' ftp://host/x
refused 64 'must begin with http' host
refused 64 'no user or password' http://me:secret@host/x
refused 64 'no user or password' https://me@host
refused 64 'blank or a character' $'http://host/\r\nX: y'
refused 64 'blank or a character' 'http://host/a b'
refused 64 'has no host' http:///x
refused 64 'fragment' 'http://host/#x'
refused 64 'URL: Port number' http://host:99999/
refused 64 'one URL, not 2' http://a http://b
refused 64 'no such profile; there are: plain' -p nothing
refused 64 'looks like a secret.*--header-file' -H "Authorization: Bearer $secret"
refused 64 'looks like a secret' -H "x-api-key: $secret"
refused 64 'looks like a secret' -H "Cookie: a=$secret"
refused 64 "must be 'Name: value'" -H 'no colon'
refused 64 "must be 'Name: value'" -H $'A: b\r\nC: d'
refused 64 'is written by ts-send itself' -H 'Content-Length: 3'
refused 64 'is written by ts-send itself' -H 'traceparent: 00-1-2-01'
refused 64 'from 1 to 256' -j 0
refused 64 'must be from 1024' --max-body 10
for rate in fast 0 0/s 0.5/s -1/s /m '' 1e3 10/d 9999999; do refused 64 'write it like' --rate "$rate"; done
refused 64 'not shorter than' --retry-first 2s --retry-max 1s
refused 64 'v5 or v8' --id v4
refused 64 'https://' --cacert "$T/token" http://host/
refused 64 'no user or password' --proxy http://me:pw@proxy:3128
refused 66 'cannot open' --token-file "$T/none"
chmod 640 "$T/token"
refused 77 'chmod 600' --token-file "$T/token"
chmod 600 "$T/token"
: >"$T/empty"
refused 78 'empty' --token-file "$T/empty"
refused 78 "must hold one line 'Name: value'" --header-file "$T/token"
is "$(grep -c "$secret" "$T/err")" 0 "no message has the secret in it"
like "$(ts-send --help)" '-b, --batch N' "--help"
like "$(ts-send -V)" '^ts-send [0-9]' "--version"

# --- the requests as printed -------------------------------------------------------------------------

is "$(echo "$event" | ts-send -n --token-file "$T/token" --header-file "$T/header" -H 'X-A: b' \
    'http://host/p?key=geheim' 2>&1)" "POST http://host/p?***
Idempotency-Key: 019b9805-6100-8b85-a657-08efdeb09c4e
X-A: b
Content-Type: application/json
User-Agent: $(ts-send -V | head -n 1 | tr ' ' /)
Authorization: ***
X-Api-Key: ***

$body" "-n prints the request, without secrets"
is "$(echo "$event" | ts-send -n --traceparent | grep -a '^traceparent')" \
    "traceparent: 00-019b980561008b85a65708efdeb09c4e-e2c5fc62dd459478-01" "--traceparent: told by the id"
is "$(printf '%s\n' "$event" "${event/126/127}" | ts-send -n -b 3 | tail -n 2 | head -n 1)" \
    "[$body,${body/126/127}]" "-b: an array, each event byte for byte"
is "$(printf '%s\n' "$event" "${event/09c4e/09c4f}" | ts-send -n -b 3 | sed -n 2p)" \
    "$(printf '%s\n' "${event/09c4e/09c4f}" "$event" | ts-send -n -b 3 | sed -n 2p)" \
    "the key of an array is that of the set"
like "$(echo '{"person_id":"1","local_time":"2026-01-07T10:34:08"}' | ts-send -n)" \
    'Idempotency-Key: 019b9805-6100-8[0-9a-f]{3}-' "an event without an id gets a key"
v5=$(echo "$event" | ts-send -n --id v5)
like "$v5" 'Idempotency-Key: [0-9a-f-]{14}5[0-9a-f]{3}-[89ab]' "--id v5: a key of version 5"
is "$(grep -c "$(sed -n 's/^Idempotency-Key: //p' <<<"$v5")" <<<"$v5")" 2 "--id v5: the same in the event"
like "$(echo "$event" | ts-send -n -H 'Content-Type: text/json')" 'Content-Type: text/json' \
    "-H replaces the content type"
is "$(printf '%s\n' '{"event_id":"a b\r\nX: y"}' | ts-send -n | grep -c '^Idempotency-Key: [0-9a-f-]*$')" 1 \
    "an id that no header may carry is hashed"
is "$(echo "$event" | ts-send -n | wc -l)" 7 "-n ends its request with a blank line"

is "$(ts-send --help | awk '/^  (-|    --)/ && substr($0, 28, 2) !~ /^ [^ ]/')" "" \
    "--help: the texts stand in one column"

# --- output ------------------------------------------------------------------------------------------

if command -v receiver >/dev/null && command -v curl >/dev/null; then
    receiver_start --fault 'person p2 status 422' --fault 'person p3 status 503'
    echo "$event" | ts-send -v "$url?key=geheim" >"$T/out" 2>"$T/err"
    is "$(cat "$T/err")" "[INFO] Sending payload to backend...
[201 Created] Payload accepted." "-v as ever"
    is "$(sed 's/"at":"[^"]*"/"at":0/' "$T/out")" \
        '{"ack":"k1","event_id":"019b9805-6100-8b85-a657-08efdeb09c4e","outcome":"delivered","status":201,"attempts":3,"ambiguous":true,"at":0}' \
        "the receipt"
    echo "${event/126/p2}" | ts-send -v "$url" 2>&1 >"$T/out" | sed -n 2p >"$T/err"
    like "$(cat "$T/err")" '^.422 Unprocessable Content. The receiver refuses this event' "-v: refused"
    like "$(cat "$T/out")" '"status":422,"error":"Unprocessable Content: .*refused by the fault schedule' \
        "the receipt says what the receiver said"
    echo "${event/126/p3}" | ts-send -v --answer-within 1s "$url" >"$T/out" 2>"$T/err"
    like "$(cat "$T/err")" '.503 Service Unavailable. Payload not accepted: next try in [0-9.]+ s' "-v: retry"

    echo "$event" | ts-send --gzip "$url" >"$T/out"
    like "$(cat "$T/out")" delivered "--gzip"
    awk 'BEGIN { for (i = 0; i < 3000; i++) printf "{\"event_id\":\"g%d\",\"person_id\":\"%d\"}\n", i, i }' |
        ts-send --gzip -b 1000 "$url" | grep -c delivered >"$T/out"
    is "$(cat "$T/out")" 3000 "--gzip with arrays"

    SECONDS=0
    for i in 1 2 3 4 5 6; do echo '{"event_id":"r'$i'"}'; done | ts-send --rate 5/s "$url" >/dev/null
    [ $SECONDS -ge 1 ] && [ $SECONDS -le 3 ]
    ok $? "--rate 5/s: six requests take a second"

    echo "$event" | ts-send "$url" >/dev/full 2>"$T/err"
    is $? 74 "/dev/full: status 74"
    like "$(cat "$T/err")" 'standard output: cannot write: No space left' "/dev/full: is said"
    (
        trap '' PIPE
        for i in 1 2 3; do echo "$event"; done | ts-send "$url" 2>"$T/err"
        echo "${PIPESTATUS[1]}" >"$T/status"
    ) | true
    is "$(wc -c <"$T/err")" 0 "a closed output ends it quietly"

    awk 'BEGIN { printf "{\"event_id\":\"big\",\"x\":\""; for (i = 0; i < 5000; i++) printf "y"; print "\"}" }' >"$T/big"
    ts-send --max-body 4k "$url" <"$T/big" >"$T/out" 2>/dev/null
    is $? 65 "larger than --max-body: status 65"
    like "$(cat "$T/out")" '"rejected","error":"larger than --max-body"' "and is rejected"
    head -c 3000000 /dev/zero | tr '\0' 'x' >"$T/long"
    { cat "$T/long"; echo; echo "$event"; } | ts-send "$url" 2>/dev/null | sed 's/"at.*//' >"$T/out"
    like "$(cat "$T/out")" 'line 1: longer.*k1' "a line of 3 MB is rejected, the next is sent"

    # The environment has no say.
    printf 'machine 127.0.0.1 login me password %s\n' "$secret" >"$T/.netrc"
    echo "$event" | HOME=$T http_proxy=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1 \
        ts-send "$url" >"$T/out"
    like "$(cat "$T/out")" delivered "proxies of the environment are ignored"
    receiver_stop
else
    skip "the receiver is not built, or no curl"
fi

# --- against nginx: secrets, redirects, TLS ------------------------------------------------------------

nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
if [ -z "$nginx" ] || ! command -v openssl >/dev/null; then
    skip "needs nginx and openssl"
    done_testing
fi
port=$(port_free)
tls=$(port_free)
mtls=$(port_free)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca \
    -keyout "$T/ca.key" -out "$T/ca.pem" 2>/dev/null
for name in server client; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$name \
        -keyout "$T/$name.key" -out "$T/$name.csr" 2>/dev/null
    printf 'subjectAltName=IP:127.0.0.1\n' >"$T/ext"
    openssl x509 -req -in "$T/$name.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
        -extfile "$T/ext" -out "$T/$name.pem" 2>/dev/null
done
cat >"$T/nginx.conf" <<END
worker_processes 1; daemon off; master_process off; pid $T/nginx.pid;
error_log $T/nginx.log; events { worker_connections 64; }
http {
    log_format own '\$connection \$request';
    access_log $T/access.log own; client_body_temp_path $T/b; proxy_temp_path $T/p;
    fastcgi_temp_path $T/f; uwsgi_temp_path $T/u; scgi_temp_path $T/s;
    large_client_header_buffers 4 16k;
    ssl_certificate $T/server.pem; ssl_certificate_key $T/server.key;
    map \$http_authorization \$known { default 0; "Bearer $secret" 1; }
    map \$http_x_api_key \$key { default 0; "$secret" 1; }
    server {
        listen 127.0.0.1:$port;
        location /token { if (\$known = 0) { return 401; } return 200; }
        location /key { if (\$key = 0) { return 403; } return 204; }
        location /echo { return 422 "no employee 126 for \$http_authorization"; }
        location /away { return 302 http://127.0.0.1:$port/other; }
        location /made { add_header Location /events/7 always; return 201; }
        location /other { return 200; }
        location /small { client_max_body_size 2k; return 200; }
        location /sink { return 200; }
        location /length { return 200 "\$content_type \$http_user_agent \$http_accept_encoding."; }
    }
    # Over HTTP/2 a bare \`return\` may reset the stream before the body is in: this one reads it.
    server { listen 127.0.0.1:$tls ssl http2; location / { proxy_pass http://127.0.0.1:$port/sink; } }
    server { listen 127.0.0.1:$mtls ssl; ssl_client_certificate $T/ca.pem; ssl_verify_client on;
        location / { return 200; } }
}
END
"$nginx" -e stderr -p "$T" -c "$T/nginx.conf" 2>"$T/nginx.err" &
tap_pids+=($!)
wait_for 10 port_open "$port"
at=http://127.0.0.1:$port

# sent WANTED NAME ARGS...: one event; the outcome and the status of the HTTP reply.
sent() {
    local wanted=$1 name=$2
    shift 2
    echo "$event" | ts-send --answer-within 1s --retry-first 10ms "$@" >"$T/out" 2>"$T/err"
    is "$(sed -n 's/.*"outcome":"\([a-z]*\)"\(,"status":\)*\([0-9]*\).*/\1 \3/p' "$T/out")" "$wanted" \
        "$name"
}

sent "delivered 200" "--token-file" --token-file "$T/token" "$at/token"
sent "delivered 204" "--header-file" --header-file "$T/header" "$at/key"
sent "delivered 200" "a descriptor" --token-file fd:5 "$at/token" 5<"$T/token"
mkdir -p "$T/credentials"
cp "$T/token" "$T/credentials/hrms"
export CREDENTIALS_DIRECTORY=$T/credentials
sent "delivered 200" "\$CREDENTIALS_DIRECTORY" --token-file hrms "$at/token"
unset CREDENTIALS_DIRECTORY
sent "deferred " "without the token" "$at/token"
like "$(cat "$T/err")" 'credentials are refused \(401' "… and why"
like "$(cat "$T/err")" 'no token is sent: give --token-file; 1 event waits' "… and what to do"
echo old-token >"$T/old"
sent "deferred " "with an old token" --token-file "$T/old" "$at/token"
like "$(cat "$T/err")" "the token in $T/old is refused: renew it and send SIGHUP" "… and which"
sent "deferred " "a wrong path" "$at/nowhere"
like "$(cat "$T/err")" '404 Not Found.: check the path of the URL' "… and what to check"
sent "rejected 422" "a receiver that says back what it was sent" --token-file "$T/token" "$at/echo"
like "$(cat "$T/out")" '"error":"Unprocessable Content: no employee [*]{3} for [*]{3}' \
    "neither the secret nor the person is in the receipt"
is "$(grep -c "$secret" "$T/out" "$T/err" | tr '\n' ' ')" "$T/out:0 $T/err:0 " "no secret in the output"
sent "delivered 201" "Location" "$at/made"
like "$(cat "$T/out")" '"location":"/events/7"' "… is in the receipt"
sent "deferred " "a redirect is a wrong address" "$at/away"
like "$(cat "$T/err")" "not the receiver's address \(302 Found" "… and it says so"
like "$(cat "$T/err")" "redirects are not followed: give the URL" "… and what to give"
is "$(grep -c 'POST /other' "$T/access.log")" 0 "… and is not followed"

# shellcheck disable=SC2317 # called by wait_for
refused_twice() {
    [ "$(grep -c 'credentials are refused' "$T/err")" = 2 ]
}

# A new token: by SIGHUP, and after 401 without being told.
echo wrong-token >"$T/token2"
mkfifo "$T/fifo"
rm -f "$T/out" "$T/err"
ts-send --retry-first 10ms --retry-max 50ms --token-file "$T/token2" "$at/token" <"$T/fifo" \
    >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
exec 3>"$T/fifo"
echo "$event" >&3
wait_for 10 grep -q 'credentials are refused' "$T/err"
is "$(tr '\0' ' ' </proc/$sender/cmdline | grep -c "$secret")" 0 "no secret among the arguments"
cp "$T/token" "$T/token2"
wait_for 10 grep -q delivered "$T/out"
ok $? "after 401 the token is read again"
echo wrong-token >"$T/token2"
kill -HUP $sender
echo "${event/k1/k2}" >&3
wait_for 10 refused_twice
ok $? "after SIGHUP the token is read again"
cp "$T/token" "$T/token2"
wait_for 10 grep -q k2 "$T/out"
ok $? "and after 401 again"
exec 3>&-
wait $sender
is $? 0 "and all is well"

echo wrong-token >"$T/token2"
rm -f "$T/out" "$T/err" # or the words of the one before are taken for its own
echo "$event" | ts-send --retry-first 1h --retry-max 1h --token-file "$T/token2" "$at/token" \
    >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
wait_for 10 grep -q 'credentials are refused' "$T/err"
cp "$T/token" "$T/token2"
kill -HUP $sender
wait_for 10 grep -q delivered "$T/out"
ok $? "SIGHUP tries at once"
wait $sender
is $? 0 "… and that was all"

sent "deferred " "a certificate that nobody vouches for" "https://127.0.0.1:$tls/"
like "$(cat "$T/err")" 'no answer: SSL peer certificate' "… and why"
sent "delivered 200" "--cacert" --cacert "$T/ca.pem" "https://127.0.0.1:$tls/"
sent "delivered 200" "--http2" --http2 --cacert "$T/ca.pem" "https://127.0.0.1:$tls/h2"
wait_for 10 grep -q /h2 "$T/access.log"
like "$(grep /h2 "$T/access.log")" 'HTTP/2.0' "… is HTTP/2"
for i in 1 2 3 4 5 6 7 8; do echo "{\"event_id\":\"$i\"}"; done |
    ts-send --http2 -j 8 --cacert "$T/ca.pem" "https://127.0.0.1:$tls/" | grep -c delivered >"$T/out"
is "$(cat "$T/out")" 8 "--http2: several at once"
# shellcheck disable=SC2317 # called by wait_for
noted() { [ "$(grep -c "$1" "$T/access.log")" -ge "$2" ]; } # after the reply
wait_for 10 noted 'POST / HTTP/2.0' 8
is "$(grep -c 'POST / HTTP/2.0' "$T/access.log") $(grep 'POST / HTTP/2.0' "$T/access.log" | cut -d ' ' -f 1 | sort -u | wc -l)" "8 1" \
    "… over one connection"
for ((i = 0; i < 400; i++)); do echo "{\"event_id\":\"$i\"}"; done >"$T/many"
ts-send -j 1 "$at/other" <"$T/many" | grep -c delivered >"$T/out"
is "$(cat "$T/out") $(grep '/other' "$T/access.log" | cut -d ' ' -f 1 | sort -u | wc -l)" "400 1" "a connection is kept"
ts-send -v -j 1 -b 200 "$at/small" <"$T/many" 2>"$T/err" | grep -c delivered >"$T/out"
is "$(cat "$T/out") $(grep -c '^.413' "$T/err")" "400 1" "413: the array is halved, and the next is smaller at once"
sent "deferred " "another name than the certificate's" --cacert "$T/ca.pem" "https://localhost:$tls/"
sent "delivered 200" "--insecure" --insecure "https://localhost:$tls/"
like "$(cat "$T/err")" 'NOT checked' "… is loud"
# nginx says so by 400, which is what a bad event gets.
sent "rejected 400" "mutual TLS without a certificate" --cacert "$T/ca.pem" "https://127.0.0.1:$mtls/"
sent "delivered 200" "--cert --key" --cacert "$T/ca.pem" --cert "$T/client.pem" \
    --key "$T/client.key" "https://127.0.0.1:$mtls/"
chmod 644 "$T/client.key"
refused 77 'chmod 600' --cert "$T/client.pem" --key "$T/client.key" "https://127.0.0.1:$mtls/"
done_testing
