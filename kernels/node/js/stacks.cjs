'use strict';
// What `stack` of an error says: the frames of the caller's code, by the names people are shown, and none of ours.

const OURS = [__dirname, 'node:', 'omega:', 'file:'];
const { toString: headOf } = Error.prototype;
const { apply } = Reflect;

// What V8 knows the source of run number *count* by: names with spaces it does not take. People are shown `<code 2>`.
function nameOfCode(count) {
  return count > 1 ? `<code-${count}>` : '<code>';
}

function shown(text) {
  return text.replaceAll(/<code-(\d+)>/g, '<code $1>');
}

function isOurs(frame) {
  return OURS.some((part) => frame.includes(part));
}

function text(make) {
  try {
    return String(make());
  } catch {
    return '<error>';
  }
}

// Node asks this for the errors of every realm, unless the realm's own Error has a prepareStackTrace. *frames* is a list of the
// caller's realm, so nothing of its prototype is used. An error that is all ours keeps its frames: it is a fault to be found.
function format(error, frames) {
  const all = Array.from({ length: frames.length }, (_, at) => text(() => frames[at]));
  const theirs = all.filter((frame) => !isOurs(frame));
  const kept = theirs.length === 0 && error instanceof Error ? all : theirs;
  return [text(() => apply(headOf, error, [])), ...kept.map(shown)].join('\n    at ');
}

Error.prepareStackTrace = format;

module.exports = { isOurs, nameOfCode, shown };
