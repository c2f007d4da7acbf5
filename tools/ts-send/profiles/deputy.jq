# SPDX-License-Identifier: MIT
# Deputy, timesheets: IN starts one at the server's own time, OUT ends the one that is open.  No
# time can be given, so an event that comes late would be written with a wrong one: it is rejected.

def about: {
    title: "Deputy, timesheets (the server's own time)",
    url: "https://developer.deputy.com/deputy-docs/reference/startanemployeestimesheetclockon",
    notes: (
        "URL: https://INSTALL.GEO.deputy.com. Deputy stamps its own now: events older than "
        + "-o late seconds are rejected, never sent late. To end a timesheet its Id is looked "
        + "up first (resource/Timesheet/QUERY), which needs a token that may read them. A "
        + "token that ends: --oauth FILE with token_url /oauth/access_token, client_id, "
        + "client_secret, refresh_token, scope longlife_refresh_token and parameters "
        + "{redirect_uri}.")
};

def defaults: {
    batch: 1, arrays: "none", late: 900,
    options: {
        unit: {required: true, help: "intOpunitId: where the persons work"},
        late: {default: "120", help: "how many seconds old an event may be, 900 at most"}
    },
    secrets: {token: {required: true, help: "access token, or --oauth"}}
};

def needs_fresh($now; $late): if $now - .unix <= $late then null
    else rejected("too late: Deputy would write the time of its own clock") end;

# The person's newest timesheet.
def look($who): {
    method: "POST", path: "/api/v1/resource/Timesheet/QUERY", headers: bearer, safe: true,
    json: {search: {s1: {field: "Employee", type: "eq", data: $who}}, sort: {Id: "desc"}, max: 1}
};

def request:
    .now as $now | (.option.late | tonumber) as $late
    | unfit(needs_passage // needs_time // needs_person // needs_number("Deputy") // needs_direction
        // needs_fresh($now; $late))
    // (.events[0] as $e | ($e | person | tonumber) as $who
    | if .memo.close? then
        {method: "POST", path: "/api/v1/supervise/timesheet/end", headers: bearer,
            json: {intTimesheetId: .memo.close}}
    elif .memo == null and ($e.direction == "out" or $e.ambiguous) then look($who)
    else {method: "POST", path: "/api/v1/supervise/timesheet/start", headers: bearer,
        json: {intEmployeeId: $who, intOpunitId: (.option.unit | tonumber)}} end);

def check: {method: "GET", path: "/api/v1/me", headers: bearer};

# Its newest timesheet: open, or ended; an earlier try of ours may have done it.
def looked($e):
    (.body[0] // null) as $sheet
    | if $e.direction == "in" then
        if $e.ambiguous and ($sheet.StartTime // 0) >= $e.unix - 60 then "duplicate"
            else {then: {start: true}} end
    elif $sheet.IsInProgress == true then {then: {close: $sheet.Id}}
    elif $e.ambiguous and ($sheet.EndTime // 0) >= $e.unix - 60 then "duplicate"
    else rejected("the person has no open timesheet to end") end;

def verdict:
    if ok | not then
        if .plain.outcome == "rejected" and (is_page | not) then
            rejected("Deputy refuses it: clocked on already, or not of this unit?")
        else otherwise end
    elif .events == [] then (if (.body | type) == "object" then null else unreadable end)
    elif .memo == null and (.events[0] | .direction == "out" or .ambiguous) then
        if (.body | type) == "array" then .events[0] as $e | looked($e) else unreadable end
    elif (.body | type) == "object" and .body.error then rejected("Deputy reports an error for it")
    elif (.body | type) == "object" and (.body.Id | type | . == "number" or . == "string") then
        "delivered"
    elif .memo.close? and (.body == true or (.body | type) == "object") then "delivered"
    else unreadable end;
