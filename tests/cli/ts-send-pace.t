#!/bin/bash
# Manners: the receiver's own rate limit, connections that follow its load, --rate and -j against
# what a profile allows, traces.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
command -v python3 >/dev/null || skip_all "python3 is not installed"
shopt -s lastpipe

# A receiver with a limit of requests a window, which it tells in the form of its first argument,
# and with room for so many requests at once.  GET /log: a line a request.
cat >"$T/server.py" <<'E2'
import email.utils, json, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
form, limit, window, room, work = sys.argv[1], *map(float, sys.argv[2:6])
log, lock, begin, busy, wrong_clock = [], threading.Lock(), time.time(), 0, -86400 * 400

def left(now):
    at = begin + ((now - begin) // window + 1) * window
    used = sum(1 for l in log if l["status"] == 200 and l["at"] >= at - window)
    return max(0, int(limit - used)), at

def fields(now):
    n, at = left(now)
    after = int(at - now + 0.999)
    return {
        "none": {},
        "draft06": {"RateLimit-Limit": "%d" % limit, "RateLimit-Remaining": n, "RateLimit-Reset": after},
        "draft07": {"RateLimit": "limit=%d, remaining=%d, reset=%d" % (limit, n, after)},
        "draft08": {"RateLimit": '"a";r=%d;t=%d' % (n, after), "RateLimit-Policy": '"a";q=%d;w=9' % limit},
        "delta": {"X-RateLimit-Remaining": n, "X-RateLimit-Reset": after},
        "unix": {"X-Rate-Limit-Remaining": n, "X-Rate-Limit-Reset": int(at + wrong_clock + 0.999)},
        "ms": {"X-RateLimit-Remaining": n, "X-RateLimit-Reset": int((at + wrong_clock) * 1000)},
        "mad": {"X-RateLimit-Remaining": n, "X-RateLimit-Reset": int(at + 315360000)},
    }[form]

class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def log_message(self, *a): pass
    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + wrong_clock, usegmt=True)
    def say(self, status, body, more={}):
        self.send_response(status)
        for k, v in more.items(): self.send_header(k, str(v))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.say(200, "".join(json.dumps(l) + "\n" for l in log).encode())
    def do_POST(self):
        global busy
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            busy += 1
            now = time.time()
            full, over = room and busy > room, left(now)[0] == 0
            entry = {"status": 503 if full else 429 if over else 200, "at": now, "busy": busy,
                "key": self.headers["Idempotency-Key"], "trace": self.headers.get_all("traceparent")}
            log.append(entry)
            more = fields(now)
        if entry["status"] == 200: time.sleep(work)
        with lock: busy -= 1
        self.say(entry["status"], b"{}", more)

class S(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128
server = S(("127.0.0.1", 0), H)
print(server.server_address[1], flush=True)
server.serve_forever()
E2
# server_start FORM LIMIT WINDOW-SECONDS ROOM WORK-SECONDS
server_start() {
    : >"$T/port"
    spawn python3 "$T/server.py" "$@" >"$T/port"
    wait_for 10 test -s "$T/port"
    url=http://127.0.0.1:$(cat "$T/port")/
}
events() { for ((i = 1; i <= $1; i++)); do echo "{\"event_id\":\"e$i\",\"person_id\":\"p$i\"}"; done; }
# send ARGS...: events on standard input; $T/out: the receipts, $T/log: what the receiver saw
send() {
    timeout 60 ts-send "$@" "$url" >"$T/out" 2>"$T/err"
    status=$?
    curl -s "$url" >"$T/log"
}
statuses() { jq -r .status "$T/log" | sort | uniq -c | tr -s ' \n' ' '; }
for tool in curl jq; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done

# --- the receiver's own limit ------------------------------------------------------------------------

for form in draft06 draft07 draft08 delta unix ms; do
    server_start $form 10 1 0 0
    events 15 | send -j 1
    is "$status $(grep -c '"delivered"' "$T/out") $(statuses)" "0 15  15 200 " "$form: not one request too many"
done
is "$(cat "$T/err")" "" "a short pause is not worth a word"
server_start delta 10 2 0 0
events 15 | send -j 8
is "$status $(grep -c '"delivered"' "$T/out")" "0 15" "eight connections: all arrive"
[ "$(jq -r 'select(.status == 429) | .at' "$T/log" | wc -l)" -le 8 ]
ok $? "eight connections: at most those under way are too many"

server_start mad 1 3600 0 0
events 3 | sed 's/}/,"ack":"k"}/' | send -j 1 --answer-within 1s
is "$status $(statuses)" "75  1 200 " "a reset in ten years: nothing more is sent now"
is "$(grep -c 'its rate limit begins anew only in more than 3600 s: obeyed for so long' "$T/err")" 1 "the bound is said, once"
is "$(grep -c 'nothing is sent for 3600 s' "$T/err")" 1 "the pause is said, once"
like "$(tail -n 1 "$T/out")" '"deferred","error":"the receiver.s rate limit is used up".*"retry_at"' "the giver hears when to come again"
retry=$(tail -n 1 "$T/out" | jq -r '.retry_at | .[0:19] + "Z" | fromdate - now | . / 60 | round')
is "$retry" 60 "… in an hour"

# --- connections -------------------------------------------------------------------------------------

server_start none 1e9 1 0 0.05
events 200 | send -j 16
is "$status $(jq -s 'map(.busy) | max' "$T/log")" "0 16" "a healthy receiver gets all connections"
[ "$(jq -s '[.[:60][].busy] | max' "$T/log")" = 16 ]
ok $? "within a few replies"
server_start none 1e9 1 5 0.02
events 400 | send -j 32 --retry-first 10ms --retry-max 50ms
is "$status $(grep -c '"delivered"' "$T/out")" "0 400" "503 above five at once: all arrive"
[ "$(jq -s 'map(select(.status == 503)) | length' "$T/log")" -lt 150 ]
ok $? "503 above five at once: few are sent in vain"

# --- what a profile allows ---------------------------------------------------------------------------

cat >"$T/hr.jq" <<'E2'
def defaults: {connections: 2, rate: "100/s"};
def request: {path: "", json: .events[0]};
E2
server_start none 1e9 1 0 0.1
# allowed NAME BUSIEST LEAST-SECONDS MOST-SECONDS ARGS...: of 20 events
allowed() {
    events 20 | send -p "$T/hr.jq" "${@:5}"
    is "$status $(jq -s '.[-20:] | map(.busy) | max' "$T/log")" "0 $2" "$1: $2 at once"
    jq -se --argjson least "$3" --argjson most "$4" \
        '.[-20:] | .[-1].at - .[0].at | . >= $least and . <= $most' "$T/log" >/dev/null
    ok $? "$1: as fast as is allowed"
}
allowed "as the profile says" 2 0.9 5
is "$(cat "$T/err")" "" "and no word about it"
allowed "-j 8" 2 0.9 5 -j 8
is "$(cat "$T/err")" "ts-send: --connections 8: the profile hr.jq allows 2" "is told"
allowed "-j 1" 1 1.8 9 -j 1
allowed "--rate 10/s" 2 1.85 9 --rate 10/s
sed -i 's|100/s|10/s|; s/connections: 2, //' "$T/hr.jq"
allowed "--rate 1000/s" 2 1.85 9 --rate 1000/s
is "$(cat "$T/err")" "ts-send: --rate 1000/s: the profile hr.jq allows no more than one request in 0.1 s" "is told"
for wrong in 'rate: 10' 'rate: "0/s"' 'rate: ""' 'connections: 0' 'connections: 1.5' 'arrays: 1'; do
    echo "def defaults: {$wrong}; def request: {};" >"$T/bad.jq"
    events 1 | send -p "$T/bad.jq"
    is "$status $(grep -c "profile bad.jq: defaults: ${wrong%%:*}: " "$T/err")" "78 1" "$wrong: is refused"
done

# --- traces --------------------------------------------------------------------------------------------

server_start none 1e9 1 0 0
id=019b9805-6100-8b85-a657-08efdeb09c4e trace=019b980561008b85a65708efdeb09c4e
for n in 1 2 3; do
    echo "{\"event_id\":\"$id\",\"attempts\":$n}" | send --traceparent
done
is "$(jq -r '.trace[]' "$T/log" | cut -d- -f 1,2,4 | uniq -c | tr -s ' ')" " 3 00-$trace-01" "a repeat has the same trace"
is "$(jq -r '.trace[]' "$T/log" | cut -d- -f 3 | grep -c '^[0-9a-f]\{16\}$') $(jq -r '.trace[]' "$T/log" | sort -u | wc -l)" "3 3" \
    "and is a try of its own"
is "$(grep -c trace "$T/out")" 0 "event_id tells it"
server_start none 1e9 1 0 0
events 3 | send --traceparent -b 3
is "$(jq -r .trace "$T/out" | uniq)" "$(jq -r '.trace[]' "$T/log" | cut -d- -f 2)" "an array: the receipts tell it"
server_start none 1e9 1 0 0
events 3 | send --traceparent -p "$T/hr.jq"
is "$(jq -r '.trace[]' "$T/log" | cut -d- -f 2 | sort -u | wc -l)" 3 "a jq profile: the same"
server_start none 1e9 1 0 0
events 3 | send
is "$(jq -c .trace "$T/log" | sort -u) $(grep -c trace "$T/out")" "null 0" "without --traceparent: none"

# --- an outage is told once, and SIGHUP tries at once ------------------------------------------------

command -v receiver >/dev/null || skip_all "the receiver is not built"
receiver_start
mkfifo "$T/fifo"
ts-send -v --retry-first 1h --retry-max 1h "$url" <"$T/fifo" >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
exec 3>"$T/fifo"
# shellcheck disable=SC2317 # called by wait_for
tries() { [ "$(grep -c '503 Service' "$T/err")" -ge "$1" ]; }
receiver_stop
events 1 >&3
wait_for 10 grep -q 'one is tried from time to time' "$T/err"
ok $? "nobody there: is told"
receiver_start --port "$port" --fault 'request 1..2 status 503' 3>&-
for ((n = 1; n <= 2; n++)); do
    kill -HUP $sender
    wait_for 10 tries $n
    ok $? "SIGHUP tries at once"
done
kill -HUP $sender
wait_for 10 grep -q delivered "$T/out"
ok $? "SIGHUP finds it up again"
exec 3>&-
wait $sender
is "$? $(grep -c 'http.*is not available' "$T/err") $(grep -c 'takes events again' "$T/err")" "0 1 1" "its stop and its return are told once"
receiver_stop

# A program that is started again in the middle of an outage.
events 1 | sed 's/}/,"ack":"k"}/' | TS_FAILING_SINCE=$(($(date +%s) - 7200)) ts-send -v -j 4 --answer-within 3s "$url" \
    >"$T/out" 2>"$T/err"
is "$? $(grep -c 'INFO' "$T/err")" "69 1" "started again in an outage: one try"
like "$(cat "$T/err")" 'still stopped: now it is not available' "… and a word"
like "$(cat "$T/err")" 'next try in [3-6][0-9][0-9]' "… and a long wait"
receiver_start --port "$port"
events 20 | TS_FAILING_SINCE=$(($(date +%s) - 7200)) ts-send "$url" >"$T/out" 2>"$T/err"
is "$? $(cat "$T/err")" "0 " "up again meanwhile: nothing to say"
receiver_stop
done_testing
