#!/bin/bash
# ts-read -l http://: bodies, answers after receipts, who may post, and hostile peers.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
for tool in curl jq python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
store=$ROOT/tests/support/store.pl

# event N: an event without its newline.
event() { printf '{"local_time":"2026-01-07T10:34:08","n":"%s"}' "$1"; }
# listening ARG...: starts it; sets $reader, $port and $url.
listening() {
    rm -f out err
    spawn ts-read -l "$@" >out 2>err
    reader=$spawned
    wait_for 5 grep -q '^listening on ' err
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
    url=http://127.0.0.1:$port
}
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
# post BODY [CURL OPTION...]: prints status and answer.
post() {
    local body=$1
    shift
    curl -s -m 20 -o answer -w '%{http_code} ' --data-binary "$body" "$@" "$url/events"
    cat answer
}
# came: the n of each event that came out; bad ones as "!".
came() { jq -r '.n // "!"' out | tr '\n' ' '; }

# --- bodies ----------------------------------------------------------------------------------------
json='Content-Type: application/json'
ndjson='Content-Type: application/x-ndjson'
listening -d D http://:0
like "$(<err)" '^listening on 127\.0\.0\.1:[0-9]+$' "it says where it listens: on loopback"
is "$(post "$(event 1)" -H "$json")" '200 {"accepted":1}' "a JSON object"
is "$(post "[$(event 2), $(event 3)]" -H "$json; charset=utf-8")" '200 {"accepted":2}' "an array"
is "$(post "$(event 4)
$(event 5)
" -H "$ndjson")" '200 {"accepted":2}' "NDJSON"
is "$(post "$(event 6 | sed 's/,/,\n/')" -H "$json")" '200 {"accepted":1}' "an object over two lines"
is "$(post "$(event 7)
$(event 8)" -H "$json")" '200 {"accepted":2}' "NDJSON that is called JSON"
is "$(post "$(event 9)" -H 'Content-Type:')" '200 {"accepted":1}' "an object without a type"
is "$(post "{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\",\"data\":$(event 10)}" \
    -H 'Content-Type: application/cloudevents+json')" '200 {"accepted":1}' "a structured CloudEvent"
is "$(post "[{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\",\"data\":$(event 11)},
{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"2\",\"data\":$(event 12)}]" \
    -H 'Content-Type: application/cloudevents-batch+json')" '200 {"accepted":2}' "a batch of them"
is "$(post "$(printf 'time,pin,n\n2026-01-07 10:00:00,17,x\n')" -H 'Content-Type: text/csv')" \
    '200 {"accepted":1}' "CSV"
is "$(post "$(event 13)" -X PUT)" '200 {"accepted":1}' "PUT is as good as POST"
is "$(post "$(event 14)" -H 'Transfer-Encoding: chunked')" '200 {"accepted":1}' "a chunked body"
post "$(event 15)" -H 'Expect: 100-continue' -D heads >/dev/null
is "$(tr -d '\r' <heads | grep '^HTTP' | tr '\n' ' ')$(<answer)" \
    'HTTP/1.1 100 Continue HTTP/1.1 200 OK {"accepted":1}' "a peer that asks first"
is "$(post "$(event 16)" --http1.0)" '200 {"accepted":1}' "HTTP/1.0"
event 17 | gzip >zip
is "$(post @zip -H "$json" -H 'Content-Encoding: gzip')" '200 {"accepted":1}' "a packed body"
is "$(post @zip -H 'Content-Encoding: X-Gzip' -H 'Transfer-Encoding: chunked')" '200 {"accepted":1}' \
    "in chunks, its coding in its old name"
ce=(-H 'ce-specversion: 1.0' -H 'ce-type: passage' -H 'ce-source: /gate%201' -H 'ce-id: 7')
is "$(post '{"person_id":"5","n":"18"}' "${ce[@]}" -H "$json" -H 'ce-time: 2026-01-07T10:34:08Z')" \
    '200 {"accepted":1}' "a CloudEvent in binary mode"
is "$(jq -c 'select(.n == "18") | [.time, .raw.source, .raw.id]' out)" \
    '["2026-01-07T10:34:08Z","/gate 1","7"]' "with its attributes"
is "$(post "$(event 19)},{\"x\":1" "${ce[@]}" -H "$json")" '200 {"accepted":1,"not_understood":1}' \
    "whose data is no way into the envelope"
is "$(post "$(event 20)" -H 'ce-type: passage' -H 'ce-id: 8')" '200 {"accepted":1}' \
    "fields of no CloudEvent are passed over"
is "$(post "$(event 21)" "${ce[@]}" -H 'ce-id: 8' | head -c 3)" 400 "one attribute twice"
is "$(post "{\"n\":\"no time\"}" -H "$json")" '200 {"accepted":1,"not_understood":1}' "a record that is not understood is one"
is "$(post 'hello' -H 'Content-Type: text/plain')" '200 {"accepted":1,"not_understood":1}' "a body of no known format too"
is "$(post '{"broken' -H "$json")" '200 {"accepted":1,"not_understood":1}' "and broken JSON"
is "$(came)" "1 2 3 4 5 6 7 8 9 10 11 12 ! 13 14 15 16 17 17 18 ! 20 ! ! ! " "each came out once, in order"
is "$(jq -r 'select(.error).raw' out | tail -n 1)" '{"broken' "with what was sent"
is "$(post "$(event 22)
{\"n\":\"no time\"}" -H "$ndjson")" '200 {"accepted":2,"not_understood":1}' "of two records one"
is "$(post '{"local_time":"2026-01-07T10:34:08","n":"24","error":null}' -H "$json")" \
    '200 {"accepted":1}' "an error of null is none"
is "$(jq -c 'select(.n == "24") | has("error")' out)" false "and is not passed on"
is "$(post '{"n":"25","error":null}' -H "$json")" '200 {"accepted":1,"not_understood":1}' \
    "and does not stand for a missing time"
like "$(jq -r .origin out | sort -u | head -n 1)" '^127\.0\.0\.1:[0-9]+$' "the origin is the peer"
is "$(jq -r 'has("received_at")' out | sort -u)" true "with the time of its coming"

# --- what is refused -------------------------------------------------------------------------------
refused() { # refused STATUS NAME CURL OPTION...
    local want=$1 name=$2
    shift 2
    is "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "$@" "$url/")" "$want" "$name"
}
before=$(wc -l <out)
refused 400 "an empty body" -X POST
refused 405 "GET"
refused 405 "DELETE" -X DELETE
refused 415 "a coding that is not known" -d x -H 'Content-Encoding: br'
refused 400 "deflate that is none" -d x -H 'Content-Encoding: deflate'
refused 400 "gzip that is none" -d x -H 'Content-Encoding: gzip'
event zip | gzip >whole.gz
head -c -9 whole.gz >half.gz
cat whole.gz whole.gz >twice.gz
refused 400 "half of it" --data-binary @half.gz -H 'Content-Encoding: gzip'
refused 400 "more behind it" --data-binary @twice.gz -H 'Content-Encoding: gzip'
head -c 1048577 /dev/zero | gzip >bomb.gz
refused 413 "unpacked larger than the limit" --data-binary @bomb.gz -H 'Content-Encoding: gzip'
head -c 1048577 /dev/zero >large
refused 413 "a body over the limit" --data-binary @large -H 'Expect:'
refused 413 "told before it is sent" --data-binary @large -H 'Expect: 100-continue'
refused 413 "chunked too" --data-binary @large -H 'Transfer-Encoding: chunked'
is "$(curl -s -o /dev/null -w '%{http_code}' "$url/healthz")" 200 "GET /healthz"
is "$(wc -l <out)" "$before" "nothing of that came out"
ends
is "$status" 0 "SIGTERM ends it in order"

listening --max-body 100 http://:0
refused 413 "--max-body sets the limit" -d "$(head -c 101 large | tr '\0' x)"
refused 200 "in bytes" -d "$(head -c 100 large | tr '\0' x)"
ends

# --- hostile peers ---------------------------------------------------------------------------------
cat >raw.py <<'END'
# Sends what no library would; prints NAME STATUS of each, sorted by the list below.
import socket, sys, threading
port = int(sys.argv[1])
body = b'{"local_time":"2026-01-07T10:34:08","n":"raw"}'
head = b"POST / HTTP/1.1\r\nHost: x\r\n"
length = b"Content-Length: %d\r\n" % len(body)
chunked = b"Transfer-Encoding: chunked\r\n"
chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
cases = [
    ("good", head + length + b"\r\n" + body, 200),
    ("good-chunked", head + chunked + b"\r\n" + chunks, 200),
    ("both-framings", head + length + chunked + b"\r\n" + chunks, 400),
    ("both-framings-other-order", head + chunked + length + b"\r\n" + chunks, 400),
    ("two-codings", head + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks, 400),
    ("odd-coding", head + b"Transfer-Encoding: xchunked\r\n\r\n" + chunks, 400),
    ("identity-coding", head + b"Transfer-Encoding: identity\r\n" + length + b"\r\n" + body, 400),
    ("coding-twice", head + chunked + chunked + b"\r\n" + chunks, 400),
    ("coding-and-blank", head + b"Transfer-Encoding: chunked \r\n\r\n" + chunks, 400),
    ("length-and-tab", head + length.replace(b"\r", b"\t\r") + b"\r\n" + body, 400),
    ("coding-in-1.0", b"POST / HTTP/1.0\r\n" + chunked + b"\r\n" + chunks, 400),
    ("length-twice", head + length + length + b"\r\n" + body, 400),
    ("length-list", head + b"Content-Length: 5, 5\r\n\r\n" + body, 400),
    ("length-signed", head + b"Content-Length: +5\r\n\r\n" + body, 400),
    ("length-negative", head + b"Content-Length: -5\r\n\r\n" + body, 400),
    ("length-hex", head + b"Content-Length: 0x5\r\n\r\n" + body, 400),
    ("length-empty", head + b"Content-Length:\r\n\r\n" + body, 400),
    ("length-huge", head + b"Content-Length: 99999999999999999999\r\n\r\n" + body, 400),
    ("space-before-colon", head + b"Content-Length : 5\r\n\r\n" + body, 400),
    ("folded-line", head + b"X: a\r\n b\r\n" + length + b"\r\n" + body, 400),
    ("bare-lf", b"POST / HTTP/1.1\nHost: x\n" + length + b"\n" + body, 400),
    ("bare-cr", head + b"X: a\rb\r\n" + length + b"\r\n" + body, 400),
    ("nul", head + b"X: a\0b\r\n" + length + b"\r\n" + body, 400),
    ("no-colon", head + b"nonsense\r\n" + length + b"\r\n" + body, 400),
    ("no-name", head + b": x\r\n" + length + b"\r\n" + body, 400),
    ("no-host", b"POST / HTTP/1.1\r\n" + length + b"\r\n" + body, 400),
    ("two-hosts", head + b"Host: y\r\n" + length + b"\r\n" + body, 400),
    ("http-0.9", b"GET /\r\n", 400),
    ("http-2", b"POST / HTTP/2.0\r\nHost: x\r\n" + length + b"\r\n" + body, 505),
    ("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, 400),
    ("absolute-target", b"POST http://x/ HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n" + body, 400),
    ("two-spaces", b"POST  / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n" + body, 400),
    ("high-byte-in-target", b"POST /\xff HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n" + body, 400),
    ("long-target", b"POST /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ("long-head", head + b"X: " + b"y" * 9000 + b"\r\n" + length + b"\r\n" + body, 431),
    ("endless-head", head + b"X: " + b"y" * 9000, 431),
    ("many-fields", head + b"".join(b"X%d: y\r\n" % i for i in range(70)) + length + b"\r\n" + body, 431),
    ("odd-expect", head + b"Expect: tea\r\n" + length + b"\r\n" + body, 417),
    ("chunk-no-number", head + chunked + b"\r\nzz\r\n" + body + b"\r\n0\r\n\r\n", 400),
    ("chunk-negative", head + chunked + b"\r\n-5\r\n" + body + b"\r\n0\r\n\r\n", 400),
    ("chunk-overflow", head + chunked + b"\r\nffffffffffffffffff\r\n" + body, 413),
    ("chunk-wrong-size", head + chunked + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 3, body), 400),
]
answers = {}

def run(name, request):
    try:
        s = socket.create_connection(("127.0.0.1", port))
        s.settimeout(8)
        s.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            piece = s.recv(4096)
            if not piece:
                break
            answer += piece
        answers[name] = answer.split(b" ")[1].decode() if answer else "none"
    except OSError as e:
        answers[name] = type(e).__name__

for at in range(0, len(cases), 8):
    threads = [threading.Thread(target=run, args=case[:2]) for case in cases[at:at + 8]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
for name, _, want in cases:
    print(name, want, answers[name])
END
listening -d D http://:0
while read -r name want got; do
    is "$got" "$want" "raw: $name"
done < <(python3 raw.py "$port")
is "$(came)" "raw raw " "only the good ones came out"
is "$(jq -r '.origin' out | sort -u | wc -l)" 2 "from one connection each"

# One connection carries many requests, one after the other; what cannot be read ends it.
cat >several.py <<'END'
# Sends several requests in one go; prints the answers' statuses, and "closed" when the peer closed.
import re, socket, sys
event = lambda n: b'{"local_time":"2026-01-07T10:34:08","n":"%d"}' % n
def post(n, more=b"", body=None):
    body = event(n) if body is None else body
    return b"POST / HTTP/1.1\r\nHost: x\r\n" + more + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
def chunked(n):
    return b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nT: x\r\n\r\n" % (len(event(n)), event(n))
def ask(data, count):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.settimeout(10)
    for at in range(0, len(data), 7 if count < 0 else len(data)):
        s.sendall(data[at:at + (7 if count < 0 else len(data))])
    got = b""
    try:
        while len(re.findall(rb"HTTP/1.1 \d+", got)) < abs(count):
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
        s.settimeout(0.3)
        end = s.recv(1) == b""
    except socket.timeout:
        end = False
    print(*[x.decode() for x in re.findall(rb"HTTP/1.1 (\d+)", got)], *["closed"] * end)
ask(post(1) + chunked(2) + post(3), 3)
ask(post(4) + chunked(5) + post(6), -3)
ask(post(7) + post(8, b"Connection: close\r\n") + post(9), 3)
ask(post(0, body=b"") + post(10), 2)
ask(post(11) + b"nonsense\r\n\r\n" + post(12), 3)
ask(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + post(13), 3)
ask(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(event(14)), event(14)) + post(15), 2)
END
python3 several.py "$port" >several
mapfile -t got <several
is "${got[0]}" "200 200 200" "three requests in one go: three answers, and the connection stays"
is "${got[1]}" "200 200 200" "the same in pieces of 7 bytes"
is "${got[2]}" "200 200 closed" "Connection: close ends it after its answer"
is "${got[3]}" "400 200" "an empty body is refused and ends nothing"
is "${got[4]}" "200 400 closed" "what cannot be read ends it"
is "${got[5]}" "200 200 200" "the answer to HEAD has no body"
is "${got[6]}" "200 closed" "HTTP/1.0: one request a connection"
is "$(came)" "raw raw 1 2 3 4 5 6 7 8 10 11 13 14 " "each event came out once, in order"

# Slow peers: each has its deadline, and holds up nobody.
cat >slow.py <<'END'
import socket, sys, time
port = int(sys.argv[1])
peers = []
for i in range(60):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-a: b")
    peers.append(s)
print("ready", flush=True)
end = time.time() + 15
gone = 0
while peers and time.time() < end:
    for s in peers[:]:
        try:
            s.settimeout(0.001)
            if b"408" in s.recv(4096) or True:
                peers.remove(s)
                gone += 1
        except socket.timeout:
            try:
                s.sendall(b"x")
            except OSError:
                peers.remove(s)
                gone += 1
        except OSError:
            peers.remove(s)
            gone += 1
    time.sleep(0.2)
print("gone", gone, flush=True)
END
spawn python3 slow.py "$port" >slow.out
slow=$spawned
wait_for 10 grep -q ready slow.out
is "$(post "$(event fast)")" '200 {"accepted":1}' "60 slow peers hold up no other"
wait "$slow"
is "$(tail -n 1 slow.out)" "gone 60" "and are cut off, though they keep sending"
ends

# A peer that goes away in the middle of its body leaves nothing behind.
listening -d D http://:0
printf 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n%s' "$(event half)" >"/dev/tcp/127.0.0.1/$port"
is "$(post "$(event whole)")" '200 {"accepted":1}' "after half a body"
is "$(came)" "whole " "only whole ones come out"
ends

# Peers that go away in the middle of a head give up their places at once.
listening -d D http://:0
python3 - "$port" <<'END'
import socket, struct, sys
for n in range(200):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
    if n % 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
END
is "$(post "$(event whole)" -m 2)" '200 {"accepted":1}' "after 200 beginnings of a head"
ends

# --- who may post ----------------------------------------------------------------------------------
ts-read -l http://0.0.0.0:0 2>err
is $? 64 "an outside address needs a guard"
like "$(<err)" '--allow .*--token-file' "which is said"
printf 's3cret-token\n' >token
chmod 644 token
ts-read -l --token-file token http://:0 2>err
is $? 77 "a token that others can read is refused"
chmod 600 token
listening -d D --token-file token http://0.0.0.0:0
is "$(post "$(event 1)" | head -c 3)" 401 "no token"
is "$(post "$(event 1)" -H 'Authorization: Bearer wrong' | head -c 3)" 401 "a wrong one"
is "$(post "$(event 1)" -H 'Authorization: Bearer s3cret-toke' | head -c 3)" 401 "a part of it"
is "$(post "$(event 1)" -H 'Authorization: Basic s3cret-token' | head -c 3)" 401 "another scheme"
is "$(post "$(event 1)" -H 'Authorization: Bearer s3cret-token')" '200 {"accepted":1}' "the token"
is "$(curl -s -o /dev/null -w '%{http_code}' "$url/healthz")" 200 "health needs none"
printf 'other\n' >token
kill -HUP "$reader"
# shellcheck disable=SC2317 # called by wait_for
reloaded() { [ "$(post "$(event 2)" -H 'Authorization: Bearer other' | head -c 3)" = 200 ]; }
wait_for 5 reloaded
ok $? "SIGHUP reads the token again"
ends
is "$(grep -c -e s3cret -e other err)" 0 "no message holds a token"
listening -d D --allow 127.0.0.2/31 http://0.0.0.0:0
is "$(post "$(event 1)" | head -c 3)" 403 "an address that is not allowed"
is "$(post "$(event 1)" --interface 127.0.0.3)" '200 {"accepted":1}' "one that is"
ends

# --- answers after receipts ------------------------------------------------------------------------
listening -F -d D --into "$store ledger" http://:0
is "$(post "[$(event 1),$(event 2)]")" '200 {"accepted":2}' "200 when all events are stored"
is "$(wc -l <ledger)" 2 "and they are"
is "$(grep -c '"ack":"[0-9a-f-]*"}$' ledger)" 2 "each was tagged"
is "$(post '{"n":"3"}')" '200 {"accepted":1,"not_understood":1}' "also for a record that is not understood: it is kept"
ends
is "$status" 0 "SIGTERM ends it in order"
rm -f ledger
STORE_DELAY_MS=300 listening -d D --into "$store ledger" http://:0
began=$(date +%s%N)
is "$(post "$(event 1)")" '200 {"accepted":1}' "an answer that comes late is waited for"
is "$((($(date +%s%N) - began) / 1000000 >= 300))" 1 "and not given before it"
ends
for outcome in held deferred mute; do
    rm -f ledger
    listening -d D --answer-within 500ms --into "$store ledger $outcome 2 1" http://:0
    is "$(post "[$(event 1),$(event 2),$(event 3)]" -D heads | head -c 3)" 503 "one event $outcome: 503 for all"
    like "$(cat heads)" 'Retry-After: [0-9]+' "with the time to come again"
    is "$(post "$(event 1)")" '200 {"accepted":1}' "the next request has its own answer"
    ends
    is "$status" 0 "nothing of it is left over"
done
for outcome in rejected duplicate skipped delivered; do
    listening -d D --into "$store ledger $outcome" http://:0
    is "$(post "$(event 1)")" '200 {"accepted":1}' "$outcome is final"
    ends
done

rm -f ledger
listening -F -d D --into "$store ledger die 2" http://:0
is "$(post "[$(event 1),$(event 2)]" | head -c 3)" 503 "503 when the command dies"
# shellcheck disable=SC2317 # called by wait_for
healthy() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/healthz")" = 200 ]; }
wait_for 10 healthy
ok $? "with -F it is started again"
is "$(post "$(event 3)")" '200 {"accepted":1}' "and the next request is stored"
ends
listening -d D --into "$store ledger die 2" http://:0
is "$(post "[$(event 1),$(event 2)]" | head -c 3)" 503 "without -F it is 503 as well"
wait "$reader"
is $? 75 "and the end"
listening -d D --into 'exec sleep 1000' --answer-within 5s http://:0
spawn curl -s -m 20 -o answer -w '%{http_code}' -d "$(event 1)" "$url/" >code
waiting=$spawned
wait_for 5 grep -q ":$(printf %04X "$port") .* 01 " /proc/net/tcp
# shellcheck disable=SC2317 # called by wait_for
fed() { grep -q sleep "/proc/$(pgrep -P "$reader")/cmdline"; }
wait_for 5 fed
kill "$(pgrep -P "$reader")"
wait "$waiting"
is "$(<code)" 503 "a request that waits when the command is killed has its answer"
wait "$reader" 2>/dev/null

# Many requests at once, in and out of order.
rm -f ledger
listening -F -d D --into "$store ledger" http://:0
python3 - "$port" >codes <<'END'
import http.client, sys, threading
codes = []
def run(n):
    for i in range(20):
        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
        c.request("POST", "/", '{"local_time":"2026-01-07T10:34:08","n":"%d-%d"}' % (n, i))
        codes.append(c.getresponse().status)
        c.close()
threads = [threading.Thread(target=run, args=(n,)) for n in range(20)]
for t in threads: t.start()
for t in threads: t.join()
print(codes.count(200))
END
is "$(<codes)" 400 "400 requests from 20 peers: each accepted"
is "$(jq -r .n ledger | sort -u | wc -l) $(wc -l <ledger)" "400 400" "each stored once"
ends

# --- standard output -------------------------------------------------------------------------------
rm -f err
(
    ts-read -l -d D http://:0 2>err
    echo $? >status
) | head -n 1 >one &
wait_for 5 grep -q '^listening on ' err
url=http://127.0.0.1:$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
is "$(post "$(event 1)")" '200 {"accepted":1}' "an event into a pipe"
wait_for 5 test -s status
is "$(<status) $(wc -l <one) $(grep -vc '^listening' err)" "74 1 0" "whose reader then goes: a quiet end"

done_testing
