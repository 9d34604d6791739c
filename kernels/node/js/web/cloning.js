// In the caller's realm: structuredClone, whose copies are objects of this realm.
(function (host) {
  'use strict';
  const { ask, put, DOMException } = host;
  const ERRORS = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const WRAPPED = { __proto__: null, Boolean, Number, String, BigInt };

  function structuredClone(...given) {
    if (given.length === 0) throw new TypeError('The "value" argument must be specified');
    const moved = [...(given[1]?.transfer ?? [])];
    for (const [at, buffer] of moved.entries()) {
      if (ask('web.kind', buffer) !== 'ArrayBuffer' || buffer.detached || moved.indexOf(buffer) < at) throw refusal(buffer, 'transferred');
    }
    const copy = copied(given[0], new Map());
    for (const buffer of moved) buffer.transfer?.(); // its bytes are in the copy: this only takes them from the original
    return copy;
  }

  function refusal(value, done = 'cloned') {
    const name = typeof value === 'object' ? `#<${value?.constructor?.name ?? 'Object'}>` : String(value);
    return new DOMException(`${name} could not be ${done}.`, 'DataCloneError');
  }

  function copied(value, seen) {
    if (typeof value === 'function' || typeof value === 'symbol') throw refusal(value);
    if (typeof value !== 'object' || value === null) return value;
    if (!seen.has(value)) fill(value, begun(value, seen), seen);
    return seen.get(value);
  }

  // The copy of *value* without its parts, noted at once: a part may contain the whole. Its kind tells which parts there are.
  function begun(value, seen) {
    const kind = ask('web.kind', value);
    const make = makers[kind] ?? (WRAPPED[kind] ? () => Object(WRAPPED[kind].prototype.valueOf.call(value)) : null);
    if (!make && !/Array$/.test(kind)) throw refusal(value);
    seen.set(value, make ? make(value, seen) : new globalThis[kind](copied(value.buffer, seen), value.byteOffset, value.length));
    return kind;
  }

  const makers = {
    __proto__: null,
    Object: () => ({}),
    Array: (list) => new Array(list.length),
    Map: () => new Map(),
    Set: () => new Set(),
    Date: (date) => new Date(date.getTime()),
    RegExp: (pattern) => new RegExp(pattern.source, pattern.flags),
    Error: (error) => new (ERRORS[error.name] ?? Error)(),
    SharedArrayBuffer: (buffer) => buffer,
    ArrayBuffer(buffer) {
      if (buffer.detached) throw new DOMException('An ArrayBuffer is detached and could not be cloned.', 'DataCloneError');
      if (!buffer.resizable) return buffer.slice();
      const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength });
      new Uint8Array(copy).set(new Uint8Array(buffer));
      return copy;
    },
    DataView: (view, seen) => new DataView(copied(view.buffer, seen), view.byteOffset, view.byteLength),
  };

  function fill(value, kind, seen) {
    const copy = seen.get(value);
    switch (kind) {
      case 'Map':
        for (const [key, item] of [...value]) copy.set(copied(key, seen), copied(item, seen));
        break;
      case 'Set':
        for (const item of [...value]) copy.add(copied(item, seen));
        break;
      case 'Error':
        for (const name of ['message', 'stack', 'cause']) {
          const own = Object.getOwnPropertyDescriptor(value, name);
          if (own) put(copy, name, name === 'cause' ? copied(value.cause, seen) : `${value[name]}`);
        }
        break;
      case 'Object':
      case 'Array':
        for (const key of Object.keys(value)) Object.defineProperty(copy, key, { __proto__: null, value: copied(value[key], seen), writable: true, enumerable: true, configurable: true });
        break;
    }
  }

  put(globalThis, 'structuredClone', structuredClone);
})
