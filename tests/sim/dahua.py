#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Dahua access terminal: getSerialNo, recordFinder, eventManager and snapManager.

Knobs beside those of device.py: serial, most (records it gives at most; more is refused with 400),
cap (it gives so many whatever it is asked for), newest_first, number (0: events without RecNo; 2:
with RecNo 0), clock (0: events without any clock; 2: UTC alone, in local time), heartbeat_ms,
late_ms (a record stands in the log so long after its event), lose (that many events are not sent),
quirks (1: wrong lengths, LF), close (1: answers say Connection: close, which is not meant), no_log, text (1: CreateTime as text), drop (the connection ends
behind so many answers of recordFinder).

With register=PORT it connects itself and registers as `name`, again whenever the connection ends;
with terminals=N so many do, each with its number behind `name` and `serial`.  There it answers only
what carries the token of a digest login, and hangs up keep_ms after the last keep-alive.
"""
import json
import os
import socket
import threading
import time

import device

JPEG = b'\xff\xd8\xff\xdb' + bytes(range(256)) * 30 + b'\xff\xd9'


class Terminal(device.Device):
    realm = 'Login to 4c5b1f0a2d3e4f50'

    def __init__(self, knobs):
        super().__init__(dict({'serial': '6G0123ABCD0001', 'most': 1024, 'number': 1, 'clock': 1,
                               'heartbeat_ms': 200, 'name': 'GATE', 'keep_ms': 90000}, **knobs))
        self.tokens = set()

    def append(self, records):
        for r in records:
            number = self.log[-1]['RecNo'] + 1 if self.log else 1
            base = {'RecNo': number, 'CardName': 'Somebody', 'CardNo': '', 'Door': 0, 'ErrorCode': 0,
                    'Method': 15, 'Password': '123456', 'ReaderID': '1', 'Status': 1, 'Type': 'Entry',
                    'UserID': str(1000 + number % 50), 'logged': time.monotonic() + self.knob('late_ms') / 1000}
            base.update(r)
            self.log.append(base)

    def back_door(self, path, query, body):
        if path == '/_sim/clear':
            with self.change:
                self.log = []
        elif path == '/_sim/forget':
            self.tokens.clear()
        return super().back_door(path, query, body)

    def serve(self, http, method, path, query, body):
        action = query.get('action')
        if path == '/cgi-bin/api/global/login' and method == 'POST':
            token = os.urandom(11).hex()
            self.tokens.add(token)
            return http.reply(200, json.dumps({'Token': token}), 'application/json')
        if path == '/cgi-bin/api/global/keep-alive' and method == 'POST':
            http.kept = time.monotonic()
            return http.reply(200, '')
        if path == '/cgi-bin/magicBox.cgi' and action == 'getSerialNo':
            serial = self.knobs['serial'] + http.number
            return http.reply(200, f'sn={serial}\r\n', 'text/plain;charset=utf-8')
        if path == '/cgi-bin/recordFinder.cgi' and action == 'find':
            return self.find(http, query)
        if path == '/cgi-bin/eventManager.cgi' and action == 'attach':
            return self.stream(http, self.event)
        if path == '/cgi-bin/snapManager.cgi' and action == 'attachFileProc':
            return self.stream(http, self.snap)
        return http.reply(400, 'Error\r\nBad Request!\r\n', 'text/plain')

    def find(self, http, query):
        count = int(query.get('count', 100))
        if self.knob('no_log') or count > self.knob('most') or \
                query.get('name') != 'AccessControlCardRec':
            return http.reply(400, 'Error\r\nBad Request!\r\n', 'text/plain')
        start, end = int(query['StartTime']), int(query['EndTime'])
        with self.change:
            now = time.monotonic()
            found = [r for r in self.log if start <= r['CreateTime'] <= end and r['logged'] <= now]
        if self.knob('newest_first'):
            found = found[::-1]
        found = found[:min(count, self.knob('cap') or count)]
        lines = [f'found={len(found)}']
        for i, r in enumerate(found):
            for k, v in sorted(r.items()):
                if k == 'CreateTime' and self.knob('text'):
                    v = time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(v))
                if k != 'logged':
                    lines.append(f'records[{i}].{k}={v}')
        http.reply(200, '\r\n'.join(lines) + '\r\n', 'text/plain;charset=utf-8')
        if self.knob('drop'):
            self.knobs['drop'] = self.knob('drop') - 1
            return self.knob('drop') > 0
        return True

    # --- the stream ---

    def fields(self, r):
        shown = {k: v for k, v in r.items() if k not in ('logged', 'CreateTime', 'Password')}
        if self.knob('number') == 0:
            del shown['RecNo']
        elif self.knob('number') == 2:
            shown['RecNo'] = 0
        if self.knob('clock') == 1:
            shown['RealUTC'] = shown['UTC'] = r['CreateTime']
        elif self.knob('clock') == 2:
            shown['UTC'] = r['CreateTime'] + 10800
        return shown

    # --- auto-register ---

    def register(self, server, number):
        """Connects, says who it is, and serves whoever is there, for ever."""
        while True:
            try:
                s = socket.create_connection(('127.0.0.1', int(self.knobs['register'])))
                s.settimeout(10)
                body = json.dumps({'DevClass': 'ASI', 'DeviceID': self.knobs['name'] + number,
                                   'ServerIP': '127.0.0.1'})
                s.sendall(('POST /cgi-bin/api/autoRegist/connect HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                           f'Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'
                           + body).encode())
                answer = b''
                while not answer.endswith(b'\r\n\r\n'):
                    byte = s.recv(1)
                    if not byte:
                        raise ConnectionError
                    answer += byte
                self.count('registered' if b' 200 ' in answer else 'turned away')
                if b' 200 ' in answer:
                    Registered(s, number, server)
                s.close()
            except OSError:
                pass
            time.sleep(self.knob('again_ms', 200) / 1000)

    def part(self, body, kind='text/plain'):
        nl, length = ('\n', 38) if self.knob('quirks') and kind == 'text/plain' else ('\r\n', len(body))
        head = f'--myboundary{nl}Content-Type: {kind}{nl}Content-Length:{length}{nl}{nl}'
        return head.encode() + body + nl.encode()

    def event(self, r):
        data = ',\r\n'.join(f'   "{k}" : {v}' if isinstance(v, int) else f'   "{k}" : "{v}"'
                            for k, v in sorted(self.fields(r).items()))
        return self.part(('Code=AccessControl;action=Pulse;index=0;data={\r\n' + data +
                          '\r\n}\r\n').encode())

    def snap(self, r):
        lines = ['Events[0].EventBaseInfo.Code=AccessControl', 'Events[0].EventBaseInfo.Action=Pulse',
                 'Events[0].EventBaseInfo.Index=0']
        lines += [f'Events[0].{k}={v}' for k, v in sorted(self.fields(r).items())]
        return self.part(('\r\n'.join(lines) + '\r\n').encode()) + self.part(JPEG, 'image/jpeg')

    def stream(self, http, show):
        with self.change:
            epoch, at = self.epoch, len(self.log)
        http.send(b'HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nConnection: close\r\nContent-Type: '
                  b'multipart/x-mixed-replace; boundary=myboundary\r\n\r\n')
        while epoch == self.epoch:
            with self.change:
                if len(self.log) <= at:
                    self.change.wait(self.knob('heartbeat_ms') / 1000)
                at = min(at, len(self.log))
                news = self.log[at:]
                at = len(self.log)
            for r in news:
                if self.knob('lose'):
                    self.knobs['lose'] = self.knob('lose') - 1
                    continue
                http.send(show(r))
            if not news and not self.knob('silent') and epoch == self.epoch:
                http.send(self.part(b'Heartbeat'))
        return False


class Registered(device.Handler):
    """A connection that the terminal has made: a digest login, then its token; keep-alives."""

    def __init__(self, s, number, server):
        self.number = number
        self.kept = time.monotonic()
        super().__init__(s, None, server)

    def one(self):
        left = self.kept + self.server.device.knob('keep_ms') / 1000 - time.monotonic()
        if left <= 0:
            self.server.device.count('not kept')
            return False
        self.connection.settimeout(left)
        return super().one()

    def refused(self, method, target, headers):
        if target == '/cgi-bin/api/global/login':
            return super().refused(method, target, headers)
        if headers.get('x-cgi-token') in self.server.device.tokens:
            return None
        self.server.device.count('no token')
        return 401, [], ''


class Door(device.Handler):
    number = ''


def begin(server):
    terminal = server.device
    for i in range(terminal.knob('terminals', 1) if terminal.knob('register') else 0):
        number = str(i) if terminal.knob('terminals') else ''
        threading.Thread(target=terminal.register, args=(server, number), daemon=True).start()


if __name__ == '__main__':
    device.main(Terminal, Door, begin)
