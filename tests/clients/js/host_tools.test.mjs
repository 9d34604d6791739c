// Tools that code can call: the conversation with the gateway, by a scripted peer.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Omega } from '../../../clients/js/omega.mjs';
import { all, json, peer, sse } from './peer.mjs';

const needs = (...toolCalls) => json({ status: 'tool_call_required', run: 'r/1', continuation: '/x', toolCalls });
const call = (id, name, input = {}) => ({ id, name, input });
const DONE = json({ status: 'completed', success: true });
const omega = fetch => new Omega({ url: 'http://gateway', fetch });
const results = ({ body }) => body.results;

test('definitions are sent, calls carried out, and their results sent back', async () => {
  const { fetch, asked } = peer(needs(call('1', 'query', { sql: 'a' }), call('2', 'fail'), call('3', 'gone')), DONE);
  const client = omega(fetch);
  const query = client.tool('query', { description: 'Asks.', parameters: { type: 'object' } }, async ({ sql }) => [sql]);
  const fail = client.tool('fail', {}, () => {
    throw new RangeError('too far');
  });
  assert.equal((await client.run('x', { tools: [query, fail] })).status, 'completed');
  assert.deepEqual(asked[0].body.tools, [{ name: 'query', description: 'Asks.', parameters: { type: 'object' } }, { name: 'fail' }]);
  assert.equal(asked[1].url, 'http://gateway/code-interpreter/runs/r%2F1/tool-results');
  assert.deepEqual(results(asked[1]), [
    { id: '1', output: ['a'] },
    { id: '2', error: 'RangeError: too far' },
    { id: '3', error: "Error: There is no tool 'gone'." },
  ]);
});

test('a call that takes long holds up no other, and is carried out once', async () => {
  let [times, finish] = [0, () => {}];
  const { fetch, asked } = peer(
    needs(call('slow', 'wait'), call('1', 'quick')), needs(call('slow', 'wait'), call('2', 'quick')),
    () => {
      finish('late');
      return needs(call('slow', 'wait'));
    },
    DONE,
  );
  const client = omega(fetch);
  const wait = client.tool('wait', {}, () => new Promise(resolve => {
    times++;
    finish = resolve;
  }));
  await client.session('s').execute('x', { tools: [wait, client.tool('quick', {}, () => undefined)] });
  assert.deepEqual(asked.slice(1).map(results), [
    [{ id: '1', output: null }], [{ id: '2', output: null }], [{ id: 'slow', output: 'late' }],
  ]);
  assert.equal(times, 1);
});

test('what is no JSON is the error of its call', async () => {
  const { fetch, asked } = peer(needs(call('1', 'big')), DONE);
  const client = omega(fetch);
  await client.run('x', { tools: [client.tool('big', {}, () => 1n)] });
  assert.match(results(asked[1])[0].error, /^TypeError: .*BigInt/);
});

for (const [name, value] of [['NaN', NaN], ['a function', () => 1], ['undefined in a list', [undefined]], ['a symbol', { a: Symbol('a') }]]) {
  test(`${name} is the error of its call`, async () => {
    const { fetch, asked } = peer(needs(call('1', 'lost')), DONE);
    const client = omega(fetch);
    await client.run('x', { tools: [client.tool('lost', {}, () => value)] });
    assert.match(results(asked[1])[0].error, /^TypeError: The result has something that has no form in JSON: /);
  });
}

test('halves of characters are replaced, in results and errors', async () => {
  const { fetch, asked } = peer(needs(call('1', 'half'), call('2', 'fail')), DONE);
  const client = omega(fetch);
  const half = client.tool('half', {}, () => ({ 'a\udc80': ['\ud800b', '\\ud800', '\ud83d\ude00', undefined ?? null], left: undefined }));
  const fail = client.tool('fail', {}, () => {
    throw new Error('\ud800');
  });
  await client.run('x', { tools: [half, fail] });
  assert.deepEqual(results(asked[1]), [
    { id: '1', output: { 'a\ufffd': ['\ufffdb', '\\ud800', '\ud83d\ude00', null] } }, { id: '2', error: 'Error: \ufffd' },
  ]);
});

test('one result that is refused spoils no other', async () => {
  const both = needs(call('1', 'good'), call('2', 'bad'));
  const refusal = json({ error: { message: 'Too deep.', code: 'bad_request' } }, 400);
  const { fetch, asked } = peer(both, refusal, needs(call('2', 'bad')), refusal, DONE);
  const client = omega(fetch);
  await client.run('x', { tools: [client.tool('good', {}, () => 1), client.tool('bad', {}, () => [[]])] });
  assert.deepEqual(asked.slice(1).map(results), [
    [{ id: '1', output: 1 }, { id: '2', output: [[]] }], [{ id: '1', output: 1 }], [{ id: '2', output: [[]] }],
    [{ id: '2', error: 'The gateway did not take the result: Too deep.' }],
  ]);
});

test('whatever is raised, the run is given up', async () => {
  const refusal = json({ error: { message: 'No.', code: 'unauthorized' } }, 401);
  const { fetch, asked } = peer(needs(call('1', 'good')), refusal, needs(call('2', 'good')), DONE);
  const client = omega(fetch);
  const running = client.run('x', { tools: [client.tool('good', {}, () => 1)] });
  await assert.rejects(running, { name: 'Unauthorized' });
  while (asked.length < 4) await new Promise(setImmediate);
  const error = 'The program has given the run up.';
  assert.deepEqual(asked.slice(2).map(results), [[{ id: '1', error }], [{ id: '2', error }]]);
});

test('a program that gives up says so to the code', async () => {
  const giving = new AbortController();
  let seen;
  const { fetch, asked } = peer(needs(call('1', 'wait')), DONE);
  const client = omega(fetch);
  const wait = client.tool('wait', {}, (_, { signal }) => {
    seen = signal;
    queueMicrotask(() => giving.abort(new Error('enough')));
    return new Promise(() => {});
  });
  await assert.rejects(client.run('x', { tools: [wait], signal: giving.signal }), { message: 'enough' });
  assert.equal(seen, giving.signal);
  assert.deepEqual(results(asked[1]), [{ id: '1', error: 'The program has given the run up.' }]);
});

test('only tools are tools', async () => {
  const { fetch, asked } = peer(DONE);
  await assert.rejects(omega(fetch).run('x', { tools: [{ name: 'query' }] }), { name: 'TypeError', message: /omega\.tool/ });
  assert.throws(() => omega(fetch).tool('query', {}), { message: "The tool 'query' needs a function." });
  assert.equal(asked.length, 0);
});

/** A gateway whose stream goes on when the result of its call has come. */
function streaming(answer) {
  const encoder = new TextEncoder();
  let told;
  const say = event => told.enqueue(encoder.encode(`data: ${JSON.stringify(event)}\n\n`));
  return peer(
    (_, signal) => {
      const body = new ReadableStream({
        start(controller) {
          told = controller;
          say({ type: 'accepted', runId: 'r' });
          say({ type: 'tool_call', id: '1', name: 'query', input: { n: 1 } });
        },
      });
      signal.addEventListener('abort', () => told.error(new DOMException('aborted', 'AbortError')));
      return new Response(body);
    },
    () => answer(say, () => told.close()),
  );
}

test('a stream carries its calls out beside its events', async () => {
  const { fetch, asked } = streaming((say, close) => {
    say({ type: 'done', success: true });
    close();
    return json({ accepted: 1 });
  });
  const client = omega(fetch);
  const query = client.tool('query', {}, ({ n }) => n + 1);
  const types = (await all(client.stream('x', { tools: [query] }))).map(({ type }) => type);
  assert.deepEqual(types, ['accepted', 'tool_call', 'done']);
  assert.deepEqual(results(asked[1]), [{ id: '1', output: 2 }]);
});

test('a stream whose results are not taken ends with the reason', async () => {
  const { fetch } = streaming(() => json({ error: { message: 'Too large.', code: 'too_large' } }, 413));
  const client = omega(fetch);
  const query = client.tool('query', {}, () => 'x');
  await assert.rejects(all(client.stream('x', { tools: [query] })), { name: 'TooLarge', message: 'Too large.' });
});

test('a result that comes after the end of the run is no error', async () => {
  let refused;
  const told = new Promise(resolve => {
    refused = resolve;
  });
  const { fetch } = streaming((say, close) => {
    say({ type: 'stdout', text: 'more' });
    queueMicrotask(() => {
      say({ type: 'done', success: false });
      close();
      setImmediate(refused);
    });
    return json({ error: { message: 'Over.', code: 'gone' } }, 410);
  });
  const client = omega(fetch);
  const query = client.tool('query', {}, () => 'x');
  const types = [];
  for await (const event of client.stream('x', { tools: [query] })) {
    types.push(event.type);
    if (event.type === 'tool_call') await told; // the program is slow: the refusal comes before it has read all events
  }
  assert.deepEqual(types, ['accepted', 'tool_call', 'stdout', 'done']);
});
