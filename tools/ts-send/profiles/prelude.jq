# SPDX-License-Identifier: MIT
# Stands before every profile: what a profile does not define, and helpers. jq 1.6 and later.

# --- what a profile may define; each gets one object, see ts-send(1), PROFILES ---
def about: {};
def defaults: {};
def login: null;
def session: null;
def request: error("the profile does not define it");
def verdict: null;
def check: null;
def watermark: null;

# --- not for profiles: they know what they are given, and nothing else ---
def env: error("a profile has no environment");
def input: error("a profile has no input");
def inputs: input;
def input_filename: null;
def debug: .;
def stderr: .;

# --- for login, request, check ---
def bearer: if .secret.token then {authorization: "Bearer \(.secret.token)"} else {} end;
def basic($user; $password): {authorization: "Basic \("\($user):\($password)" | @base64)"};

# --- of one event ---
# what to write for "in", for "out", and where the direction is not known
def direction($in; $out; $unknown):
    if .direction == "in" then $in elif .direction == "out" then $out else $unknown end;
# "2026-05-04 08:00:00" as "2026-05-04", "08:00:00", "08:00", "2026-05-04T08:00:00"
def date_part: .[0:10];
def time_part: .[11:19];
def minute_part: .[11:16];
def with_t: "\(.[0:10])T\(.[11:])";
def day_before: "\(.[0:10])T00:00:00Z" | fromdate - 86400 | strftime("%Y-%m-%d");
# the milliseconds of the event, "250"
def millis: (.time // "") | if test("\\.[0-9]") then
    (capture("\\.(?<f>[0-9]+)").f + "00")[0:3] else "000" end;
def has_time: .unix != null;
# "in" or "out", from what the person chose too; null where neither says it
def way: .direction // (.punch // "" |
    if test("^(check|overtime)_in$|^break_in$") then "in"
    elif test("_out$") then "out" else null end);
# a number, or so many digits at most, as a number; null for anything else
def id_number($digits): if type == "number" then .
    elif type == "string" and test("^[0-9]{1,\($digits)}$") then tonumber else null end;

# --- for verdict ---
def ok: .status >= 200 and .status < 300;
def text_has($words): .text | ascii_downcase | contains($words | ascii_downcase);
def held($reason): {outcome: "held", reason: $reason};
def rejected($reason): {outcome: "rejected", reason: $reason};
def retry($cause; $reason): {outcome: "retry", cause: $cause, reason: $reason};
def stop($cause; $reason): {outcome: "stop", cause: $cause, reason: $reason};
# 2xx, but not the reply that was expected: it may have arrived, or a proxy has spoken
def not_understood:
    {outcome: "retry", cause: "outage", reason: "the reply is not what the receiver sends",
     perhaps: true};

# --- for request: what cannot be sent at all; each gives a verdict or null, joined by // ---
# the person's number at the receiver: that of the roster, else that of the device
def person: (.employee_id // .person_id // "") | tostring;
def needs_passage: if (.kind // "granted") == "granted" then null
    else {outcome: "skipped", reason: "no passage of a person"} end;
def needs_time: if has_time then null else rejected("no usable time") end;
def needs_offset: if .site_offset then null
    else held("the zone is not known: say it in the site file, or -o zone") end;
def needs_person: if person != "" then null
    else held("no number of the person: give it in the roster") end;
def needs_direction: if .direction == "in" or .direction == "out" then null
    else held("in or out is not known: say it in the site file") end;
def needs_way: if way != null then null
    else held("the event does not say whether it is in or out") end;
def needs_employee: if .employee_id != null then null else held("the event names no employee") end;
def needs_id: if .key then null else rejected("no event_id") end;
# the number as this receiver's own are
def needs_number($receiver): if person | test("^[0-9]{1,15}$") then null
    else held("the number of the person is none of \($receiver): give it in the roster") end;
# a verdict for each event with such a fault, null when all are fit
def unfit(f): [.events[] | f] | if all(.[]; . == null) then null else . end;

# --- of the whole input ---
# who the event is about, as -o person= says it: a field, or the first of three; null: nobody
def chosen_person: (.option.person // "auto") as $which | .events[0]
    | if $which == "auto" then .employee_id // .person_id // .card_no else .[$which] end
    | if . == null then null else tostring end;

# --- for verdict: 2xx, but the body is not that of the receiver ---
def is_page: .text | test("^\\s*<(!doctype|html|head|body|\\?xml)"; "i");
def unreadable:
    if .text | test("^\\s*$") then not_understood + {reason: "the reply is empty"}
    elif is_page then
        retry("outage"; "a web page came in place of an answer: a proxy, or a login page")
    elif .body == null then not_understood + {reason: "the reply is cut off, or no JSON"}
    else not_understood end;

# What the table says; but a web page judges no event, and a conflict is a repeat only where the
# receiver says so.
def otherwise:
    if is_page and (.plain.outcome == "rejected" or .plain.outcome == "duplicate")
        and .status != 413 then
        retry("outage"; "a web page came in place of an answer: a proxy, or a login page")
    elif .status == 409 then rejected("a conflict with what the receiver has")
    else null end;

# @uri leaves !'()* as they are in some versions; in a name that is compared they must not.
def uri: tostring | @uri | gsub("!"; "%21") | gsub("'"; "%27") | gsub("\\("; "%28")
    | gsub("\\)"; "%29") | gsub("[*]"; "%2A");
