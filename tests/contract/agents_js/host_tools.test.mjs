// Functions of the program that code calls, on a real gateway.
import assert from 'node:assert/strict';
import test from 'node:test';

import { check, omega } from 'omega-client';

const parameters = { type: 'object', properties: { n: { type: 'number' } } };
const double = omega.tool('double', { description: 'Twice n.', parameters }, async ({ n }) => ({ twice: 2 * n }));
const fail = omega.tool('fail', {}, () => {
  throw new RangeError('too far');
});
const tools = [double, fail];
const PYTHON = `
print(tools.double(n=3)["twice"], tools.double(4)["twice"])
try: tools.fail()
except tools.ToolError as error: print(error)
`;
const THREADS = `
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool: print([one["twice"] for one in pool.map(tools.double, range(50))])
`;
const GATHERED = 'import asyncio\n[one["twice"] for one in await asyncio.gather(*map(tools.double, range(50)))]';
const TWICE = Array.from({ length: 50 }, (_, n) => 2 * n);

test('code in Python calls, catches errors, and calls from threads and tasks', async () => {
  const result = check(await omega.run(PYTHON, { tools }));
  assert.deepEqual([result.status, result.output], ['completed', '6 8\nRangeError: too far\n']);
  assert.deepEqual(JSON.parse(check(await omega.run(THREADS, { tools })).output), TWICE);
  const [{ data }] = check(await omega.run(GATHERED, { tools })).results;
  assert.deepEqual(data['application/json'], TWICE);
});

test('code in JavaScript calls, and catches errors', async () => {
  const code = `
    const all = await Promise.all([...Array(50).keys()].map(n => tools.double({ n })));
    try { await tools.fail(); } catch (error) { return [all.map(one => one.twice), error.name, error.message]; }
  `;
  assert.deepEqual(check(await omega.javascript(code, { tools })).returnValue, [TWICE, 'ToolError', 'RangeError: too far']);
});

test('a stream tells of the calls that it carries out', async () => {
  await omega.withSession(async session => {
    const seen = [];
    for await (const { type, name, input, text } of session.stream('print(tools.double(7)["twice"])', { tools })) {
      if (type === 'tool_call') seen.push([name, input]);
      if (type === 'stdout') seen.push(text);
    }
    assert.deepEqual(seen, [['double', { n: 7 }], '14\n']);
  });
});

const nested = levels => (levels ? [nested(levels - 1)] : 1);
const RESULTS = {
  deep: () => nested(100),
  longer: () => 'x'.repeat(40 << 20),
  function: () => test,
};
const give = omega.tool('give', {}, ({ kind }) => RESULTS[kind]());
const ASKING = `
for kind in ${JSON.stringify(Object.keys(RESULTS))}:
    try: tools.give(kind=kind)
    except ToolError as error: print(kind)
`;

test('a result that the gateway refuses is an error of its call', async () => {
  const output = Object.keys(RESULTS).map(kind => `${kind}\n`).join('');
  assert.equal(check(await omega.run(ASKING, { tools: [give] })).output, output);
  let text = '';
  for await (const event of omega.stream(ASKING, { tools: [give] })) text += event.type === 'stdout' ? event.text : '';
  assert.equal(text, output);
});

test('a program that gives up while the code waits for it stops the run', async () => {
  await omega.withSession(async session => {
    const giving = new AbortController();
    const wait = omega.tool('wait', {}, () => {
      giving.abort();
      return new Promise(() => {});
    });
    await assert.rejects(session.execute('x = 5\ntools.wait()', { tools: [wait], signal: giving.signal }), { name: 'AbortError' });
    assert.equal((await session.execute('x')).results[0].data['text/plain'], '5');
  });
});
