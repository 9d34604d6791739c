'use strict';
// The text of an error's `stack`: the frames of the caller's code under their shown names, without the kernel's frames.

const OURS = [__dirname, 'node:', 'omega:', 'file:'];
const { toString: headOf } = Error.prototype;
const { apply } = Reflect;

// V8's name for the source of run number *count*: V8 accepts no spaces in it. Users see `<code 2>`.
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

// Node calls this for the errors of every realm, unless the realm's own Error has a prepareStackTrace. *frames* is a list of the
// caller's realm, so nothing of its prototype is used. An error from the kernel's own code only keeps its frames: it is a bug.
function format(error, frames) {
  const all = Array.from({ length: frames.length }, (_, at) => text(() => frames[at]));
  const theirs = all.filter((frame) => !isOurs(frame));
  const kept = theirs.length === 0 && error instanceof Error ? all : theirs;
  return [text(() => apply(headOf, error, [])), ...kept.map(shown)].join('\n    at ');
}

Error.prepareStackTrace = format;

module.exports = { isOurs, nameOfCode, shown };
