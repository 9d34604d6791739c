// In the caller's realm: DOMException, base64, text as bytes, random numbers, the clock, microtasks.
// *host.ask* calls a function of ../web.cjs: text, numbers and buffers of this realm go in, text and numbers come out.
(function (host) {
  'use strict';
  const { ask, put } = host;
  const { apply } = Reflect;
  // Their codes are their places here, counted from 1; later errors have none (0).
  const NAMED = ['IndexSize', '', 'HierarchyRequest', 'WrongDocument', 'InvalidCharacter', '', 'NoModificationAllowed', 'NotFound', 'NotSupported', 'InUseAttribute', 'InvalidState', 'Syntax', 'InvalidModification', 'Namespace', 'InvalidAccess', '', 'TypeMismatch', 'Security', 'Network', 'Abort', 'URLMismatch', 'QuotaExceeded', 'Timeout', 'InvalidNodeType', 'DataClone'];

  class DOMException extends Error {
    constructor(message = '', name = 'Error') {
      super(message);
      put(this, 'name', `${name}`);
      put(this, 'code', NAMED.findIndex((known) => known && this.name === `${known}Error`) + 1);
    }
  }

  const counts = new Uint32Array(2);

  class TextEncoder {
    get encoding() {
      return 'utf-8';
    }

    encode(text = '') {
      const source = `${text}`;
      const bytes = new Uint8Array(ask('web.byteLength', source));
      ask('web.encodeInto', source, bytes, counts);
      return bytes;
    }

    encodeInto(text, target) {
      ask('web.encodeInto', `${text}`, target, counts);
      return { read: counts[0], written: counts[1] };
    }
  }

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;

    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      this.#fatal = !!fatal;
      this.#ignoreBOM = !!ignoreBOM;
      this.#encoding = ask('web.makeDecoder', this, `${label}`, this.#fatal, this.#ignoreBOM);
    }

    get encoding() {
      return this.#encoding;
    }

    get fatal() {
      return this.#fatal;
    }

    get ignoreBOM() {
      return this.#ignoreBOM;
    }

    decode(input, { stream = false } = {}) {
      return ask('web.decode', this, input, !!stream);
    }
  }

  function fill(view) {
    ask('web.fill', view);
    return view;
  }

  class Crypto {
    getRandomValues(view) {
      if (!/^(Big)?(Int|Uint)/.test(ask('web.kind', view))) throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
      if (view.byteLength > 65536) throw new DOMException(`The requested length exceeds 65,536 bytes`, 'QuotaExceededError');
      return fill(view);
    }

    randomUUID() {
      const bytes = fill(new Uint8Array(16));
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      let text = '';
      for (let at = 0; at < 16; at++) text += (at === 4 || at === 6 || at === 8 || at === 10 ? '-' : '') + (bytes[at] + 0x100).toString(16).slice(1);
      return text;
    }
  }

  class Performance {
    get timeOrigin() {
      return ask('web.timeOrigin');
    }

    now() {
      return ask('web.now');
    }

    toJSON() {
      return { timeOrigin: this.timeOrigin };
    }
  }

  const settled = Promise.resolve();
  const { then } = Promise.prototype;
  const functions = {
    atob: (text) => ask('web.atob', `${text}`),
    btoa: (text) => ask('web.btoa', `${text}`),
    queueMicrotask(work) {
      if (typeof work !== 'function') throw new TypeError('The "callback" argument must be of type function.');
      apply(then, settled, [() => void work()]);
    },
  };

  for (const made of [TextEncoder, TextDecoder, Crypto, Performance, DOMException]) put(made.prototype, Symbol.toStringTag, made.name);
  host.DOMException = DOMException;
  for (const made of [DOMException, TextEncoder, TextDecoder]) put(globalThis, made.name, made);
  for (const name of ['atob', 'btoa', 'queueMicrotask']) put(globalThis, name, functions[name]);
  put(globalThis, 'crypto', new Crypto());
  put(globalThis, 'performance', new Performance());
})
