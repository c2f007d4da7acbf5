#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Hikvision access terminal: deviceInfo, time, AcsEvent search, alertStream.

Knobs beside those of device.py: serial, short (1: events name it), mac, offset, page, busy (that many
arms are answered 404), replay (1: the whole log at every arm), lose (that many events are not sent
on the stream), heartbeat_ms, quirks (1: LF, doubled boundaries, no lengths), xml (1), pictures (1),
cut_after (bytes of the next live part, then the connection ends), no_search, refuse (that many
searches), numbers (1: obeys beginSerialNo), overwrite (that many records go after the first page),
ring (as many are held: the oldest are overwritten), happens (a record more, at each page), stuck
(1: always the first page, and more), parts (1: a page comes with a picture), no_info, no_front,
no_serial (1: events say no number), boundary (as the head of the stream has it), elsewhere (1: all
is redirected), hide (that record is not found the first time), no_numbers (1: beginSerialNo is
refused).
"""
import json
from datetime import datetime

import device

JPEG = b'\xff\xd8\xff\xdb' + bytes(range(256)) * 40
# What only a length tells from the end of its part.
TRAP = b'\r\n--MIME_boundary\r\n'


def instant(text):
    return datetime.fromisoformat(text.replace('Z', '+00:00'))


class Terminal(device.Device):
    def __init__(self, knobs):
        super().__init__(dict({'serial': 'DS-K1T673DX20240101V031000ENFZ1234567', 'short': 1,
                               'mac': '00:00:5e:00:53:01', 'offset': '+03:00', 'page': 30,
                               'heartbeat_ms': 200, 'now': '2026-03-02T09:00:00'}, **knobs))

    def count(self, name):
        """Also said on standard output, for tests that wait for it."""
        super().count(name)
        print(name, flush=True)

    def append(self, records):
        for r in records:
            serial = self.log[-1]['serialNo'] + 1 if self.log else 1
            base = {'major': 5, 'minor': 75, 'cardReaderNo': 1, 'doorNo': 1, 'serialNo': serial,
                    'name': 'Somebody', 'userType': 'normal', 'currentVerifyMode': 'cardOrFaceOrFp'}
            base.update(r)
            if 'employeeNoString' not in base:
                base['employeeNoString'] = str(1000 + base['serialNo'] % 50)
            self.log.append(base)
        if self.knob('ring'):
            self.log = self.log[-self.knob('ring'):]

    def back_door(self, path, query, body):
        if path == '/_sim/clear':
            with self.change:
                self.log = []
        return super().back_door(path, query, body)

    def refusal(self, locked):
        left = int(self.knobs['tries']) - self.wrong
        return ('<?xml version="1.0" encoding="UTF-8"?>\n<userCheck version="1.0" '
                'xmlns="http://www.isapi.org/ver20/XMLSchema">\n<statusValue>401</statusValue>\n'
                '<statusString>Unauthorized</statusString>\n' +
                (f'<lockStatus>lock</lockStatus>\n<unlockTime>{self.knob("locked_s")}</unlockTime>\n'
                 if locked else '<lockStatus>unlock</lockStatus>\n'
                 f'<retryLoginTime>{left}</retryLoginTime>\n') + '</userCheck>\n')

    # --- answers ---

    def serve(self, http, method, path, query, body):
        if self.knob('elsewhere'):
            return http.reply(302, '', fields=[('Location', 'https://192.0.2.1/')])
        if path == '/ISAPI/System/deviceInfo' and not self.knob('no_info'):
            return http.reply(200, '<?xml version="1.0"?>\n<DeviceInfo version="2.0" xmlns="http://'
                              'www.hikvision.com/ver20/XMLSchema">\n<model>DS-K1T673DX</model>\n'
                              f'<serialNumber>{self.knobs["serial"]}\n</serialNumber>\n'
                              f'<macAddress>{self.knobs["mac"]}</macAddress>\n</DeviceInfo>\n')
        if path == '/ISAPI/System/time':
            return http.reply(200, '<Time version="2.0"><timeMode>NTP</timeMode><localTime>'
                              f'{self.knobs["now"]}{self.knobs["offset"]}</localTime></Time>')
        if path == '/ISAPI/AccessControl/AcsEvent' and method == 'POST':
            return self.search(http, json.loads(body)['AcsEventCond'])
        if path == '/ISAPI/Event/notification/alertStream':
            return self.stream(http)
        return http.reply(404, '<ResponseStatus><statusCode>4</statusCode><statusString>Invalid '
                          'Operation</statusString><subStatusCode>notSupport</subStatusCode>'
                          '</ResponseStatus>')

    def search(self, http, cond):
        if self.knob('no_search'):
            return http.reply(403, json.dumps({'statusCode': 4, 'statusString': 'Invalid Operation',
                                               'subStatusCode': 'notSupport'}), 'application/json')
        start, end = instant(cond['startTime']), instant(cond['endTime'])
        with self.change:
            refuse = self.knob('refuse')
            self.knobs['refuse'] = max(refuse - 1, 0)
            if self.knob('happens'):
                self.append([{'time': f'{self.knobs["now"]}{self.knobs["offset"]}'}
                             for _ in range(self.knob('happens'))])
            if cond['searchResultPosition'] > 0 and self.knob('overwrite'):
                self.log = self.log[self.knob('overwrite'):]
                self.knobs['overwrite'] = 0
            found = [r for r in self.log if start <= instant(r['time']) <= end]
        if self.knob('numbers') and 'beginSerialNo' in cond:
            found = [r for r in found if cond['beginSerialNo'] <= r['serialNo'] <= cond['endSerialNo']]
        if any(r['serialNo'] == self.knob('hide') for r in found):
            found = [r for r in found if r['serialNo'] != self.knob('hide')]
            self.knobs['hide'] = 0
        if refuse or (self.knob('no_numbers') and 'beginSerialNo' in cond):
            return http.reply(403, '<ResponseStatus><statusCode>2</statusCode><statusString>Device '
                              'Busy</statusString></ResponseStatus>')
        at = 0 if self.knob('stuck') else cond['searchResultPosition']
        page = found[at:at + min(cond['maxResults'], self.knob('page'))]
        reply = {'searchID': cond['searchID'], 'totalMatches': len(found),
                 'responseStatusStrg': 'NO MATCH' if not found else
                 'MORE' if at + len(page) < len(found) else 'OK', 'numOfMatches': len(page)}
        if page:
            reply['InfoList'] = page
        text = json.dumps({'AcsEvent': reply})
        if self.knob('parts'):
            data = self.part(text.encode(), 'application/json') + self.part(JPEG, 'image/jpeg')
            return http.reply(200, data, 'multipart/form-data; boundary=MIME_boundary')
        return http.reply(200, text, 'application/json')

    # --- the stream ---

    def envelope(self, **more):
        now = {'ipAddress': '192.0.0.64', 'portNo': 80, 'protocol': 'HTTP',
               'macAddress': self.knobs['mac'], 'channelID': 1,
               'dateTime': f'{self.knobs["now"]}{self.knobs["offset"]}', 'activePostCount': 0,
               'eventType': 'videoloss', 'eventState': 'inactive'}
        if self.knob('short'):
            now['shortSerialNumber'] = self.knobs['serial'][-9:]
        now.update(more)
        return now

    def notification(self, record, live):
        front = record['serialNo'] - 1
        event = {'deviceName': 'Access Controller', 'majorEventType': record['major'],
                 'subEventType': record['minor'], 'currentEvent': live, 'frontSerialNo': front,
                 'attendanceStatus': 'undefined', 'picturesNumber': 1 if self.knob('pictures') else 0}
        event.update({k: v for k, v in record.items() if k not in ('major', 'minor', 'time')})
        for knob, key in (('no_front', 'frontSerialNo'), ('no_serial', 'serialNo')):
            if self.knob(knob):
                del event[key]
        return self.envelope(dateTime=record['time'], activePostCount=1, eventState='active',
                             eventType='AccessControllerEvent', AccessControllerEvent=event)

    def document(self, value):
        if not self.knob('xml'):
            return json.dumps(value, indent='\t').encode(), 'application/json; charset="UTF-8"'

        def xml(v):
            return ''.join(f'<{k}>{xml(x) if isinstance(x, dict) else str(x).lower() if isinstance(x, bool) else x}</{k}>\n'
                           for k, x in v.items())
        return (f'<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">\n'
                f'{xml(value)}</EventNotificationAlert>\n').encode(), 'application/xml; charset="UTF-8"'

    def part(self, body, kind):
        if self.knob('quirks'):
            twice = b'--MIME_boundary\n' * 2
            return twice + b'Content-Type: ' + kind.encode() + b'\n\n' + body + b'\n'
        return (b'--MIME_boundary\r\nContent-Type: ' + kind.encode() + b'\r\nContent-Length: ' +
                str(len(body)).encode() + b'\r\n\r\n' + body + b'\r\n')

    def message(self, value, picture=False):
        data = self.part(*self.document(value))
        if not picture or not self.knob('pictures'):
            return data
        trap = b'' if self.knob('quirks') else TRAP
        return data + self.part(JPEG + trap + b'\xff\xd9', 'image/jpeg')

    def stream(self, http):
        with self.change:
            if self.knob('busy'):
                self.knobs['busy'] = self.knob('busy') - 1
                busy = True
            else:
                busy = False
            epoch, at = self.epoch, len(self.log)
            old = list(self.log) if self.knob('replay') else []
        if busy:
            return http.reply(404, '<ResponseStatus><statusString>Device Busy</statusString>'
                              '</ResponseStatus>')
        if self.knob('arm_gap'):  # what happens between the request and the stream
            with self.change:
                self.append([{'time': f'{self.knobs["now"]}{self.knobs["offset"]}'}
                             for _ in range(self.knob('arm_gap'))])
                self.knobs['arm_gap'] = 0
                at = len(self.log)
        http.send(b'HTTP/1.1 200 OK\r\nMIME-Version: 1.0\r\nConnection: close\r\nContent-Type: '
                  b'multipart/mixed; boundary="' +
                  str(self.knob('boundary', 'MIME_boundary')).encode() + b'"\r\n\r\n')
        for record in old:
            http.send(self.message(self.notification(record, False), True))
        while epoch == self.epoch:
            with self.change:
                if len(self.log) <= at:
                    self.change.wait(self.knob('heartbeat_ms') / 1000)
                at = min(at, len(self.log))
                news = self.log[at:]
                at = len(self.log)
            for record in news:
                if self.knob('lose'):
                    self.knobs['lose'] = self.knob('lose') - 1
                    continue
                data = self.message(self.notification(record, True), True)
                if self.knob('cut_after'):
                    http.send(data[:self.knob('cut_after')])
                    self.knobs['cut_after'] = 0
                    return False
                http.send(data)
            if not news and not self.knob('silent') and epoch == self.epoch:
                self.count('heartbeats')
                http.send(self.message(self.envelope()))
        return False


if __name__ == '__main__':
    device.main(Terminal)
