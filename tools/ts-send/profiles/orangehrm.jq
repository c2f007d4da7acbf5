# SPDX-License-Identifier: MIT
# OrangeHRM 5: attendance records, punch in creates one and punch out closes it, in whole minutes.
#
# "Already punched in" says nothing about which punch that was, and texts are translated. So the
# latest record is read first; for an event that is older than it the records around its day.

def about: {
    title: "OrangeHRM 5: attendance records of employees",
    url: "https://github.com/orangehrm/orangehrm",
    notes: (
        "URL up to /web/index.php; whole minutes; --oauth FILE with token_url /oauth2/token, "
        + "client_id and a refresh_token of an admin or supervisor")
};

def defaults: {
    batch: 1, connections: 2, rate: null, arrays: "none", late: null, time: "echo",
    accept: ["application/json"],
    options: {
        zone: {required: true,
            help: "zone of the site (Area/City); it is sent by name with each punch"},
        note: {help: "note on each punch, at most 250 characters"},
        open: {default: "hold", help: "an IN while a record is open: hold or reject"},
        no_open: {default: "reject", help: "an OUT without an open record: reject or hold"}
    },
    secrets: {token: {required: true, help: "access token; --oauth gets and renews it"}}
};

# "+05:30" as hours, 5.5
def oh_hours:
    (if .[:1] == "-" then -1 else 1 end) * ((.[1:3] | tonumber) + (.[4:6] | tonumber) / 60);

def oh_get($path; $query): bearer as $auth
    | {method: "GET", path: $path, query: $query, headers: ($auth + {"Accept": "application/json"}),
        idempotency: false};

def oh_self: oh_get("/api/v2/attendance/records/latest"; {});

def oh_punch($method): bearer as $auth | .option as $o | .events[0] as $e | {
    method: $method, path: "/api/v2/attendance/employees/\($e.employee_id | id_number(10))/records",
    headers: ($auth + {"Accept": "application/json"}), idempotency: false,
    json: ({date: $e.site[:10], time: $e.site[11:16], timezoneOffset: ($e.site_offset | oh_hours),
        timezoneName: $o.zone}
        + (if $o.note then {note: $o.note[:250]} else {} end))
};

def request: (.events[0].employee_id | id_number(10)) as $id
    | if .memo.step == "in" then oh_punch("POST")
      elif .memo.step == "out" then oh_punch("PUT")
      elif .memo.step == "self" then oh_self
      elif .memo.step == "days" then
          .events[0].unix as $t
          | oh_get("/api/v2/attendance/employees/\($id)/records";
                {fromDate: ($t - 172800 | strftime("%Y-%m-%d")),
                    toDate: ($t + 86400 | strftime("%Y-%m-%d")), limit: "50"})
      else (.events[0] | needs_passage // needs_time // needs_employee
              // if $id == null then
                     held("the employee is not an employee number of OrangeHRM (empNumber)")
                 else needs_way // needs_offset end)
          // oh_get("/api/v2/attendance/records/latest"; {empNumber: ($id | tostring)}) end;

# A record's times as "YYYY-MM-DD HH:MM" in UTC; out is null while it is open.
def oh_minute: if (.utcDate | type) == "string" and (.utcTime | type) == "string" then
    "\(.utcDate) \(.utcTime[:5])" else null end;
def oh_record: {in: (.punchIn // {} | oh_minute), out: (.punchOut // {} | oh_minute)};

def oh_no_open:
    if .option.no_open == "hold" then
        held("the receiver has no open record that this OUT could close")
    else rejected("the receiver has no open record that this OUT could close") end;

# $last: the latest record, or null when there is none.
def oh_latest($last): .events[0] as $e | ($e | way) as $way | $e.utc[:16] as $at
    | if $last == null then (if $way == "in" then {then: {step: "in"}} else oh_no_open end)
      elif $last[$way] == $at then "duplicate"
      elif $way == "in" then
          if $last.in > $at or ($last.out // "") > $at then
              {then: {step: "days", open: ($last.out == null)}}
          elif $last.out != null then {then: {step: "in"}}
          elif .option.open == "reject" then
              rejected("the receiver has this employee as present already")
          else held("the record before is still open at the receiver: its OUT is missing") end
      elif $last.in > $at or ($last.out // "") > $at then
          {then: {step: "days", open: ($last.out == null)}}
      elif $last.out != null then oh_no_open
      elif $last.in == $at then
          rejected("IN and OUT lie within one minute, which is the least that the receiver knows")
      else {then: {step: "out"}} end;

# An event that is older than the latest record: there already, or late.
def oh_days: .events[0] as $e | ($e | way) as $way | $e.utc[:16] as $at
    | if any(.body.data[]; oh_record[$way] == $at) then "duplicate"
      elif $way == "in" and (.memo.open | not) then {then: {step: "in"}}
      elif $way == "in" then held("the receiver has a later record that is still open")
      else oh_no_open end;

def oh_stored: .events[0] as $e | ($e | way) as $way
    | (.body.data | objects | oh_record) as $record
    | if $record[$way] == $e.utc[:16] then
          {outcome: "delivered", location: (.body.data.id | numbers | "attendance record \(.)")}
              // "delivered"
      elif $record[$way] == null then not_understood
      else
          stop("time"; "the receiver stored another time than was sent: compare -o zone with the "
              + "zones there") end;

def oh_text: [.body | objects | .error | objects | .message | strings] | join(" ");
def oh_keys: [.body | objects | .error | objects | .data | objects
    | .invalidParamKeys | arrays | .[] | strings];

# A refused punch: is it there already, from a try whose reply was lost? Else the verdict stands.
def oh_refused:
    if oh_text | test("Already Punched") then retry("busy"; "the record was changed meanwhile")
    else {then: {step: "again", otherwise: (
        if oh_text | test("Overlap") then
            rejected("the punch lies within another record of the receiver")
        elif oh_text | test("Should Be Later") then
            rejected("OUT is not later than IN at the receiver, which counts whole minutes")
        else held("the receiver refuses the punch, its text is not known here") end)}} end;

def oh_again: .events[0] as $e | ($e | way) as $way
    | if .status == 404 and oh_text != "" then .memo.otherwise
      elif .status != 200 then null
      elif (.body | type) != "object" or (.body.data | type) != "object" then not_understood
      elif (.body.data | oh_record[$way]) == $e.utc[:16] then "duplicate"
      else .memo.otherwise end;

def verdict:
    if .status == 401 then stop("auth"; "the receiver refuses the access token")
    elif (.events | length) == 0 or .memo.step == "self" then
        if .status == 403 then stop("auth"; "the receiver's user may not use attendance records")
        elif .status == 200 and (.body | type) == "object" or .status == 404 and oh_text != "" then
            (if .memo.step == "self" then
                held("the receiver has no such employee, or its user may not see it")
                else "delivered" end)
        elif .status == 404 then
            stop("address"; "no OrangeHRM API here: the URL ends with /web/index.php")
        elif .status == 200 then not_understood else null end
    elif .memo.step == "again" then oh_again
    elif .status == 403 then {then: {step: "self"}}
    elif .status == 422 then
        if any(oh_keys[]; . == "empNumber") then
            held("the receiver has no such employee, or its user may not see it")
        elif any(oh_keys[]; test("^timezone")) then
            stop("config"; "the receiver does not know the zone of -o zone")
        elif .body == null then retry("outage"; "a refusal that cannot be read")
        else rejected("the receiver finds a field of the punch not valid") end
    elif .status == 404 then
        if oh_text == "" then
            stop("address"; "no OrangeHRM API here: the URL ends with /web/index.php")
        elif .memo == null then oh_latest(null)
        else held("the receiver has no such employee") end
    elif .status == 400 then
        (if .body == null then retry("outage"; "a refusal that cannot be read") else oh_refused end)
    elif .status != 200 then null
    elif .memo.step == "days" then
        (if (.body | objects | .data | type) == "array" then oh_days else not_understood end)
    elif (.body | type) != "object" or (.body.data | type) != "object" then not_understood
    elif .memo == null then (.body.data | oh_record) as $last
        | if $last.in == null then not_understood else oh_latest($last) end
    else oh_stored end;

def check: oh_self;
