# SPDX-License-Identifier: MIT
# IceHrm: punch in and punch out, local time, records that begin and end on one day.
#
# The employee's records are read first: whether this very moment is there already, and which record
# is open. An OUT after midnight is refused by IceHrm; -o midnight=split writes two records instead.

def about: {
    title: "IceHrm: attendance, punch in and punch out",
    url: "https://icehrm.com/explore/docs/api-rest/",
    notes: "URL up to the REST API; local times of the site; no record over midnight"
};

def defaults: {
    batch: 1, connections: 2, rate: null, arrays: "none", late: null, time: "echo",
    accept: ["application/json"],
    options: {
        zone: {help: "zone of the employees; without it the device's wall clock is sent"},
        note: {help: "note on each punch"},
        latitude: {help: "of the gates"},
        longitude: {help: "of the gates"},
        open: {default: "hold", help: "an IN while a record of that day is open: hold or reject"},
        no_open: {default: "reject", help: "an OUT without an open record: reject or hold"},
        midnight: {default: "reject",
            help: "a stay over midnight: reject its OUT, or split it in two records"}
    },
    secrets: {token: {required: true, help: "REST API token of an admin"}}
};

def ih_headers: bearer + {"Accept": "application/json"};

def ih_get($path; $limit): ih_headers as $headers
    | {method: "GET", path: $path, query: {limit: $limit}, headers: $headers, idempotency: false};

def ih_punch($way; $time): ih_headers as $headers | .option as $o | .events[0] as $e | {
    method: "POST", path: "/attendance/punch-\($way)", headers: $headers, idempotency: false,
    json: {employee: ($e.employee_id | id_number(10)), "\($way)_time": $time, note: ($o.note // ""),
        latitude: ($o.latitude // null), longitude: ($o.longitude // null)}
};

def request: (.events[0].employee_id | id_number(10)) as $id | .events[0].site as $at
    | if .memo.step == "in" or .memo.step == "out" then ih_punch(.memo.step; $at)
      elif .memo.step == "evening" then ih_punch("out"; ($at | day_before) + " 23:59:59")
      elif .memo.step == "morning" then ih_punch("in"; $at[:10] + " 00:00:00")
      elif .memo.step == "all" then ih_get("/attendance"; "1")
      else (.events[0] | needs_passage // needs_time // needs_employee
              // if $id == null then held("the employee is not an employee number of IceHrm")
                 else needs_way end)
          // ih_get("/employee/\($id)/attendance"; "200") end;

def ih_time: if type == "string" and test("^[1-9]") then .[:19] else null end;
def ih_rows: (if type == "object" then .data else . end | if type == "object" then .data else . end)
    | if type == "array" and all(.[]; type == "object") then
        map({in: (.in_time | ih_time), out: (.out_time | ih_time)}) else null end;

def ih_no_open:
    if .option.no_open == "hold" then
        held("the receiver has no open record of that day that this OUT could close")
    else rejected("the receiver has no open record of that day that this OUT could close") end;

def ih_midnight($rows): .events[0].site as $at | ($at | day_before) as $before
    | if any($rows[]; .out == null and (.in // "")[:10] == $before) then
          (if .option.midnight == "split" then {then: {step: "evening"}}
           else
               rejected("the stay goes over midnight, and the receiver takes no such record (see "
                   + "-o midnight)") end)
      elif .option.midnight == "split" and any($rows[]; .out == $before + " 23:59:59") then
          {then: {step: "morning"}}
      else ih_no_open end;

def ih_look($rows): .events[0] as $e | ($e | way) as $way | $e.site as $at
    | if any($rows[]; .[$way] == $at) then "duplicate"
      else ([$rows[] | select(.out == null and (.in // "")[:10] == $at[:10])] | first) as $open
        | if $way == "in" then
              if $open == null then {then: {step: "in"}}
              elif .option.open == "reject" then
                  rejected("the receiver has this employee as present already")
              else held("the record before is still open at the receiver: its OUT is missing") end
          elif $open != null and $open.in < $at then {then: {step: "out"}}
          elif $open != null then ih_no_open
          else ih_midnight($rows) end
      end;

# The row that comes back tells what was stored; without a time in the request the server takes its
# own.
def ih_stored($way; $time): (.body | (.data // .) | objects) as $row
    | ($row["\($way)_time"] | ih_time) as $stored
    | if $stored == $time then true
      elif $stored == null then not_understood
      else stop("time"; "the receiver stored another time than was sent") end;

def ih_done: .events[0].site as $at
    | if .memo.step == "evening" then
        (ih_stored("out"; ($at | day_before) + " 23:59:59")
        | if . == true then {then: {step: "morning"}} else . end)
      elif .memo.step == "morning" then
          (ih_stored("in"; $at[:10] + " 00:00:00")
          | if . == true then {then: {step: "out"}} else . end)
      else (.body | (.data // .) | objects | .id) as $id
        | ih_stored(.memo.step; $at)
        | if . == true then {outcome: "delivered", location: "attendance \($id)"} else . end
      end;

def ih_text: [.body | objects | .error | .. | strings] | join(" ");

# A refused punch: is it there already, from a try whose reply was lost? Else the verdict stands.
def ih_refused:
    if ih_text | test("already punched in|not punched in|non closed attendance") then
        retry("busy"; "the record was changed meanwhile")
    else {then: {step: "again", otherwise: (
        if ih_text | test("overlapping") then
            rejected("the punch lies within another record of the receiver")
        elif ih_text | test("within a single day") then
            rejected("the stay goes over midnight, and the receiver takes no such record (see -o "
                + "midnight)")
        elif ih_text | test("should be earlier") then
            rejected("OUT is not later than IN at the receiver")
        else held("the receiver refuses the punch, its text is not known here") end)}} end;

def ih_again: .events[0] as $e | ($e | way) as $way | (.body | ih_rows) as $rows
    | if .status != 200 then null
      elif $rows == null then not_understood
      elif any($rows[]; .[$way] == $e.site) then "duplicate"
      else .memo.otherwise end;

def verdict:
    if (.events | length) == 0 or .memo.step == "all" then
        if .status == 401 or .status == 403 then
            stop("auth"; "the receiver refuses the token, or its user is no admin")
        elif .status == 200 and ((.body | ih_rows) != null) then
            (if .memo.step == "all" then
                held("the receiver has no such employee, or its user may not see it")
                else "delivered" end)
        elif .status == 404 then stop("address"; "no IceHrm REST API here")
        elif .status == 200 then not_understood else null end
    elif .memo.step == "again" then ih_again
    # 401 is a refused token, and also an employee that the user may not see
    elif .status == 401 or .status == 403 then {then: {step: "all"}}
    elif .status == 404 then
        (if ih_text == "" then stop("address"; "no IceHrm REST API here")
        else {then: {step: "all"}} end)
    elif .status == 400 or .status == 422 then
        (if .body == null then retry("outage"; "a refusal that cannot be read") else ih_refused end)
    elif .status != 200 and .status != 201 then null
    elif .memo == null then (.body | ih_rows) as $rows
        | if $rows == null then not_understood + {perhaps: false} else ih_look($rows) end
    elif (.body | type) != "object" then not_understood
    else ih_done end;

def check: ih_get("/attendance"; "1");
