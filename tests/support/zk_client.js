// SPDX-License-Identifier: MIT
// What other people's programs read from a ZKTeco device:
//
//     node zk_client.js MODULE PORT log|users
//
// prints a line each, "TIME USER" or "USER", and last, on standard error, "read N in MS ms".
'use strict';
const [module_, port, what] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const Client = require(module_);
process.chdir(__dirname); // where zkteco-js writes a log of its own

const two = n => String(n).padStart(2, '0');
const clock = at => {
  const t = new Date(at);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}T` +
    `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
};

async function main() {
  console.log = () => {};
  const device = new Client('127.0.0.1', port, 20000, 0);
  await device.createSocket();
  const begun = process.hrtime.bigint();
  const { data } = what === 'users' ? await device.getUsers() : await device.getAttendances();
  const ms = Number(process.hrtime.bigint() - begun) / 1e6;
  const user = r => r.user_id || r.deviceUserId || r.userId;
  const lines = data.map(r => what === 'users' ? user(r)
    : clock(r.record_time || r.recordTime) + ' ' + user(r));
  process.stdout.write(lines.join('\n') + '\n');
  process.stderr.write(`read ${data.length} in ${ms.toFixed(1)} ms\n`);
  await device.disconnect().catch(() => {});
}
main().then(() => process.exit(0), e => { process.stderr.write(`${e}\n`); process.exit(1); });
