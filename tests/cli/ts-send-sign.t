#!/bin/bash
# SPDX-License-Identifier: MIT
# Signed requests: a receiver that checks each signature with openssl, and the keys behind them.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
for p in python3 openssl curl; do
    command -v $p >/dev/null || skip_all "needs $p"
done
umask 077

# The receiver: /v2/… as greytHR takes swipes, other paths a webhook with its signature in X-Sign.
# 200 when openssl agrees with the public key or the secret in the folder, else 401.
cat >"$T/server.py" <<'END'
import base64, hashlib, hmac, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
T = sys.argv[1]
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def rsa(self, digest, text, signature):
        open(T + "/signature", "wb").write(base64.b64decode(signature, validate=True))
        return subprocess.run(["openssl", "dgst", "-" + digest, "-verify", T + "/public.pem",
            "-signature", T + "/signature"], input=text, capture_output=True).returncode == 0
    def good(self, body):
        sign = self.headers.get("X-Sign", "")
        if self.path.startswith("/v2/"):
            form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
            return self.rsa("sha1", form["swipes"].encode(), form["sign"])
        if self.path == "/rsa-sha256":
            return self.rsa("sha256", body, sign)
        name = self.path[1:].split("-")[1]
        secret = open(T + "/shared").read().strip().encode()
        mac = hmac.new(secret, body, name).digest()
        return sign in ("hex=" + mac.hex(), "b64=" + base64.b64encode(mac).decode())
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        open(T + "/log", "ab").write(self.path.encode() + b" " + self.headers.get("X-Sign", "-").encode() + b" " + body + b"\n")
        try: good = self.good(body)
        except Exception: good = False
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()
server = ThreadingHTTPServer(("127.0.0.1", 0), H)
print(server.server_address[1], flush=True)
server.serve_forever()
END
: >"$T/port"
spawn python3 "$T/server.py" "$T" >"$T/port"
wait_for 10 test -s "$T/port"
url=http://127.0.0.1:$(cat "$T/port")

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/private.pem" 2>/dev/null
openssl pkey -in "$T/private.pem" -pubout -out "$T/public.pem"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/other.pem" 2>/dev/null
openssl rsa -in "$T/private.pem" -aes128 -passout pass:geheim -out "$T/locked.pem" 2>/dev/null
openssl rsa -in "$T/private.pem" -traditional -out "$T/old-form.pem" 2>/dev/null
echo "shared-s3cret-of-the-test" >"$T/shared"

cat >"$T/hook.jq" <<'END'
def defaults: {options: {way: {}}, secrets: {shared: {sign: "hmac"}, rsa: {sign: "rsa"}, token: {}}};
def signs: {
    "hmac-sha1": {alg: "hmac-sha1", key: "shared", encode: "hex", header: "X-Sign", prefix: "hex="},
    "hmac-sha256": {alg: "hmac-sha256", key: "shared", encode: "base64", header: "X-Sign", prefix: "b64="},
    "rsa-sha256": {alg: "rsa-sha256", key: "rsa", header: "X-Sign"},
    "seen": {alg: "hmac-sha1", key: "token", header: "X-Sign"},
    "none": {alg: "hmac-md5", key: "shared", header: "X-Sign"},
    "nowhere": {alg: "hmac-sha1", key: "shared"},
    "no-form": {alg: "hmac-sha1", key: "shared", field: "sign"},
    "typo": {alg: "hmac-sha1", key: "shared", headr: "X-Sign"},
    "mixed": {alg: "rsa-sha1", key: "shared", header: "X-Sign"}};
def request: .option.way as $way | {path: ("/" + $way), json: (.events[0] | {p: .person_id}),
    headers: {"X-What": (.secret | tostring)}, sign: signs[$way]};
END
event='{"event_id":"k1","time":"2026-01-07T10:34:08.5+08:00","person_id":"126","device_id":"G","direction":"in"}'

# send ARGS...: one event; its outcome in $got, and $status
send() {
    echo "$event" | ts-send -v --answer-within 1s --retry-first 10ms --give-up-after 300ms "$@" \
        >"$T/out" 2>"$T/err"
    status=$?
    got=$(sed -n 's/.*"outcome":"\([a-z]*\)".*/\1/p' "$T/out")
}

# --- greytHR -----------------------------------------------------------------------------------------

send -p greythr -o id=api-1 --secret key="$T/private.pem" "$url"
is "$got" delivered "greytHR: openssl verifies the RSA-SHA1 signature of the swipes"
like "$(cat "$T/log")" '^/v2/attendance/asca/swipes - id=api-1&swipes=2026-01-07T10.*&sign=[A-Za-z0-9%]+$' \
    "… which stands in the form"
send -p greythr -o id=api-1 --secret key="$T/old-form.pem" "$url"
is "$got" delivered "greytHR: a key in the older form of PEM"
send -p greythr -o id=api-1 --secret key="$T/other.pem" "$url"
is "$got" deferred "greytHR: the signature by another key is refused, and uses up no event"
like "$(cat "$T/err")" 'does not take the API id or the signature \(401' "… and is said"
send -p greythr -o id=api-1 --secret key=<(cat "$T/private.pem") "$url"
is "$got" delivered "greytHR: the key by a descriptor of the shell"
mkdir "$T/credentials"
cp "$T/private.pem" "$T/credentials/greythr"
CREDENTIALS_DIRECTORY=$T/credentials send -p greythr -o id=api-1 --secret key=greythr "$url"
is "$got" delivered "greytHR: the key of a service"

# --- webhooks ----------------------------------------------------------------------------------------

for way in hmac-sha1 hmac-sha256; do
    send -p "$T/hook.jq" -o way=$way --secret shared="$T/shared" "$url"
    is "$got" delivered "$way of the body in a header"
done
send -p "$T/hook.jq" -o way=rsa-sha256 --secret rsa="$T/private.pem" "$url"
is "$got" delivered "rsa-sha256 of the body in a header"
for way in seen none nowhere no-form typo mixed; do
    send -p "$T/hook.jq" -o way=$way --secret shared="$T/shared" --secret token="$T/shared" "$url"
    like "$got $(cat "$T/err")" 'rejected.*profile hook.jq: sign: ' "$way: a profile that signs wrongly"
done

# --- nothing is read, nothing is told ----------------------------------------------------------------

echo "$event" | ts-send -p greythr -o id=api-1 --secret key="$T/none" --explain "$url" >"$T/out"
like "$(cat "$T/out")" '&sign=%7Bsignature%7D"' "--explain: a stand-in, and no key is read"
echo "$event" | ts-send -p "$T/hook.jq" -o way=hmac-sha1 --secret shared="$T/none" -n "$url" >"$T/out"
like "$(cat "$T/out")" 'X-Sign: hex=\{signature\}' "-n: likewise"

: >"$T/log"
mkfifo "$T/events"
ts-send -v -p "$T/hook.jq" -o way=hmac-sha256 --secret shared="$T/shared" --retry-first 10ms \
    --retry-max 50ms "$url" <"$T/events" >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
exec 3>"$T/events"
echo "$event" >&3
wait_for 10 grep -q delivered "$T/out"
for what in cmdline environ; do
    is "$(tr '\0' '\n' <"/proc/$sender/$what" | grep -c s3cret)" 0 "no secret in $what"
done
is "$(cat "$T/log" "$T/out" "$T/err" | grep -c s3cret)" 0 "nor in requests, receipts and messages"
like "$(cat "$T/log")" '^/hmac-sha256 b64=[^ ]+ \{"p":"126"\}' "the profile itself sees no key"

# --- renewed keys ------------------------------------------------------------------------------------

cp "$T/shared" "$T/mine"
echo "a-new-s3cret" >"$T/shared"
kill -HUP $sender
echo "${event/k1/k2}" >&3
wait_for 10 grep -q k2 "$T/out"
ok $? "SIGHUP reads the key again"
exec 3>&-
wait $sender
is $? 0 "and all is well"
echo "$event" | ts-send -p "$T/hook.jq" -o way=hmac-sha256 --secret shared="$T/mine" --retry-first 10ms \
    --retry-max 50ms "$url" >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
wait_for 10 grep -q 'credentials are refused' "$T/err"
cp "$T/shared" "$T/mine"
wait_for 10 grep -q delivered "$T/out"
ok $? "after 401 it is read again without being told"

# --- keys that are none ------------------------------------------------------------------------------

refused() { # STATUS WORDS FILE
    send -p greythr -o id=api-1 --secret key="$3" "$url"
    like "$(cat "$T/err")" "$2" "${3##*/}: $2"
    is "$status $got" "$1 " "… status $1, before any event is taken"
}
refused 78 'has a password: take it off' "$T/locked.pem"
refused 78 'no private key in PEM' "$T/public.pem"
refused 78 'no private key in PEM' "$T/shared"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/ec.pem" 2>/dev/null
refused 78 'must be an RSA key' "$T/ec.pem"
chmod 644 "$T/other.pem"
refused 77 'chmod 600' "$T/other.pem"
sed 's/sign: "hmac"/sign: "hmca"/' "$T/hook.jq" >"$T/bad.jq"
send -p "$T/bad.jq" -o way=none "$url"
like "$(cat "$T/err")" 'secrets: sign: hmac or rsa' "a profile with another kind of key"
done_testing
