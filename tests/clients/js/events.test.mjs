// Server-sent events, however they are cut into pieces.
import assert from 'node:assert/strict';
import test from 'node:test';

import { readEvents } from '../../../clients/js/omega.mjs';
import { all, inPieces } from './peer.mjs';

const WHOLE = [
  ': a comment\n\n',
  'id: 1\nevent: stdout\ndata: {"text":"é"}\n\n',
  'data:no space\r\ndata\r\ndata:  two spaces\r\n\r\n',
  'retry: 5\rdata: carriage returns\r\r',
  'event: no data\n\n',
  'data: with the type of none before\n\n',
].join('');
const EVENTS = [
  { id: '1', event: 'stdout', data: '{"text":"é"}' },
  { data: 'no space\n\n two spaces' },
  { data: 'carriage returns' },
  { data: 'with the type of none before' },
];

test('every cut gives the same events', async () => {
  const bytes = new TextEncoder().encode(WHOLE);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(await all(readEvents(inPieces(bytes.slice(0, at), bytes.slice(at)))), EVENTS, `cut at ${at}`);
  }
  assert.deepEqual(await all(readEvents(inPieces(...[...bytes].map(byte => Uint8Array.of(byte))))), EVENTS);
});

test('an event that is not finished is none', async () => {
  assert.deepEqual(await all(readEvents(inPieces('data: 1\n\ndata: 2\n'))), [{ data: '1' }]);
});

test('leaving the loop closes the body', async () => {
  let isClosed = false;
  const body = new ReadableStream({
    start: controller => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
    cancel: () => {
      isClosed = true;
    },
  });
  for await (const event of readEvents(body)) {
    assert.equal(event.data, '1');
    break;
  }
  assert.ok(isClosed);
});
