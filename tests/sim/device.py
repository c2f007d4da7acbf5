# SPDX-License-Identifier: MIT
"""What simulated devices share: HTTP/1.1 over threads, digest authentication as terminals do it
(each nonce at most twice, five wrong passwords lock the account), and a back door for tests.

    GET /_sim/set?key=value     changes a knob      POST /_sim/log    appends records (JSON list)
    GET /_sim/get               knobs and counters  GET /_sim/cut     ends all streams
    GET /_sim/lose?n=N          the N oldest records are overwritten
"""
import hashlib
import json
import os
import re
import socketserver
import ssl
import sys
import threading
import time
from urllib.parse import parse_qsl, unquote


class Device:
    """Knobs, counters, the log, and the streams that are open."""

    realm = 'IP Camera(SIM01)'

    def __init__(self, knobs):
        self.knobs = {'user': 'admin', 'password': 'Fine-2026', 'tries': 5, 'locked_s': 0}
        self.knobs.update(knobs)
        self.counts = {}
        self.log = []
        self.nonces = {}
        self.wrong = 0
        self.change = threading.Condition()
        self.epoch = 0  # of the streams: a new one ends the old

    def knob(self, name, default=0):
        value = self.knobs.get(name, default)
        return int(value) if isinstance(value, str) and re.fullmatch(r'-?\d+', value) else value

    def count(self, name):
        with self.change:
            self.counts[name] = self.counts.get(name, 0) + 1

    def back_door(self, path, query, body):
        with self.change:
            if path == '/_sim/set':
                self.knobs.update(query)
            elif path == '/_sim/log':
                self.append(json.loads(body))
            elif path == '/_sim/cut':
                self.epoch += 1
            elif path == '/_sim/lose':
                self.log = self.log[int(query['n']):]
            self.change.notify_all()
            return json.dumps({'knobs': self.knobs, 'counts': self.counts, 'log': len(self.log)})

    # --- digest ---

    def challenge(self):
        nonce = os.urandom(12).hex()
        with self.change:
            self.nonces[nonce] = 0
        if self.knob('basic'):
            return 'Basic realm="terminal"'
        return f'Digest qop="auth", realm="{self.realm}", nonce="{nonce}", stale="FALSE"'

    def allows(self, method, target, header):
        """None: let in; else (status, headers, body) of the refusal."""
        if self.knob('open'):
            return None
        if self.knob('locked_s'):
            return 401, [], self.refusal(True)
        if not header:
            self.count('challenges')
            return 401, [('WWW-Authenticate', self.challenge())], ''
        field = dict((k, a or b) for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header))
        nonce = field.get('nonce', '')
        with self.change:
            used = self.nonces.get(nonce)
            if used is not None:
                self.nonces[nonce] += 1
        if used is None or used >= 2:
            self.count('stale')
            return 401, [], self.refusal(False)
        md5 = lambda s: hashlib.md5(s.encode()).hexdigest()
        a1 = md5(f"{self.knobs['user']}:{self.realm}:{self.knobs['password']}")
        a2 = md5(f'{method}:{target}')
        parts = [a1, nonce, field.get('nc', ''), field.get('cnonce', ''), field.get('qop', ''), a2]
        if field.get('username') == self.knobs['user'] and field.get('uri') == target and \
                field.get('response') == md5(':'.join(parts)):
            return None
        with self.change:
            self.wrong += 1
            self.counts['wrong'] = self.wrong
            if self.wrong >= int(self.knobs['tries']):
                self.knobs['locked_s'] = 1800
        return 401, [('WWW-Authenticate', self.challenge())], self.refusal(self.knob('locked_s') > 0)

    def refusal(self, locked):
        return ''


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        try:
            while self.one():
                pass
        except (ConnectionError, OSError, ValueError):
            pass

    def one(self):
        line = self.rfile.readline(65536).decode('latin-1').split()
        if len(line) != 3:
            return False
        method, target = line[0], line[1]
        headers = {}
        while True:
            field = self.rfile.readline(65536).decode('latin-1').strip()
            if not field:
                break
            name, _, value = field.partition(':')
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get('content-length', 0)))
        path, _, query = target.partition('?')
        query = dict(parse_qsl(query, keep_blank_values=True))
        device = self.server.device
        if path.startswith('/_sim/'):
            return self.reply(200, device.back_door(path, query, body), 'application/json')
        refused = self.refused(method, target, headers)
        if refused:
            status, fields, text = refused
            return self.reply(status, text, 'application/xml', fields)
        if device.knob('delay_ms'):
            time.sleep(device.knob('delay_ms') / 1000)
        device.count(unquote(path).rsplit('/', 1)[-1])
        return device.serve(self, method, unquote(path), query, body)

    def refused(self, method, target, headers):
        return self.server.device.allows(method, target, headers.get('authorization'))

    def reply(self, status, body, kind='application/xml', fields=()):
        body = body.encode() if isinstance(body, str) else body
        head = [f'HTTP/1.1 {status} X', f'Content-Type: {kind}', f'Content-Length: {len(body)}']
        head += [f'{name}: {value}' for name, value in fields]
        if self.server.device.knob('close'):
            head.append('Connection: close')
        self.send('\r\n'.join(head).encode() + b'\r\n\r\n' + body)
        return True

    def send(self, data):
        """All at once, or as the knob `split` says: so many bytes at a time."""
        split = self.server.device.knob('split')
        if not split:
            self.wfile.write(data)
            return
        for i in range(0, len(data), split):
            self.wfile.write(data[i:i + split])
            self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(make, handler=Handler, begin=None):
    """NAME=VALUE arguments are knobs; prints where it listens.  begin: what else is to be done."""
    knobs = dict(arg.split('=', 1) for arg in sys.argv[1:])
    server = Server(('127.0.0.1', int(knobs.pop('port', 0))), handler)
    if 'tls' in knobs:  # a file with key and certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(knobs.pop('tls'))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.device = make(knobs)
    if begin:
        begin(server)
    print(server.server_address[1], flush=True)
    server.serve_forever()
