// The seed guide's own programs for models, word for word: of ours is where their two modules come from.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import { llm, toolRegistry } from 'omega-client';

import { call, requestsTo, scripted } from './scripted.mjs';

const MODULES = { './src/services/tool-registry': toolRegistry, './src/services/llm-enhanced': llm };
const SALES = [{ month: 'Jan', sales: 1200 }, { month: 'Feb', sales: 1500 }, { month: 'Mar', sales: 1300 }];
const DRAW = 'plt.bar(["Jan", "Feb", "Mar"], [1200, 1500, 1300])\nplt.title("Sales")';

/** Runs one with an Anthropic model that takes *turns*, known by its key and address alone. */
async function follow(name, turns, names = {}) {
  const base = await scripted(...turns);
  Object.assign(process.env, { ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: base });
  const source = fs.readFileSync(new URL(`guide/${name}.js`, import.meta.url), 'utf8');
  const AsyncFunction = (async () => {}).constructor;
  const given = { require: path => MODULES[path], llm, ...names };
  const declared = Object.keys(given).filter(name => !new RegExp(`^const ${name} `, 'm').test(source));
  const end = '\n;return typeof response === "undefined" ? null : response;';
  const answer = await new AsyncFunction(...declared, source + end)(...declared.map(name => given[name]));
  return { answer, asked: await requestsTo(base) };
}

test('a model analyzes data, draws a chart and answers in words', async () => {
  const analyze = { calls: [call('code_analyze_data', { data: SALES, analysisType: 'stats' })] };
  const draw = { text: 'Now a chart.', calls: [call('code_generate_chart', { code: DRAW })] };
  const { answer, asked } = await follow('agent', [analyze, draw, { text: 'Sales peaked in February.' }]);
  assert.equal(answer.text, 'Sales peaked in February.');
  const names = ['code_execute_python', 'code_generate_chart', 'code_analyze_data'];
  assert.deepEqual(asked[0].tools.map(tool => [tool.name, tool.input_schema.type]), names.map(name => [name, 'object']));
  const [[analyzed], [drawn]] = [asked[1], asked[2]].map(({ messages }) => messages.at(-1).content);
  assert.match(analyzed.content[0].text, /mean: 1333/);
  assert.deepEqual(drawn.content.map(({ type }) => type), ['text', 'image']);
  assert.deepEqual(answer.images.map(({ mimeType }) => mimeType), ['image/png']);
});

test('tools may be given by name', async () => {
  const names = ['code_execute_python', 'code_analyze_data'];
  const handlers = Object.fromEntries(names.map(name => [name, toolRegistry.getTool(name).handler]));
  const run = { calls: [call('code_execute_python', { code: 'print(1)' }), call('code_analyze_data', { data: 'a\n1\n' })] };
  const { asked } = await follow('use_case', [run, { text: 'Done.' }], { handlers });
  assert.deepEqual(asked[0].tools.map(({ name }) => name), names);
  assert.deepEqual(asked[1].messages.at(-1).content.map(({ is_error }) => is_error), [false, false]);
});
