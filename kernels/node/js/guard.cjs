'use strict';
// Runs work that may be, or may call, the caller's code, so that SIGINT or a time limit ends it.
const vm = require('node:vm');
const { internalBinding } = require('internal/test/binding'); // --expose-internals
const { startSigintWatchdog } = internalBinding('contextify');
const { getPromiseDetails } = internalBinding('util');
const { setPromiseHooks } = internalBinding('async_wrap');
const STATES = ['pending', 'fulfilled', 'rejected']; // as V8 numbers them

// Once for the whole life of the process: a SIGINT that arrives when no code runs is then ignored. Without it Node would put
// back the handler that ends the process whenever guarded work is over.
startSigintWatchdog();

let current = null;
Object.defineProperty(globalThis, '__omega', { value: () => current() });
const enter = new vm.Script('__omega()', { filename: 'omega:guard' });

// The outcome of *work*: 'done', 'interrupted' or 'timeout'. Microtasks of the caller's realm count when *work* drains them.
function guard(work, timeout) {
  const before = current;
  current = work;
  try {
    enter.runInThisContext({ breakOnSigint: true, displayErrors: false, timeout });
    return 'done';
  } catch (error) {
    if (error?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') return 'interrupted';
    if (error?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return 'timeout';
    throw error;
  } finally {
    current = before;
  }
}

// {state: 'pending' | 'fulfilled' | 'rejected', value} of a promise, without calling its methods.
function look(promise) {
  const [state, value] = getPromiseDetails(promise);
  return { state: STATES[state], value };
}

// Hand the next promise that anything makes to *take*. To be forgotten outside guard(), where no interrupt comes between.
//
// Each is one call of V8: it is done or it is not. Node's promiseHooks keep a list besides, and a hook that an interrupt left
// there half made would fail at each promise of all later runs.
function onNextPromise(take) {
  setPromiseHooks((promise) => {
    forgetNextPromise();
    take(promise);
  }, undefined, undefined, undefined);
}

function forgetNextPromise() {
  setPromiseHooks(undefined, undefined, undefined, undefined);
}

module.exports = { forgetNextPromise, guard, look, onNextPromise };
