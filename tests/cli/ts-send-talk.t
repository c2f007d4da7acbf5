#!/bin/bash
# jq profiles over a real connection: steps, sessions, verdicts for arrays, what is held.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
command -v python3 >/dev/null || skip_all "python3 is not installed"
umask 077
shopt -s lastpipe

# A receiver with sessions.  What it does with an event stands in its person_id: "held…", "bad…",
# "had…", "lost…" (stored, then the connection ends), "time…", "busy…" (once), "kicked…" (the
# session ends, once).  GET /log: what it was asked; GET /rows: what it has.
cat >"$T/server.py" <<'E2'
import gzip, json, socket, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit, parse_qs
log, rows, sessions, once = [], [], set(), set()
mode = sys.argv[1]

class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def say(self, status, body, **headers):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for k, v in headers.items(): self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def first(self, what):
        if what in once: return False
        once.add(what)
        return True
    def store(self, e):
        p = e["person_id"]
        if p.startswith("held"): return "unknown"
        if p.startswith("bad"): return "bad"
        if p.startswith("time"):
            if e["id"] not in rows: rows.append(e["id"])
            return "time"
        if p.startswith("had") or e["id"] in rows: return "had"
        if p.startswith("busy") and self.first(e["id"]): return "busy"
        rows.append(e["id"])
        if p.startswith("lost") and self.first(e["id"]): return "lost"
        return "ok"
    def do_GET(self):
        u = urlsplit(self.path)
        if u.path == "/log": return self.say(200, "".join(l + "\n" for l in log))
        if u.path == "/rows": return self.say(200, "".join(l + "\n" for l in rows))
        log.append("GET " + self.path)
        self.say(200, {"found": [i for i in parse_qs(u.query).get("id", []) if i in rows]})
    def do_PUT(self): self.do_POST()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.headers.get("Content-Encoding") == "gzip": body = gzip.decompress(body)
        body = body.decode()
        log.append(self.command + " " + self.path)
        if self.path.endswith("/login"):
            if mode == "closed" or json.loads(body)["password"] != "geheim": return self.say(200, {"error": "no"})
            s = "s%d" % (len(log))
            if mode != "amnesia": sessions.add(s)
            return self.say(200, {"sid": s})
        if mode != "open" and self.headers.get("X-Sid") not in sessions: return self.say(401, "")
        if mode == "page": return self.say(200, "<html>welcome</html>", Content_Type="text/html")
        events = json.loads(body)
        if mode == "atomic":
            bad = [r for r in (("unknown" if e["person_id"].startswith("held") else
                "bad" if e["person_id"].startswith("bad") else None) for e in events) if r]
            if bad: return self.say(200, {"results": bad[:1]})
        if mode == "session" and any(e["person_id"].startswith("kicked") for e in events) and self.first("kick"):
            sessions.clear()
            return self.say(401, "")
        results = [self.store(e) for e in events]
        if "lost" in results:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.say(200, {"results": results}, X_Way="a, b")

server = ThreadingHTTPServer(("127.0.0.1", 0), H)
print(server.server_address[1], flush=True)
server.serve_forever()
E2
cat >"$T/hr.jq" <<'E2'
def defaults: {arrays: "items", options: {login: {default: "no"}, look: {default: "no"}, arrays: {}, late: {}},
        secrets: {password: {}}}
    + if .option.arrays then {arrays: .option.arrays} else {} end
    + if .option.late then {late: (.option.late | tonumber)} else {} end;
def login: if .option.login == "no" then null
    else {path: "/login", json: {password: .secret.password}, safe: true} end;
def session: if .body.sid then {sid: .body.sid} elif .body.error then "rejected" else null end;
def request:
    if any(.events[]; .person_id == "nobody") then
        [.events[] | if .person_id == "nobody" then {outcome: "skipped", reason: "nobody"} else null end]
    elif .memo == null and .option.look == "yes" then
        {method: "GET", path: "/find", query: {id: [.events[].key]}}
    else .memo as $memo | {method: "PUT", path: "/api/x y", headers: {"X-Sid": .session.sid},
        json: [.events[] | {id: .key, person_id, at: .utc}]} end;
def one: {ok: "delivered", had: "duplicate", bad: {outcome: "rejected", reason: "not wanted"},
    unknown: {outcome: "held", reason: "not known yet"}, busy: {outcome: "retry"},
    time: {outcome: "stop", cause: "time", reason: "it keeps another time", perhaps: true}}[.];
def verdict:
    if .status == 401 then "session"
    elif .memo == null and (.request.path == "/find") then
        if (.body.found | length) == (.events | length) then "duplicate" else {then: "write"} end
    elif (.body.results | length) == (.events | length) then [.body.results[] | one]
    elif .body.results then (.body.results[0] | one)
    else {outcome: "retry", cause: "outage", reason: "not understood", perhaps: true} end;
E2
printf 'geheim\n' >"$T/password"
printf 'falsch\n' >"$T/wrong"

server_start() {
    : >"$T/port"
    spawn python3 "$T/server.py" "$1" >"$T/port"
    wait_for 10 test -s "$T/port"
    url=http://127.0.0.1:$(cat "$T/port")
}
# event ID PERSON [MORE]
event() { printf '{"event_id":"%s","person_id":"%s","time":"2026-01-07T10:34:08+08:00"%s}\n' "$1" "$2" "${3-}"; }
# send ARGS...: events on standard input; $T/out: "id outcome" each, sorted; $status
send() {
    timeout 30 ts-send -p "$T/hr.jq" --retry-first 20ms --retry-max 100ms "$@" "$url" >"$T/receipts" 2>"$T/err"
    status=$?
    sed -E 's/.*"event_id":"([^"]*)","outcome":"([^"]*)".*/\1 \2/' "$T/receipts" | sort >"$T/out"
}
asked() { curl -s "$url/log"; }
rows() { curl -s "$url/rows" | sort | tr '\n' ' '; }

# --- verdicts ----------------------------------------------------------------------------------------

server_start open
{ event a p1; event b bad1; event c had1; event d nobody; event e busy1; event f held1; event g held1
  event h p2; event i held2 ',"ack":"k"'; event j held2 ',"ack":"l"'; } >"$T/events"
send <"$T/events"
is "$status" 75 "held and deferred: status 75"
is "$(cat "$T/out")" "a delivered
b rejected
c duplicate
d skipped
e delivered
f held
g deferred
h delivered
i held
j deferred" "one event a request: each by its verdict, those behind a held one wait"
like "$(grep '"f"' "$T/receipts")" '"held","status":200,"error":"not known yet","attempts":1' "the receipt says why it is held"
like "$(grep '"b"' "$T/receipts")" '"error":"not wanted"' "the profile's own words for a refusal"
like "$(grep '"d"' "$T/receipts")" '"skipped","error":"nobody"' "skipped before anything was sent"
like "$(grep '"j"' "$T/receipts")" '"ack":"l".*"deferred".*"retry_at"' "an event with an ack hears when to come again"
is "$(asked | sort | uniq -c | sed 's/^ *//')" "8 PUT /api/x%20y" "the request has its own method and path"
is "$(rows)" "a e h " "and the right ones are stored"

server_start open
send -b 20 <"$T/events"
is "$(tr '\n' ' ' <"$T/out")" "a delivered b rejected c duplicate d skipped e delivered f held g held h delivered i held j held " \
    "an array: a verdict for each event"
is "$(rows)" "a e h " "an array: those are stored"

server_start atomic
send -b 20 -o arrays=atomic -o login=yes --secret password="$T/password" <"$T/events"
is "$(tr '\n' ' ' <"$T/out")" "a delivered b rejected c duplicate d skipped e delivered f held g deferred h delivered i held j deferred " \
    "an atomic array is split until the bad ones stand alone"
is "$(rows)" "a e h " "and all others are stored, once"

# --- sessions ----------------------------------------------------------------------------------------

server_start session
{ event a p1; event b kicked; event c p3; event d p4; event e p5; } | send -j 4 -o login=yes --secret password="$T/password"
is "$status $(cut -d' ' -f2 "$T/out" | sort | uniq -c | tr -s ' ')" "0  5 delivered" "a session that ends is begun anew"
is "$(asked | grep -c login)" 2 "with one login more, for all connections"
is "$(grep -c '"attempts":1,' "$T/receipts")" 5 "which counts as no attempt"
is "$(rows)" "a b c d e " "and each event arrives once"
{ event f p1; event g p2; } | send -o login=yes --secret password="$T/wrong" --give-up-after 500ms
is "$status $(cut -d' ' -f2 "$T/out" | uniq -c | tr -s ' ')" "78  2 deferred" "a refused login stops the destination, and no event is used up"
like "$(cat "$T/err")" 'credentials are refused.*renew what --secret' "and is said, with what to do"
is "$(grep -c 'geheim\|falsch' "$T/err" "$T/receipts" | cut -d: -f2 | tr '\n' ' ')" "0 0 " "no password is told"
is "$(grep -c 'wait' "$T/err")" 1 "once"

server_start amnesia
event a p1 | send -o login=yes --secret password="$T/password" --give-up-after 400ms
is "$status" 78 "a session that is never taken stops the destination"
like "$(cat "$T/err")" 'does not take the session' "and is said"
[ "$(asked | grep -c login)" -lt 20 ]
ok $? "without logging in all the time"

# --- steps -------------------------------------------------------------------------------------------

server_start open
event a lost1 | send -o look=yes
is "$status $(cat "$T/out")" "0 a duplicate" "after a lost reply it looks first"
is "$(asked | tr '\n' ';')" "GET /find?id=a;PUT /api/x%20y;GET /find?id=a;" "step by step"
is "$(rows)" "a " "and the event is there once"
like "$(cat "$T/receipts")" '"ambiguous":true' "it is marked"

# --- stops -------------------------------------------------------------------------------------------

server_start open
event a time1 | send --give-up-after 300ms
is "$status" 78 "another time is stored: the destination stops"
like "$(cat "$T/err")" 'it keeps another time \(200 OK\)' "and says why"
like "$(cat "$T/receipts")" '"deferred".*"ambiguous":true' "the event is not used up"
server_start page
event a p1 | send -o login=yes --secret password="$T/password" --give-up-after 400ms
is "$status $(cut -d' ' -f2 "$T/out")" "69 deferred" "a page in place of an answer is no delivery"
server_start open
sed 's/^def verdict:.*/def verdict: .body.results | .[0].x | error("no") ; def old:/' "$T/hr.jq" >"$T/hr2.jq"
event a p1 | ts-send -p "$T/hr2.jq" --give-up-after 300ms --retry-first 50ms "$url" >"$T/receipts" 2>"$T/err"
like "$(cat "$T/receipts")" deferred "an error in the profile's verdict is no delivery"
is "$(grep -c 'profile hr2.jq: verdict: ' "$T/err")" 1 "and is said once"

# --- many at once ------------------------------------------------------------------------------------

server_start open
for i in $(seq 200); do event "m$i" "p$i"; done | send -b 100
is "$status $(cut -d' ' -f2 "$T/out" | sort | uniq -c | tr -s ' ')" "0  200 delivered" "large arrays"
sed 's/arrays: "items",/& fields: ["person_id", "utc"],/' "$T/hr.jq" >"$T/hr3.jq"
event z p1 ',"secret":"x"' | ts-send -p "$T/hr3.jq" --explain "$url" >"$T/out"
like "$(cat "$T/out")" '"json":\[\{"id":"z","person_id":"p1","at":"2026-01-07 02:34:08"\}\]' "a profile sees the fields that it names"

# --- what is too old, too large, dry -----------------------------------------------------------------

server_start open
{ event a p1; echo '{"event_id":"b","person_id":"p2","time":"'"$(date -u +%FT%TZ)"'"}'; } | send -o late=3600
is "$(tr '\n' ' ' <"$T/out")" "a rejected b delivered " "an event that is too old is rejected"
like "$(grep '"a"' "$T/receipts")" 'too old: this receiver takes no late events' "and says so"
for i in 1 2 3 4 5 6 7 8; do event "x$i" "p$i"; done | send -b 8 --max-body 1100 --gzip
is "$status $(cut -d' ' -f2 "$T/out" | sort | uniq -c | tr -s ' ')" "0  8 delivered" "what is larger than --max-body is split"
event a p1 | ts-send -n -p "$T/hr.jq" --secret password="$T/none" "$url" >"$T/out"
is "$(sed -n 1p "$T/out") $(tail -n 2 "$T/out" | head -n 1)" \
    "PUT $url/api/x%20y "'[{"id":"a","person_id":"p1","at":"2026-01-07 02:34:08"}]' "-n prints the request, and reads no secret"

# A line of 1 MiB may hold more values than memory: such members are left out.
echo 'def request: {json: .events};' >"$T/whole.jq"
kib=$(python3 - "$T/whole.jq" "$url" <<'END'
import resource, subprocess, sys
line = '{"event_id":"a","person_id":"p1","few":[1,{}],"many":[' + "{}," * 300000 + '0]}\n'
said = subprocess.run(["ts-send", "-n", "-p", *sys.argv[1:]], input=line.encode(), stdout=subprocess.PIPE)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, '"few":[1,{}]' in said.stdout.decode(),
      "many" in said.stdout.decode())
END
)
[ "${MODE:-release}" != asan ] || kib="0 ${kib#* }" # the sanitizer's own
[ "${kib%% *}" -lt 32768 ]
ok $? "an event of more values than memory (${kib%% *} KiB)"
is "${kib#* }" "True False" "its other members are there"

# --- calling it --------------------------------------------------------------------------------------

refused() {
    event a p1 | ts-send "${@:3}" >"$T/out" 2>"$T/err"
    is $? "$1" "${*:3}: status $1"
    like "$(cat "$T/err")" "$2" "… and says why"
}
refused 64 'no such profile; there are: plain, ' -p none
refused 64 'takes no --option' -o a=b
refused 64 'has no such; it has: login' -p "$T/hr.jq" -o a=b
refused 64 'key=value' -p "$T/hr.jq" -o a
refused 64 'has no such; it has: password' -p "$T/hr.jq" --token-file "$T/password"
refused 66 'cannot open' -p "$T/no.jq"
printf 'def request:\n  nul;\n' >"$T/bad.jq"
refused 78 'profile bad.jq, line 2: nul/0 is not defined' -p "$T/bad.jq"
printf 'def defaults: {arays: 1};\n' >"$T/bad.jq"
refused 78 'defaults: arays is not known' -p "$T/bad.jq"
done_testing
