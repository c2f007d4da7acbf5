# SPDX-License-Identifier: MIT
# Odoo: hr.attendance, one record for a stay: IN creates it, OUT closes the open one.
#
# Odoo has no idempotency, so every event looks first: the open record, and a record that has this
# very moment already (then it is a duplicate). Times are UTC. Both ways of calling, JSON-2 and the
# older JSON-RPC, are brought to one form: od_reply. Texts are translated and hold names: they are
# never used.

def about: {
    title: "Odoo: hr.attendance",
    url: "https://www.odoo.com/documentation/19.0/developer/reference/external_api.html",
    notes: "JSON-2 of Odoo 19 and later, -o api=jsonrpc before; API keys live at most three months"
};

def defaults: {
    batch: 1, rate: null, arrays: "none", late: null,
    accept: ["application/json"],
    options: {
        api: {default: "json2", help: "json2 (Odoo 19 and later) or jsonrpc"},
        db: {help: "database; needed with jsonrpc, and where the server has several"},
        user: {help: "login of the user; needed with jsonrpc"},
        field: {default: "id", help: (
            "field of hr.employee that the event's employee is: id, barcode, pin, "
            + "registration_number")},
        person: {default: "auto", help: (
            "which of ours that is: employee_id, person_id, card_no, or auto: the first of "
            + "these that is there")},
        open: {default: "hold", help: (
            "an IN while a record is open: hold, reject, or close (the forgotten one ends "
            + "when it began)")},
        no_open: {default: "reject", help: "an OUT without an open record: reject or hold"},
        mode: {help: "in_mode and out_mode (technical, kiosk, manual); Odoo 17 and later"}
    },
    secrets: {token: {required: true, help: "API key of the user"}}
};

def od_rpc: .option.api == "jsonrpc";

# A call of a model's method. $ids: the records, or null; $args: named arguments; in the older API
# the ones that stand in $order come first, without names.
def od_call($model; $method; $ids; $args; $order):
    if od_rpc then
        (.session.uid) as $uid | .option.db as $db | .secret.token as $key | {
            method: "POST", path: "/jsonrpc", headers: {"Accept": "application/json"},
                idempotency: false, safe: ($method == "search_read"),
            json: {jsonrpc: "2.0", method: "call", id: 1,
                params: {service: "object", method: "execute_kw", args: [
                $db, $uid, $key, $model, $method,
                ((if $ids == null then [] else [$ids] end) + [$order[] as $k | $args[$k]]),
                (reduce $order[] as $k ($args; del(.[$k])) + {context: {lang: "en_US"}})]}}
        }
    else
        {
            method: "POST", path: "/json/2/\($model)/\($method)", idempotency: false,
                safe: ($method == "search_read"),
            headers: ({"Authorization": ("bearer " + (.secret.token // "")),
                "Accept": "application/json"}
                + (if .option.db then {"X-Odoo-Database": .option.db} else {} end)),
            json: ($args + (if $ids == null then {} else {ids: $ids} end)
                + {context: {lang: "en_US"}})
        }
    end;

def od_login: {
    method: "POST", path: "/jsonrpc", headers: {"Accept": "application/json"}, idempotency: false,
        safe: true,
    json: {jsonrpc: "2.0", method: "call", id: 1,
        params: {service: "common", method: "authenticate",
        args: [.option.db, .option.user, .secret.token, {}]}}
};

def login: if od_rpc then od_login else null end;

def od_employee: (.option.field // "id") as $field | chosen_person as $who
    | od_call("hr.employee"; "search_read"; null;
        {domain: [[$field, "=", (if $field == "id" then $who | id_number(15) else $who end)]],
            fields: ["id"], limit: 2}; ["domain"]);

# The open record, and those that have this very moment.
def od_look($employee): .events[0].utc as $at
    | od_call("hr.attendance"; "search_read"; null;
        {domain: [["employee_id", "=", $employee], "|", "|", ["check_out", "=", false],
            ["check_in", "=", $at], ["check_out", "=", $at]],
         fields: ["check_in", "check_out"], order: "check_in desc", limit: 10}; ["domain"]);

def od_create: .events[0].utc as $at | .memo.employee as $employee
    | (if .option.mode then {in_mode: .option.mode} else {} end) as $mode
    | od_call("hr.attendance"; "create"; null;
        {vals_list: [{employee_id: $employee, check_in: $at} + $mode]}; ["vals_list"]);

def od_write($out): .memo.record as $record
    | (if .option.mode then {out_mode: .option.mode} else {} end) as $mode
    | od_call("hr.attendance"; "write"; [$record]; {vals: ({check_out: $out} + $mode)}; ["vals"]);

# What stands in the way of a record that was refused; it may be that record itself, from a try
# whose reply was lost.
def od_overlap: .events[0].utc as $at | .memo as $memo
    | (if $memo.began == null then
           ["|", ["check_in", "=", $at], "&", ["check_in", "<=", $at], ["check_out", ">", $at]]
       else
           ["|", ["check_out", "=", $at],
            "&", ["check_in", ">", $memo.began], ["check_in", "<", $at]]
       end) as $where
    | od_call("hr.attendance"; "search_read"; null;
        {domain: ([["employee_id", "=", $memo.employee]] + $where),
            fields: ["check_in", "check_out"], limit: 10}; ["domain"]);

def request:
    if .memo != null then
        if .memo.step == "look" then od_look(.memo.employee)
        elif .memo.step == "create" then od_create
        elif .memo.step == "write" then od_write(.events[0].utc)
        elif .memo.step == "close" then od_write(.memo.began)
        elif .memo.step == "overlap" then od_overlap
        else od_employee end
    else chosen_person as $who
        | (.events[0] | needs_passage // needs_time
            // if $who == null then held("the event names no employee") else needs_way end)
        // if (.option.field // "id") != "id" then od_employee
           elif ($who | id_number(15)) == null then
               held("the employee is not a number of hr.employee: map it, or give -o field")
           else od_look($who | id_number(15)) end
    end;

# What came back, in one form: {value} or {error: class of the exception}. Empty: not Odoo's reply.
def od_reply:
    if od_rpc then
        .body | objects
            | if has("error") then
                {error: ((.error | objects | .data | objects | .name | strings) // "unknown")}
                          elif has("result") then {value: .result} else empty end
    elif .status == 200 then
        if .body != null then {value: .body} else empty end
    else .body | objects | select(has("name") or has("message"))
        | {error: ((.name | strings) // "unknown")} end;

def od_class: .error
    | if test("LockError|LockNotAvailable|SerializationFailure|DeadlockDetected"
          + "|OperationalError") then "busy"
      elif test("AccessDenied|Unauthorized|SessionExpired") then "key"
      elif test("AccessError") then "rights"
      elif test("MissingError") then "missing"
      elif test("UserError|ValidationError|IntegrityError|ForeignKeyViolation|NotNullViolation"
          + "|ConstraintViolation") then "data"
      else "other" end;

def session:
    ([od_reply] | first) as $reply
    | if $reply == null then null
      elif ($reply.value | type) == "number" then {uid: $reply.value}
      elif $reply.value == false then
          stop("auth"; "the receiver refuses the user or the API key, or the key has expired")
      elif ($reply | has("error")) and ($reply | od_class) == "busy" then
          retry("outage"; "the receiver's database does not answer, or -o db is wrong")
      else stop("auth"; "the receiver refuses the login: -o db, -o user and the API key") end;

def od_no_list: retry("outage"; "the reply is not Odoo's (a proxy's page, empty or cut off)");

def od_found_employee: .value as $rows
    | if ($rows | type) != "array" then od_no_list
      elif ($rows | length) == 0 then held("no active employee has this number at the receiver")
      elif ($rows | length) > 1 then held("several employees have this number at the receiver")
      else {then: {step: "look", employee: $rows[0].id}} end;

def od_found($in): $in.events[0] as $e | ($e | way) as $way | $e.utc as $at | .value as $rows
    | ($in.memo.employee // ($in | chosen_person | id_number(15))) as $employee
    | if ($rows | type) != "array" or any($rows[]; type != "object") then od_no_list
      elif $way == "in" and any($rows[]; .check_in == $at) then "duplicate"
      elif $way == "out" and any($rows[]; .check_out == $at) then "duplicate"
      else ([$rows[] | select(.check_out == false or .check_out == null)] | first) as $open
        | if $way == "in" then
              if $open == null then {then: {step: "create", employee: $employee}}
              elif $open.check_in > $at then
                  held("the receiver has a later record that is still open")
              elif $in.option.open == "close" then
                  {then: {step: "close", record: $open.id, began: $open.check_in,
                  employee: $employee}}
              elif $in.option.open == "reject" then
                  rejected("the receiver has this employee as present already")
              else held("the record before is still open at the receiver: its OUT is missing") end
          elif $open != null and $open.check_in <= $at then
              {then: {step: "write", record: $open.id, began: $open.check_in, employee: $employee}}
          elif $in.option.no_open == "hold" then
              held("the receiver has no open record that this OUT could close")
          else rejected("the receiver has no open record that this OUT could close") end
      end;

# A write that was refused: does the employee exist, and is another record in the way?
def od_refused($in): $in.memo as $memo
    | if $memo.step == "create" and ($in.option.field // "id") == "id" then
        {then: {step: "employee", employee: $memo.employee}}
      elif $memo.step == "create" then {then: {step: "overlap", employee: $memo.employee}}
      elif $memo.step == "write" then
          {then: {step: "overlap", employee: $memo.employee, began: $memo.began}}
      else held("the receiver refuses the record, its text is not known here") end;

def od_why($in): $in.memo as $memo | .value as $rows
    | if ($rows | type) != "array" then od_no_list
      elif $memo.step == "overlap" then
          (if any($rows[]; $in.events[0].utc as $at
              | if $memo.began == null then .check_in == $at else .check_out == $at end) then
              "duplicate"
           elif $rows == [] then held("the receiver refuses the record, its text is not known here")
           else rejected("the record would overlap with another one of the receiver") end)
      elif $rows == [] then held("the receiver has no such employee")
      else {then: {step: "overlap", employee: $memo.employee}} end;

def od_error($in): od_class as $class | $in.memo as $memo
    | if $class == "busy" then retry("busy"; "the receiver's record is locked")
      elif $class == "key" then
          (if ($in | od_rpc) then "session"
              else stop("auth"; "the receiver refuses the API key, or it has expired") end)
      elif $class == "rights" then
          stop("auth"; "the receiver's user may not read or write attendances")
      elif $class == "missing" and ($memo.step == "write" or $memo.step == "close") then
          retry("busy"; "the open record was removed meanwhile")
      elif $class == "missing" or $class == "data" then od_refused($in)
      elif ($in | od_rpc) then
          stop("config"; "the receiver does not know this call: is the module hr_attendance "
              + "installed, are -o db, -o field and -o mode right?")
      elif $in.status >= 500 or $in.status == 429 or $in.status == 408 then null
      elif $in.status == 404 then
          stop("address"; "the receiver has no hr.attendance here: is the module installed?")
      else stop("config"; "the receiver does not take this call: check -o field and -o mode") end;

def od_done($in): $in.memo as $memo
    | if $memo.step == "create" then
          (if (.value | type) == "array" then .value[0] else .value end) as $id
          | if ($id | type) == "number" then
              {outcome: "delivered", location: "hr.attendance,\($id)"}
            else od_no_list + {perhaps: true} end
      elif .value == true then
          (if $memo.step == "close" then {then: {step: "create", employee: $memo.employee}}
           else {outcome: "delivered", location: "hr.attendance,\($memo.record)"} end)
      else od_no_list + {perhaps: true} end;

def od_value($in): $in.memo as $memo
    | if ($in.events | length) == 0 then
        (if (.value | type) == "array" then "delivered" else od_no_list end)
      elif $memo.step == "employee" or $memo.step == "overlap" then od_why($in)
      elif $memo.step == "create" or $memo.step == "write" or $memo.step == "close" then
          od_done($in)
      elif $memo == null and ($in.option.field // "id") != "id" then od_found_employee
      else od_found($in) end;

def verdict: . as $in | ([od_reply] | first) as $reply
    | if .status == 401 then
        stop("auth"; "the receiver refuses the API key, or it has expired (they live at most "
            + "three months)")
      elif .status == 403 then stop("auth"; "the receiver's user may not read or write attendances")
      elif $reply == null then
          if .status == 200 then
              od_no_list + (if .memo.step == "create" or .memo.step == "write" then
                  {perhaps: true} else {} end)
          elif .status == 404 then
              stop("address"; "no Odoo API here: before Odoo 19 it is -o api=jsonrpc")
          elif .status == 400 or .status == 413 or .status == 415 or .status == 422 then
              retry("outage"; "a refusal that cannot be read")
          else null end
      elif $reply | has("error") then $reply | od_error($in)
      else $reply | od_value($in) end;

def check: od_call("hr.attendance"; "search_read"; null;
    {domain: [], fields: ["check_in"], limit: 1}; ["domain"]);
