#!/bin/bash
# SPDX-License-Identifier: MIT
# Credentials of every kind: where they come from, that they are read again when they are renewed, that
# they go to nobody else (redirects, pins), and that they are told nobody.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || skip_all "needs nginx"
for p in python3 openssl curl jq; do
    command -v $p >/dev/null || skip_all "needs $p"
done
umask 077
shopt -s lastpipe # `… | send` sets $status and $got here

secret=s3cret-of-the-test
event='{"event_id":"k1","time":"2026-01-07T10:34:08+08:00","person_id":"126"}'

# --- certificates, and the receivers

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$T/$1.key"; }
for name in ca other-ca; do
    new_key $name
    openssl req -x509 -new -key "$T/$name.key" -days 2 -subj /CN=$name -out "$T/$name.pem" 2>/dev/null
done
# certificate NAME CA
certificate() {
    new_key "$1"
    printf 'subjectAltName=IP:127.0.0.1\n' >"$T/ext"
    openssl req -new -key "$T/$1.key" -subj "/CN=$1" -out "$T/$1.csr" 2>/dev/null
    openssl x509 -req -in "$T/$1.csr" -CA "$T/$2.pem" -CAkey "$T/$2.key" -CAcreateserial -days 2 \
        -extfile "$T/ext" -out "$T/$1.pem" 2>/dev/null
}
certificate server ca
certificate elsewhere ca
certificate own other-ca
certificate client ca
certificate stranger other-ca
pin_of() {
    printf 'sha256//'
    openssl x509 -pubkey -noout -in "$T/$1.pem" | openssl pkey -pubin -outform DER |
        openssl dgst -sha256 -binary | base64
}
basic=$(printf 'bridge:%s' "$secret" | base64)

# Notes whatever comes: nothing may.
cat >"$T/away.py" <<'END'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def any(self):
        open(sys.argv[1], "a").write(self.command + " " + self.path + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_GET = do_POST = do_PUT = do_OPTIONS = any
server = ThreadingHTTPServer(("127.0.0.1", 0), H)
print(server.server_address[1], flush=True)
server.serve_forever()
END
: >"$T/port"
spawn python3 "$T/away.py" "$T/away.log" >"$T/port"
wait_for 10 test -s "$T/port"
away=http://127.0.0.1:$(cat "$T/port")
port=$(port_free)
tls=$(port_free)
tls2=$(port_free)
own=$(port_free)
mtls=$(port_free)
tls_server() { # PORT NAME
    echo "server { listen 127.0.0.1:$1 ssl; ssl_certificate $T/$2.pem; ssl_certificate_key $T/$2.key;
        location / { return 200; }
        location /token { default_type application/json; return 200 '{\"access_token\":\"t-$secret\"}'; } }"
}
cat >"$T/nginx.conf" <<END
worker_processes 1; daemon off; master_process off; pid $T/nginx.pid;
error_log $T/nginx.log; events { worker_connections 64; }
http {
    access_log $T/access.log; client_body_temp_path $T/b; proxy_temp_path $T/p;
    fastcgi_temp_path $T/f; uwsgi_temp_path $T/u; scgi_temp_path $T/s;
    map \$http_authorization \$known { default 0; "Basic $basic" 1; "Bearer $secret" 1; }
    map \$http_authorization \$clear { default ""; "Basic $basic" "bridge:$secret"; }
    server {
        listen 127.0.0.1:$port;
        location / { if (\$known = 0) { return 401; } return 200; }
        location /key { if (\$http_x_api_key != "$secret") { return 401; } return 200; }
        location /echo { return 422 "you said \$http_authorization \$http_x_api_key \$clear \$args"; }
        location /located { add_header Location /events/$secret always; return 201; }
        location /301 { return 301 $away/stolen; }
        location /302 { return 302 $away/stolen; }
        location /303 { return 303 $away/stolen; }
        location /307 { return 307 $away/stolen; }
        location /308 { return 308 $away/stolen; }
    }
    $(tls_server "$tls" server)
    $(tls_server "$tls2" elsewhere)
    $(tls_server "$own" own)
    server {
        listen 127.0.0.1:$mtls ssl; ssl_certificate $T/server.pem; ssl_certificate_key $T/server.key;
        ssl_client_certificate $T/ca.pem; ssl_verify_client optional_no_ca;
        location / { if (\$ssl_client_verify != SUCCESS) { return 401; } return 200; }
    }
}
END
"$nginx" -e stderr -p "$T" -c "$T/nginx.conf" 2>"$T/nginx.err" &
tap_pids+=($!)
wait_for 10 port_open "$port"
at=http://127.0.0.1:$port

# send ARGS...: one event; its outcome in $got, and $status
send() {
    echo "$event" | timeout 30 ts-send --give-up-after 400ms --retry-first 10ms --retry-max 100ms "$@" \
        >"$T/out" 2>"$T/err"
    status=$?
    got=$(sed -n 's/.*"outcome":"\([a-z]*\)".*/\1/p' "$T/out")
}
# live ARGS...: a sender that waits for events on descriptor 3; $sender
live() {
    rm -f "$T/events" "$T/out" "$T/err"
    mkfifo "$T/events"
    ts-send --retry-first 10ms --retry-max 50ms "$@" <"$T/events" >"$T/out" 2>"$T/err" &
    sender=$!
    tap_pids+=("$sender")
    exec 3>"$T/events"
}
# shellcheck disable=SC2317 # called by wait_for
refused_times() {
    [ "$(grep -c 'credentials are refused' "$T/err")" = "$1" ]
}

# --- Basic -------------------------------------------------------------------------------------------

echo "$secret" >"$T/password"
send --user bridge="$T/password" "$at"
is "$status $got" "0 delivered" "--user"
send --user bridge=<(echo "$secret") "$at"
is "$got" delivered "the password by a descriptor"
mkdir "$T/credentials"
cp "$T/password" "$T/credentials/pw"
CREDENTIALS_DIRECTORY=$T/credentials send --user bridge=pw "$at"
is "$got" delivered "the password of a service"
send -n --user bridge="$T/password" "$at"
like "$(cat "$T/out")" 'Authorization: \*\*\*' "-n shows nothing of it"
send --user bridge="$T/password" "$at/echo"
is "$got $(cat "$T/out" "$T/err" | grep -c "$secret\|$basic")" "rejected 0" \
    "a receiver that says back what it was sent, and the password in clear: masked"
send --user bridge="$T/password" "$at/located"
like "$(cat "$T/out")" '"location":"/events/\*\*\*"' "… also in a location"
send --user bridge="$T/pw2" "$at"
is "$status" 66 "no such file"
echo wrong >"$T/pw2"
live --user bridge="$T/pw2" "$at"
echo "$event" >&3
wait_for 10 refused_times 1
like "$(cat "$T/err")" 'the name or the password of --user bridge=.*/pw2 is refused: renew it and send SIGHUP' "a wrong one is told"
cp "$T/password" "$T/pw2"
wait_for 10 grep -q delivered "$T/out"
ok $? "after 401 it is read again"
echo wrong >"$T/pw2"
kill -HUP $sender
echo "${event/k1/k2}" >&3
wait_for 10 refused_times 2
ok $? "after SIGHUP too"
cp "$T/password" "$T/pw2"
wait_for 10 grep -q k2 "$T/out"
ok $? "and after 401 again"
exec 3>&-
wait $sender
is $? 0 "and all is well"

# A field of a file: the same.
echo "X-Api-Key: old" >"$T/field"
live --header-file "$T/field" "$at/key"
echo "$event" >&3
wait_for 10 refused_times 1
like "$(cat "$T/err")" 'the header in .*/field is refused: renew it and send SIGHUP' "--header-file: a wrong one is told"
echo "X-Api-Key: $secret" >"$T/field"
wait_for 10 grep -q delivered "$T/out"
ok $? "… and read again"
exec 3>&-
wait $sender
is $? 0 "… and all is well"
for bad in bridge bridge= =pw a:b=pw; do
    send --user "$bad" "$at"
    like "$status $(cat "$T/err")" '^64 .*write it as NAME=FILE' "--user $bad is refused"
done

# --- our certificate -----------------------------------------------------------------------------------

trust=(--cacert "$T/ca.pem")
me="https://127.0.0.1:$mtls/"
send "${trust[@]}" "$me"
is "$status $got" "78 deferred" "a receiver that wants a certificate"
send "${trust[@]}" --cert "$T/client.pem" --key "$T/client.key" "$me"
is "$got" delivered "--cert and --key"
chmod 644 "$T/client.pem"
send "${trust[@]}" --cert "$T/client.pem" --key <(cat "$T/client.key") "$me"
is "$got" delivered "the key by a descriptor; the certificate may be open"
cat "$T/client.pem" "$T/client.key" >"$T/both.pem"
send "${trust[@]}" --cert "$T/both.pem" "$me"
is "$got" delivered "both in one file"
chmod 644 "$T/both.pem"
send "${trust[@]}" --cert "$T/both.pem" "$me"
like "$status $(cat "$T/err")" '^77 .*both.pem.*chmod 600' "… which then is a secret"
cp "$T/client.pem" "$T/client.key" "$T/credentials"
CREDENTIALS_DIRECTORY=$T/credentials send "${trust[@]}" --cert client.pem --key client.key "$me"
is "$got" delivered "those of a service"
openssl ec -in "$T/client.key" -aes128 -passout pass:geheim -out "$T/locked.key" 2>/dev/null
send "${trust[@]}" --cert "$T/client.pem" --key "$T/locked.key" "$me"
like "$status $(cat "$T/err")" '^78 .*locked.key: the key has a password: take it off' "a locked key is told, not asked about"
send "${trust[@]}" --key "$T/client.key" "$me"
like "$status $(cat "$T/err")" '^64 .*give --cert too' "a key alone"
cp "$T/stranger.pem" "$T/my.pem"
cp "$T/stranger.key" "$T/my.key"
live "${trust[@]}" --cert "$T/my.pem" --key "$T/my.key" "$me"
echo "$event" >&3
wait_for 10 refused_times 1
like "$(cat "$T/err")" 'check the certificate in .*/my.pem' "one of another authority is refused"
cp "$T/client.key" "$T/my.key"
cp "$T/client.pem" "$T/my.pem"
wait_for 10 grep -q delivered "$T/out"
ok $? "the new one is used without being told"
cp "$T/stranger.key" "$T/my.key"
cp "$T/stranger.pem" "$T/my.pem"
kill -HUP $sender
echo "${event/k1/k2}" >&3
wait_for 10 refused_times 2
ok $? "SIGHUP: new connections with what is there now, none with the old one"
cp "$T/client.key" "$T/my.key"
cp "$T/client.pem" "$T/my.pem"
wait_for 10 grep -q k2 "$T/out"
exec 3>&-
wait $sender
is $? 0 "and all is well"

# --- pins ----------------------------------------------------------------------------------------------

right=$(pin_of server)
wrong=$(pin_of elsewhere)
url=https://127.0.0.1:$tls/in
: >"$T/access.log"
send "${trust[@]}" --pin-sha256 "$right" "$url"
is "$got" delivered "the right pin"
send "${trust[@]}" --pin-sha256 "$wrong;$right" "$url"
is "$got" delivered "one of several"
# shellcheck disable=SC2317 # called by wait_for
noted() { [ "$(grep -c "$1" "$T/access.log")" -ge "$2" ]; } # after the reply
wait_for 10 noted /in 2
before=$(grep -c /in "$T/access.log")
send "${trust[@]}" --pin-sha256 "$wrong" "$url"
is "$status $got" "78 deferred" "another key: the destination stops, no event is used up"
like "$(cat "$T/err")" "it has another key than --pin-sha256 says \(no answer: it is ${right//+/\\+}: add that, if those who run the receiver say" \
    "… and it is said which, and what to do"
is "$(grep -c 'one is tried' "$T/err") $(grep -c /in "$T/access.log")" "1 $before" "… once, and nothing was sent"
send --pin-sha256 "$right" "$url"
is "$got" deferred "the certificate is checked all the same"
send --insecure --pin-sha256 "$(pin_of own)" "https://127.0.0.1:$own/in"
is "$got $(cat "$T/err")" "delivered " "--insecure: the pin alone counts, and nobody is warned"
send --insecure --pin-sha256 "$right" "https://127.0.0.1:$own/in"
is "$status $got" "78 deferred" "… and it does count"
send "${trust[@]}" --pin-sha256 "$right" -p cloudevents "$url"
is "$got" delivered "with a jq profile"
send "${trust[@]}" --pin-sha256 "$wrong" -p cloudevents "$url"
is "$status $got" "78 deferred" "… another key"
ts-send --check "${trust[@]}" --pin-sha256 "$wrong" "$url" >"$T/out"
like "$? $(cat "$T/out")" "^78 .*failed +tls +its public key is not that of --pin-sha256: it is ${right//+/\\+}" "--check tells it"
ts-send --check --insecure --pin-sha256 "$(pin_of own)" "https://127.0.0.1:$own/in" >"$T/out"
like "$(cat "$T/out")" "ok +tls +its key is that of --pin-sha256" "… and that it is right"
jq -n --arg url "https://127.0.0.1:$tls2/token" '{token_url: $url, client_id: "c", client_secret: "s"}' >"$T/oauth"
send "${trust[@]}" --pin-sha256 "$right" --oauth "$T/oauth" "$url"
is "$got" delivered "a token service elsewhere has its own key"
rm "$T/oauth"
jq -n --arg url "https://127.0.0.1:$own/token" '{token_url: $url, client_id: "c", client_secret: "s"}' >"$T/oauth"
send --insecure --pin-sha256 "$right" --oauth "$T/oauth" "$url"
is "$got" deferred "… and its certificate is checked, whatever is said of the receiver's"
for bad in "${right#sha256//}" "sha256//abc" "$right;" "sha1//${right#sha256//}"; do
    send "${trust[@]}" --pin-sha256 "$bad" "$url"
    like "$status $(cat "$T/err")" '^64 .*write it as sha256//HASH' "$bad is no pin"
done
send --pin-sha256 "$right" "$at"
like "$status $(cat "$T/err")" '^64 .*TLS options' "a pin needs https"

# --- redirects -----------------------------------------------------------------------------------------

cat >"$T/hr.jq" <<'END'
def defaults: {options: {login: {}, way: {}}, secrets: {token: {required: true}}};
def login: if .option.login then {path: .option.login, json: {password: .secret.token}} else null end;
def session: if .status == 200 then {} else null end;
def request: {path: .option.way, headers: bearer, json: .events[0].key};
def verdict: null;
END
echo "$secret" >"$T/token"
for way in 301 302 303 307 308; do
    send --user bridge="$T/password" "$at/$way"
    is "$status $got" "78 deferred" "$way with a password"
    send -p "$T/hr.jq" --token-file "$T/token" -o way=/$way "$at"
    is "$status $got" "78 deferred" "$way with a jq profile"
    send -p "$T/hr.jq" --token-file "$T/token" -o login=/$way -o way=/x "$at"
    is "$status $got" "78 deferred" "$way of its login"
    jq -n --arg way "/$way" '{token_url: $way, client_id: "c", client_secret: "s"}' >"$T/oauth"
    send --oauth "$T/oauth" "$at"
    is "$status $got" "78 deferred" "$way of a token service"
    rm "$T/oauth"
done
is "$(cat "$T/away.log" 2>/dev/null)" "" "none of them was followed"

# --- nobody is told --------------------------------------------------------------------------------------

# All that is secret, in one run each; what is seen of it from outside, and what comes out.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/rsa.pem" 2>/dev/null
printf 'X-Api-Key: %s\n' "$secret" >"$T/header"
jq -n --arg s "$secret" '{token_url: "/token", client_id: "c", client_secret: $s, refresh_token: ("r" + $s),
    access_token: ("a" + $s)}' >"$T/oauth"
cat >"$T/all.jq" <<'END'
def defaults: {secrets: {token: {}, other: {}, shared: {sign: "hmac"}, rsa: {sign: "rsa"}}};
def request: {path: "/echo", query: {k: .secret.other}, headers: bearer, json: .secret,
    sign: {alg: (if .secret.rsa then "rsa-sha256" else "hmac-sha256" end),
        key: (if .secret.rsa then "rsa" else "shared" end), header: "X-Sign"}};
def verdict: if .status == 422 then {outcome: "held", reason: .text, location: .text} else null end;
END
lines=$(sed -n 2p "$T/rsa.pem")
words="$secret\|$basic\|$lines\|$(sed -n 2p "$T/client.key")"
hidden() { # NAME ARGS...: a live run, then -n, --explain and --check
    local name=$1 where
    shift
    live -v "$@" "$at/echo"
    echo "$event" >&3
    echo '{"event_id":"k2","person_id":"7","ack":"x","time":"2026-01-07T10:34:08+08:00"}' >&3
    wait_for 10 grep -q 'Sending' "$T/err"
    for where in cmdline environ; do
        tr '\0' '\n' <"/proc/$sender/$where" >>"$T/seen"
    done
    grep 'core file size' "/proc/$sender/limits" >"$T/core"
    exec 3>&-
    wait $sender
    cat "$T/out" "$T/err" >>"$T/seen"
    echo "$event" | ts-send -n "$@" "$at/echo" >>"$T/seen" 2>&1
    [[ " $* " != *" -p "* ]] || echo "$event" | ts-send --explain "$@" "$at/echo" >>"$T/seen" 2>&1
    timeout 20 ts-send --check "$@" "$at/echo" >>"$T/seen" 2>&1
    is "$(grep -c "$words" "$T/seen")" 0 "$name: not in arguments, environment, messages, receipts, -n, --explain, --check"
    grep "$words" "$T/seen" | head -n 3 | sed 's/^/#  /'
    rm -f "$T/seen"
}
hidden "--token-file" --token-file "$T/token"
hidden "--user" --user bridge="$T/password"
hidden "--header-file" --header-file "$T/header"
hidden "--oauth" --oauth "$T/oauth"
hidden "a profile's secrets" -p "$T/all.jq" --token-file "$T/token" --secret other="$T/token" \
    --secret shared="$T/token" --header-file "$T/header"
hidden "a profile's key" -p "$T/all.jq" --token-file "$T/token" --secret other="$T/token" --secret rsa="$T/rsa.pem"
is "$(awk '{ print $5, $6 }' "$T/core")" "0 0" "no core can be written"
at=https://127.0.0.1:$mtls
hidden "--key" "${trust[@]}" --cert "$T/client.pem" --key "$T/client.key"
done_testing
