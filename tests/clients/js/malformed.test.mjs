// Answers that are none, of a gateway and of a model's API: the module's own errors say what was wrong with them.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ConnectionFailed, ModelError, Omega, ToolRegistry, configure, llm } from '../../../clients/js/omega.mjs';
import { all, inPieces } from './peer.mjs';

const DEEP = '['.repeat(20_000);
const NOT_ANSWERS = ['null', '1', '"x"', '[1]', DEEP, '{', '{"status":"tool_call_required","run":"r","toolCalls":[null]}'];
const answering = body => async () => new Response(body);
const omega = body => new Omega({ url: 'http://gateway', fetch: answering(body) });

for (const body of NOT_ANSWERS) {
  test(`a gateway may answer ${body.slice(0, 40)}`, async () => {
    await assert.rejects(omega(body).run('x'), ConnectionFailed);
    await assert.rejects(omega(body).sessions(), ConnectionFailed);
    await assert.rejects(omega(body).session('s').variables(), ConnectionFailed);
    await assert.rejects(new ToolRegistry({ url: 'http://gateway', fetch: answering(body) }).fetchDefinitions(), ConnectionFailed);
    await assert.rejects(all(omega(inPieces(`data: ${body}\n\n`)).stream('x')), ConnectionFailed);
  });
}

const NOT_SAID = [
  'null', '1', '[1]', DEEP, '{', '{"choices":5}', '{"choices":[null]}', '{"content":5}', '{"output":[null]}', '{"candidates":5}',
];

for (const provider of ['openai', 'openai-responses', 'anthropic', 'gemini']) {
  for (const stream of [false, true]) {
    test(`${provider}, ${stream ? 'streamed' : 'at once'}, may say anything`, async () => {
      for (const body of NOT_SAID) {
        configure({ fetch: answering(stream ? inPieces(`data: ${body}\n\n`) : body) });
        const asked = { provider, apiKey: 'k', model: 'm', messages: 'Go.', stream };
        const found = await llm.callWithTools(asked).catch(error => error);
        if (found instanceof Error) assert.ok(found instanceof ModelError, `${body.slice(0, 40)}: ${found.stack}`);
        else assert.equal(found.text, '');
      }
    });
  }
}
