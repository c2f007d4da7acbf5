# SPDX-License-Identifier: MIT
# Personio, attendances (v1): IN creates an open record, OUT sets the end of the one that is open.
# Several INs go in one array, and the reply judges each.  Minutes only; no key against repeats, so
# one that may have arrived, or overlaps another, is looked up.

def about: {
    title: "Personio, attendances",
    url: "https://developer.personio.de/reference/post_company-attendances",
    notes: (
        "URL: https://api.personio.de. Credentials: --token-file, or -o client_id=ID and "
        + "--secret client_secret=FILE to log in. Times are the wall clock of the site, cut to "
        + "the minute: two passages of a person in one minute become one. A night shift is "
        + "closed where the record began the day before. Personio takes 100 records at most, "
        + "users report fewer: -b says how many; an array with an OUT in it is sent one by one.")
};

def defaults: {
    batch: 1, connections: 2, arrays: "items",
    options: {
        client_id: {help: "to log in, with the secret client_secret"},
        approval: {default: "skip", help: "skip, or ask: records wait for approval"},
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"}
    },
    secrets: {
        token: {help: "bearer token, or --oauth"},
        client_secret: {help: "to log in"}
    }
};

def authorization: {authorization: "Bearer \(.session.token? // .secret.token // "")"};
def login: if .option.client_id then
    {method: "POST", path: "/v1/auth", safe: true,
        json: {client_id: .option.client_id, client_secret: .secret.client_secret}}
    else null end;
def session: if ok and (.body.data.token? | type) == "string" then {token: .body.data.token}
    elif .status == 401 or .status == 403 or .status == 400 or (.body.success? == false) then
        stop("auth"; "Personio does not take the client id and secret")
    elif ok then unreadable else null end;


def date: .site[0:10];
def minute: .site[11:16];

# The records of the persons of $events around their days.
def look($events; $back):
    ([$events[] | date] | [min, max]) as $days
    | {method: "GET", headers: authorization,
       path: ("/v1/company/attendances?start_date="
           + (if $back then $days[0] | day_before else $days[0] end)
        + "&end_date=" + $days[1] + "&includePending=true&limit=200&offset=0"
        + ([$events[] | person] | unique | map("&employees%5B%5D=" + .) | add))};

def create: .option as $o | {
    method: "POST", path: "/v1/company/attendances", headers: authorization,
    json: {
        attendances: [.events[]
            | {employee: (person | tonumber), date: date, start_time: minute, break: 0,
            comment: ""}],
        skip_approval: ($o.approval != "ask")
    }
};

def request:
    unfit(needs_passage // needs_time // needs_person // needs_number("Personio")
        // needs_direction)
    // (if (.events | length) > 1 and any(.events[]; .direction == "out") then "split"
    elif .memo.close? then
        {method: "PATCH", path: ("/v1/company/attendances/" + (.memo.close | tostring | uri)),
            headers: authorization,
         json: {end_time: (.events[0] | minute), skip_approval: (.option.approval != "ask")}}
    elif .memo.judged? then look(.events; false)
    elif .events[0].direction == "out" then look(.events; true)
    elif .memo == null and any(.events[]; .ambiguous) then look(.events; false)
    else create end);

def check: look([{person_id: "0", site: (.now | floor | todate | sub("T"; " ") | .[0:19])}]; false);

# Records of a reply to look, each with id.
def records:
    [.body.data[] | {id, employee: (.attributes.employee | tostring), date: .attributes.date[0:10],
    start: (.attributes.start_time // "" | .[0:5]), end: (.attributes.end_time // "" | .[0:5])}];
def is_among($records): person as $p | date as $d | minute as $m
    | any($records[]; .employee == $p and .date == $d and .start == $m);

# OUT: the newest open record up to then is closed; one that ends in this minute is ours.
def looked_out($records): .events[0] as $e | ($e | person) as $p | ($e.site[0:16]) as $at
    | [$records[] | select(.employee == $p and (.date + " " + .start) <= $at)]
        | sort_by(.date + " " + .start)
    | (map(select(.end == "")) | last) as $open
    | if any(.[]; .end == ($e | minute) and (.date == ($e | date) or .end < .start)) then
        "duplicate"
    elif $open then {then: {close: $open.id}}
    else rejected("the person has no open record to end") end;

# The items of the reply to create, in the order of the events; null: it does not judge each.
def items: (.body.error.detailed_message? // .body.data) as $list
    | ($list | if type == "object" then [.[]] else . end)
    | if type == "array" and length > 0 and all(.[]; type == "object" and has("success")) then .
        else null end;
def judge: if .success == true then "delivered"
    elif .error_msg // "" | test("overlap"; "i") then null
    elif .error_msg // "" | test("employee|person"; "i") then
        held("Personio does not know the person")
    else rejected("Personio refuses the record") end;

def created:
    (.events | length) as $n | items as $items
    | if $items and ($items | length) == $n then
        [$items[] | judge] | if any(.[]; . == null) then {then: {judged: .}} else . end
    elif ok and .body.success == true then
        if (.body.data.id? | type) == "array" and (.body.data.id | length) != $n then
            (if $n > 1 then "split" else rejected("Personio says done, but made no record") end)
        else "delivered" end
    elif .body.success == false and $n == 1 then
        {success: false,
            error_msg: ([.body.error.message?, .body.error.detailed_message?] | map(strings)
            | join(" "))}
        | judge | if . == null then {then: {judged: [null]}} else . end
    elif .body.success == false then "split"
    else unreadable end;

def verdict:
    if .status == 401 and .option.client_id then "session"
    elif (.body | type) != "object" then (if ok then unreadable else null end)
    elif .status == 401 or .status == 403 or .status == 429 or .status >= 500 then null
    elif .events == [] then
        (if ok then null else stop("auth"; "Personio does not let attendances be read") end)
    elif .memo.close? then
        if ok then
            (if .body.success == false then rejected("Personio refuses the end of the record")
            else "delivered" end)
        elif .status == 400 or .status == 422 then
            rejected("Personio refuses the end of the record") else null end
    elif .memo == null and (.events[0].direction == "out" or any(.events[]; .ambiguous))
        or .memo.judged? then
        if (ok | not) then null
        elif (.body.data | type) != "array" then unreadable
        else records as $records | .memo.judged as $judged
        | if $judged then
            [range(.events | length) as $i | $judged[$i] // (
                if .events[$i] | is_among($records) then "duplicate"
                else rejected("it overlaps another record of the person") end)]
        elif .events[0].direction == "out" then looked_out($records)
        elif all(.events[]; is_among($records)) then "duplicate"
        elif (.events | length) > 1 then "split"
        else {then: {looked: true}} end end
    elif ok or .status == 400 or .status == 422 then created
    else null end;
