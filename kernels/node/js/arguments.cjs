'use strict';
// The arguments of a call of a tool as strict JSON: the host reads what the code gave, or the call fails. Getters and proxies of the
// caller may run.
const { types } = require('node:util');
const { className } = require('./values.cjs');

const DEPTH = 40;
const MAX_VALUES = 90_000;
const SENDABLE = 'a call can send text, finite numbers, true, false, null, arrays and plain objects';
const HALF = /\p{Surrogate}/u;
const { stringify } = JSON;
const { getPrototypeOf, ownKeys, getOwnPropertyDescriptor } = Reflect;

// The JSON of the input of the tool *name*: one plain object, or values in the order of the parameters in *order*.
function inputOf(name, order, values) {
  const given = Array.from({ length: values.length }, (_, at) => values[at]);
  if (given.length === 1 && isPlain(given[0])) return new Writer(name).fields(given[0]);
  if (given.length > order.length) {
    const known = order.length ? `an object, or at most ${order.length} arguments (${order.join(', ')})` : 'one object';
    throw new TypeError(`tools.${name}() takes ${known}`);
  }
  return new Writer(name).fields(Object.fromEntries(given.map((value, at) => [order[at], value])));
}

function isPlain(value) {
  if (typeof value !== 'object' || value === null || types.isProxy(value) || Array.isArray(value)) return false;
  const above = getPrototypeOf(value);
  return above === null || (!types.isProxy(above) && getPrototypeOf(above) === null);
}

class Writer {
  constructor(tool) {
    this.tool = tool;
    this.left = MAX_VALUES;
    this.parts = [];
  }

  fields(object) {
    this.record(object, '', 0);
    return this.parts.join('');
  }

  refuse(place, text) {
    throw new TypeError(`tools.${this.tool}(): ${place || 'the input'} ${text}: ${SENDABLE}`);
  }

  write(value, place, depth) {
    this.left -= 1;
    if (this.left < 0) this.refuse(place, `is more than ${MAX_VALUES} values with those before it`);
    if (depth > DEPTH) this.refuse(place, `is more than ${DEPTH} levels deep`);
    if (value === null || typeof value === 'boolean') this.parts.push(String(value));
    else if (typeof value === 'number') this.number(value, place);
    else if (typeof value === 'string') this.text(value, place);
    else if (Array.isArray(value) && !types.isProxy(value)) this.list(value, place, depth);
    else if (isPlain(value)) this.record(value, place, depth);
    else this.refuse(place, `is ${typeof value === 'object' ? `a value of type ${className(value)}` : `a ${typeof value}`}`);
  }

  number(value, place) {
    if (!Number.isFinite(value)) this.refuse(place, `is the number ${value}`);
    const text = stringify(value);
    // Larger whole numbers would be read as digits, and be rounded by some readers and not by others.
    this.parts.push(Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? text : `${text}e0`);
  }

  text(value, place) {
    if (HALF.test(value)) this.refuse(place, 'has half a character (a lone surrogate)');
    this.parts.push(stringify(value));
  }

  list(values, place, depth) {
    if (values.length > this.left) this.refuse(place, `is more than ${MAX_VALUES} values with those before it`);
    this.parts.push('[');
    for (let at = 0; at < values.length; at++) {
      if (at) this.parts.push(',');
      this.write(values[at], `${place}[${at}]`, depth + 1);
    }
    this.parts.push(']');
  }

  // A property without a value counts as missing, as everywhere in JavaScript.
  record(object, place, depth) {
    let separator = '{';
    for (const key of ownKeys(object)) {
      if (typeof key !== 'string' || !getOwnPropertyDescriptor(object, key)?.enumerable) continue;
      const value = object[key];
      if (value === undefined) continue;
      this.parts.push(separator);
      separator = ',';
      this.text(key, place);
      this.parts.push(':');
      this.write(value, place ? `${place}.${key}` : key, depth + 1);
    }
    this.parts.push(separator === '{' ? '{}' : '}');
  }
}

module.exports = { inputOf };
