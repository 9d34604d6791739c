// Tools for models: definitions in every form, what handlers may answer, and the turns that the scripted model does not take.
import assert from 'node:assert/strict';
import test from 'node:test';

import {
  ConnectionFailed, ModelError, Omega, ToolRegistry, TooManyRounds, Unavailable, configure, convertDefinition, llm, omega,
} from '../../../clients/js/omega.mjs';
import { json, peer, sse } from './peer.mjs';

const SCHEMA = { type: 'object', properties: { n: { type: 'number' } } };
const FORMS = {
  openai: { type: 'function', function: { name: 'add', description: 'Adds.', parameters: SCHEMA } },
  'openai-responses': { type: 'function', name: 'add', description: 'Adds.', parameters: SCHEMA, strict: false },
  anthropic: { name: 'add', description: 'Adds.', input_schema: SCHEMA },
  gemini: { name: 'add', description: 'Adds.', parametersJsonSchema: SCHEMA },
};
const MCP = { name: 'add', title: 'Add', description: 'Adds.', inputSchema: SCHEMA };
const HOSTED = [{ type: 'web_search_20260209', name: 'web_search' }, { type: 'web_search' }, { googleSearch: {} }];

for (const form of Object.keys(FORMS)) {
  test(`every definition becomes one of ${form}`, () => {
    for (const given of [...Object.values(FORMS), MCP]) assert.deepEqual(convertDefinition(given, form), FORMS[form]);
    for (const hosted of HOSTED) assert.equal(convertDefinition(hosted, form), hosted);
    const own = { ...FORMS[form], cache_control: { type: 'ephemeral' } };
    assert.equal(convertDefinition(own, form), own);
  });
}

const chat = (message, finish_reason = 'stop') => json({ choices: [{ message: { role: 'assistant', ...message }, finish_reason }] });
const calls = (...named) => chat({
  content: null,
  tool_calls: named.map((name, at) => ({ id: `c${at}`, type: 'function', function: { name, arguments: '{"n":1}' } })),
}, 'tool_calls');
const ANSWER = chat({ content: 'done' });

/** Asks with scripted answers of the model, and tells what it was sent. */
async function ask(answers, { handlers, ...fields } = {}) {
  const { fetch, asked } = peer(...answers);
  configure({ fetch, retries: 0 });
  const given = { provider: 'openai', apiKey: 'k', messages: 'go', tools: [FORMS.openai], ...fields };
  return { answer: await llm.callWithTools(given, handlers ?? { add: () => 'sum' }), asked };
}

for (const [what, handler, content] of [
  ['text', () => 'plain', 'plain'],
  ['JSON', ({ n }) => ({ n: n + 1 }), '{"n":2}'],
  ['nothing', () => undefined, 'null'],
  ['empty text', () => '', '(no output)'],
  ['content that is no list of blocks', () => ({ content: [1] }), '{"content":[1]}'],
  ['content of MCP', async () => ({ content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }], isError: false }), 'a\nb'],
  ['content that is empty', () => ({ content: [] }), '(no output)'],
  ['an error', () => {
    throw new RangeError('too far');
  }, 'RangeError: too far'],
  ['what is no JSON', () => 1n, /^TypeError: .*BigInt/],
  ['a gateway that is full', () => {
    throw new Unavailable('Full.');
  }, 'Unavailable: Full.'],
]) {
  test(`a handler may answer with ${what}`, async () => {
    const { asked } = await ask([calls('add'), ANSWER], { handlers: { add: handler } });
    const { content: told, ...rest } = asked[1].body.messages.at(-1);
    assert.deepEqual(rest, { role: 'tool', tool_call_id: 'c0' });
    if (content instanceof RegExp) assert.match(told, content);
    else assert.equal(told, content);
  });
}

test('a gateway that is not there is for the program, not for the model', async () => {
  const add = () => {
    throw new ConnectionFailed('No answer.');
  };
  await assert.rejects(ask([calls('add'), ANSWER], { handlers: { add } }), ConnectionFailed);
});

test('a program that gives up is not told as an error to the model', async () => {
  const giving = new AbortController();
  const add = () => {
    giving.abort();
    throw new Error('mine');
  };
  await assert.rejects(ask([calls('add'), ANSWER], { handlers: { add }, signal: giving.signal }), { message: 'mine' });
});

test('names of objects are no handlers', async () => {
  const { asked } = await ask([calls('constructor', 'add'), ANSWER]);
  assert.equal(asked[1].body.messages.at(-2).content, "There is no tool 'constructor': the tools are add.");
});

test('a tool without a handler is refused before the model is asked', async () => {
  for (const tools of [[MCP], [{ name: 'toString', input_schema: SCHEMA }]]) {
    const message = /^There is no handler for the tool '/;
    await assert.rejects(ask([ANSWER], { tools, handlers: {} }), { name: 'TypeError', message });
  }
});

test('tools of the program are definition and handler in one', async () => {
  const add = omega.tool('add', { description: 'Adds.', parameters: SCHEMA }, ({ n }) => n + 1);
  const { asked } = await ask([calls('add'), ANSWER], { tools: [add], handlers: {} });
  assert.deepEqual(asked[0].body.tools, [FORMS.openai]);
  assert.equal(asked[1].body.messages.at(-1).content, '2');
});

test('tools of the gateway come with their handlers, whatever form they were asked in', async () => {
  const content = [{ type: 'text', text: 't' }, { type: 'image', data: 'AA==', mimeType: 'image/png' }];
  const gateway = peer(({ url }) => {
    const { pathname, searchParams } = new URL(url);
    if (!pathname.endsWith('/tools')) return json({ success: true, text: 't', content, isError: false });
    return json([searchParams.get('format') === 'mcp' ? MCP : FORMS.openai]);
  });
  const registry = new ToolRegistry({ url: 'http://gateway', token: 't', fetch: gateway.fetch });
  const of = format => registry.getToolDefinitions(['add'], format);
  const ways = [of('mcp'), await of('mcp'), ['add'], [of()], of().then(definitions => definitions)];
  for (const tools of ways) {
    const { answer: said, asked } = await ask([calls('add'), ANSWER], { tools, registry, handlers: {} });
    assert.deepEqual(asked[0].body.tools, [FORMS.openai]);
    assert.equal(asked[1].body.messages.at(-1).content, 't');
    assert.deepEqual(said.images, [{ base64: 'AA==', mimeType: 'image/png' }]);
    assert.deepEqual(gateway.asked.at(-1), {
      url: 'http://gateway/code-interpreter/tools/add', method: 'POST', redirect: 'error', body: { n: 1 },
      headers: { Accept: '*/*', Authorization: 'Bearer t', 'Content-Type': 'application/json' },
    });
  }
  const asked = gateway.asked.filter(({ url }) => url === 'http://gateway/code-interpreter/tools?format=openai&names=add');
  assert.equal(asked.length, 4);
});

test('copies of the definitions of the gateway need no handlers', async () => {
  const copy = { name: 'code_add', description: 'Adds.', inputSchema: SCHEMA };
  const gateway = peer(({ url }) => json(url.includes('/tools?') ? [{ ...MCP, name: 'code_add' }] : { content: [], isError: false }));
  const registry = new ToolRegistry({ url: 'http://gateway', fetch: gateway.fetch });
  const { answer } = await ask([calls('code_add'), ANSWER], { tools: [copy], registry, handlers: {} });
  assert.equal(answer.calls[0].result.text, '(no output)');
  const wrong = ask([ANSWER], { tools: [copy, { ...copy, name: 'code_other' }], registry, handlers: {} });
  await assert.rejects(wrong, { name: 'TypeError', message: "There is no handler for the tool 'code_other'." });
});

test('definitions are asked for when they are needed, and not before', async () => {
  const { fetch, asked } = peer(json([]));
  const definitions = new Omega({ fetch }).tools.getToolDefinitions();
  assert.equal(asked.length, 0);
  assert.deepEqual(await definitions, []);
  assert.equal(await definitions.finally(() => {}).then(() => asked.length), 2);
  const broken = new Omega({ fetch: peer(json({ error: { message: 'No.' } }, 401)).fetch }).tools.getToolDefinitions(['x']);
  assert.equal(await broken.catch(error => error.name), 'Unauthorized');
});

test('after the last round the model may not call, and one that does is told of', async () => {
  const { answer, asked } = await ask([calls('add'), calls('add'), ANSWER], { maxRounds: 2 });
  assert.deepEqual([answer.text, answer.stopReason, answer.rounds, answer.calls.length], ['done', 'max_rounds', 3, 2]);
  assert.deepEqual(asked.map(({ body }) => body.tool_choice), [undefined, undefined, 'none']);
  await assert.rejects(ask([calls('add')], { maxRounds: 1 }), error => {
    assert.ok(error instanceof TooManyRounds);
    assert.deepEqual([error.rounds, error.messages.at(-1)], [1, { role: 'tool', tool_call_id: 'c0', content: 'sum' }]);
    return true;
  });
});

test('the program can follow what is called', async () => {
  const seen = [];
  const follow = { onCall: call => seen.push(call.arguments.n), onResult: ({ name, result }) => seen.push(name, result.text) };
  const { answer } = await ask([calls('add'), ANSWER], follow);
  assert.deepEqual(seen, [1, 'add', 'sum']);
  assert.equal(`${answer}`, 'done');
  const result = { text: 'sum', images: [], isError: false };
  assert.deepEqual(answer.calls, [{ id: 'c0', name: 'add', arguments: { n: 1 }, result }]);
});

test('calls of servers that give all of them the same index are told apart', async () => {
  const chunk = (delta, finish_reason) => ({ choices: [{ delta, finish_reason }] });
  const piece = (id, text) => chunk({ tool_calls: [{ index: 0, id, function: { name: id && 'add', arguments: text } }] });
  const end = sse(chunk({ content: 'done' }, 'stop'));
  const streamed = sse(piece('a', '{"n"'), piece(undefined, ':1}'), piece('b', '{"n":2}'), chunk({}, 'tool_calls'));
  const { answer } = await ask([streamed, end], { stream: true });
  assert.deepEqual(answer.calls.map(call => [call.id, call.arguments]), [['a', { n: 1 }], ['b', { n: 2 }]]);
});

test('no arguments are an empty object', async () => {
  const bare = chat({ tool_calls: [{ id: 'c', type: 'function', function: { name: 'add', arguments: '' } }] });
  assert.deepEqual((await ask([bare, ANSWER])).answer.calls[0].arguments, {});
});

test('broken arguments are quoted to the model, and sent back as none', async () => {
  for (const broken of ['{"n', '[1]', 'null', '1']) {
    const wrong = chat({ tool_calls: [{ id: 'c', type: 'function', function: { name: 'add', arguments: broken } }] });
    const { asked } = await ask([wrong, ANSWER]);
    const [said, told] = asked[1].body.messages.slice(-2);
    assert.equal(said.tool_calls[0].function.arguments, '{}');
    assert.equal(told.content, `The arguments of add are no JSON object: ${broken}. Send the call again.`);
  }
});

test('Anthropic goes on after a pause, and takes system messages apart', async () => {
  const block = text => [{ type: 'text', text }];
  const pause = json({ content: block('Searching'), stop_reason: 'pause_turn' });
  const end = json({ content: block('found'), stop_reason: 'end_turn' });
  const messages = [{ role: 'system', content: 'Be short.' }, { role: 'user', content: 'go' }];
  const fields = { provider: 'anthropic', messages, system: 'You.', max_tokens: 5, tools: [HOSTED[0]] };
  const { answer, asked } = await ask([pause, end], fields);
  assert.equal(answer.text, 'found');
  assert.deepEqual(asked[1].body, {
    model: 'claude-sonnet-5-5', max_tokens: 5, system: [{ type: 'text', text: 'You.' }, { type: 'text', text: 'Be short.' }],
    tools: [HOSTED[0]], messages: [{ role: 'user', content: 'go' }, { role: 'assistant', content: block('Searching') }],
  });
});

test('Gemini is asked again after a malformed call, with its settings where they belong', async () => {
  const malformed = json({ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] });
  const end = json({ candidates: [{ content: { role: 'model', parts: [{ text: 'done' }] }, finishReason: 'STOP' }] });
  const messages = [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: [{ type: 'text', text: 'go' }] },
    { role: 'assistant', content: 'hm' },
    { role: 'user', parts: [{ text: 'on' }] },
  ];
  const config = { temperature: 0, safetySettings: [1] };
  const tools = [HOSTED[2], { functionDeclarations: [FORMS.gemini] }];
  const { answer, asked } = await ask([malformed, end], { provider: 'gemini', messages, config, tools, maxRounds: 1 });
  assert.deepEqual([answer.text, answer.stopReason], ['done', 'max_rounds']);
  assert.equal(asked[0].url, 'https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:generateContent');
  assert.deepEqual(asked[1].body, {
    contents: [
      { role: 'user', parts: [{ text: 'go' }] }, { role: 'model', parts: [{ text: 'hm' }] }, messages[3],
      { role: 'user', parts: [{ text: 'The function call was malformed: send it again.' }] },
    ],
    systemInstruction: { parts: [{ text: 'Be short.' }] }, safetySettings: [1], generationConfig: { temperature: 0 },
    tools: [{ functionDeclarations: [FORMS.gemini] }, HOSTED[2]], toolConfig: { functionCallingConfig: { mode: 'NONE' } },
  });
});

test('Anthropic gets no pictures in errors and no empty text, which it refuses', async () => {
  const content = [{ type: 'text', text: 'drawn' }, { type: 'image', data: 'AA==', mimeType: 'image/png' }];
  const use = { type: 'tool_use', id: 'u', name: 'add', input: {} };
  const asks = json({ content: [{ type: 'text', text: '' }, use], stop_reason: 'tool_use' });
  const end = json({ content: [{ type: 'text', text: 'done' }], stop_reason: 'end_turn' });
  const handlers = { add: () => ({ content, isError: true }) };
  const { answer, asked } = await ask([asks, end], { provider: 'anthropic', handlers });
  assert.deepEqual(asked[1].body.messages.slice(1), [
    { role: 'assistant', content: [use] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'u', content: content.slice(0, 1), is_error: true }] },
  ]);
  assert.equal(answer.images.length, 1);
});

test('Anthropic gets its thoughts back as they came', async () => {
  const delta = (index, one) => ({ type: 'content_block_delta', index, delta: one });
  const start = (index, block) => ({ type: 'content_block_start', index, content_block: block });
  const citation = { type: 'char_location', cited_text: 'x' };
  const streamed = sse(
    { type: 'message_start', message: { role: 'assistant', usage: { input_tokens: 3 } } },
    start(0, { type: 'thinking', thinking: '', signature: '' }),
    delta(0, { type: 'thinking_delta', thinking: 'H' }), delta(0, { type: 'thinking_delta', thinking: 'm.' }),
    delta(0, { type: 'signature_delta', signature: 's' }), { type: 'content_block_stop', index: 0 },
    start(1, { type: 'text', text: '' }), delta(1, { type: 'text_delta', text: 'done' }), delta(1, { type: 'citations_delta', citation }),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }, { type: 'message_stop' },
  );
  const { answer } = await ask([streamed], { provider: 'anthropic', stream: true });
  const thinking = { type: 'thinking', thinking: 'Hm.', signature: 's' };
  const content = [thinking, { type: 'text', text: 'done', citations: [citation] }];
  assert.deepEqual(answer.messages.at(-1), { role: 'assistant', content });
  assert.deepEqual(answer.usage, { input_tokens: 3, output_tokens: 5 });
});

test('Responses of servers whose last event is empty are put together from its items', async () => {
  const item = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'done' }] };
  const completed = { type: 'response.completed', response: { status: 'completed', output: [] } };
  const streamed = sse({ type: 'response.output_item.done', output_index: 0, item }, completed);
  const { answer } = await ask([streamed], { provider: 'openai-responses', stream: true });
  assert.deepEqual([answer.text, answer.messages.at(-1)], ['done', item]);
});

test('Gemini may leave ids out, and gets its thoughts and signatures back as they came', async () => {
  const chunk = (parts, finishReason) => ({ candidates: [{ content: { parts, role: 'model' }, finishReason }] });
  const signed = { text: '', thoughtSignature: 's' };
  const called = { functionCall: { name: 'add', args: { n: 1 } } };
  const first = sse(
    chunk([{ text: 'Hm', thought: true }]), chunk([{ text: '...', thought: true }]), chunk([{ text: 'Let ' }]),
    chunk([{ text: 'me.' }, { text: '' }]), chunk([signed, called]), chunk([], 'STOP'),
  );
  const heard = [];
  const { asked } = await ask([first, sse(chunk([{ text: 'done' }], 'STOP'))], {
    provider: 'gemini', onText: piece => heard.push(piece),
  });
  assert.deepEqual(asked[1].body.contents.slice(1), [
    { role: 'model', parts: [{ text: 'Hm...', thought: true }, { text: 'Let me.' }, signed, called] },
    { role: 'user', parts: [{ functionResponse: { name: 'add', response: { output: 'sum' } } }] },
  ]);
  assert.deepEqual(heard, ['Let ', 'me.', 'done']);
});

const THOUGHT_AND_TEXT = [{ text: 'hm', thought: true }, { text: 'cut' }];
for (const [provider, body, stopReason, text] of [
  ['openai', { choices: [{ message: { content: 'cut' }, finish_reason: 'length' }] }, 'length', 'cut'],
  ['openai', { choices: [{ message: { content: null, refusal: 'No.' }, finish_reason: 'stop' }] }, 'refused', 'No.'],
  ['openai-responses', { output: [], status: 'incomplete' }, 'length', ''],
  ['openai-responses', { output: [{ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }] }, 'refused', 'No.'],
  ['anthropic', { content: [{ type: 'text', text: 'cut' }], stop_reason: 'max_tokens' }, 'length', 'cut'],
  ['anthropic', { content: [], stop_reason: 'refusal' }, 'refused', ''],
  ['gemini', { promptFeedback: { blockReason: 'SAFETY' } }, 'refused', ''],
  ['gemini', { candidates: [{ content: { parts: THOUGHT_AND_TEXT }, finishReason: 'MAX_TOKENS' }] }, 'length', 'cut'],
]) {
  test(`${provider} says why it stops: ${JSON.stringify(body).slice(0, 60)}`, async () => {
    const { answer } = await ask([json(body)], { provider });
    assert.deepEqual([answer.stopReason, answer.text], [stopReason, text]);
  });
}

for (const [what, answer, fields, status, says] of [
  ['refuses', json({ error: { message: 'No key.', type: 'auth' } }, 401), {}, 401, 'HTTP 401: No key.'],
  ['is no API', new Response('<html>', { status: 502 }), {}, 502, '<html>'],
  ['fails', json({ status: 'failed', error: { message: 'Broke.' } }), { provider: 'openai-responses' }, 0, 'Broke.'],
  ['is not there', () => {
    throw new TypeError('fetch failed', { cause: new Error('ECONNRESET') });
  }, {}, 0, 'https://api.openai.com/v1: ECONNRESET'],
  ...Object.keys(FORMS).map(provider => ['breaks off', sse({}), { provider, stream: true }, 0, 'The stream ended before the']),
]) {
  test(`an API that ${what} is a ModelError (${fields.provider ?? 'openai'})`, async () => {
    await assert.rejects(ask([answer], fields), error => {
      assert.ok(error instanceof ModelError, error);
      assert.equal(error.status, status);
      assert.equal(error.code, status === 401 ? 'auth' : '');
      return error.message.includes(says);
    });
  });
}

for (const [provider, end, prefixes] of [
  ['openai', '/chat/completions', { '': '/v1', '/v1': '/v1', '/v1/': '/v1', '/openai/v2': '/openai/v2' }],
  ['openai-responses', '/responses', { '': '/v1', '/v1': '/v1', '/openai/v2': '/openai/v2' }],
  ['anthropic', '/messages', { '': '/v1', '/': '/v1', '/v1': '/v1', '/v1/': '/v1', '/proxy': '/proxy/v1' }],
  ['gemini', '/models/m:generateContent', { '': '/v1beta', '/v1beta': '/v1beta', '/v1': '/v1', '/p': '/p/v1beta' }],
]) {
  test(`a base URL may have the version or not, and needs no key (${provider})`, async () => {
    for (const [path, prefix] of Object.entries(prefixes)) {
      const { fetch, asked } = peer(json({ error: { message: 'No.' } }, 400));
      configure({ fetch, retries: 0 });
      const given = { provider, baseUrl: `http://own:1${path}`, model: 'm', messages: 'go' };
      await assert.rejects(llm.callWithTools(given), ModelError);
      assert.equal(asked[0].url, `http://own:1${prefix}${end}`);
      for (const name of Object.keys(asked[0].headers)) assert.doesNotMatch(name, /authorization|key/i);
    }
  });
}

test('the provider is named, configured, or known by its key', async () => {
  const bare = { apiKey: 'k', messages: 'go' };
  configure({ fetch: peer(ANSWER).fetch });
  for (const key of ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY']) delete process.env[key];
  await assert.rejects(llm.callWithTools(bare), { message: /^Name a provider \(openai, openai-responses, anthropic, gemini\)/ });
  await assert.rejects(llm.callWithTools({ ...bare, provider: 'constructor' }), { message: /^There is no provider 'constructor'/ });
  const keyless = { message: 'gemini needs an apiKey (or GEMINI_API_KEY), or a client of its SDK.' };
  await assert.rejects(llm.callWithTools({ provider: 'gemini', messages: 'go' }), keyless);
  Object.assign(process.env, { ANTHROPIC_API_KEY: 'e', ANTHROPIC_BASE_URL: 'http://env/' });
  const model = peer(json({ content: [{ type: 'text', text: 'hi' }], stop_reason: 'end_turn' }));
  configure({ fetch: model.fetch });
  assert.equal((await llm.callWithTools({ messages: 'go', headers: { 'x-more': '1' } })).text, 'hi');
  assert.equal(model.asked[0].url, 'http://env/v1/messages');
  const { 'x-api-key': key, 'x-more': more } = model.asked[0].headers;
  assert.deepEqual([key, more], ['e', '1']);
  configure({ provider: 'anthropic', anthropic: { baseUrl: 'http://set', apiKey: 's', model: 'm' } });
  await llm.callWithTools({ messages: 'go', apiKey: 'g' });
  const { url, headers, body } = model.asked[1];
  assert.deepEqual([url, headers['x-api-key'], body.model], ['http://set/v1/messages', 'g', 'm']);
});
