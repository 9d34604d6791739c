// The types tell of what is there, and of nothing else. That they fit is tried by the compiler, in tests/contract.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import * as module from '../../../clients/js/omega.mjs';

const TYPES = fs.readFileSync(new URL('../../../clients/js/omega.d.mts', import.meta.url), 'utf8');

test('each export has a type', () => {
  const typed = [...TYPES.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(typed.sort(), Object.keys(module).sort());
});

test('each method of a class has a type', () => {
  const isNamed = name => name !== 'constructor';
  for (const [, name, body] of TYPES.matchAll(/^export class (\w+)[^{\n]*\{\n(.*?)^\}/gms)) {
    const methods = body.matchAll(/^ {2}(?:get |readonly )?(\w+)(?:<[^(]*>)?(?:\(|: ToolRegistry)/gm);
    const typed = new Set([...methods].map(([, method]) => method).filter(isNamed));
    assert.deepEqual([...typed].sort(), Object.getOwnPropertyNames(module[name].prototype).filter(isNamed).sort(), name);
  }
});
