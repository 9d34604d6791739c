'use strict';
// What browsers and Node both have beside the language, as far as it needs no network, no files and no timers.
// Its objects are made in the caller's realm, by the sources in web/. What these ask of the kernel's realm is here:
// only text, numbers and booleans go back, so that no object of ours gets into the caller's hands.
const fs = require('node:fs');
const path = require('node:path');
const { toUSVString, types } = require('node:util');

const SOURCES = ['basics', 'urls', 'cloning'].map((name) => ({ filename: `omega:web/${name}`, code: fs.readFileSync(path.join(__dirname, 'web', `${name}.js`), 'utf8') }));
const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
const RANDOM = '/dev/urandom'; // the module crypto takes 15 ms to load and 4 MB
const { closeSync, openSync, readSync } = fs;
const { hrtime } = process;
const { parse, stringify } = JSON;
const encoder = new TextEncoder();
const decoders = new WeakMap();
const began = { utc: Date.now(), clock: hrtime.bigint() }; // the module of performance takes 1 ms to load
const nameOfTypedArray = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const OPAQUE = ['isProxy', 'isPromise', 'isWeakMap', 'isWeakSet', 'isGeneratorObject', 'isMapIterator', 'isSetIterator', 'isArgumentsObject', 'isModuleNamespaceObject', 'isExternal', 'isSymbolObject'];
const KINDS = ['Map', 'Set', 'Date', 'RegExp', 'ArrayBuffer', 'SharedArrayBuffer', 'DataView'];
const WRAPPED = ['Boolean', 'Number', 'String', 'BigInt'];

function partsOf(url) {
  return stringify(Object.fromEntries(PARTS.map((name) => [name, url[name]])));
}

// By V8's own marks, without calling anything of the caller's.
function kind(value) {
  if (types.isTypedArray(value)) return Reflect.apply(nameOfTypedArray, value, []);
  if (typeof value !== 'object' || value === null || OPAQUE.some((is) => types[is](value))) return '';
  if (Array.isArray(value)) return 'Array';
  if (types.isNativeError(value)) return 'Error';
  return KINDS.find((name) => types[`is${name}`](value)) ?? WRAPPED.find((name) => types[`is${name}Object`](value)) ?? 'Object';
}

const web = {
  __proto__: null,
  atob,
  btoa,
  kind,
  wellFormed: toUSVString,
  now: () => Number(hrtime.bigint() - began.clock) / 1e6,
  timeOrigin: () => began.utc,
  byteLength: (text) => Buffer.byteLength(text),
  encodeInto(text, target, counts) {
    const { read, written } = encoder.encodeInto(text, target);
    counts[0] = read;
    counts[1] = written;
  },
  makeDecoder(key, label, fatal, ignoreBOM) {
    const decoder = new TextDecoder(label, { fatal, ignoreBOM });
    decoders.set(key, decoder);
    return decoder.encoding;
  },
  decode: (key, input, stream) => decoders.get(key).decode(input, { stream }),
  fill(view) {
    const descriptor = openSync(RANDOM);
    try {
      readSync(descriptor, view);
    } finally {
      closeSync(descriptor);
    }
  },
  partsOf: (...given) => partsOf(new URL(...given)),
  withPart(href, name, value) {
    const url = new URL(href);
    url[name] = value;
    return partsOf(url);
  },
  pairsOf: (query) => stringify([...new URLSearchParams(query)]),
  queryOf: (pairs) => new URLSearchParams(parse(pairs)).toString(),
};

module.exports = { PARTS, SOURCES, web };
