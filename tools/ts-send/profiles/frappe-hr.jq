# SPDX-License-Identifier: MIT
# Frappe HR (ERPNext): one Employee Checkin for each passage.
#
# HTTP says little here: 417 is a duplicate, an unknown person, a missing setting or a rate limit,
# and 200 may have stored the time of the server. So the machine field exc_type decides first, then
# the English text that Accept-Language asks for; where neither helps, the receiver is asked what it
# has.

def about: {
    title: "Frappe HR / ERPNext: Employee Checkin",
    url: "https://docs.frappe.io/hr/employee-checkin",
    notes: "API key and secret of a user with the role HR User; times are the site's own"
};

def defaults: {
    batch: 1, rate: null, arrays: "none", late: null, time: "echo",
    accept: ["application/json"],
    options: {
        path: {default: "v14", help: "v14 (and later), or v13 for ERPNext with HR built in"},
        zone: {help: "the site's zone (System Settings); else the device's wall clock is sent"},
        field: {default: "attendance_device_id",
            help: "field of Employee that holds the person's number"},
        person: {default: "auto", help: (
            "what is sent as that number: employee_id, person_id, card_no, or auto: the "
            + "first of these that is there")},
        skip_auto_attendance: {default: "0", help: "1: keep the rows out of Auto Attendance"},
        latitude: {help: "of the gates, for sites with geolocation tracking"},
        longitude: {help: "of the gates"},
        positions: {help: "of single devices: DEVICE=LATITUDE/LONGITUDE,DEVICE=..."},
        shift: {help: "Shift Types whose last sync is moved by the watermark, with commas between"}
    },
    secrets: {token: {required: true, help: "KEY:SECRET of the API user"}}
};

def fh_headers: {
    "Authorization": ("token " + (.secret.token // "")),
    "Accept": "application/json",
    "Accept-Language": "en"
};

# The position of this device, else the one of all gates.
def fh_position: .option as $o | (.events[0].device_id // "") as $device
    | ([($o.positions // "") | split(",")[] | (rindex("=") // -1) as $i | select($i > 0)
        | select(.[:$i] == $device) | .[$i + 1:] | split("/")] | first)
      // [$o.latitude, $o.longitude]
    | map(try tonumber catch null)
    | if length == 2 and all(.[]; type == "number") then {latitude: .[0], longitude: .[1]}
        else {} end;

def fh_filters($doctype; $fields; $filters):
    fh_headers as $headers | {
        method: "GET", path: "/api/resource/\($doctype | @uri)", headers: $headers,
            idempotency: false,
        query: {fields: ($fields | tojson), filters: ($filters | tojson), limit_page_length: "5"}
    };

def fh_create:
    .events[0] as $e | {
        method: "POST",
        path: ("/api/method/" + (if .option.path == "v13" then "erpnext" else "hrms" end)
            + ".hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field"),
        headers: fh_headers,
        json: ({
            employee_field_value: chosen_person,
            timestamp: $e.site,
            device_id: $e.device_id,
            log_type: ($e | way | if . == null then null else ascii_upcase end),
            skip_auto_attendance: (if .option.skip_auto_attendance == "1" then 1 else 0 end),
            employee_fieldname: (.option.field // "attendance_device_id")
        } + fh_position | with_entries(select(.value != null)))
    };

# The step of the conversation: its name stands alone, or with what it needs.
def fh_step: .memo | if type == "object" then .step else . end;

# --- the watermark: Auto Attendance looks at check-ins up to last_sync_of_checkin, and marks absent
# who has none. So it is moved forward only: what the Shift Types have is read first.
def fh_shifts: (.option.shift // "") | split(",") | map(gsub("^ +| +$"; "")) | map(select(. != ""));

def watermark: fh_shifts as $shifts
    | if $shifts == [] then null
      else fh_filters("Shift Type"; ["name", "last_sync_of_checkin"]; [["name", "in", $shifts]])
          | .query.limit_page_length = "0"
      end;

def fh_move: fh_headers as $headers | .memo.upto as $upto | .memo.shifts as $shifts
    | {headers: $headers, idempotency: false}
    + if ($shifts | length) == 1 then
          {method: "PUT", path: "/api/resource/Shift%20Type/\($shifts[0] | uri)",
           json: {last_sync_of_checkin: $upto}}
      else
          {method: "POST", path: "/api/method/frappe.client.bulk_update",
           json: {docs: ([$shifts[]
               | {doctype: "Shift Type", docname: ., last_sync_of_checkin: $upto}] | tojson)}}
      end;

def request:
    if fh_step == "move" then fh_move
    elif fh_step == "zone" then
        {method: "GET", path: "/api/method/frappe.client.get_time_zone", headers: fh_headers,
            idempotency: false}
    elif fh_step == "employee" then
        (.option.field // "attendance_device_id") as $field | chosen_person as $who
        | fh_filters("Employee"; ["name", "status"]; [[$field, "=", $who]])
    elif fh_step == "row" then
        .memo.employee as $employee | .events[0].site as $site
        | fh_filters("Employee Checkin"; ["name", "log_type"];
            [["employee", "=", $employee], ["time", "=", $site]])
    elif fh_step == "undo" then
        {method: "DELETE", path: "/api/resource/Employee%20Checkin/\(.memo.name | @uri)",
            headers: fh_headers, idempotency: false}
    else chosen_person as $who
        | (.events[0] | needs_passage // needs_time
            // if $who == null then held("the event names no person") else null end)
        // fh_create
    end;

# The text of an error without markup; only looked at, never repeated.
def fh_text: [.body | objects | .exception, ._server_messages] | map(select(type == "string"))
    | join(" ");

def fh_type: .body | objects | .exc_type | strings | select(test("^[A-Za-z_]{1,60}$"));

def fh_unreadable($what): {outcome: "retry", cause: "outage", perhaps: true, reason: $what};

# 200 to a create: only the row that comes back with our time in it proves anything.
def fh_stored:
    .events[0].site as $sent | (.body | objects | .message | objects) // null
    | if . == null then
        fh_unreadable("the reply is not the stored row (a proxy's page, empty or cut off)")
      elif (.time | type) != "string" then fh_unreadable("the stored row has no time")
      elif (.time[:19] | sub("T"; " ")) == $sent then
          {outcome: "delivered",
              location: (.name | strings | "/api/resource/Employee Checkin/" + .)} // "delivered"
      elif (.name | type) == "string" and (.name | test("^[A-Za-z0-9_-]{1,140}$")) then
          {then: {step: "undo", name: .name}}
      else {outcome: "stop", cause: "time", wait_s: 3600,
            reason: (
                "the receiver stored another time than was sent: its user needs the role HR "
                + "User")} end;

def fh_undone: {outcome: "stop", cause: "time", wait_s: 3600,
    reason: ("the receiver stores its own time instead of the one sent: give its user the role HR "
        + "User or HR Manager"
        + (if .status >= 200 and .status < 300 then " (the wrong row was taken back)"
           else " (the wrong row could not be deleted: \(.memo.name))" end))};

def fh_refused:
    fh_type as $type | fh_text as $text
    | if $type == "InactiveEmployeeStatusError" then
          held("the person is inactive at the receiver")
      elif $type == "CheckinRadiusExceededError" then
          held("the gate's position is outside the circle of the person's shift location")
      elif $type == "RateLimitExceededError" or ($text | test("You hit the rate limit")) then
          {outcome: "retry", cause: "busy", wait_s: 60, reason: "the receiver's rate limit"}
      elif ($type | test("Deadlock|QueryTimeout|TimestampMismatch|DocumentLocked")) then
          retry("busy"; "the receiver's database is busy")
      elif ($text | test("already has a log with the same timestamp")) then "duplicate"
      elif ($text | test("No Employee found for the given employee field value")) then
          held("no employee has this number at the receiver")
      elif ($text | test("Log Type is required")) then
          held("the person's shift needs a direction, and the event has none")
      elif ($text | test("Latitude and longitude values are required")) then
          if fh_position == {} then
              stop("config"; "the receiver tracks positions: give -o latitude and -o longitude, "
                  + "or -o positions")
          else held("the receiver did not take the gate's position") end
      elif ($text | test("'employee_field_value' and 'timestamp' are required")) then
          stop("config"; "the receiver did not read the fields of the request")
      elif ($text | test("Failed to get method for command")) then
          {outcome: "stop", cause: "address", reason: (
              "the receiver has no Employee Checkin method here: is it "
              + "\(if .option.path == "v13" then "v14 or later" else "v13, -o path=v13" end)?")}
      elif $type == "MandatoryError" then
          stop("config"; "Employee Checkin has a mandatory field that is not sent")
      else {then: {step: "employee", type: $type}} end;

def fh_unknown: (.memo.type // "no type") as $type
    | held("the receiver refuses the event (\($type)), its text is not known here");

def fh_rows: .body | objects | .data | arrays;

# Why was it refused? The rows tell, in any language.
def fh_employee:
    if .status != 200 or ([fh_rows] == []) then fh_unknown
    else .memo.type as $type | fh_rows
        | if length == 0 then held("no employee has this number at the receiver")
          elif .[0].status == "Inactive" then held("the person is inactive at the receiver")
          else {then: {step: "row", employee: .[0].name, type: $type}} end
    end;

def fh_row:
    if .status != 200 or ([fh_rows] == []) then fh_unknown
    else (.events[0] | way | if . == null then "" else ascii_upcase end) as $log
        | if any(fh_rows[]; (.log_type // "") == $log) then "duplicate" else fh_unknown end
    end;

def fh_zone: .option.zone as $zone | (.body | objects | .message | objects | .time_zone | strings)
    // null
    | if $zone == null or . == null or . == $zone then "delivered"
      else stop("time"; "the receiver's zone is not the one of -o zone") end;

def fh_status:
    (([fh_type] | first) // "") as $type
    | if .status == 401 or $type == "AuthenticationError" then
          stop("auth"; "the receiver refuses the key")
      elif .status == 403 then
          stop("auth"; "the receiver's user may not create Employee Checkin")
      elif .status == 404 then
          stop("address"; "the receiver has no Employee Checkin method here: app missing, or "
              + "another version (-o path)")
      elif .status == 409 then
          retry("busy"; "the receiver gave the row's name to another one")
      elif .status == 417 and ([fh_type] == []) then
          retry("outage"; "a refusal that cannot be read")
      elif .status == 417 then fh_refused
      else null end;

def fh_check: ((.body | objects | .message | strings) // null) as $user
    | if .status == 401 or .status == 403 then fh_status
      elif .status != 200 then null
      elif $user == null then stop("address"; "no Frappe site answers here")
      elif $user == "Guest" then
          stop("auth"; "the receiver did not take the key (KEY:SECRET is expected)")
      else {then: "zone"} end;

# The oldest device decides.
def fh_behind: ([.devices[].site] | min) as $upto
    | fh_shifts as $shifts | ([fh_rows] | first) as $rows
    | if .status != 200 then null
      elif $rows == null then not_understood
      elif ($shifts - [$rows[].name]) != [] then
          stop("config"; "the receiver has no Shift Type of a name in -o shift, or its user may "
              + "not see it")
      else
          [$rows[] | select((.last_sync_of_checkin // "" | tostring | .[:19]) < $upto) | .name]
          | if . == [] then "duplicate" else {then: {step: "move", shifts: ., upto: $upto}} end
      end;

def fh_moved: .memo.upto as $upto | (.body | if type == "object" then . else {} end) as $body
    | if .status == 403 then stop("auth"; "the receiver's user may not write Shift Type")
      elif .status != 200 then null
      elif ($body.data | type) == "object" then
          if ($body.data.last_sync_of_checkin | tostring | .[:19]) == $upto then "delivered"
          else stop("time"; "the receiver stored another watermark than was sent") end
      elif ($body.message | type) == "object" and $body.message.failed_docs == [] then "delivered"
      elif ($body.message | type) == "object" then
          stop("config"; "the receiver did not take the watermark of every shift")
      else not_understood end;

def verdict:
    if fh_step == "watermark" then fh_behind
    elif fh_step == "move" then fh_moved
    elif fh_step == "zone" then (if .status == 200 then fh_zone else null end)
    elif fh_step == "undo" then fh_undone
    elif fh_step == "employee" then fh_employee
    elif fh_step == "row" then fh_row
    elif (.events | length) == 0 then fh_check
    elif .status == 200 then fh_stored
    else fh_status end;

def check: {
    method: "GET", path: "/api/method/frappe.auth.get_logged_user", headers: fh_headers,
    idempotency: false
};
