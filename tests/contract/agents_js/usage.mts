// What a program in TypeScript may write, and what the compiler has to refuse. It is compiled, never run.
import {
  BadRequest, Omega, RunFailed, ToolRegistry, check, configure, dataUrlOf, llm, omega, toolRegistry,
  type Handler, type RunResult, type ToolAnswer,
} from 'omega-client';

configure({ url: 'http://127.0.0.1:8080', anthropic: { model: 'm' } });
// @ts-expect-error  there is no such setting
configure({ adress: '' });

const result: RunResult = check(await omega.run('x', { language: 'javascript', timeout: 5, files: { a: new Uint8Array(1) } }));
const address: string = dataUrlOf(result.charts[0]);
// @ts-expect-error  there is no such language
await omega.run('x', { language: 'perl' });

await using session = await new Omega({ token: 't' }).createSession({ cwd: 'a' });
for await (const event of session.stream('x')) console.log(event.type);
const bytes: Uint8Array = await session.readFile('a');
const length: Promise<number> = omega.withSession(async ({ id }) => id.length);
try {
  await session.execute('x', { tools: [omega.tool<{ sql: string }>('query', { description: 'd' }, ({ sql }) => sql.length)] });
} catch (error) {
  if (error instanceof BadRequest) console.log(error.retryAfterS?.toFixed());
  if (error instanceof RunFailed) console.log(error.result.error?.hint);
}

const answer: ToolAnswer = await toolRegistry.getTool('code_execute_python').handler({ code: '1' });
const handlers: Record<string, Handler> = { code_execute_python: toolRegistry.getTool('code_execute_python').handler };
const definitions = toolRegistry.getToolDefinitions(['code_execute_python'], 'anthropic');
const { text, images, stopReason } = await llm.callWithTools(
  { provider: 'anthropic', messages: [{ role: 'user', content: 'Go.' }], tools: definitions, max_tokens: 5 }, handlers,
);
// @ts-expect-error  there is no such provider
await llm.callWithTools({ provider: 'other', messages: 'Go.' });
const names: string[] = (await new ToolRegistry('http://127.0.0.1:8080').getToolDefinitions()).map(({ name }) => name);
console.log(address, bytes, length, answer, text, images, stopReason, names);
