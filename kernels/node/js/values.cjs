'use strict';
// Values of the caller's code as JSON text and as short texts. Everything is bounded; getters, proxies and toJSON of the caller
// may run, so call these under guard() only.
const { inspect, types } = require('node:util');

const DEPTH = 50;
const MAX_CHARS = 4 * 1024 * 1024;
const TEXT_CHARS = 100_000;
const PREVIEW_CHARS = 200;
const { stringify } = JSON;
const { apply, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const sizeOfMap = getOwnPropertyDescriptor(Map.prototype, 'size').get;
const sizeOfSet = getOwnPropertyDescriptor(Set.prototype, 'size').get;
const { forEach: eachOfMap } = Map.prototype;
const { forEach: eachOfSet } = Set.prototype;
const { toISOString, getTime } = Date.prototype;
const PLAIN = { depth: 2, colors: false, showProxy: false };
const SAFE = { depth: 1, customInspect: false, getters: false, showProxy: true, maxArrayLength: 20, maxStringLength: PREVIEW_CHARS, breakLength: Infinity };

class TooLarge extends RangeError {
  constructor() {
    super(`the value is larger than ${MAX_CHARS} characters as JSON`);
  }
}

// *value* as JSON text; docs/javascript.md describes values without a JSON form. Throws TooLarge.
function toJson(value, maxChars = MAX_CHARS) {
  const writer = new Writer(maxChars);
  writer.write(value, 0);
  return writer.parts.join('');
}

class Writer {
  constructor(maxChars) {
    this.parts = [];
    this.left = maxChars;
    this.above = new Set();
  }

  put(text) {
    this.left -= text.length + 1;
    if (this.left < 0) throw new TooLarge();
    this.parts.push(text);
  }

  text(value) {
    if (value.length > this.left) throw new TooLarge();
    this.put(stringify(value));
  }

  write(value, depth) {
    switch (typeof value) {
      case 'string': return this.text(value);
      case 'number': return this.put(Number.isFinite(value) ? stringify(value) : 'null');
      case 'boolean': return this.put(value ? 'true' : 'false');
      case 'bigint': return this.text(digits(value));
      case 'undefined': return this.put('null');
      case 'symbol':
      case 'function': return this.text(show(value));
      default: return value === null ? this.put('null') : this.object(value, depth);
    }
  }

  object(value, depth) {
    if (this.above.has(value)) return this.text('[Circular]');
    if (depth >= DEPTH) return this.text('… (nested too deep)');
    const plain = asPlain(value);
    if (plain !== undefined) return this.write(plain.value, depth);
    this.above.add(value);
    if (types.isMap(value)) this.list((add) => apply(eachOfMap, value, [(item, key) => add([key, item])]), depth);
    else if (types.isSet(value)) this.list((add) => apply(eachOfSet, value, [add]), depth);
    else if (types.isAnyArrayBuffer(value)) this.items(new Uint8Array(value), depth);
    else if (types.isDataView(value)) this.items(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), depth);
    else if (types.isTypedArray(value) || Array.isArray(value)) this.items(value, depth);
    else this.record(value, depth);
    this.above.delete(value);
  }

  list(each, depth) {
    let separator = '';
    this.put('[');
    each((item) => {
      this.put(separator);
      separator = ',';
      this.write(item, depth + 1);
    });
    this.put(']');
  }

  items(values, depth) {
    if (values.length > this.left) throw new TooLarge();
    this.list((add) => {
      for (let index = 0; index < values.length; index++) add(read(values, index));
    }, depth);
  }

  record(value, depth) {
    let separator = '';
    this.put('{');
    for (const key of enumerable(value)) {
      this.put(separator);
      separator = ',';
      this.text(key);
      this.put(':');
      this.write(read(value, key), depth + 1);
    }
    this.put('}');
  }
}

// {value} with the replacement of *object* in JSON, or undefined if its parts are written.
function asPlain(object) {
  if (types.isProxy(object)) return undefined;
  if (types.isDate(object)) return { value: Number.isNaN(apply(getTime, object, [])) ? null : apply(toISOString, object, []) };
  if (types.isRegExp(object)) return { value: show(object) };
  if (types.isNumberObject(object)) return { value: Number.prototype.valueOf.call(object) };
  if (types.isStringObject(object)) return { value: String.prototype.valueOf.call(object) };
  if (types.isBooleanObject(object)) return { value: Boolean.prototype.valueOf.call(object) };
  if (types.isBigIntObject(object)) return { value: BigInt.prototype.valueOf.call(object) };
  if (types.isSymbolObject(object)) return { value: Symbol.prototype.valueOf.call(object) };
  if (types.isPromise(object) || types.isWeakMap(object) || types.isWeakSet(object)) return { value: show(object) };
  if (types.isNativeError(object)) return { value: { __proto__: null, name: asText(read(object, 'name')), message: asText(read(object, 'message')) } };
  const method = read(object, 'toJSON');
  if (typeof method !== 'function') return undefined;
  try {
    const made = apply(method, object, ['']);
    return made === object ? undefined : { value: made };
  } catch (error) {
    return { value: threw(error) };
  }
}

function enumerable(value) {
  try {
    return ownKeys(value).filter((key) => typeof key === 'string' && getOwnPropertyDescriptor(value, key)?.enumerable);
  } catch (error) {
    return [];
  }
}

function read(value, key) {
  try {
    return value[key];
  } catch (error) {
    return threw(error);
  }
}

function threw(error) {
  return cut(`<threw ${types.isNativeError(error) ? `${asText(read(error, 'name'))}: ${asText(read(error, 'message'))}` : show(error)}>`, PREVIEW_CHARS);
}

function asText(value) {
  return typeof value === 'string' ? value : show(value);
}

// Very large BigInts are written in hexadecimal, which is fast.
function digits(value) {
  return value.toString(16).length > 10_000 ? `${value < 0n ? '-' : ''}0x${(value < 0n ? -value : value).toString(16)}` : value.toString();
}

function cut(text, chars) {
  return text.length > chars ? `${text.slice(0, chars - 3)}...` : text;
}

// The output of console.log for *value*, at most *chars* characters; never throws.
function show(value, chars = TEXT_CHARS) {
  try {
    return cut(inspect(value, PLAIN), chars);
  } catch (error) {
    return '<could not be shown>';
  }
}

// Type, length and a short preview of a variable.
function describe(value) {
  const row = { type: typeName(value) };
  const length = lengthOf(value);
  if (length !== undefined) row.length = length;
  try {
    row.preview = cut(inspect(value, SAFE), PREVIEW_CHARS);
  } catch (error) {
    row.preview = '<could not be shown>';
  }
  return row;
}

function lengthOf(value) {
  if (typeof value === 'string') return value.length;
  if (types.isProxy(value)) return undefined;
  if (types.isMap(value)) return apply(sizeOfMap, value, []);
  if (types.isSet(value)) return apply(sizeOfSet, value, []);
  return Array.isArray(value) || types.isTypedArray(value) ? value.length : undefined;
}

function typeName(value) {
  if (value === null) return 'null';
  if (typeof value === 'function') return types.isProxy(value) ? 'Proxy' : 'function';
  return typeof value === 'object' ? className(value) : typeof value;
}

// The name of the class of *object*, found without calling its methods.
function className(object) {
  for (let at = object; at !== null; at = getPrototypeOf(at)) {
    if (types.isProxy(at)) return 'Proxy';
    const made = getOwnPropertyDescriptor(at, 'constructor')?.value;
    const name = typeof made === 'function' && !types.isProxy(made) ? getOwnPropertyDescriptor(made, 'name')?.value : undefined;
    if (typeof name === 'string' && name) return cut(name, PREVIEW_CHARS);
  }
  return 'Object';
}

module.exports = { TooLarge, asText, className, cut, describe, read, show, toJson };
