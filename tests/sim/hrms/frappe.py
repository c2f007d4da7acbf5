#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frappe HR as a receiver: Employee Checkin and what is asked around it, traps included.

  - a user without permlevel 1 on `time` gets the server's time stored, and 200
  - duplicates are looked for, then inserted, without a lock between (race_ms widens the gap)
  - 417 for duplicates, unknown and inactive people, missing settings and the rate limit of a method
  - texts in the site's language where it does not follow Accept-Language (lang = "ru")
"""
import json
import time

from common import Receiver, Reply, serve

TEXTS = {
    "duplicate": ("This employee already has a log with the same timestamp.",
                  "У этого сотрудника уже есть запись с тем же временем."),
    "unknown": ("No Employee found for the given employee field value. '{0}': {1}",
                "Сотрудник с таким значением поля не найден. '{0}': {1}"),
    "inactive": ("Transactions cannot be created for an Inactive Employee {0}.",
                 "Операции недоступны для неактивного сотрудника {0}."),
    "log_type": ("Log Type is required for check-ins falling in the shift: Night.",
                 "Для отметок смены Night нужен тип."),
    "position": ("Latitude and longitude values are required for checking in.",
                 "Для отметки нужны широта и долгота."),
    "arguments": ("'employee_field_value' and 'timestamp' are required.",
                  "Нужны 'employee_field_value' и 'timestamp'."),
    "rate": ("You hit the rate limit because of too many requests. Please try after sometime.",
             "Слишком много запросов. Попробуйте позже."),
    "method": ("Failed to get method for command {0} with No module named '{1}'",
               "Не найден метод команды {0}: {1}"),
}
METHOD = ".hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field"


class Refusal(Exception):
    def __init__(self, kind, text, status=417):
        super().__init__(text)
        self.kind, self.text, self.status = kind, text, status

    def reply(self):
        line = "frappe.exceptions.%s: %s" % (self.kind, self.text)
        return Reply(self.status, {
            "exception": line, "exc_type": self.kind,
            "exc": json.dumps(["Traceback (most recent call last):\n  …\n%s\n" % line]),
            "_server_messages": json.dumps([json.dumps(
                {"message": self.text, "title": "Message", "indicator": "red", "raise_exception": 1})])})


class Frappe(Receiver):
    def __init__(self):
        super().__init__()
        self.app = "hrms"              # or erpnext, up to version 13
        self.lang = "en"
        self.zone = "Asia/Tashkent"
        self.token = "key:secret"
        self.hr_user = True            # has permlevel 1
        self.may_create = True
        self.may_delete = True
        self.may_read = True
        self.now = "2026-11-22 12:00:00"
        self.employees = {"1042": {"name": "HR-EMP-00042", "status": "Active"}}
        self.field = "attendance_device_id"
        self.position_needed = False
        self.log_type_needed = False
        self.rate_left = None          # calls until the method's own limit answers
        self.race_ms = 0
        self.shifts = {"Day": None}
        self.moves = []                # each move of a watermark: shift, from, to
        self.may_shift = True

    def refuse(self, kind, text, *values):
        return Refusal(kind, TEXTS[text][0 if self.lang == "en" else 1].format(*values))

    def user(self, request):
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "token" or ":" not in value:
            return "Guest"             # a malformed header is ignored
        if value != self.token:
            raise Refusal("AuthenticationError", "", 401)
        return "bridge@example.com"

    def add_log(self, fields):
        if not self.may_create:
            raise Refusal("PermissionError", "No permission for Employee Checkin", 403)
        if self.rate_left is not None:
            self.rate_left -= 1
            if self.rate_left < 0:
                raise self.refuse("RateLimitExceededError", "rate")
        who, when = fields.get("employee_field_value"), fields.get("timestamp")
        if not who or not when:
            raise self.refuse("ValidationError", "arguments")
        field = fields.get("employee_fieldname") or "attendance_device_id"
        person = self.employees.get(str(who)) if field == self.field else None
        if not person:
            raise self.refuse("ValidationError", "unknown", field, who)
        if person["status"] == "Inactive":
            raise self.refuse("InactiveEmployeeStatusError", "inactive", person["name"])
        log_type = fields.get("log_type") or None
        if self.log_type_needed and not log_type and not int(fields.get("skip_auto_attendance") or 0):
            raise self.refuse("ValidationError", "log_type")
        if self.position_needed and not (fields.get("latitude") and fields.get("longitude")):
            raise self.refuse("ValidationError", "position")
        return self.insert(person, log_type, when if self.hr_user else self.now, fields)

    def insert(self, person, log_type, when, fields):
        key = (person["name"], when[:19], log_type)
        if any((r["employee"], r["time"], r["log_type"]) == key for r in list(self.rows)):
            raise self.refuse("ValidationError", "duplicate")
        if self.race_ms:
            time.sleep(self.race_ms / 1000)
        row = {"name": "EMP-CKIN-03-2026-%06d" % self.next_id(), "docstatus": 0, "employee": person["name"],
               "employee_name": "Test Person", "log_type": log_type, "shift": None, "time": when[:19],
               "device_id": fields.get("device_id"), "latitude": fields.get("latitude"),
               "longitude": fields.get("longitude"), "doctype": "Employee Checkin",
               "skip_auto_attendance": int(fields.get("skip_auto_attendance") or 0)}
        self.rows.append(row)
        return row

    def control(self, request):
        if request.path == "/_moves":
            return Reply(200, self.moves)
        return super().control(request)

    def move(self, shift, upto):
        self.moves.append([shift, self.shifts[shift], upto])
        self.shifts[shift] = upto

    def resource(self, request):
        parts = request.path.split("/")[3:]
        if not self.may_read and request.method == "GET":
            raise Refusal("PermissionError", "No permission", 403)
        if parts[0] == "Employee":
            rows = [dict(v, **{self.field: k}) for k, v in self.employees.items()]
        elif parts[0] == "Employee Checkin":
            rows = self.rows
        elif parts[0] == "Shift Type" and request.method == "PUT" and parts[1] in self.shifts:
            if not self.may_shift:
                raise Refusal("PermissionError", "No permission for Shift Type", 403)
            self.move(parts[1], request.fields()["last_sync_of_checkin"])
            return Reply(200, {"data": {"name": parts[1], "last_sync_of_checkin": self.shifts[parts[1]]}})
        elif parts[0] == "Shift Type" and request.method == "GET":
            rows = [{"name": k, "last_sync_of_checkin": v} for k, v in self.shifts.items()]
        else:
            raise Refusal("DoesNotExistError", "not found", 404)
        if request.method == "DELETE":
            if not self.may_delete:
                raise Refusal("PermissionError", "No permission", 403)
            self.rows[:] = [r for r in self.rows if r["name"] != parts[1]]
            return Reply(202, {"message": "ok"})
        fields = json.loads(request.query.get("fields", '["name"]'))
        for name, op, value in json.loads(request.query.get("filters", "[]")):
            assert op in ("=", "in")
            wanted = [str(v) for v in (value if op == "in" else [value])]
            rows = [r for r in rows if str(r.get(name)) in wanted]
        return Reply(200, {"data": [{f: r.get(f) for f in fields} for r in rows]})

    def method(self, request, user):
        name = request.path.split("/")[-1]
        if name == "ping":
            return {"message": "pong"}
        if name == "frappe.client.get_time_zone":
            return {"message": {"time_zone": self.zone}}
        if name == "frappe.auth.get_logged_user":
            return {"message": user}
        if user == "Guest":
            raise Refusal("PermissionError", "Not permitted", 403)
        if name == self.app + METHOD:
            return {"message": self.add_log(request.fields())}
        if name == "frappe.client.bulk_update":
            failed = []
            for doc in json.loads(request.fields()["docs"]):
                if doc["docname"] in self.shifts:
                    self.move(doc["docname"], doc["last_sync_of_checkin"])
                else:
                    failed.append({"doc": doc, "exc": "not found"})
            return {"message": {"failed_docs": failed}}
        raise self.refuse("ValidationError", "method", name, name.split(".")[0])

    def answer(self, request):
        try:
            user = self.user(request)
            if request.path.startswith("/api/method/"):
                return Reply(200, self.method(request, user))
            if user == "Guest":
                raise Refusal("PermissionError", "Not permitted", 403)
            if request.path.startswith("/api/resource/"):
                return self.resource(request)
            raise Refusal("DoesNotExistError", "not found", 404)
        except Refusal as refusal:
            return refusal.reply()


if __name__ == "__main__":
    serve(Frappe())
