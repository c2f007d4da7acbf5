# SPDX-License-Identifier: MIT
# Bitrix24, working time: IN opens the day of the person (or goes on with it), OUT closes it.  Only
# the current day can be written, and with a time only from the state CLOSED.  The webhook's code
# stands in the path, so it is a secret.

def about: {
    title: "Bitrix24, working time by webhook",
    url: "https://github.com/bitrix-tools/b24-rest-docs",
    notes: (
        "URL: https://PORTAL.bitrix24.com, without the webhook: that is --secret "
        + "webhook=FILE, holding USER/CODE or the whole address. Events of yesterday cannot be "
        + "delivered: they are rejected. A second IN while the day is open or paused is "
        + "refused. A time other than now waits for the approval of the manager. 503 "
        + "OVERLOAD_LIMIT is a block by hand: only the support of Bitrix24 ends it.")
};

def defaults: {
    batch: 1, connections: 2, rate: "2/s", arrays: "none", late: 86400, time: "echo",
    options: {
        report: {default: "turnstile",
            help: "REPORT, which a given time needs unless the schedule is flexible"},
        lat: {help: "LAT of every entry"},
        lon: {help: "LON of every entry"},
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"}
    },
    secrets: {webhook: {required: true, help: "USER/CODE of the webhook, or its whole address"}}
};

# "https://portal/rest/1/abc/" and "1/abc" → "1/abc"; nothing else may come into the path.
def webhook: (.secret.webhook // "") | sub("^https?://[^/]*/rest/"; "") | sub("/+$"; "")
    | split("/") | map(uri) | join("/");
def method($name): "/rest/" + webhook + "/" + $name;

# RFC 3339 with an offset → seconds of 1970, or null.
def moment: if type != "string" then null else
    (capture(
        "^(?<t>[0-9-]{10}T[0-9:]{8})([.][0-9]+)?(?<z>Z|(?<s>[+-])(?<h>[0-9]{2}):?(?<m>[0-9]{2}))$")
        // null)
    | if . == null then null else
        (.t + "Z" | fromdateiso8601)
        - (if .z == "Z" then 0 else (.h | tonumber) * 3600 + (.m | tonumber) * 60 end)
        * (if .s == "-" then -1 else 1 end)
      end end;
def offset_s: capture("^(?<s>[+-])(?<h>[0-9]{2}):(?<m>[0-9]{2})$")
    | ((.h | tonumber) * 3600 + (.m | tonumber) * 60) * (if .s == "-" then -1 else 1 end);

def needs_today($now):
    if .site[0:10] == ($now + (.site_offset | offset_s) | floor | todate | .[0:10]) then null
    else rejected("Bitrix24 takes only events of the current day") end;

def number($text): if $text == null then null else $text | tonumber end;

def request:
    .now as $now
    | unfit(needs_passage // needs_time // needs_offset // needs_person // needs_number("Bitrix24")
        // needs_direction // needs_today($now))
    // (.option as $o | .events[0] as $e | ($e | person | tonumber) as $user
    | if .memo == null and $e.ambiguous then
        {method: "POST", path: method("timeman.status"), json: {USER_ID: $user}, safe: true}
      else {
        method: "POST",
        path: method(if $e.direction == "in" then "timeman.open" else "timeman.close" end),
        json: ({
            USER_ID: $user,
            TIME: (($e.site | sub(" "; "T")) + $e.site_offset),
            REPORT: $o.report
        } + (if $o.lat and $o.lon then {LAT: number($o.lat), LON: number($o.lon)} else {} end))
    } end);

def check: {method: "POST", path: method("timeman.status"), json: {}, safe: true};

# Looked first: did the earlier try arrive?
def looked($e):
    if (.body.result? | type) != "object" then unreadable
    elif $e.direction == "in" and (.body.result.TIME_START | moment) == $e.unix then "duplicate"
    elif $e.direction == "out" and (.body.result.TIME_FINISH | moment) == $e.unix then "duplicate"
    else {then: {looked: true}} end;

# What it wrote.  A day that is gone on with keeps its first start, and the same wall clock in
# another zone is its habit; a time later than ours is the server's own now.
def written($e):
    (if $e.direction == "in" then {state: "OPENED", at: .body.result.TIME_START}
     else {state: "CLOSED", at: .body.result.TIME_FINISH} end) as $w
    | if .body.result.STATUS != $w.state then unreadable
    elif ($w.at | moment) == null then "delivered"
    elif ($w.at[0:19] | sub("T"; " ")) == $e.site then "delivered"
    elif ($w.at | moment) > $e.unix + 60 then
        {outcome: "stop", cause: "time", perhaps: true, reason: (
            "Bitrix24 stored another time than it was given: may the webhook's user set "
            + "times?")}
    else "delivered" end;

def refusal: {
    "": held("Bitrix24 does not know the number of the person"),
    WRONG_DATETIME: rejected("Bitrix24 takes only events of the current day"),
    TIME: rejected("the working day is open or paused already"),
    QUERY_LIMIT_EXCEEDED: {outcome: "retry", cause: "busy", wait_s: 1, reason: "too many requests"},
    OPERATION_TIME_LIMIT: {outcome: "retry", cause: "busy", wait_s: 600,
        reason: "the method used up its time: ten minutes of rest"},
    OVERLOAD_LIMIT: stop("config"; "blocked by hand for overload: ask the support of Bitrix24"),
    PORTAL_DELETED: stop("address"; "the portal is closed or deleted"),
    INVALID_REQUEST: stop("address"; "Bitrix24 wants https"),
    expired_token: stop("auth"; "the token has expired"),
    NO_AUTH_FOUND: stop("auth"; "Bitrix24 does not know the webhook"),
    INVALID_CREDENTIALS: stop("auth"; "the webhook's user has not the rights"),
    insufficient_scope: stop("auth"; "the webhook has not the scope timeman"),
    user_access_error: stop("auth"; "the webhook's user has no access"),
    ACCESS_DENIED: stop("auth"; "the plan of the portal has no REST")
};

def verdict:
    if (.body | type) == "object" and (.body | has("error")) then refusal[.body.error | tostring]
    elif ok | not then otherwise
    elif (.body.result? | type) != "object" then unreadable
    elif .events == [] then null
    else .events[0] as $e
        | if .memo == null and $e.ambiguous then looked($e) else written($e) end end;
