'use strict';
// The realm of the caller's code: the language, console, display and web/; no modules, no timers, nothing of Node.
// The realm is no security boundary (the sandbox is): it keeps the code's changes to Object, Array, JSON or Promise
// away from the kernel's own code.
const inspector = require('node:inspector');
const vm = require('node:vm');
const { Console } = require('node:console');
const { types } = require('node:util');
const { write, writeText } = require('./frames.cjs');
const { guard } = require('./guard.cjs');
const { HostTools } = require('./tools.cjs');
const { asText, show, toJson } = require('./values.cjs');
const { PARTS, SOURCES, web } = require('./web.cjs');

const METHODS = ['log', 'info', 'debug', 'error', 'warn', 'trace', 'dir', 'dirxml', 'table', 'assert', 'group', 'groupCollapsed', 'groupEnd', 'count', 'countReset', 'time', 'timeEnd', 'timeLog'];
const FORMS = { html: 'text/html', svg: 'image/svg+xml', png: 'image/png', jpeg: 'image/jpeg', json: 'application/json', markdown: 'text/markdown', text: 'text/plain' };
const MIME = /^[a-z0-9][a-z0-9.+-]*\/[a-z0-9][a-z0-9.+-]*$/;

const SETUP = `(function (host) {
  'use strict';
  const errors = { __proto__: null, Error, RangeError, TypeError };
  const remade = ({ name, message, code, isOfTheWeb }) => {
    if (isOfTheWeb) return new host.DOMException(message, name);
    const error = new (errors[name] || errors.Error)(message);
    return code ? put(error, 'code', code) : error;
  };
  const call = (name, values) => {
    try {
      return host.call(name, values);
    } catch (error) {
      let foreign;
      try {
        foreign = host.foreign(error);
      } catch {
        throw new errors.RangeError('Maximum call stack size exceeded');
      }
      throw foreign ? remade(foreign) : error;
    }
  };
  const make = (name, key) => ({ [key](...values) { call(name, values); } })[key];
  const put = (target, key, value) => Object.defineProperty(target, key, { __proto__: null, value, writable: true, configurable: true });
  const console = {};
  for (let at = 0; at < host.methods.length; at++) console[host.methods[at]] = make('console.' + host.methods[at], host.methods[at]);
  put(console, Symbol.toStringTag, 'console');
  put(globalThis, 'console', console);
  const display = make('display', 'display');
  for (let at = 0; at < host.forms.length; at++) put(display, host.forms[at], make('display.' + host.forms[at], host.forms[at]));
  put(globalThis, 'display', display);
  host.ask = (name, ...values) => call(name, values);
  host.put = put;
  return globalThis;
})`;

// V8 itself calls the caller's code between two turns of the event loop, where no interrupt reaches it, in two places: where
// WebAssembly is instantiated once it is compiled (start function, getters of the imports), and for what was collected.
const REACHABLE = `(function (host) {
  'use strict';
  const { compile, Instance, instantiate } = WebAssembly;
  const { construct } = Reflect;
  const Registry = FinalizationRegistry;
  const ours = {
    async instantiate(source, imports, options) {
      if (!host.isBytes(source)) return instantiate(source, imports);
      const module = await compile(source, options);
      return { module, instance: new Instance(module, imports) };
    },
    FinalizationRegistry: function (cleanup) {
      if (!new.target) return Registry(cleanup); // refuses
      const guarded = typeof cleanup === 'function' ? (held) => host.finalize(() => void cleanup(held)) : cleanup;
      return construct(Registry, [guarded], new.target);
    },
  };
  Object.defineProperty(ours.FinalizationRegistry, 'prototype', { value: Registry.prototype, writable: false });
  Registry.prototype.constructor = ours.FinalizationRegistry;
  globalThis.FinalizationRegistry = ours.FinalizationRegistry;
  WebAssembly.instantiate = ours.instantiate;
})`;

function makeConsole() {
  const stream = (type) => ({ write: (text) => writeText(type, text), on() {}, once() {}, removeListener() {}, listenerCount: () => 0 });
  return new Console({ stdout: stream('o'), stderr: stream('e'), colorMode: false });
}

// The output of display(value): a MIME bundle unchanged, anything else as text and, if it fits, JSON.
function bundleOf(value) {
  const keys = typeof value === 'object' && value !== null && !types.isProxy(value) ? Object.keys(value) : [];
  if (keys.length && keys.every((key) => MIME.test(key))) return Object.fromEntries(keys.map((key) => [key, bodyOf(key, value[key])]));
  return { 'text/plain': show(value) };
}

function bodyOf(mime, value) {
  if (/[/+]json$/.test(mime)) return JSON.parse(toJson(value));
  if (types.isAnyArrayBuffer(value) || types.isUint8Array(value)) return Buffer.from(value).toString('base64');
  const text = asText(value);
  return mime === 'image/png' || mime === 'image/jpeg' ? text.replace(/^data:[^,]*,/, '') : text;
}

class Realm {
  constructor() {
    this.console = makeConsole();
    this.kept = new Set();
    this.isInterrupted = false;
    const target = vm.constants?.DONT_CONTEXTIFY ?? Object.create(null);
    this.context = vm.createContext(target, { name: 'code', microtaskMode: 'afterEvaluate' });
    this.nothing = new vm.Script('', { filename: 'omega:drain' });
    const host = {
      __proto__: null,
      methods: METHODS,
      forms: Object.keys(FORMS),
      parts: PARTS,
      call: (name, values) => this.call(name, values),
      foreign: (error) => this.foreign(error),
    };
    this.global = new vm.Script(SETUP, { filename: 'omega:setup' }).runInContext(this.context)(host);
    for (const { code, filename } of SOURCES) new vm.Script(code, { filename }).runInContext(this.context)(host);
    new vm.Script(REACHABLE, { filename: 'omega:reachable' }).runInContext(this.context)({
      __proto__: null,
      isBytes: (value) => types.isAnyArrayBuffer(value) || types.isArrayBufferView(value),
      finalize: (work) => this.finalize(work),
    });
    this.tools = new HostTools(this, host);
    this.ownNames = new Set(Reflect.ownKeys(this.global));
    this.connect();
  }

  call(name, values) {
    const [object, method] = name.split('.');
    const given = () => Array.from({ length: values.length }, (_, at) => values[at]);
    if (object === 'web') return web[method](...given());
    if (object === 'tools') return this.tools.begin(...given());
    if (object === 'console') this.console[method](...given());
    else if (method) write('d', { [FORMS[method]]: bodyOf(FORMS[method], values[0]) });
    else write('d', bundleOf(values[0]));
  }

  // What the caller's realm makes of an error of the kernel's realm, which the code must not get itself.
  foreign(error) {
    if (!(error instanceof Error)) return null;
    const code = typeof error.code === 'string' ? error.code : '';
    return { __proto__: null, name: String(error.name), message: String(error.message), code, isOfTheWeb: error instanceof DOMException };
  }

  // Tell the caller's code that something was collected. After an interrupt it is not told any more until the next run.
  finalize(work) {
    if (!this.isInterrupted) this.isInterrupted = guard(work) === 'interrupted';
  }

  connect() {
    this.session = new inspector.Session();
    this.session.connect();
    this.session.on('Runtime.executionContextCreated', ({ params }) => {
      if (params.context.name === 'code') this.contextId = params.context.id;
    });
    this.session.post('Runtime.enable');
    this.session.post('Runtime.disable');
    // Values of the inspector's world are had through an object of the realm that only we know.
    this.sink = new vm.Script('({ __proto__: null, value: undefined })').runInContext(this.context);
    Object.defineProperty(this.global, '__omega', { value: this.sink, configurable: true });
    this.post('Runtime.evaluate', { expression: '__omega', contextId: this.contextId }, (_, made) => {
      this.sinkId = made.result.objectId;
    });
    delete this.global.__omega;
  }

  post(method, params, done = () => {}) {
    this.session.post(method, params, done);
  }

  // The value that *remote* (a RemoteObject of the inspector) stands for.
  fetch(remote) {
    if (remote.objectId === undefined && remote.unserializableValue === undefined) return remote.value;
    const { objectId, unserializableValue } = remote;
    const reference = objectId === undefined ? { unserializableValue } : { objectId };
    this.post('Runtime.callFunctionOn', { objectId: this.sinkId, functionDeclaration: 'function (value) { this.value = value }', arguments: [reference] });
    const { value } = this.sink;
    this.sink.value = undefined;
    return value;
  }

  // Whether the code made a property *name* of the global object: by var, by function, by assignment.
  hasMade(name) {
    return !this.ownNames.has(name) && Reflect.getOwnPropertyDescriptor(this.global, name) !== undefined;
  }

  // Run all waiting microtasks of the realm.
  drain() {
    this.nothing.runInContext(this.context);
  }
}

module.exports = { Realm };
