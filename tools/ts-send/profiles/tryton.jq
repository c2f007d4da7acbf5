# SPDX-License-Identifier: MIT
# Tryton: an attendance.line for each passage, in arrays that are stored whole or not at all.
#
# Tryton takes the same line twice. So an event whose earlier try had no answer is looked for first, and
# only what is missing is created. Errors come with 200; their texts are translated and hold names, so
# the server is asked which employees it has and whether the period is closed, and no text is repeated.

def about: {
    title: "Tryton: attendance.line (module attendance)",
    url: "https://docs.tryton.org/modules-attendance/",
    notes: "the URL ends with the name of the database; employee_id is the number of company.employee"
};

def defaults: {
    batch: 100, connections: 2, rate: null, arrays: "atomic", late: null,
    accept: ["application/json"],
    options: {
        user: {required: true, help: "login of the user"},
        company: {default: "1", help: "number of the company"},
        zone: {help: "the company's time zone; without it the device's wall clock gives the day"}
    },
    secrets: {password: {required: true, help: "the user's password"}}
};

def ty_id: if type == "number" then . elif type == "string" and test("^[0-9]{1,9}$") then tonumber else null end;

def ty_direction: .direction // (.punch // "" |
    if test("^(check|overtime)_in$|^break_in$") then "in"
    elif test("_out$") then "out" else null end);

def ty_numbers: [scan("[0-9]+") | tonumber];

# "YYYY-MM-DD HH:MM:SS" as Tryton's JSON has it.
def ty_datetime: ty_numbers | {"__class__": "datetime", year: .[0], month: .[1], day: .[2],
    hour: .[3], minute: .[4], second: .[5], microsecond: 0};
def ty_date: ty_numbers | {"__class__": "date", year: .[0], month: .[1], day: .[2]};
def ty_same_time($utc): ($utc | ty_datetime) as $t
    | .year == $t.year and .month == $t.month and .day == $t.day
      and (.hour // 0) == $t.hour and (.minute // 0) == $t.minute and (.second // 0) == $t.second;

def ty_company: (.option.company // "1") | ty_id;

def ty_call($method; $params): ty_company as $company
    | {
        method: "POST", path: "/", idempotency: false, safe: ($method | test("search")),
        headers: ({"Accept": "application/json"} + (if .session == null then {} else
            {"Authorization": ("Session " + ("\(.option.user):\(.session.uid):\(.session.key)" | @base64))} end)),
        json: {id: 1, method: $method, params: ($params + [{company: $company, language: "en"}])}
    };

def login: {
    method: "POST", path: "/", idempotency: false, safe: true, headers: {"Accept": "application/json"},
    json: {id: 0, method: "common.db.login", params: [.option.user, {password: .secret.password}]}
};

def ty_not_tryton: retry("outage"; "the reply is not Tryton's (a proxy's page, empty or cut off)");

def session:
    if .status == 401 or .status == 403 then stop("auth"; "the receiver refuses the user or the password")
    elif .status == 404 then stop("address"; "no Tryton database here: it is the end of the URL")
    elif .status != 200 then null
    elif (.body | type) != "object" then ty_not_tryton
    elif (.body.result | type) == "array" and (.body.result | length) == 2 then {uid: .body.result[0], key: .body.result[1]}
    elif (.body.error | type) == "array" and .body.error[0] == "LoginException" then
        stop("auth"; "the receiver asks for another way to log in than a password")
    elif (.body.error | tostring | test("doesn't exist")) then
        stop("address"; "the receiver has no such database: it is the end of the URL")
    else stop("auth"; "the receiver refuses the login") end;

def ty_lines: ty_company as $company | .events | map({
    company: $company, employee: (.employee_id | ty_id),
    at: (.utc | ty_datetime), date: ((.site // .utc) | ty_date), type: ty_direction});

# What an event lacks to be sent at all, or null.
def ty_unfit:
    if (.kind // "granted") != "granted" then {outcome: "skipped", reason: "not a passage"}
    elif .utc == null then rejected("the event has no usable time")
    elif .employee_id == null then held("the event names no employee")
    elif (.employee_id | ty_id) == null then held("the employee is not a number of company.employee")
    elif ty_direction == null then held("the event does not say whether it is in or out")
    else null end;

# All that may be one of them: ty_found compares.
def ty_search: [.events[] | select(.ambiguous == true)]
    | [["employee", "in", (map(.employee_id | ty_id) | unique)], ["at", "in", (map(.utc) | unique | map(ty_datetime))]];

def ty_create: (.memo.leave // {}) as $leave
    | [ty_lines | to_entries[] | select($leave[.key | tostring] == null) | .value] as $lines
    | ty_call("model.attendance.line.create"; [$lines]);

def request:
    [.events[] | ty_unfit] as $unfit
    | if any($unfit[]; . != null) then (if ($unfit | length) > 1 then "split" else $unfit[0] end)
      elif .memo.step == "employees" then
          ([.events[].employee_id | ty_id] | unique) as $ids
          | ty_call("model.company.employee.search_read"; [[["id", "in", $ids]], 0, null, null, ["id"]])
      elif .memo.step == "period" then
          ty_company as $company | (.events[0].utc | ty_datetime) as $at
          | ty_call("model.attendance.period.search_count";
                [[["company", "=", $company], ["state", "=", "closed"], ["ends_at", ">=", $at]]])
      elif .memo == null and any(.events[]; .ambiguous == true) then
          ty_search as $domain
          | ty_call("model.attendance.line.search_read"; [$domain, 0, null, null, ["employee", "at", "type"]])
      else ty_create end;

# The memo keeps, under the event's place in the array, the verdict on those that are not created.
def ty_judge($leave; $rest): [range(.events | length) as $i | $leave[$i | tostring] // $rest];

def ty_found: .body.result as $rows | . as $in
    | if ($rows | type) != "array" then ty_not_tryton
      else (reduce range(.events | length) as $i ({};
            $in.events[$i] as $e
            | if $e.ambiguous == true and any($rows[]; .employee == ($e.employee_id | ty_id) and .type == ($e | ty_direction)
                                                        and (.at | ty_same_time($e.utc)))
              then .[$i | tostring] = "duplicate" else . end)) as $leave
          | if ($leave | length) == (.events | length) then ty_judge($leave; null)
            else {then: {step: "create", leave: $leave}} end
      end;

def ty_employees: .body.result as $rows | . as $in | (.memo.leave // {}) as $before
    | if ($rows | type) != "array" then ty_not_tryton
      else [$rows[].id] as $known
        | (reduce range(.events | length) as $i ($before;
            ($in.events[$i].employee_id | ty_id) as $id
            | if .[$i | tostring] == null and ($known | index([$id]) == null)
              then .[$i | tostring] = held("the receiver has no such employee") else . end)) as $leave
        | if ($leave | length) == (.events | length) then ty_judge($leave; null)
          elif $leave != $before then {then: {step: "create", leave: $leave}}
          elif (.events | length) > 1 then "split"
          else {then: {step: "period"}} end
      end;

def ty_period:
    if (.body.result | type) != "number" then ty_not_tryton
    elif .body.result > 0 then rejected("the attendance period of this time is closed at the receiver")
    else held("the receiver refuses the event, its text is not known here") end;

def ty_error: .body.error as $error
    | (if ($error | type) == "array" then $error[0] else $error end | if type == "string" then . else "" end) as $what
    | if $what == "ConcurrencyException" or ($what | test("database is locked|could not serialize|deadlock|timed? ?out"; "i")) then
          retry("busy"; "the receiver's database is busy")
      elif $what == "LoginException" then stop("auth"; "the receiver asks for another way to log in")
      elif $what == "RateLimitException" then retry("busy"; "the receiver's rate limit")
      elif $what == "UserError" or $what == "UserWarning" then
          ($error[1] | if type == "array" then .[0] else . end | if type == "string" then . else "" end) as $text
          | if ($text | test("not allowed to access|rights")) then stop("auth"; "the receiver's user may not do this")
            elif .memo.step == "period" or .memo.step == "employees" or (.events | length) == 0 then
                stop("config"; "the receiver does not answer this question: is the module attendance activated, is -o company right?")
            else {then: {step: "employees", leave: (.memo.leave // {})}} end
      elif ($what | test("doesn't exist")) then stop("address"; "the receiver has no such database: it is the end of the URL")
      elif (.events | length) > 1 then "split"
      # Tryton 6.0 stumbles when it has to correct the day of a line
      elif ($what | test("^ModelSQL.write\\(\\) missing")) then stop("time"; "the day is not that of the company's zone: give it as -o zone")
      else stop("config"; "the receiver does not know this call: is the module attendance activated?") end;

def verdict:
    if .status == 401 then
        # with a session an empty body says that it has ended; the page says that the password is wrong
        if (.text // "") == "" then "session" else stop("auth"; "the receiver refuses the user or the password") end
    elif .status == 403 then stop("auth"; "the receiver does not allow this call")
    elif .status == 404 then stop("address"; "no Tryton database here: it is the end of the URL")
    elif .status != 200 then null
    elif (.body | type) != "object" or ((.body | has("result")) or (.body | has("error")) | not) then
        ty_not_tryton + (if .memo == null or .memo.step == "create" then {perhaps: true} else {} end)
    elif .body | has("error") then ty_error
    elif (.events | length) == 0 then "delivered"
    elif .memo.step == "employees" then ty_employees
    elif .memo.step == "period" then ty_period
    elif .memo == null and any(.events[]; .ambiguous == true) then ty_found
    elif (.body.result | type) == "array" then ty_judge(.memo.leave // {}; "delivered")
    else ty_not_tryton + {perhaps: true} end;

def check: ty_call("model.attendance.line.search_count"; [[["id", "=", 0]]]);
