// In the caller's realm: URL and URLSearchParams. The kernel's realm parses and serializes; between the two goes JSON text.
(function (host) {
  'use strict';
  const { ask, put } = host;
  const { parse, stringify } = JSON;
  const { apply } = Reflect;
  const SHOWN = Symbol.for('nodejs.util.inspect.custom');
  const text = (value) => ask('web.wellFormed', `${value}`);
  let refill;
  let belongTo;

  class URLSearchParams {
    #pairs;
    #changed = () => {};

    static {
      refill = (params, query) => {
        params.#pairs = parse(ask('web.pairsOf', query));
      };
      belongTo = (params, changed) => {
        params.#changed = changed;
      };
    }

    constructor(init = '') {
      if (typeof init !== 'object' && typeof init !== 'function') refill(this, text(init).replace(/^\?/, ''));
      else if (init === null) refill(this, 'null');
      else this.#pairs = init[Symbol.iterator] === undefined ? pairsOfRecord(init) : pairsOfList(init);
    }

    #update(pairs) {
      this.#pairs = pairs;
      this.#changed(this.toString());
    }

    get size() {
      return this.#pairs.length;
    }

    append(name, value) {
      this.#update([...this.#pairs, [text(name), text(value)]]);
    }

    delete(name, value) {
      this.#update(this.#pairs.filter((pair) => !matches(pair, name, value)));
    }

    get(name) {
      return this.#pairs.find((pair) => matches(pair, name))?.[1] ?? null;
    }

    getAll(name) {
      return this.#pairs.filter((pair) => matches(pair, name)).map((pair) => pair[1]);
    }

    has(name, value) {
      return this.#pairs.some((pair) => matches(pair, name, value));
    }

    set(name, value) {
      const first = this.#pairs.findIndex((pair) => matches(pair, name));
      const pair = [text(name), text(value)];
      if (first < 0) this.#update([...this.#pairs, pair]);
      else this.#update(this.#pairs.map((other, at) => (at === first ? pair : other)).filter((other) => other === pair || !matches(other, name)));
    }

    sort() {
      this.#update([...this.#pairs].sort(([one], [other]) => (one < other ? -1 : Number(one > other))));
    }

    forEach(work, self) {
      for (const [name, value] of this) apply(work, self, [value, name, this]);
    }

    *entries() {
      for (let at = 0; at < this.#pairs.length; at++) yield [...this.#pairs[at]];
    }

    *keys() {
      for (const [name] of this.entries()) yield name;
    }

    *values() {
      for (const [, value] of this.entries()) yield value;
    }

    toString() {
      return ask('web.queryOf', stringify(this.#pairs));
    }

    [SHOWN]() {
      const quoted = (value) => `'${stringify(value).slice(1, -1).replaceAll("'", "\\'").replaceAll('\\"', '"')}'`;
      return this.size ? `URLSearchParams { ${this.#pairs.map((pair) => pair.map(quoted).join(' => ')).join(', ')} }` : 'URLSearchParams {}';
    }
  }
  put(URLSearchParams.prototype, Symbol.iterator, URLSearchParams.prototype.entries);

  function matches([name, value], wanted, wantedValue) {
    return name === text(wanted) && (wantedValue === undefined || value === text(wantedValue));
  }

  function pairsOfRecord(record) {
    return Object.entries(record).map(([name, value]) => [text(name), text(value)]);
  }

  function pairsOfList(list) {
    return [...list].map((pair) => {
      const two = [...pair];
      if (two.length !== 2) throw new TypeError('Each query pair must be an iterable [name, value] tuple');
      return [text(two[0]), text(two[1])];
    });
  }

  class URL {
    #parts;
    #params;

    constructor(...given) {
      if (given.length === 0) throw new TypeError('The "url" argument must be specified');
      const base = given[1] === undefined ? [] : [text(given[1])];
      this.#parts = parse(ask('web.partsOf', text(given[0]), ...base));
    }

    static {
      for (const name of Array.from(host.parts)) {
        const get = function () {
          return this.#parts[name];
        };
        const set = function (value) {
          this.#parts = parse(ask('web.withPart', this.#parts.href, name, text(value)));
          if (this.#params) refill(this.#params, this.search.slice(1));
        };
        Object.defineProperty(this.prototype, name, { __proto__: null, get, set: name === 'origin' ? undefined : set, enumerable: true, configurable: true });
      }
    }

    static canParse(...given) {
      return URL.parse(...given) !== null;
    }

    static parse(...given) {
      try {
        return new URL(...given);
      } catch (error) {
        if (error?.code === 'ERR_INVALID_URL') return null;
        throw error;
      }
    }

    get searchParams() {
      if (this.#params) return this.#params;
      this.#params = new URLSearchParams(this.search);
      belongTo(this.#params, (query) => {
        this.#parts = parse(ask('web.withPart', this.href, 'search', query));
      });
      return this.#params;
    }

    toString() {
      return this.href;
    }

    toJSON() {
      return this.href;
    }

    [SHOWN]() {
      const { hash, ...parts } = this.#parts;
      return Object.assign(new Shown(), parts, { searchParams: this.searchParams, hash });
    }
  }

  const { Shown } = { Shown: class URL {} }; // what console.log shows: a plain object of the same name

  for (const made of [URL, URLSearchParams]) {
    put(made.prototype, Symbol.toStringTag, made.name);
    put(globalThis, made.name, made);
  }
})
