#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""IceHrm as a receiver: punch in and punch out by REST. Traps: an open record counts on its own day only, no
record goes over midnight, a time left out becomes the server's, and 401 also means an employee that the
user may not see.

    GET  /api/attendance                 GET  /api/employee/N/attendance      newest first
    POST /api/attendance/punch-in        POST /api/attendance/punch-out
"""
import re

from common import Receiver, Reply, serve


class Error(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


class IceHrm(Receiver):
    def __init__(self):
        super().__init__()
        self.token = "token"
        self.admin = True
        self.employees = [7, 8]
        self.now = "2026-11-22 12:00:00"

    def allowed(self, request):
        if request.headers.get("authorization") != "Bearer " + self.token:
            raise Error(401, "Authorization failed")

    def of(self, employee):
        return sorted((r for r in self.rows if r["employee"] == str(employee)), key=lambda r: r["in_time"], reverse=True)

    def open_on(self, employee, day):
        return next((r for r in self.of(employee) if r["in_time"][:10] == day and not r["out_time"]), None)

    def overlaps(self, employee, came, left, itself):
        for row in self.of(employee):
            if row["in_time"][:10] != came[:10] or row is itself:
                continue
            if not row["out_time"]:
                raise Error(400, "There is a non closed attendance entry for today. \n"
                            "                    Please mark punch-out time of the open entry before adding a new one")
            for moment in [came] + ([left] if left else []):
                if row["in_time"] <= moment <= row["out_time"]:
                    raise Error(400, "Time entry is overlapping with an existing one")
            if left and came <= row["in_time"] and row["out_time"] <= left:
                raise Error(400, "Time entry is overlapping with an existing one")

    def punch(self, request):
        fields = request.fields()
        employee = fields.get("employee")
        way = request.path.rsplit("-", 1)[-1]
        moment = fields.get(way + "_time") or self.now
        row = self.open_on(employee, moment[:10])
        if way == "in" and row:
            raise Error(400, "User has already punched in for the day ")
        if way == "out" and not row:
            raise Error(400, "User has not punched in for the day ")
        if employee not in self.employees:
            raise Error(403, "Permission denied")
        if way == "in":
            self.overlaps(employee, moment, None, None)
            row = {"id": str(self.next_id()), "employee": str(employee), "in_time": moment, "out_time": None,
                   "note": fields.get("note")}
            self.rows.append(row)
            return Reply(201, row)
        if moment <= row["in_time"]:
            raise Error(400, "Punch-in time should be earlier than Punch-out time")
        self.overlaps(employee, row["in_time"], moment, row)
        row["out_time"] = moment
        return Reply(200, row)

    def listed(self, request, rows):
        return Reply(200, {"data": rows[:int(request.query.get("limit", "20"))], "nextPage": 2, "total": len(rows)})

    def answer(self, request):
        with self.lock:
            try:
                self.allowed(request)
                if request.path == "/api/attendance" and request.method == "GET":
                    return self.listed(request, self.rows[::-1])
                found = re.fullmatch(r"/api/employee/(\d+)/attendance", request.path)
                if found:
                    if not self.admin:
                        raise Error(401, "Permission denied")
                    return self.listed(request, self.of(found[1]))
                if request.path in ("/api/attendance/punch-in", "/api/attendance/punch-out"):
                    return self.punch(request)
                return Reply(404, "<html>404</html>", kind="text/html")
            except Error as error:
                return Reply(error.status, {"error": [[{"code": error.status, "message": error.text}]]})


if __name__ == "__main__":
    serve(IceHrm())
