# SPDX-License-Identifier: MIT
# Tryton: an attendance.line for each passage, in arrays that are stored whole or not at all.
#
# Tryton takes the same line twice, so it is asked first which of them it has, and only what is
# missing is created. A try without an answer may still be under way when it is looked for: after
# such a one it is looked again, and a line that came twice is taken back. Errors come with 200;
# their texts are translated and hold names, so the server is asked which employees it has and up to
# when its periods are closed, and no text is repeated.
#
#   look -> [drop] -> create -> delivered, or once more look -> [drop] where a try had no answer
#                        |  `-> day -> create: this line's day is not ours
#                        `-> employees -> periods -> create those who are left

def about: {
    title: "Tryton: attendance.line (module attendance)",
    url: "https://docs.tryton.org/modules-attendance/",
    notes: (
        "the URL ends with the name of the database; employee_id is the number of "
        + "company.employee")
};

def defaults: {
    batch: 100, connections: 2, rate: null, arrays: "atomic", late: null,
    accept: ["application/json"],
    fields: ["kind", "direction", "punch", "employee_id", "utc", "site", "ambiguous"],
    options: {
        user: {required: true, help: "login of the user"},
        company: {default: "1", help: "number of the company"},
        zone: {help: "the company's time zone; saves questions where it is not the device's"}
    },
    secrets: {password: {required: true, help: "the user's password"}}
};

# --- times: "YYYY-MM-DD HH:MM:SS", and as Tryton's JSON has them ---
def ty_numbers: [scan("[0-9]+") | tonumber];
def ty_datetime: ty_numbers | {"__class__": "datetime", year: .[0], month: .[1], day: .[2],
    hour: .[3], minute: .[4], second: .[5], microsecond: 0};
def ty_date: ty_numbers | {"__class__": "date", year: .[0], month: .[1], day: .[2]};
def ty_two: tostring | if length == 1 then "0" + . else . end;
def ty_day_text: "\(.year)-\(.month | ty_two)-\(.day | ty_two)";
def ty_text:
    "\(ty_day_text) \(.hour // 0 | ty_two):\(.minute // 0 | ty_two):\(.second // 0 | ty_two)";

# What makes one line another, of an event and of a line.
def ty_mark: "\(.employee_id | id_number(9)) \(.utc) \(way)";
def ty_line_mark: "\(.employee) \(.at | ty_text) \(.type)";

def ty_company: (.option.company // "1") | id_number(9);

def ty_call($method; $params): ty_company as $company
    | {
        method: "POST", path: "/", idempotency: false,
            safe: ($method | test("[.](search|on_change)")),
        headers: ({"Accept": "application/json"} + (if .session == null then {} else
            {"Authorization": ("Session "
                + ("\(.option.user):\(.session.uid):\(.session.key)" | @base64))} end)),
        json: {id: 1, method: $method, params: ($params + [{company: $company, language: "en"}])}
    };

def login: {
    method: "POST", path: "/", idempotency: false, safe: true,
        headers: {"Accept": "application/json"},
    json: {id: 0, method: "common.db.login", params: [.option.user, {password: .secret.password}]}
};

def ty_not_tryton:
    not_understood + {reason: "the reply is not Tryton's (a proxy's page, empty or cut off)"};

def session:
    if .status == 401 or .status == 403 then
        stop("auth"; "the receiver refuses the user or the password")
    elif .status == 404 then stop("address"; "no Tryton database here: it is the end of the URL")
    elif .status != 200 then null
    elif (.body | type) != "object" then ty_not_tryton
    elif (.body.result | type) == "array" and (.body.result | length) == 2 then
        {uid: .body.result[0], key: .body.result[1]}
    elif (.body.error | type) == "array" and .body.error[0] == "LoginException" then
        stop("auth"; "the receiver asks for another way to log in than a password")
    elif (.body.error | tostring | test("doesn't exist")) then
        stop("address"; "the receiver has no such database: it is the end of the URL")
    else stop("auth"; "the receiver refuses the login") end;

# --- requests ---

# What an event lacks to be sent at all, or null.
def ty_unfit:
    needs_passage // needs_time // needs_employee
    // if (.employee_id | id_number(9)) == null then
           held("the employee is not a number of company.employee")
       else needs_way end;

# The memo keeps, under the event's place in the array, the verdict on those that need no line.
def ty_leave: .memo.leave // {};

# All that may be one of them: ty_looked compares.
def ty_look: ty_company as $company
    | [["company", "=", $company],
        ["employee", "in", ([.events[].employee_id | id_number(9)] | unique)],
       ["at", "in", ([.events[].utc] | unique | map(ty_datetime))]] as $domain
    | ty_call("model.attendance.line.search_read";
          [$domain, 0, null, [["id", "ASC"]], ["employee", "at", "type", "create_uid"]]);

# Two passages that are one to Tryton make one line.
def ty_create: ty_company as $company | ty_leave as $leave | .memo.day as $day
    | (reduce (.events | to_entries[] | select($leave[.key | tostring] == null) | .value) as $e ({};
          .[$e | ty_mark] = {company: $company, employee: ($e.employee_id | id_number(9)),
              at: ($e.utc | ty_datetime), date: ($day // ($e.site // $e.utc | ty_date)),
              type: ($e | way)})) as $lines
    | ty_call("model.attendance.line.create"; [[$lines[]]]);

def ty_day: ty_company as $company | (.events[0].utc | ty_datetime) as $at
    | ty_call("model.attendance.line.on_change_with"; [{company: $company, at: $at}, ["date"]]);

def ty_employees: ([.events[].employee_id | id_number(9)] | unique) as $ids
    | ty_call("model.company.employee.search_read";
          [[["id", "in", $ids]], 0, null, null, ["start_date", "end_date"]]);

def ty_periods: ty_company as $company
    | ty_call("model.attendance.period.search_read";
          [[["company", "=", $company], ["state", "=", "closed"]], 0, 1, [["ends_at", "DESC"]],
              ["ends_at"]]);

def request:
    [.events[] | ty_unfit] as $unfit | (.memo.step // "look") as $step
    | if any($unfit[]; . != null) then $unfit
      elif $step == "look" then ty_look
      elif $step == "drop" then .memo.ids as $ids | ty_call("model.attendance.line.delete"; [$ids])
      elif $step == "create" then ty_create
      elif $step == "day" then ty_day
      elif $step == "employees" then ty_employees
      else ty_periods end;

# --- replies ---

def ty_judge($leave): [range(.events | length) | $leave[tostring]];

# Those that are not left and for which f, of {event}, says something.
def ty_left(f): reduce (.events | to_entries[]) as $e (ty_leave;
    ($e.key | tostring) as $i | (if .[$i] then null else $e.value | f end) as $v
    | if $v then .[$i] = $v else . end);

def ty_next($leave): if ($leave | length) == (.events | length) then ty_judge($leave)
    else {then: {step: "create", leave: $leave}} end;

def ty_looked: .body.result as $rows
    | (reduce $rows[] as $row ({}; .[$row | ty_line_mark] += [$row])) as $there
    | ty_left(if $there[ty_mark] then "duplicate" else null end) as $leave
    # of the same maker: somebody else's is not for us to take back
    | [[.events[] | select(.ambiguous == true) | ty_mark] | unique[] | $there[.] // []
       | .[0].create_uid as $uid | .[1:][] | select(.create_uid == $uid) | .id] as $ids
    | if ($ids | length) > 0 then {then: {step: "drop", leave: $leave, ids: $ids}}
      else ty_next($leave) end;

def ty_created: ty_left("delivered") as $leave
    | if any(.events[]; .ambiguous == true) then {then: {step: "look", leave: $leave}}
      else ty_judge($leave) end;

def ty_employed: (reduce .body.result[] as $row ({}; .[$row.id | tostring] = $row)) as $known
    | ty_left(($known[.employee_id | id_number(9) | tostring]) as $row
        | (.site // .utc | date_part) as $day
        | if $row == null then held("the receiver has no such employee")
          elif $row.start_date and ($row.start_date | ty_day_text) > $day then
              held("the employee begins later, says the receiver")
          elif $row.end_date and ($row.end_date | ty_day_text) < $day then
              held("the employee has left before, says the receiver")
          else null end) as $leave
    | if ($leave | length) == (.events | length) then ty_judge($leave)
      else {then: {step: "periods", leave: $leave, before: .memo.before}} end;

def ty_closed: .body.result[0].ends_at as $upto
    | ty_left(if $upto and .utc < ($upto | ty_text) then
          rejected("the attendance period of this time is closed at the receiver")
        else null end) as $leave
    | if ($leave | length) > .memo.before then ty_next($leave)
      elif (.events | length) > 1 then "split"
      else held("the receiver refuses the event, its text is not known here") end;

# A refusal is about one line at least; nothing of it was stored.
def ty_refused($what): ty_leave as $leave
    # Tryton 6.0 and 7.0 stumble when they have to correct the day of a line
    | if $what | test("write\\(\\) missing") then
          if (.events | length) > 1 then "split"
          elif .memo.day then
              stop("time"; "the day is not that of the company's zone: give it as -o zone")
          else {then: {step: "day", leave: $leave}, perhaps: false} end
      else
          {then: {step: "employees", leave: $leave, before: ($leave | length)}, perhaps: false} end;

def ty_error: .body.error as $error
    | (if ($error | type) == "array" then $error[0] else $error end
        | if type == "string" then . else "" end) as $what
    | (if ($error | type) == "array" then $error[1] else "" end
        | if type == "array" then .[0] else . end | if type == "string" then . else "" end) as $text
    | if $what == "ConcurrencyException"
        or ($what | test("database is locked|could not serialize|deadlock|timed? ?out"; "i")) then
          retry("busy"; "the receiver's database is busy")
      elif $what == "LoginException" then
          stop("auth"; "the receiver asks for another way to log in")
      elif $what == "RateLimitException" then retry("busy"; "the receiver's rate limit")
      elif ($what | test("doesn't exist")) then
          stop("address"; "the receiver has no such database: it is the end of the URL")
      elif .memo.step == "drop" then ty_next(ty_leave)
      elif ($what | test("^User(Error|Warning)$"))
          and ($text | test("not allowed to access|rights")) then
          stop("auth"; "the receiver's user may not do this")
      elif .memo.step == "create"
          and ($what | test("^User(Error|Warning)$|write\\(\\) missing")) then ty_refused($what)
      elif .memo.step == "create" and (.events | length) > 1 then "split"
      else
          stop("config"; "the receiver does not answer this question: is the module attendance "
              + "activated, is -o company right?") end;

def ty_result: .memo.step as $step
    | if $step == "drop" then ty_next(ty_leave)
      elif $step == "day" then
          ty_leave as $leave | .body.result.date as $day
          | if $day then {then: {step: "create", leave: $leave, day: $day}} else ty_not_tryton end
      elif (.body.result | type) != "array" then ty_not_tryton
      elif $step == "create" then ty_created
      elif $step == "employees" then ty_employed
      elif $step == "periods" then ty_closed
      else ty_looked end;

def verdict:
    if .status == 401 then
        # with a session an empty body says that it has ended, the page that the password is wrong
        if (.text // "") == "" then "session"
            else stop("auth"; "the receiver refuses the user or the password") end
    elif .status == 403 then stop("auth"; "the receiver does not allow this call")
    elif .status == 404 then stop("address"; "no Tryton database here: it is the end of the URL")
    elif .status != 200 then null
    elif (.body | type) != "object"
        or ((.body | has("result")) or (.body | has("error")) | not) then ty_not_tryton
    elif .body | has("error") then ty_error
    elif (.events | length) == 0 then "delivered"
    else ty_result end;

def check: ty_call("model.attendance.line.search_count"; [[["id", "=", 0]]]);
