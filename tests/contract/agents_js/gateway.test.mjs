// Runs, streams and sessions of the client on a real gateway.
import assert from 'node:assert/strict';
import test from 'node:test';

import { BadRequest, Gone, NotFound, Omega, Unauthorized, bytesOf, check, omega, toolRegistry } from 'omega-client';

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);

test('code runs in both languages', async () => {
  const result = check(await omega.run('import sys\nprint(6 * 7)\nsys.stdin.read()', { stdin: 'in' }));
  assert.deepEqual([result.output, result.results[0].data['text/plain']], ['42\n', "'in'"]);
  assert.deepEqual((await omega.run('return [1]', { language: 'javascript' })).returnValue, [1]);
  assert.equal((await omega.javascript('return 1')).returnValue, 1);
});

test('files go and come with a run, and charts are bytes', async () => {
  const files = { 'in.bin': Uint8Array.of(1, 255), 'in.txt': 'é' };
  const code = 'open("out.bin", "wb").write(open("in.bin", "rb").read() + open("in.txt", "rb").read())';
  const { fetched } = check(await omega.python(code, { files, fetchFiles: ['out.bin'] }));
  assert.deepEqual(bytesOf(fetched.files[0]), Uint8Array.of(1, 255, 0xc3, 0xa9));
  const { chart } = check(await omega.chart('plt.plot([1, 2])'));
  assert.deepEqual(bytesOf(chart).slice(0, 4), PNG);
});

test('tables and expressions are evaluated', async () => {
  assert.match(check(await omega.analyze([{ a: 1 }, { a: 3 }], { analysisType: 'stats' })).output, /mean/);
  assert.equal(check(await omega.math('6 * 7')).output, 'Result: 42\n');
  assert.equal((await omega.history(1))[0].code, '6 * 7');
  assert.equal((await omega.health()).status, 'healthy');
});

test('what is wrong has its type, and says what is right', async () => {
  await assert.rejects(omega.run('x', { timout: 1 }), error => {
    assert.ok(error instanceof BadRequest);
    assert.deepEqual([error.status, error.code], [400, 'bad_request']);
    assert.ok(error.runId);
    return error.message.startsWith("Unknown field 'timout'; allowed are: code, ");
  });
  await assert.rejects(new Omega({ token: 'wrong' }).run('x'), Unauthorized);
  await assert.rejects(omega.session('no').variables(), NotFound);
  const { error } = await omega.run('import not_there');
  assert.equal(error.type, 'ModuleNotFoundError');
  assert.ok(error.hint);
});

test('events come while the code runs, and leaving stops it', async () => {
  const types = [];
  for await (const event of omega.stream('print("hello")\n6 * 7')) types.push(event.type);
  assert.deepEqual(types, ['accepted', 'started', 'stdout', 'result', 'done']);
  await omega.withSession(async session => {
    for await (const event of session.stream('x = 5\nprint("on", flush=True)\nwhile True: pass')) {
      if (event.type === 'stdout') break;
    }
    assert.equal((await session.execute('x')).results[0].data['text/plain'], '5');
  });
});

test('a run that is given up is stopped', async () => {
  await omega.withSession(async session => {
    const giving = new AbortController();
    const run = session.execute('import time\nopen("on", "w")\nwhile True: time.sleep(0.01)', { signal: giving.signal });
    while (!(await session.files({ hashes: false })).some(({ path }) => path === 'on'));
    giving.abort();
    await assert.rejects(run, { name: 'AbortError' });
    assert.equal((await session.execute('1 + 1')).results[0].data['text/plain'], '2');
  });
});

test('a session keeps names and files until its end', async () => {
  const session = await omega.createSession({ name: 'client', env: { MARK: 'm' } });
  await session.execute('import os, pandas as pd\nx = os.environ["MARK"]\ntable = pd.DataFrame({"a": [1, 2]})');
  assert.deepEqual((await session.variables()).map(({ name }) => name), ['x', 'table']);
  assert.deepEqual((await session.table('table', { rows: '1:2' })).data, [[2]]);
  await session.writeFile('d é/#.bin', Uint8Array.of(0, 255));
  assert.deepEqual(await session.readFile('d é/#.bin'), Uint8Array.of(0, 255));
  await session.writeFile('a.txt', 'é');
  assert.equal(await session.readText('a.txt'), 'é');
  assert.deepEqual((await session.files()).map(({ path }) => path), ['a.txt', 'd é', 'd é/#.bin']);
  await session.deleteFile('d é', { recursive: true });
  assert.equal((await session.notebook()).cells.length, 1);
  assert.equal((await session.refresh()).executionCount, 1);
  assert.ok((await omega.sessions()).some(({ id }) => id === session.id));
  await session.restart();
  assert.deepEqual(await session.variables(), []);
  await session.end();
  await assert.rejects(session.execute('x'), Gone);
});

test('another client follows and interrupts what runs in a session', async () => {
  await omega.withSession(async session => {
    const [seen, other] = [[], omega.session(session.id)];
    const watched = (async () => {
      for await (const event of other.events()) {
        seen.push(event.type);
        if (event.type === 'watching') session.execute('print("on", flush=True)\nwhile True: pass').catch(() => {});
        if (event.type === 'stdout') assert.deepEqual(await other.interrupt(), { interrupted: true, kernelReplaced: false });
        if (event.type === 'done') return;
      }
    })();
    await watched;
    assert.deepEqual(seen, ['watching', 'accepted', 'started', 'stdout', 'error', 'done']);
  });
});

test('definitions are those of the gateway, and handlers call its tools', async () => {
  const names = ['code_generate_chart', 'code_execute_python'];
  for (const [format, nameOf] of [['openai', tool => tool.function.name], ['anthropic', tool => tool.name]]) {
    assert.deepEqual((await toolRegistry.getToolDefinitions(names, format)).map(nameOf), names);
  }
  assert.equal((await toolRegistry.getToolDefinitions()).length, 6);
  await assert.rejects(Promise.resolve(toolRegistry.getToolDefinitions(['code_run'])), NotFound);
  const { text, content, isError } = await toolRegistry.getTool('code_generate_chart').handler({ code: 'plt.plot([1, 2])' });
  assert.deepEqual([content.map(({ type }) => type), isError], [['text', 'image'], false], text);
  assert.match((await toolRegistry.getTool('code_execute_python').handler({ cod: '1' })).text, /^There is no argument 'cod'/);
});
