#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Odoo as a receiver: hr.attendance over JSON-2 (version 19) and JSON-RPC, with the constraint that one
employee's records do not overlap, locks (409, or an error within 200), keys that expire, and texts that
hold the person's name in the user's language."""
import json

from common import Receiver, Reply, serve


class Fault(Exception):
    """An exception of the server: its name, the status of JSON-2, its text."""

    def __init__(self, name, status, text):
        super().__init__(text)
        self.name, self.status, self.text = name, status, text


def overlap():
    return Fault("odoo.exceptions.ValidationError", 422,
                 "Anwesenheit für Test Person kann nicht erfasst werden: bereits eingestempelt")


def invalid(text):
    return Fault("odoo.exceptions.ValidationError", 422, text)


def matches(row, domain):
    """A domain in Odoo's prefix form; terms that no operator joins are all needed."""
    def term():
        head = todo.pop(0)
        if head == "|":
            one, two = term(), term()
            return one or two
        if head == "&":
            one, two = term(), term()
            return one and two
        name, op, value = head
        have = row.get(name)
        if op == "=":
            return have == value
        if have is False or have is None:
            return False
        return {"in": lambda: have in value, "<": lambda: have < value, "<=": lambda: have <= value,
                ">": lambda: have > value, ">=": lambda: have >= value}[op]()
    todo, good = list(domain), True
    while todo:
        good = term() and good
    return good


class Odoo(Receiver):
    def __init__(self):
        super().__init__()
        self.version = 19
        self.key = "apikey"
        self.database = "prod"
        self.login = "bridge"
        self.locked = 0                # so many writes find the record locked
        self.may_write = True
        self.employees = [{"id": 42, "barcode": "0042"}]
        self.modes = True              # in_mode and out_mode exist

    # --- the constraint of hr.attendance

    def validate(self, row):
        if row["check_out"] and row["check_out"] < row["check_in"]:
            raise invalid("out before in")
        others = [r for r in self.rows if r["employee_id"] == row["employee_id"] and r["id"] != row["id"]]
        before = [r for r in others if r["check_in"] <= row["check_in"]]
        last = max(before, key=lambda r: r["check_in"], default=None)
        if last and last["check_out"] and last["check_out"] > row["check_in"]:
            raise overlap()
        if not row["check_out"]:
            if any(not r["check_out"] for r in others):
                raise overlap()
        else:
            ending = [r for r in others if r["check_in"] < row["check_out"]]
            if ending and max(ending, key=lambda r: r["check_in"]) is not last:
                raise overlap()

    def create(self, vals_list):
        rows = []
        for vals in [vals_list] if isinstance(vals_list, dict) else vals_list:
            self.known(vals)
            if vals["employee_id"] not in [e["id"] for e in self.employees]:
                raise invalid("the operation cannot be completed: employee")
            row = {"id": self.next_id(), "check_out": False, **vals}
            self.validate(row)
            rows.append(row)
        self.rows += rows
        return [r["id"] for r in rows]

    def write(self, ids, vals):
        self.known(vals)
        rows = [r for r in self.rows if r["id"] in ids]
        if len(rows) != len(ids):
            raise Fault("odoo.exceptions.MissingError", 404, "Record does not exist")
        for row in rows:
            self.validate({**row, **vals})
            row.update(vals)
        return True

    def known(self, vals):
        names = {"employee_id", "check_in", "check_out"} | ({"in_mode", "out_mode"} if self.modes else set())
        for name in vals:
            if name not in names:
                raise Fault("builtins.ValueError", 422, "Invalid field '%s'" % name)

    def call(self, model, method, args, named):
        if model not in ("hr.attendance", "hr.employee"):
            raise Fault("werkzeug.exceptions.NotFound", 404, "the model does not exist")
        if method == "search_read":
            rows = self.rows if model == "hr.attendance" else self.employees
            domain = args[0] if args else named.get("domain", [])
            found = [r for r in rows if matches(r, domain)]
            return [{"id": r["id"], **{f: r.get(f, False) for f in named.get("fields", [])}} for r in found]
        if model != "hr.attendance" or not self.may_write:
            raise Fault("odoo.exceptions.AccessError", 403, "Sie haben keinen Zugriff")
        if self.locked:
            self.locked -= 1
            raise Fault("odoo.exceptions.LockError", 409, "could not obtain lock")
        if method == "create":
            return self.create(args[0] if args else named["vals_list"])
        if method == "write":
            return self.write(args[0] if args else named["ids"], args[1] if args else named["vals"])
        raise Fault("werkzeug.exceptions.NotFound", 404, "the method does not exist")

    # --- the two ways of calling

    def json2(self, request):
        if request.headers.get("authorization", "").lower() != "bearer " + self.key:
            raise Fault("werkzeug.exceptions.Unauthorized", 401, "Invalid apikey")
        if request.headers.get("x-odoo-database", self.database) != self.database:
            raise Fault("werkzeug.exceptions.NotFound", 404, "no such database")
        model, method = request.path.split("/")[3:5]
        return self.call(model, method, [], request.fields())

    def jsonrpc(self, request):
        params = request.fields()["params"]
        args = params["args"]
        if args[0] != self.database:
            raise Fault("psycopg2.OperationalError", 200, 'FATAL: database "x" does not exist')
        if params["service"] == "common":
            return 7 if args[1:3] == [self.login, self.key] else False
        if args[1] != 7 or args[2] != self.key:
            raise Fault("odoo.exceptions.AccessDenied", 200, "Access Denied")
        return self.call(args[3], args[4], args[5], args[6] if len(args) > 6 else {})

    def answer(self, request):
        with self.lock:
            rpc = request.path == "/jsonrpc"
            try:
                if rpc:
                    return Reply(200, {"jsonrpc": "2.0", "id": 1, "result": self.jsonrpc(request)})
                if self.version >= 19 and request.path.startswith("/json/2/"):
                    return Reply(200, self.json2(request))
            except Fault as fault:
                data = {"name": fault.name, "message": fault.text, "arguments": [fault.text], "context": {}, "debug": "…"}
                if rpc:
                    return Reply(200, {"jsonrpc": "2.0", "id": 1, "error":
                                       {"code": 200, "message": "Odoo Server Error", "data": data}})
                return Reply(fault.status, json.dumps(data))
            return Reply(404, "<!DOCTYPE html><html><body>404</body></html>", kind="text/html")


if __name__ == "__main__":
    serve(Odoo())
