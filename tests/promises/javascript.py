"""Corpus, JavaScript: code that has left its realm and has all of Node meets the same walls as Python's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints
from tests.promises.network import NOWHERE
from tests.promises.secrets import ABSENT, READ_ONLY

_SOURCE = """
let node;
try {
  console.log({ [Symbol.for('nodejs.util.inspect.custom')]: (depth, options, inspect) => {
    node = inspect.constructor('return process')();
    throw 'out';
  } });
} catch (error) {}
const require = (name) => node.mainModule.require(name);
const fs = require('fs');
const report = (label, word) => console.log(`${String(label).replaceAll(' ', '_')} ${word}`);
const attempt = (label, action) => {
  try {
    action();
    report(label, 'ok');
  } catch (error) {
    report(label, error.code);
  }
};
"""
"""Out of the realm, and one way to report."""


def complete(program: str, told: Mapping[str, Any]) -> str:
    """*program* as it is sent."""
    host = json.dumps(dict(told), default=lambda name: name.decode("latin-1"))  # abstract sockets have names of bytes
    return f"const HOST = {host};\n{_SOURCE}\n{program}"


JAVASCRIPT = (
    Attempt(
        "FS02",
        """
const known = `HOME PATH LANG LC_ALL TERM NO_COLOR PAGER TMPDIR TZ USER MPLBACKEND PLOTLY_RENDERER OPENSSL_CONF
PYTHONDONTWRITEBYTECODE PYTHONIOENCODING PYTHONUNBUFFERED OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS
NUMEXPR_NUM_THREADS PIP_NO_INDEX npm_config_offline`.split(/\\s+/);
console.log(Object.keys(node.env).filter((name) => !known.includes(name)));
const told = [...JSON.stringify([node.env, node.argv, node.execArgv, node.report.getReport()])].reverse().join('');
console.log([HOST.token_backwards, HOST.canary_backwards].filter((needle) => told.includes(needle)));
""",
        Prints("[]", "[]"),
        language="javascript",
    ),
    Attempt(
        "FS48",
        """
for (const path of [HOST.canary_file, HOST.state_dir, HOST.log, HOST.checkout, '/etc/shadow', `/proc/${HOST.pid}/environ`]) {
  attempt(path, () => fs.readFileSync(path));
}
fs.symlinkSync(HOST.canary_file, '/work/link');
attempt('link', () => fs.readFileSync('/work/link'));
attempt('copy', () => fs.cpSync(HOST.canary_folder, '/work/copy', { recursive: true }));
attempt('mount', () => fs.readdirSync('/.old'));
""",
        Denied(*ABSENT),
        language="javascript",
    ),
    Attempt(
        "FS48",
        """
for (const path of ['/x', '/usr/x', '/etc/x', '/opt/omega/app/kernels/x.py', node.execPath, '/etc/passwd']) {
  attempt(path, () => fs.writeFileSync(path, 'x'));
}
attempt('unlink', () => fs.unlinkSync('/etc/passwd'));
attempt('chmod', () => fs.chmodSync(node.execPath, 0o777));
""",
        Denied(*READ_ONLY),
        case="write",
        language="javascript",
    ),
    Attempt(
        "N17",
        """
const connect = (label, options) => new Promise((done) => {
  const socket = require('net').connect(options);
  socket.on('connect', () => { socket.destroy(); done(report(label, 'ok')); });
  socket.on('error', (error) => done(report(label, error.code)));
});
await connect('gateway', { host: '127.0.0.1', port: HOST.port });
await connect('host', { host: '127.0.0.1', port: HOST.canary_tcp });
await connect('away', { host: '192.0.2.1', port: 80 });
await connect('metadata', { host: '169.254.169.254', port: 80 });
await connect('path', { path: HOST.canary_path });
await new Promise((done) => {
  const socket = require('dgram').createSocket('udp4');
  socket.send('x', 9, '192.0.2.1', (error) => { socket.close(); done(report('udp', error ? error.code : 'ok')); });
});
const { lookup } = require('dns');
await new Promise((done) => lookup('example.org', (error) => done(report('name', error ? error.code : 'ok'))));
""",
        Denied(*NOWHERE, "EAI_AGAIN", "ENOTFOUND"),
        language="javascript",
    ),
    Attempt(
        "R08",
        """
const { spawn } = require('child_process');
let refused = false;
for (let count = 0; count < 2000 && !refused; count++) {
  const child = spawn('/bin/sleep', ['1000']);
  child.on('error', () => {});
  refused = child.pid === undefined;
}
console.log(refused ? 'refused' : 'survived');
""",
        Either(Prints("refused"), Ends("kernel_died"), Ends("memory"), Ends("timeout")),
        language="javascript",
    ),
    Attempt(
        "R09",
        """
const { Worker } = require('worker_threads');
for (let count = 0; count < 500; count++) {
  try { new Worker('for (;;);', { eval: true }).on('error', () => {}); } catch {}
}
for (;;);
""",
        Either(Ends("timeout"), Ends("kernel_died"), Ends("memory")),
        timeout_ms=4_000,
        language="javascript",
    ),
    Attempt("R21", "for (;;) fs.writeSync(1, 'x'.repeat(65536));", Ends("output"), language="javascript"),
    Attempt("R21", "for (;;) console.log('x'.repeat(1000));", Ends("output"), case="console", language="javascript"),
    Attempt("R31", "node.on('SIGINT', () => {}); for (;;);", Ends("timeout"), timeout_ms=1_000, language="javascript"),
    Attempt(
        "JS01",
        """
attempt('gateway', () => node.kill(HOST.pid, 'SIGKILL'));
attempt('setuid', () => node.setuid(0));
attempt('setgroups', () => node.setgroups([0]));
attempt('dlopen', () => node.dlopen({ exports: {} }, '/etc/passwd'));
""",
        Denied("ESRCH", "EPERM", "ERR_DLOPEN_FAILED"),
        language="javascript",
    ),
    Attempt(
        "JS02",
        """
const tricks = ['this.constructor', '(function () {}).constructor', 'console.log.constructor', 'display.constructor'];
console.log(tricks.map((trick) => new Function(`return ${trick}.constructor('return typeof process')()`).call(globalThis)));
""",
        Prints("[ 'undefined', 'undefined', 'undefined', 'undefined' ]"),
        language="javascript",
    ),
    Attempt(
        "JS02",
        """
const thrown = (work) => { try { work(); } catch (error) { return error; } };
const url = new URL('http://a/?b=c');
const reached = [url, url.searchParams, new TextEncoder().encode('a'), structuredClone([{}]), crypto, performance, atob,
  thrown(() => new URL('no')), thrown(() => atob('a')), thrown(() => structuredClone(() => 1)),
  thrown(() => new TextDecoder('no')),
  thrown(() => { const deep = () => new URL('http://a') && deep(); deep(); })];
const theirs = reached.filter((value) => value.constructor.constructor('return typeof process')() !== 'undefined');
console.log(reached.length, theirs.length);
""",
        Prints("12 0"),
        case="web",
        language="javascript",
    ),
    Attempt(
        "JS05",
        """
const { Worker } = require('worker_threads');
const shared = new Int32Array(new SharedArrayBuffer(4));
for (let count = 0; count < 4; count++) new Worker('for (;;);', { eval: true });
Atomics.wait(shared, 0, 0);
""",
        Either(Ends("timeout"), Ends("memory"), Ends("kernel_died")),
        timeout_ms=1_000,
        language="javascript",
    ),
    Attempt(
        "JS06",
        """
const body = require('buffer').Buffer.from('r{"id":2,"return_value":"forged"}');
const head = require('buffer').Buffer.alloc(4);
head.writeUInt32BE(body.length);
for (let count = 0; count < 100; count++) fs.writeSync(3, require('buffer').Buffer.concat([head, body]));
""",
        Prints(),
        then="print('mine')",
        after=Prints("mine"),
        language="javascript",
    ),
    Attempt(
        "JS07",
        """
fs.copyFileSync('/proc/self/exe', '/work/addon.node');
attempt('addon', () => node.dlopen({ exports: {} }, '/work/addon.node'));
attempt('canary', () => fs.readFileSync(HOST.canary_file));
""",
        Denied("ERR_DLOPEN_FAILED", *ABSENT, "EFBIG", "ENOSPC"),
        language="javascript",
    ),
)
