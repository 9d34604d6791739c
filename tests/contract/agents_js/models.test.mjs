// The loop on a real gateway, with a scripted model: by fetch and by the vendors' own SDKs, streamed and not.
import assert from 'node:assert/strict';
import test from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { ModelError, TooManyRounds, llm, omega, toolRegistry } from 'omega-client';
import OpenAI from 'openai';

import { call, requestsTo, scripted } from './scripted.mjs';

const openai = baseURL => new OpenAI({ apiKey: 'k', baseURL: `${baseURL}/v1`, maxRetries: 0 });
const CLIENTS = {
  openai,
  'openai-responses': openai,
  anthropic: baseURL => new Anthropic({ apiKey: 'k', baseURL, maxRetries: 0 }),
  gemini: baseUrl => new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl } }),
};
const byFetch = (provider, base) => ({ apiKey: 'k', baseUrl: provider.startsWith('openai') ? `${base}/v1` : base });
const NAMES = ['code_execute_python', 'code_generate_chart'];
const TURN = {
  text: 'Wait.', thinks: true,
  calls: [
    call('code_execute_python', { code: 'print("é" * 3)' }),
    call('code_generate_chart', { code: 'plt.plot([1, 4, 9])' }),
    call('code_execute_python', { code: '1 / 0' }),
    call('code_run', {}),
  ],
};

for (const provider of Object.keys(CLIENTS)) {
  for (const way of ['fetch', 'SDK']) {
    for (const isStreamed of [false, true]) {
      test(`${provider} by ${way}${isStreamed ? ', streamed' : ''}`, async () => {
        const base = await scripted(TURN, { echoes: true });
        let streamed = '';
        const onText = piece => {
          streamed += piece;
        };
        const access = way === 'SDK' ? { client: CLIENTS[provider](base) } : byFetch(provider, base);
        const tools = toolRegistry.getToolDefinitions(NAMES);
        const answer = await llm.callWithTools({ provider, ...access, messages: 'Go.', tools, ...(isStreamed && { onText }) });
        await requestsTo(base);
        assert.equal(streamed, isStreamed ? `Wait.${answer.text}` : '');
        assert.deepEqual([answer.stopReason, answer.rounds, answer.calls.length, answer.images.length], ['end', 2, 4, 1]);
        const [printed, drawn, failed, unknown] = JSON.parse(answer.text);
        assert.equal(printed.text, 'ééé');
        assert.deepEqual(drawn.images, provider === 'openai' ? [] : ['image/png']);
        assert.match(failed.text, /ZeroDivisionError: division by zero$/);
        assert.equal(unknown.text, "There is no tool 'code_run': the tools are code_execute_python, code_generate_chart.");
        const told = { openai: null, 'openai-responses': null, anthropic: true, gemini: true }[provider];
        assert.deepEqual([failed.is_error, unknown.is_error], [told, told]);
        await goesOn(provider, base, answer.messages);
      });
    }
  }
}

/** The conversation is one that the API takes again. */
async function goesOn(provider, base, messages) {
  const more = [...messages, { role: 'user', content: 'On.' }];
  await llm.callWithTools({ provider, ...byFetch(provider, base), messages: more, tools: NAMES });
  const asked = await requestsTo(base);
  assert.equal(asked.length, 3);
}

for (const provider of ['openai', 'openai-responses', 'anthropic']) {
  test(`broken arguments in a stream of ${provider} are the model's to mend`, async () => {
    const broken = { calls: [call('code_execute_python', '{"code": "print(1'), call('code_execute_python', { code: 'print(2)' })] };
    for (const stream of provider === 'anthropic' ? [true] : [false, true]) {
      const base = await scripted(broken, { echoes: true });
      const answer = await llm.callWithTools({ provider, ...byFetch(provider, base), messages: 'Go.', tools: NAMES, stream });
      await requestsTo(base);
      const [wrong, right] = JSON.parse(answer.text);
      assert.match(wrong.text, /^The arguments of code_execute_python are no JSON object: \{"code": "print\(1\. /);
      assert.equal(right.text, '2');
    }
  });
}

for (const provider of Object.keys(CLIENTS)) {
  test(`${provider} answers after its last round`, async () => {
    const base = await scripted({ calls: [call('code_execute_python', { code: '1' })] });
    const asked = { provider, ...byFetch(provider, base), messages: 'Go.', tools: NAMES, maxRounds: 1 };
    const answer = await llm.callWithTools(asked);
    assert.deepEqual([answer.text, answer.stopReason], ['I may not call tools any more.', 'max_rounds']);
    const stubborn = await scripted({ calls: [call('code_execute_python', { code: '1' })], is_stubborn: true });
    await assert.rejects(llm.callWithTools({ ...asked, ...byFetch(provider, stubborn) }), error => {
      assert.ok(error instanceof TooManyRounds);
      return error.rounds === 1;
    });
    await requestsTo(stubborn);
  });

  test(`${provider} tells what its API says`, async () => {
    const limited = await scripted({ status: 429, message: 'Slow down.', headers: { 'retry-after': '0' } }, { text: 'Hi.' });
    assert.equal((await llm.callWithTools({ provider, ...byFetch(provider, limited), messages: 'Go.' })).text, 'Hi.');
    for (const [turn, status, says] of [
      [{ status: 400, message: 'Not that.' }, 400, 'Not that.'],
      [{ text: 'Some words.', fails: true, message: 'Overloaded.' }, 0, 'Overloaded.'],
      [{ text: 'Some words.', breaks: true }, 0, ''],
    ]) {
      const base = await scripted(turn);
      await assert.rejects(llm.callWithTools({ provider, ...byFetch(provider, base), messages: 'Go.', stream: true }), error => {
        assert.ok(error instanceof ModelError, error);
        assert.equal(error.status, status);
        return error.message.includes(says);
      });
    }
  });
}

test('tools of the program stand beside those of the gateway', async () => {
  const base = await scripted({ calls: [call('add', { a: 1, b: 2 }), call('code_execute_python', { code: '3' })] }, { echoes: true });
  const parameters = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } };
  const add = omega.tool('add', { description: 'Adds.', parameters }, ({ a, b }) => ({ sum: a + b }));
  const tools = [add, 'code_execute_python'];
  const answer = await llm.callWithTools({ provider: 'anthropic', ...byFetch('anthropic', base), messages: 'Go.', tools });
  assert.deepEqual(JSON.parse(answer.text).map(({ text }) => text), ['{"sum":3}', '3']);
});
