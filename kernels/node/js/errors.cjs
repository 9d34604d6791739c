'use strict';
// Errors of the caller's code as type, message and traceback: only the code's frames and lines, no paths.
const { types } = require('node:util');
const { asText, className, cut, read, show } = require('./values.cjs');
const { isOurs, shown } = require('./stacks.cjs');

const MESSAGE_CHARS = 16 * 1024;
const TRACEBACK_CHARS = 64 * 1024;
const LINKS = 5;
const FRAME = /^ {4}at .*/;

function failure(ename, evalue, traceback = `${ename}: ${evalue}`) {
  return { ename, evalue, traceback: cut(traceback, TRACEBACK_CHARS) };
}

const INTERRUPTED = failure('KeyboardInterrupt', 'Execution was interrupted', '');
const NEVER = failure(
  'UnsettledPromiseError',
  'The code awaits a promise that nothing can settle any more: there are no timers and no input or output to wait for here',
);
const TOO_LARGE = failure('ExecutionError', 'Output size limit exceeded');

// The failure that throwing *thrown* means. Getters of the caller may run: call it under guard().
function describe(thrown) {
  if (!isError(thrown)) {
    const text = cut(show(thrown), MESSAGE_CHARS);
    return failure('ThrownValue', text, `Uncaught ${text}`);
  }
  const ename = nameOf(thrown);
  const evalue = cut(asText(read(thrown, 'message')), MESSAGE_CHARS);
  if (ename === 'RangeError' && evalue === 'Array buffer allocation failed') return failure('MemoryError', '', traceback(thrown, LINKS));
  return failure(ename, evalue, traceback(thrown, LINKS));
}

function isError(value) {
  return types.isNativeError(value) || (typeof value === 'object' && value !== null && !types.isProxy(value) && hasErrorAbove(value));
}

function hasErrorAbove(value) {
  for (let at = value, steps = 0; at !== null && steps < 100; at = Reflect.getPrototypeOf(at), steps++) {
    if (types.isProxy(at)) return false;
    if (className(at) === 'Error') return true;
  }
  return false;
}

// Its own name; for a class that only extends Error the name of the class, as Node shows it.
function nameOf(error) {
  const name = read(error, 'name');
  const known = typeof name === 'string' && name ? cut(name, 200) : 'Error';
  return known === 'Error' && !types.isProxy(error) ? className(error) : known;
}

function traceback(error, links) {
  if (!isError(error)) return show(error);
  const message = cut(asText(read(error, 'message')), MESSAGE_CHARS);
  const lines = [message ? `${nameOf(error)}: ${message}` : nameOf(error), ...frames(error)];
  if (links > 0) lines.push(...linked(error, links - 1));
  return lines.join('\n');
}

function frames(error) {
  const stack = read(error, 'stack');
  if (typeof stack !== 'string') return [];
  return shown(stack).split('\n', 10_000).filter((line) => FRAME.test(line) && !isOurs(line));
}

function linked(error, links) {
  const lines = [];
  const cause = Object.hasOwn(error, 'cause') ? read(error, 'cause') : undefined;
  if (cause !== undefined) lines.push(`  [cause]: ${indent(traceback(cause, links))}`);
  const errors = Object.hasOwn(error, 'errors') ? read(error, 'errors') : undefined;
  if (Array.isArray(errors)) errors.slice(0, 10).forEach((one) => lines.push(`  [error]: ${indent(traceback(one, links))}`));
  return lines;
}

function indent(text) {
  return text.replaceAll('\n', '\n  ');
}

// The failure for a syntax error: its position, with the line and a mark below it. *line* counts from 1.
function describeSyntax(message, code, filename, line, column) {
  const source = code.split('\n', line)[line - 1] ?? '';
  const mark = source.length > 200 ? '' : `${source}\n${' '.repeat(Math.max(0, column - 1))}^\n\n`;
  return failure('SyntaxError', message, `${shown(filename)}:${line}\n${mark}SyntaxError: ${message}`);
}

module.exports = { INTERRUPTED, NEVER, TOO_LARGE, describe, describeSyntax };
