'use strict';
// The host's tools of one run: the object `tools` of the caller's realm, its calls, and their answers. Only text crosses between the
// realms: names and ids, and values as JSON.
const vm = require('node:vm');
const { inputOf } = require('./arguments.cjs');
const { writeRaw } = require('./frames.cjs');

const { stringify } = JSON;
const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;
const ENDED = 'the run that was given these tools is over';

// In the caller's realm, before any of its code: so nothing that the code changes later is used.
const SOURCE = `(function (host) {
  'use strict';
  const { parse } = JSON;
  const { get } = Reflect;
  const { defineProperty, hasOwn } = Object;
  const OurPromise = Promise, OurProxy = Proxy, OurError = Error, OurTypeError = TypeError;
  let waiting = { __proto__: null };
  const make = (tag, name) => ({
    [name](...values) {
      return new OurPromise((resolve, reject) => {
        waiting[host.ask('tools', tag, name, values)] = { __proto__: null, resolve, reject };
      });
    },
  })[name];
  const open = (tag, text) => {
    const names = parse(text);
    const target = {};
    let listed = '';
    for (let at = 0; at < names.length; at++) {
      listed += (at ? ', ' : '') + names[at];
      defineProperty(target, names[at], { __proto__: null, value: make(tag, names[at]), enumerable: true });
    }
    return new OurProxy(target, {
      __proto__: null,
      get(object, key) {
        if (typeof key === 'symbol' || key in object || key === 'then' || key === 'toJSON') return get(object, key);
        throw new OurTypeError("there is no tool '" + key + "'; the tools of this run are: " + listed);
      },
    });
  };
  const settle = (text) => {
    const answer = parse(text);
    const { id } = answer;
    const call = waiting[id];
    if (!call) return '';
    delete waiting[id];
    if (hasOwn(answer, 'output')) {
      call.resolve(answer.output);
      return id;
    }
    const error = new OurError(answer.error);
    defineProperty(error, 'name', { __proto__: null, value: 'ToolError', writable: true, configurable: true });
    call.reject(error);
    return id;
  };
  const forget = () => {
    waiting = { __proto__: null };
  };
  return { __proto__: null, open, settle, forget };
})`;

class HostTools {
  constructor(realm, host) {
    this.global = realm.global;
    this.inside = new vm.Script(SOURCE, { filename: 'omega:tools' }).runInContext(realm.context)(host);
    this.tag = '';
    this.orders = new Map();
    this.waiting = new Set();
    this.count = 0;
  }

  // Have `tools` in the caller's realm, for the run *tag*.
  open(tag, tools) {
    this.tag = tag;
    this.orders = new Map(tools.map(({ name, order }) => [name, order]));
    this.object = this.inside.open(tag, stringify([...this.orders.keys()]));
    this.before = getOwnPropertyDescriptor(this.global, 'tools');
    const made = { value: this.object, writable: true, configurable: true, enumerable: false };
    defineProperty(this.global, 'tools', this.before?.configurable === false ? { value: this.object } : made);
  }

  // The run is over: put back what was there, unless the code put something else there.
  close() {
    if (!this.tag) return;
    this.tag = '';
    this.orders.clear();
    this.waiting.clear();
    this.inside.forget();
    if (getOwnPropertyDescriptor(this.global, 'tools')?.value !== this.object) return;
    if (this.before) defineProperty(this.global, 'tools', this.before);
    else deleteProperty(this.global, 'tools');
  }

  // Send a call of the code's, and answer with its id.
  begin(tag, name, values) {
    const order = tag === this.tag ? this.orders.get(name) : undefined;
    if (order === undefined) throw new Error(ENDED);
    const input = inputOf(name, order, values);
    const id = `${tag}-${++this.count}`;
    writeRaw('t', `{"id":${stringify(id)},"name":${stringify(name)},"input":${input}}`);
    this.waiting.add(id);
    return id;
  }

  // Hand an answer to the code, which may run at once; one that nobody waits for is ignored.
  settle({ answer }) {
    this.waiting.delete(this.inside.settle(answer));
  }
}

module.exports = { HostTools };
