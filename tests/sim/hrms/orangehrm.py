#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""OrangeHRM 5 as a receiver: attendance records of employees in whole minutes, and OAuth2 whose refresh
token is good for one use: who does not keep the new one is locked out, and a spent one that comes again
revokes all that came of it.

    POST /oauth2/token                                      refresh_token → new access and refresh token
    GET  /api/v2/attendance/records/latest[?empNumber=N]    404 when there is none
    GET  /api/v2/attendance/employees/N/records             of the days fromDate to toDate
    POST, PUT the same                                      punch in, punch out
"""
import re
import secrets
from datetime import datetime, timedelta

from common import Receiver, Reply, serve

TEXTS = {
    "in": ("Cannot Proceed Punch In Employee Already Punched In", "Der Mitarbeiter ist bereits anwesend"),
    "out": ("Cannot Proceed Punch Out Employee Already Punched Out", "Der Mitarbeiter ist bereits abwesend"),
    "overlap": ("Punch-In Overlap Found", "Überschneidung gefunden"),
    "later": ("Punch Out Time Should Be Later Than Punch In Time", "Das Ende muss nach dem Anfang liegen"),
}


class Error(Exception):
    def __init__(self, status, message, keys=None):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"status": str(status), "message": message}}
        if keys:
            self.body["error"]["data"] = {"invalidParamKeys": keys}


class OrangeHrm(Receiver):
    def __init__(self):
        super().__init__()
        self.lang = "en"
        self.employees = [2, 3]
        self.zones = ["Asia/Tashkent", "Asia/Colombo", "Europe/Berlin", "UTC"]
        self.client = "bridge"
        self.refresh = "refresh-0"
        self.access = "access-0"
        self.access_uses = None        # requests until the access token has expired
        self.spent = []
        self.uses_each = 100           # of the access tokens that are given out
        self.rotations = 0
        self.wrong_s = 0               # stores a time that is so much off

    def text(self, name):
        return TEXTS[name][0 if self.lang == "en" else 1]

    def token(self, request):
        fields = request.fields()
        if fields.get("refresh_token") in self.spent:
            self.access = self.refresh = None
        if fields.get("grant_type") != "refresh_token" or fields.get("refresh_token") != self.refresh \
                or fields.get("client_id") != self.client:
            return Reply(400, {"error": "invalid_grant", "error_description": "The refresh token is invalid."})
        self.rotations += 1
        self.spent.append(self.refresh)
        self.access, self.refresh = secrets.token_hex(8), secrets.token_hex(8)
        self.access_uses = self.uses_each
        return Reply(200, {"token_type": "Bearer", "expires_in": 1800, "access_token": self.access,
                           "refresh_token": self.refresh})

    def allowed(self, request):
        if request.headers.get("authorization") != "Bearer " + self.access:
            raise Error(401, "Session expired")
        if self.access_uses is not None:
            self.access_uses -= 1
            if self.access_uses < 0:
                raise Error(401, "Session expired")

    @staticmethod
    def half(utc, offset, note):
        if utc is None:
            return {"utcDate": None, "utcTime": None, "userDate": None, "userTime": None, "timezoneOffset": None, "note": None}
        user = utc + timedelta(hours=offset)
        return {"utcDate": utc.strftime("%Y-%m-%d"), "utcTime": utc.strftime("%H:%M"), "note": note,
                "userDate": user.strftime("%Y-%m-%d"), "userTime": user.strftime("%H:%M"), "timezoneOffset": str(offset)}

    def model(self, row):
        state = "PUNCHED IN" if row["out"] is None else "PUNCHED OUT"
        return {"id": row["id"], "punchIn": row["punchIn"], "punchOut": row["punchOut"],
                "state": {"id": state, "name": state.title()},
                "employee": {"empNumber": row["employee"], "lastName": "Person", "firstName": "Test"}}

    def of(self, employee):
        return sorted((r for r in self.rows if r["employee"] == employee), key=lambda r: r["in"])

    def punch(self, request, employee):
        fields = request.fields()
        bad = [k for k, rule in (("date", r"\d{4}-\d\d-\d\d"), ("time", r"\d\d:\d\d"))
               if not re.fullmatch(rule, str(fields.get(k)))]
        bad += [] if isinstance(fields.get("timezoneOffset"), (int, float)) else ["timezoneOffset"]
        bad += [] if fields.get("timezoneName") in self.zones else ["timezoneName"]
        if bad:
            raise Error(422, "Invalid Parameter", bad)
        offset = fields["timezoneOffset"]
        user = datetime.strptime(fields["date"] + fields["time"], "%Y-%m-%d%H:%M")
        utc = user - timedelta(hours=offset) + timedelta(seconds=self.wrong_s)
        key = utc.strftime("%Y-%m-%d %H:%M")
        rows = self.of(employee)
        opened = [r for r in rows if r["out"] is None]
        half = self.half(utc, offset, fields.get("note"))
        if request.method == "POST":
            if opened:
                raise Error(400, self.text("in"))
            if any(r["in"] <= key < r["out"] or r["in"] == key for r in rows):
                raise Error(400, self.text("overlap"))
            row = {"id": self.next_id(), "employee": employee, "in": key, "out": None,
                   "punchIn": half, "punchOut": self.half(None, 0, None)}
            self.rows.append(row)
        else:
            if not opened:
                raise Error(400, self.text("out"))
            row = opened[-1]
            if key <= row["in"]:
                raise Error(400, self.text("later"))
            row["out"], row["punchOut"] = key, half
        return self.model(row)

    def latest(self, request):
        employee = int(request.query.get("empNumber", "1"))
        if "empNumber" in request.query and employee not in self.employees:
            raise Error(422, "Invalid Parameter", ["empNumber"])
        rows = self.of(employee)
        if not rows:
            raise Error(404, "Record Not Found")
        return self.model(rows[-1])

    def answer(self, request):
        with self.lock:
            if request.path == "/oauth2/token":
                return self.token(request)
            try:
                self.allowed(request)
                if request.path == "/api/v2/attendance/records/latest":
                    return Reply(200, {"data": self.latest(request), "meta": [], "rels": []})
                found = re.fullmatch(r"/api/v2/attendance/employees/(\d+)/records", request.path)
                if not found:
                    return Reply(404, "<html>404</html>", kind="text/html")
                employee = int(found[1])
                if employee not in self.employees:
                    raise Error(403, "Unauthorized")
                if request.method == "GET":
                    rows = [r for r in self.of(employee)
                            if request.query["fromDate"] <= r["punchIn"]["userDate"] <= request.query["toDate"]]
                    return Reply(200, {"data": [self.model(r) for r in rows], "meta": {"total": len(rows)}, "rels": []})
                return Reply(200, {"data": self.punch(request, employee), "meta": [], "rels": []})
            except Error as error:
                return Reply(error.status, error.body)


if __name__ == "__main__":
    serve(OrangeHrm())
