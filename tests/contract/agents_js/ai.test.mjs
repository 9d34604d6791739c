// The AI SDK: its loop with the gateway's tools, by this client and by its own client of MCP.
import assert from 'node:assert/strict';
import test from 'node:test';

import { createMCPClient } from '@ai-sdk/mcp';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, isStepCount, jsonSchema, streamText } from 'ai';
import { toolRegistry } from 'omega-client';

import { call, requestsTo, scripted } from './scripted.mjs';

const TURNS = [
  { calls: [call('code_execute_python', { code: 'print(6 * 7)' }), call('code_generate_chart', { code: 'plt.plot([1, 4, 9])' })] },
  { calls: [call('code_execute_python', { code: '1 / 0' })] },
  { text: 'Done.' },
];

/** What generateText is asked with, and the address of its model. */
async function asked(tools) {
  const base = await scripted(...TURNS);
  const provider = createOpenAICompatible({ name: 'scripted', baseURL: `${base}/v1`, apiKey: 'k' });
  return [{ model: provider('m'), tools, prompt: 'Go.', stopWhen: isStepCount(5) }, base];
}

/** The texts that the model has read. */
async function readBy(base) {
  const { messages } = (await requestsTo(base)).at(-1);
  return messages.filter(({ role }) => role === 'tool').map(({ content }) => content);
}

test('generateText and streamText carry the tools of the registry out', async () => {
  const tools = await toolRegistry.getAiTools(jsonSchema, ['code_execute_python', 'code_generate_chart']);
  const [given, base] = await asked(tools);
  const { text, steps } = await generateText(given);
  assert.deepEqual([text, steps.length], ['Done.', 3]);
  const [printed, drawn, failed] = await readBy(base);
  assert.equal(JSON.parse(printed)[0].text, '42');
  assert.equal(JSON.parse(drawn)[1].mediaType, 'image/png');
  assert.match(failed, /ZeroDivisionError: division by zero$/);
  const [streamed] = await asked(tools);
  assert.equal(await streamText(streamed).text, 'Done.');
});

test('its client of MCP finds the same tools', async () => {
  const headers = { Authorization: `Bearer ${process.env.OMEGA_TOKEN}` };
  const client = await createMCPClient({ transport: { type: 'http', url: `${process.env.OMEGA_URL}/mcp`, headers } });
  try {
    const [given, base] = await asked(await client.tools());
    const { text } = await generateText(given);
    assert.equal(text, 'Done.');
    const [printed, drawn, failed] = await readBy(base);
    assert.deepEqual(JSON.parse(printed), [{ type: 'text', text: '42' }]);
    assert.equal(JSON.parse(drawn)[1].mediaType, 'image/png');
    assert.match(JSON.parse(failed)[0].text, /ZeroDivisionError: division by zero$/);
  } finally {
    await client.close();
  }
});
