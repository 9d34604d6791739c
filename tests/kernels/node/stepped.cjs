'use strict';
// The Node half as it is, with a point wherever an interrupt can end its JavaScript: after each call, at the start of each
// function, at each turn of a loop. A request with `point: n` has SIGINT come at its n-th one. Every answer tells how many
// points were passed between the two requests before it, as `passed`, and what nobody caught so far, as `uncaught`.
const Module = require('node:module');
const path = require('node:path');
const vm = require('node:vm');
const acorn = require('internal/deps/acorn/acorn/dist/acorn'); // --expose-internals
const walk = require('internal/deps/acorn/acorn-walk/dist/walk');
const { internalBinding } = require('internal/test/binding');

const FOLDER = process.env.STEPPED_FOLDER;
// One call of V8 each: on the way back from it nothing is ended, so the point comes before.
const WHOLE = new Set(['setPromiseHooks', 'writeBuffer']);
const PIECE_BYTES = 64; // an interrupt can end a write after any byte

let guards = 0;
let passed = 0;
let last = 0;
let wanted = Infinity;
const uncaught = [];

globalThis.__point = (value) => {
  if (++passed === wanted) {
    process.kill(process.pid, 'SIGINT');
    while (guards > 0); // V8 ends it here
  }
  return value;
};

function spine(chain) {
  const nodes = new Set();
  for (let node = chain.expression; node; node = node.callee ?? node.object) nodes.add(node);
  return nodes;
}

function withPoints(source) {
  const inserted = [];
  const chained = new Set();
  const put = (at, order, text) => inserted.push({ at, order, text });
  const around = (node) => {
    const isWhole = WHOLE.has(node.callee?.name);
    put(node.start, 2, isWhole ? '(__point(), ' : '__point(');
    put(node.end, 0, ')');
  };
  const into = (body) => {
    if (body.type === 'BlockStatement') return put(body.start + 1, 1, '__point();');
    put(body.start, 1, '{ __point();');
    put(body.end, 1, '}');
  };
  const program = acorn.parse(source, { ecmaVersion: 'latest', allowReturnOutsideFunction: true });
  walk.full(program, (node) => {
    if (node.type === 'ChainExpression') for (const one of spine(node)) chained.add(one);
  });
  walk.full(program, (node) => {
    if (/^(Call|New)Expression$/.test(node.type) && !chained.has(node)) around(node);
    else if (node.type === 'ChainExpression') around(node);
    else if (/Function/.test(node.type) && node.body.type === 'BlockStatement') into(node.body);
    else if (/^(For|While|DoWhile)/.test(node.type)) into(node.body);
  });
  inserted.sort((one, other) => other.at - one.at || other.order - one.order);
  for (const { at, text } of inserted) source = source.slice(0, at) + text + source.slice(at);
  return source;
}

const { _compile: compile } = Module.prototype;
Module.prototype._compile = function (source, filename, ...more) {
  return compile.call(this, path.dirname(filename) === FOLDER ? withPoints(source) : source, filename, ...more);
};

const { runInThisContext } = vm.Script.prototype;
vm.Script.prototype.runInThisContext = function (options) {
  guards += options.breakOnSigint ? 1 : 0;
  try {
    return runInThisContext.call(this, options);
  } finally {
    guards -= options.breakOnSigint ? 1 : 0;
  }
};

const files = internalBinding('fs');
const { writeBuffer } = files;
files.writeBuffer = (fd, bytes, at, size, ...more) => writeBuffer(fd, bytes, at, fd === 3 ? Math.min(size, PIECE_BYTES) : size, ...more);

const { parse, stringify } = JSON;
JSON.parse = (text) => {
  const value = parse(text);
  if (value?.kind) [last, passed, wanted] = [passed, 0, value.point ?? Infinity];
  return value;
};
JSON.stringify = (value) => stringify(value?.usage ? { ...value, passed: last, uncaught } : value);

process.on('uncaughtException', (error) => uncaught.push(String(error)));
require(path.join(FOLDER, 'main.cjs'));
