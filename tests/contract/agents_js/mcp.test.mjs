// Clients of MCP as their users have them: the official SDK, and the inspector's command line.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { omega } from 'omega-client';

const URL_OF_MCP = `${process.env.OMEGA_URL}/mcp`;
const AUTHORIZATION = `Bearer ${process.env.OMEGA_TOKEN}`;
const TOOLS = [
  'code_execute_python', 'code_execute_javascript', 'code_generate_chart', 'code_analyze_data', 'code_session_files',
  'code_session_variables',
];

test('the official SDK finds the tools, sees pictures, goes on in a session and reads its variables', async () => {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = { headers: { Authorization: AUTHORIZATION } };
  await client.connect(new StreamableHTTPClientTransport(new URL(URL_OF_MCP), { requestInit }));
  const use = async (name, args) => {
    const { content, isError } = await client.callTool({ name, arguments: args });
    return [content.map(({ type }) => type), content[0].text, isError];
  };
  try {
    assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), TOOLS);
    const [kinds, drawn, isError] = await use('code_generate_chart', { code: 'x = 5\nplt.plot([1, x])', session: 'new' });
    const session = /\[New session: (\w+)\]/.exec(drawn)[1];
    assert.deepEqual([kinds, isError], [['text', 'image'], false]);
    assert.deepEqual((await use('code_execute_python', { code: 'x', session })).slice(1), ['5', false]);
    const { contents } = await client.readResource({ uri: `omega://sessions/${session}/variables` });
    assert.match(contents[0].text, /"x"/);
    const [, wrong, isWrong] = await use('code_execute_python', { cod: 'x' });
    assert.deepEqual([wrong.startsWith("There is no argument 'cod'; "), isWrong], [true, true]);
    await omega.session(session).end();
    const [, ended, isOver] = await use('code_execute_python', { code: 'x', session });
    assert.deepEqual([/deleted/.test(ended), isOver], [true, true]);
  } finally {
    await client.close();
  }
});

test('the inspector lists and calls', async () => {
  const where = createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector/package.json');
  const program = path.join(path.dirname(where), 'clients/launcher/build/index.js');
  const inspect = async (...what) => {
    const access = [URL_OF_MCP, '--transport', 'http', '--header', `Authorization: ${AUTHORIZATION}`];
    const { stdout } = await promisify(execFile)(process.execPath, [program, '--cli', ...access, ...what]);
    return JSON.parse(stdout);
  };
  const call = ['--method', 'tools/call', '--tool-name', 'code_execute_python', '--tool-arg', 'code=print(6 * 7)'];
  const [listed, called] = await Promise.all([inspect('--method', 'tools/list'), inspect(...call)]);
  assert.deepEqual(listed.tools.map(({ name }) => name), TOOLS);
  assert.deepEqual(called.content, [{ type: 'text', text: '42' }]);
});
