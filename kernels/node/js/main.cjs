'use strict';
// The Node process of a JavaScript kernel: answers one request at a time from the Python process.
//
// Node has nothing to do between requests. Its event loop ends whenever all is done, and `beforeExit` then waits for the next
// request: so that nothing of one run goes on during the next, and a promise that nothing can settle is found at once.
const fs = require('node:fs');
const frames = require('./frames.cjs');
const assist = require('./assist.cjs');
const { Realm } = require('./realm.cjs');
const { Run } = require('./run.cjs');

const KIB = 1024;
const STATUS = '/proc/self/status';
const { readFileSync } = fs;
const realm = new Realm();
let known = new Map();
let run = null;
let begun = null;
const late = new Set(['result', 'interrupt']); // of a run that is over

function begin(request) {
  begun = process.cpuUsage();
  run = new Run(realm, request);
  run.begin();
  setImmediate(advance); // not at once: unhandled rejections are reported in between
}

function advance() {
  if (!run.isOver) return; // beforeExit comes when the platform has no work left
  const answer = { id: run.request.id, ...run.report() };
  if (run.request.variables && run.request.mode === 'cell') {
    const now = assist.values(realm);
    answer.variables = assist.changed(now, known);
    known = now;
  }
  run = null;
  reply(answer);
}

function reply(answer) {
  const used = begun ? process.cpuUsage(begun) : { user: 0, system: 0 };
  answer.usage = { cpu_s: (used.user + used.system) / 1e6, peak_bytes: peakBytes() };
  frames.write('r', answer);
}

// The peak memory of this process. (getrusage includes the time before it was Node.)
function peakBytes() {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(STATUS, 'latin1'))[1]) * KIB;
  } catch {
    return process.resourceUsage().maxRSS * KIB; // no /proc to read here
  }
}

// What the Python process sends next. Blocks.
function next() {
  return frames.read() ?? process.exit(0);
}

function turn() {
  if (run) {
    run.advance();
    if (run.isWaiting) run.hear(next());
    setImmediate(advance);
    return;
  }
  const request = next();
  if (late.has(request.kind)) {
    setImmediate(() => {});
    return;
  }
  if (request.kind === 'run') begin(request);
  else reply({ id: request.id, ...answers[request.kind](request) });
  setImmediate(() => {});
}

const answers = {
  __proto__: null,
  complete: (request) => ({ content: assist.complete(realm, request) }),
  inspect: (request) => ({ content: assist.inspect(realm, request) }),
  isComplete: (request) => ({ content: assist.isComplete(realm, request) }),
  variables: () => ({ variables: assist.changed(assist.values(realm), new Map()) }),
  setup({ env, cwd }) {
    Object.assign(process.env, env); // TZ takes effect at once
    if (cwd) process.chdir(cwd);
    return {};
  },
};

process.on('unhandledRejection', (reason, promise) => run?.rejected(reason, promise));
process.on('uncaughtException', (error) => run?.rejected(error, null));
process.on('beforeExit', turn);
frames.write('h', {}); // from now on an interrupt does no harm
