'use strict';
// Editor requests: completion, inspection, completeness of code; and the list of variables.
const vm = require('node:vm');
const { guard } = require('./guard.cjs');
const { cut, describe, show } = require('./values.cjs');

const LIMIT_MS = 500;
const MAX_NAMES = 200;
const MAX_MATCHES = 500;
const MAX_NAME_CHARS = 200;
const CHAIN = /(?:[\p{ID_Start}$_][\p{ID_Continue}$]*\??\.)*(?:[\p{ID_Start}$_][\p{ID_Continue}$]*)?$/u;
const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const KEYWORDS = 'async await break case catch class const continue debugger default delete do else export extends false finally for function if import in instanceof let new null return static super switch this throw true try typeof undefined var void while with yield'.split(' ');

// -- variables --

// The names declared by const, let and class.
function lexicalNames(realm) {
  let found = [];
  realm.post('Runtime.globalLexicalScopeNames', { executionContextId: realm.contextId }, (_, answer) => {
    found = answer?.names ?? [];
  });
  return found;
}

// The names that the code bound: lexical ones first, then properties of the global object.
function names(realm) {
  const lexical = lexicalNames(realm);
  const own = Reflect.ownKeys(realm.global).filter((key) => typeof key === 'string' && !realm.ownNames.has(key));
  return [...new Set([...lexical, ...own])];
}

// Name to value of properties without getters.
function values(realm) {
  const found = new Map();
  guard(() => {
    const wanted = names(realm).filter((name) => NAME.test(name) && name.length <= MAX_NAME_CHARS && !name.startsWith('_')).slice(0, MAX_NAMES);
    const usable = wanted.filter((name) => !Reflect.getOwnPropertyDescriptor(realm.global, name)?.get);
    const readers = new vm.Script(`[${usable.map((name) => `() => ${name}`)}]`, { filename: 'omega:names' }).runInContext(realm.context);
    usable.forEach((name, at) => {
      try {
        found.set(name, readers[at]());
      } catch (error) {
        // declared, but the code failed before it got a value
      }
    });
  }, LIMIT_MS);
  return found;
}

// Rows for the variables that *before* does not have, or has with another value.
function changed(now, before) {
  const rows = {};
  guard(() => {
    for (const [name, value] of now) {
      if (!before.has(name) || !Object.is(before.get(name), value)) Object.defineProperty(rows, name, { value: describe(value), enumerable: true });
    }
  }, LIMIT_MS);
  return rows;
}

// -- editors --

// The value of a chain of names such as `a.b`, read without side effects: {value}, or null.
function look(realm, chain) {
  let found = null;
  guard(() => {
    realm.post('Runtime.evaluate', { expression: chain, contextId: realm.contextId, throwOnSideEffect: true, silent: true, objectGroup: 'look' }, (error, answer) => {
      if (!error && !answer.exceptionDetails) found = { value: realm.fetch(answer.result) };
    });
  }, LIMIT_MS);
  realm.post('Runtime.releaseObjectGroup', { objectGroup: 'look' });
  return found;
}

function keysOf(value) {
  const keys = new Set();
  if (value === null || value === undefined) return [];
  for (let at = Object(value), steps = 0; at !== null && steps < 20; at = Reflect.getPrototypeOf(at), steps++) {
    for (const key of Reflect.ownKeys(at)) if (typeof key === 'string' && NAME.test(key)) keys.add(key);
  }
  return [...keys];
}

function complete(realm, { code, cursor }) {
  const typed = CHAIN.exec(code.slice(0, cursor))[0];
  const at = typed.lastIndexOf('.');
  const prefix = typed.slice(at + 1);
  let candidates = [];
  if (at < 0) {
    candidates = [...names(realm), ...Reflect.ownKeys(realm.global), ...KEYWORDS];
  } else {
    const found = look(realm, typed.slice(0, at).replace(/\?$/, ''));
    guard(() => {
      candidates = found ? keysOf(found.value) : [];
    }, LIMIT_MS);
  }
  const matches = [...new Set(candidates)].filter((name) => typeof name === 'string' && name.startsWith(prefix)).sort().slice(0, MAX_MATCHES);
  return { matches, start: cursor - prefix.length, end: cursor };
}

function inspect(realm, { code, cursor }) {
  const rest = /^[\p{ID_Continue}$]*/u.exec(code.slice(cursor))[0];
  const chain = CHAIN.exec(code.slice(0, cursor) + rest)[0];
  const found = chain && !chain.endsWith('.') ? look(realm, chain) : null;
  let text = null;
  if (found) {
    guard(() => {
      const row = describe(found.value);
      const source = typeof found.value === 'function' ? Function.prototype.toString.call(found.value) : show(found.value, 10_000);
      text = `${chain}: ${row.type}${row.length === undefined ? '' : ` of ${row.length}`}\n${cut(source, 10_000)}`;
    }, LIMIT_MS);
  }
  return { text };
}

function isComplete(_realm, { code }) {
  const problem = problemOf(code) && problemOf(`(async () => {${code}\n})`);
  if (!problem) return { status: 'complete' };
  const atEnd = /^(Unexpected end of input|Unterminated template literal|missing \) after argument list)/;
  const first = problemOf(code);
  if (atEnd.test(first) || /^Unterminated (template|regexp)|Invalid regular expression: missing/.test(first) || isCommentOpen(code)) {
    return { status: 'incomplete', indent: /^\s*/.exec(code.split('\n').at(-1))[0] + (/[{([]\s*$/.test(code) ? '  ' : '') };
  }
  return { status: 'invalid' };
}

function isCommentOpen(code) {
  return code.lastIndexOf('/*') > code.lastIndexOf('*/') && !problemOf(`${code}*/`);
}

function problemOf(code) {
  try {
    new vm.Script(code);
    return '';
  } catch (error) {
    return error.message;
  }
}

module.exports = { changed, complete, inspect, isComplete, lexicalNames, values };
