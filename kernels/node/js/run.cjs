'use strict';
// One run of the caller's code: as the body of an async function, or as a cell of a session, whose declarations are kept and whose
// last value is the result.
const vm = require('node:vm');
const assist = require('./assist.cjs');
const { getReady, prepare } = require('./cells.cjs');
const { forgetNextPromise, guard, look, onNextPromise } = require('./guard.cjs');
const errors = require('./errors.cjs');
const { nameOfCode } = require('./stacks.cjs');
const { TooLarge, show, toJson } = require('./values.cjs');

const AsyncFunction = (async () => {}).constructor;
const JSON_CHARS = 64 * 1024;
// After so many turns of an event loop without work a promise is waited for in vain. More than one, because compiling
// WebAssembly takes one for each step.
const TURNS = 1000;
// After so many of them nothing else goes on while the code waits for its host.
const TURNS_OF_CALLS = 10;

class Run {
  constructor(realm, request) {
    this.realm = realm;
    this.request = request;
    this.filename = nameOfCode(request.count);
    this.isCell = request.mode === 'cell';
    this.turns = 0;
    this.promise = null;
    this.failure = null;
    this.value = undefined;
    this.isOver = false;
  }

  // Run the code until it waits or ends.
  begin() {
    if (this.isCell) getReady(this.request.code);
    this.realm.isInterrupted = false;
    if (this.request.tools) this.realm.tools.open(this.request.tag, this.request.tools);
    this.guarded(() => {
      if (this.isCell) this.beginCell(this.request.code);
      else this.beginBody(this.request.code);
      this.realm.drain();
      this.check();
    });
    forgetNextPromise();
  }

  // A turn of the event loop has ended.
  advance() {
    this.turns += 1;
    this.guarded(() => {
      this.realm.drain();
      this.check();
    });
    if (!this.isOver && this.turns >= TURNS) this.fail(errors.NEVER);
  }

  // Whether the code waits for its host, and for nothing else.
  get isWaiting() {
    return !this.isOver && this.turns >= TURNS_OF_CALLS && this.realm.tools.waiting.size > 0;
  }

  // The host has answered a call, or the run is interrupted while it waits.
  hear(message) {
    if (message.kind === 'interrupt' && message.id === this.request.id) this.fail(errors.INTERRUPTED);
    if (message.kind !== 'result') return;
    this.turns = 0;
    this.guarded(() => {
      this.realm.tools.settle(message);
      this.realm.drain();
      this.check();
    });
  }

  // A promise was rejected without a handler.
  rejected(reason, promise) {
    if (promise !== this.promise && !this.failure) this.unhandled ??= { reason };
  }

  guarded(work) {
    const ended = guard(() => {
      try {
        work();
      } catch (error) {
        this.fail(errors.describe(error));
      }
    });
    if (ended === 'interrupted') this.fail(errors.INTERRUPTED);
  }

  fail(failure) {
    this.isOver = true;
    this.failure ??= failure;
  }

  succeed(value) {
    this.isOver = true;
    this.value = value;
  }

  // -- the body of an async function --

  beginBody(code) {
    const script = this.compileBody(code);
    if (script) this.promise = script.runInContext(this.realm.context)();
  }

  compileBody(code) {
    try {
      const script = new vm.Script(`(async function () {\n${code}\n})`, { filename: this.filename, lineOffset: -1 });
      new AsyncFunction(code); // refuses code that closes the wrapping function and opens another
      return script;
    } catch (error) {
      this.fail(this.describeSyntax(error, code));
      return null;
    }
  }

  describeSyntax(error, code) {
    const place = /^[^\n]*:(\d+)\n[^\n]*\n( *)(?=[\^\n])/.exec(String(error.stack)); // V8 marks an unknown character without a ^
    if (!place) return errors.describeSyntax(error.message, code, this.filename, 1, 1);
    return this.placed(error.message, code, Number(place[1]), place[2].length + 1);
  }

  // A syntax error at *line* and *column*; one past the code is found in the line we add: there the code ends too early.
  placed(message, code, line, column) {
    const lines = code.split('\n');
    if (line <= lines.length) return errors.describeSyntax(message, code, this.filename, line, column);
    return errors.describeSyntax('Unexpected end of input', code, this.filename, lines.length, lines.at(-1).length + 1);
  }

  // -- a cell --

  // V8 runs a cell as an async function of its own kind. Its promise is the first one made, before any code of the cell runs.
  // We keep what never settles: the inspector must not see it collected.
  beginCell(code) {
    const { realm } = this;
    const lexical = new Set(assist.lexicalNames(realm));
    const source = prepare(code, (name) => !lexical.has(name) && realm.hasMade(name), (name) => lexical.has(name));
    const expression = `${source}\n//# sourceURL=${this.filename}`;
    let made = null;
    let problem = null;
    let isRunning = false;
    onNextPromise((promise) => {
      made = promise;
    });
    this.realm.kept.add(this);
    const parameters = { expression, contextId: this.realm.contextId, replMode: true, silent: true, objectGroup: 'run' };
    this.realm.post('Runtime.evaluate', parameters, (error, answer) => {
      if (!isRunning) problem = answer?.exceptionDetails; // at once: it does not compile, or declares what it may not
    });
    isRunning = true;
    if (problem) this.cannotCompile(problem, code);
    else this.promise = made;
  }

  cannotCompile(details, code) {
    const thrown = this.realm.fetch(details.exception);
    const message = String(Reflect.getOwnPropertyDescriptor(thrown, 'message')?.value);
    if (/^Illegal return/.test(message)) {
      this.isCell = false;
      this.beginBody(code);
    }
    else this.fail(this.placed(message, code, details.lineNumber + 1, details.columnNumber + 1));
  }

  // -- the end --

  check() {
    if (this.isOver) return;
    if (!this.promise) return;
    const { state, value } = look(this.promise);
    if (state === 'pending') return;
    this.realm.kept.delete(this);
    if (state === 'rejected') this.fail(errors.describe(value));
    else this.succeed(this.isCell ? Reflect.getOwnPropertyDescriptor(value, '.repl_result')?.value : value);
  }

  // The answer to the Python process.
  report() {
    this.realm.tools.close();
    if (this.unhandled && !this.failure) this.guarded(() => this.fail(errors.describe(this.unhandled.reason)));
    const answer = {};
    if (!this.failure) this.guarded(() => this.describeValue(answer));
    return this.failure ? { failure: this.failure } : answer;
  }

  describeValue(answer) {
    let json;
    try {
      json = toJson(this.value);
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      this.failure = errors.TOO_LARGE;
      return;
    }
    answer.return_value = JSON.parse(json);
    if (this.request.mode !== 'cell' || this.value === undefined) return;
    answer.result = { 'text/plain': show(this.value) };
    if (this.request.json && json.length <= JSON_CHARS) answer.result['application/json'] = answer.return_value;
  }
}

module.exports = { Run };
