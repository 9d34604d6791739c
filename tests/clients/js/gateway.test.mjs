// What is sent to the gateway, and what becomes of its answers.
import assert from 'node:assert/strict';
import test from 'node:test';

import {
  ApiError, BadRequest, ConnectionFailed, Gone, NotFound, Omega, RunFailed, TooLarge, TooManyRequests, Unauthorized,
  Unavailable, bytesOf, check, configure, dataUrlOf,
} from '../../../clients/js/omega.mjs';
import { all, json, peer, sse } from './peer.mjs';

const refused = (status, code, headers) => {
  const error = { type: 'T', message: 'No.', code, traceback: null };
  return json({ success: false, error }, status, headers);
};
const ask = (fetch, more) => new Omega({ url: 'http://gateway/prefix/', token: 't', fetch, ...more });

test('a request has address, token and body', async () => {
  const { fetch, asked } = peer(json({ success: true }));
  const files = { a: 'text', b: Uint8Array.of(0, 255), c: { base64: 'AA==' } };
  await ask(fetch).run('x', { language: 'javascript', timeout: 5, files });
  const [{ url, method, headers, body }] = asked;
  assert.deepEqual([url, method], ['http://gateway/prefix/code-interpreter/javascript', 'POST']);
  assert.equal(headers.Authorization, 'Bearer t');
  assert.deepEqual(body, { code: 'x', timeout: 5, files: { a: 'text', b: { base64: 'AP8=' }, c: { base64: 'AA==' } } });
});

test('what is wrong anyway is refused before anything is sent', async () => {
  const { fetch, asked } = peer(json({}));
  const omega = ask(fetch);
  const noLanguage = { name: 'TypeError', message: "There is no language 'ruby': the languages are python, javascript." };
  await assert.rejects(omega.run('x', { language: 'ruby' }), noLanguage);
  await assert.rejects(all(omega.stream('x', { language: 'ruby' })), noLanguage);
  await assert.rejects(omega.createSession({ language: 'ruby' }), noLanguage);
  const count = omega.tool('count', {}, () => 1);
  for (const tools of ['count', ['count'], count, [() => 1], { count }]) {
    const message = /^tools must be a list of what was made with omega\.tool/;
    await assert.rejects(omega.run('x', { tools }), { name: 'TypeError', message });
    await assert.rejects(all(omega.stream('x', { tools })), { name: 'TypeError', message });
  }
  assert.deepEqual(asked, []);
});

test('names of sessions, files and variables are encoded', async () => {
  const { fetch, asked } = peer(json({ files: [], variables: [] }));
  const session = ask(fetch).session('a/b');
  await session.files({ path: 'd&', hashes: false });
  await session.readFile('d é/#?.txt');
  await session.table('my table', { rows: '0:5', sort: '-a' });
  await session.deleteFile('d', { recursive: true });
  const at = 'http://gateway/prefix/code-interpreter/sessions/a%2Fb';
  assert.deepEqual(asked.map(({ url }) => url), [
    `${at}/files?path=d%26&hashes=false`, `${at}/files/d%20%C3%A9/%23%3F.txt`,
    `${at}/variables/my%20table?rows=0%3A5&sort=-a`, `${at}/files/d?recursive=true`,
  ]);
});

for (const [status, code, Kind] of [
  [400, 'bad_request', BadRequest], [401, 'unauthorized', Unauthorized], [404, 'not_found', NotFound], [410, 'gone', Gone],
  [413, 'too_large', TooLarge], [429, 'too_many_requests', TooManyRequests], [503, 'busy', Unavailable],
  [503, 'unavailable', Unavailable], [500, 'internal', ApiError], [421, 'misdirected', ApiError],
]) {
  test(`${status} ${code} is ${Kind.name}`, async () => {
    const { fetch } = peer(refused(status, code, { 'X-Run-Id': 'r', 'Retry-After': '7' }));
    await assert.rejects(ask(fetch, { retries: 0 }).run('x'), error => {
      assert.equal(error.constructor, Kind);
      assert.deepEqual([error.name, error.status, error.code, error.message], [Kind.name, status, code, 'No.']);
      assert.deepEqual([error.type, error.hint, error.retryAfterS, error.runId], ['T', '', 7, 'r']);
      return true;
    });
  });
}

test('what is no answer of a gateway is told with its beginning', async () => {
  const { fetch } = peer(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  await assert.rejects(ask(fetch).run('x'), { name: 'ApiError', status: 502, message: 'HTTP 502: <h1>Bad gateway</h1>' });
});

test('a gateway that is not there is named, with the reason', async () => {
  const { fetch } = peer(() => {
    throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
  });
  const message = 'No answer from the gateway at http://gateway/prefix: connect ECONNREFUSED.';
  await assert.rejects(ask(fetch).run('x'), error => error instanceof ConnectionFailed && error.message === message);
});

test('what was not carried out is asked again, as often as is allowed', async () => {
  const busy = () => refused(503, 'busy', { 'Retry-After': '0' });
  const patient = peer(busy(), refused(429, 'too_many_requests', { 'Retry-After': '0' }), json({ success: true }));
  assert.deepEqual(await ask(patient.fetch).run('x'), { success: true });
  assert.equal(patient.asked.length, 3);
  const once = peer(busy());
  await assert.rejects(ask(once.fetch, { retries: 1 }).run('x'), Unavailable);
  assert.equal(once.asked.length, 2);
  const late = peer(refused(429, 'too_many_requests', { 'Retry-After': '61' }));
  await assert.rejects(ask(late.fetch).run('x'), TooManyRequests);
  assert.equal(late.asked.length, 1);
  const wrong = peer(refused(500, 'internal', { 'Retry-After': '0' }));
  await assert.rejects(ask(wrong.fetch).run('x'), ApiError);
  assert.equal(wrong.asked.length, 1);
});

test('a program that gives up does not wait on', async () => {
  const giving = new AbortController();
  const { fetch } = peer(() => {
    queueMicrotask(() => giving.abort(new Error('enough')));
    return refused(503, 'busy', { 'Retry-After': '60' });
  });
  await assert.rejects(ask(fetch).run('x', { signal: giving.signal }), { message: 'enough' });
});

test('the health of a gateway that starts no kernels is an answer', async () => {
  const { fetch } = peer(json({ status: 'unavailable', unavailableSince: 'now' }, 503));
  assert.deepEqual(await ask(fetch).health(), { status: 'unavailable', unavailableSince: 'now' });
});

test('a session ends with its block, also one that has ended already', async () => {
  const fails = peer(json({ id: 's' }), json({ success: true }));
  await assert.rejects(ask(fails.fetch).withSession(async () => {
    throw new Error('mine');
  }), { message: 'mine' });
  assert.deepEqual(fails.asked.map(({ method, url }) => `${method} ${url.split('/').at(-1)}`), ['POST sessions', 'DELETE s']);
  const gone = peer(json({ id: 's' }), refused(410, 'gone'));
  assert.equal(await ask(gone.fetch).withSession({ name: 'n' }, async session => session.info.id), 's');
  assert.deepEqual(gone.asked[0].body, { name: 'n' });
});

test('a stream yields events, and tells what was refused and what broke off', async () => {
  const told = [{ type: 'accepted', runId: 'r' }, { type: 'error', error: { type: 'E', message: 'mine' } }, { type: 'done' }];
  assert.deepEqual(await all(ask(peer(sse(...told)).fetch).stream('x')), told);
  const busy = peer(sse({ type: 'accepted', runId: 'r' }, { type: 'error', error: { message: 'Full.', code: 'busy' } }));
  await assert.rejects(all(ask(busy.fetch).stream('x')), error => error instanceof Unavailable && error.status === 503);
  const cut = peer(sse({ type: 'accepted', runId: 'r' }));
  await assert.rejects(all(ask(cut.fetch).stream('x')), ConnectionFailed);
  assert.equal(cut.asked[0].headers.Accept, 'text/event-stream');
});

test('a failure of the code is an error only when it is asked for', () => {
  const result = { success: false, error: { type: 'ModuleNotFoundError', message: 'no x', hint: 'Use y.' } };
  assert.throws(() => check(result), error => {
    assert.ok(error instanceof RunFailed && error.result === result);
    return error.message === 'ModuleNotFoundError: no x Use y.';
  });
  assert.equal(check({ success: true, output: 'o' }).output, 'o');
});

test('pictures become bytes and addresses', () => {
  assert.deepEqual(bytesOf({ base64: 'AP8=' }), Uint8Array.of(0, 255));
  assert.equal(dataUrlOf({ base64: 'AP8=', mimeType: 'image/png' }), 'data:image/png;base64,AP8=');
});

test('what is given goes before the configuration, and that before the environment', async () => {
  const { fetch, asked } = peer(json({ history: [] }));
  const said = async access => {
    await new Omega({ fetch, ...access }).history(3);
    return [asked.at(-1).url, asked.at(-1).headers.Authorization];
  };
  Object.assign(process.env, { OMEGA_URL: 'http://env/code-interpreter/', OMEGA_TOKEN: 'e' });
  assert.deepEqual(await said(), ['http://env/code-interpreter/history?limit=3', 'Bearer e']);
  configure({ url: 'http://set', token: 's' });
  assert.deepEqual(await said(), ['http://set/code-interpreter/history?limit=3', 'Bearer s']);
  const given = { url: 'http://given', token: 'g' };
  assert.deepEqual(await said(given), ['http://given/code-interpreter/history?limit=3', 'Bearer g']);
  configure({ fetch: peer(json({ history: [{ code: 'set' }] })).fetch });
  assert.deepEqual(await new Omega().history(), [{ code: 'set' }]);
  assert.throws(() => configure({ adress: 'x' }), { message: /^There is no setting 'adress': the settings are url, / });
});
