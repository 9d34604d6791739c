/**
 * The client of Omega Gateway, for Node 18 and newer and for browsers: runs, sessions, and tools for models.
 * One file without dependencies; README.md beside it shows its use, omega.d.mts its types.
 */

const DEFAULT_URL = 'http://127.0.0.1:8080';
const API = '/code-interpreter';
/** Longer than that nobody waits without knowing. */
const MAX_WAIT_S = 60;

// ---- Configuration --------------------------------------------------------------------------------------------------

const SETTINGS = ['url', 'token', 'fetch', 'retries', 'provider', 'openai', 'openai-responses', 'anthropic', 'gemini'];
const configured = {};

/** Sets what holds where a call or an object says nothing else. It goes before the environment. */
export function configure(settings) {
  for (const name of Object.keys(settings)) {
    if (SETTINGS.includes(name)) continue;
    throw new TypeError(`There is no setting '${name}': the settings are ${SETTINGS.join(', ')}.`);
  }
  Object.assign(configured, settings);
}

function environment(...names) {
  const values = globalThis.process?.env ?? {};
  return names.map(name => values[name]).find(Boolean);
}

function present(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

// ---- Errors ---------------------------------------------------------------------------------------------------------

/** The base of all that this module raises. Code that fails is no error: see `error` of its result, and `check`. */
export class OmegaError extends Error {
  constructor(message, about = {}) {
    super(message, about.cause === undefined ? undefined : { cause: about.cause });
    this.name = new.target.name;
  }
}

/** There was no answer, or not all of it. Whether the gateway carried the request out is not known. */
export class ConnectionFailed extends OmegaError {}

/** The gateway did not carry a request out: `status`, `code` (stable), `type`, `hint`, `retryAfterS`, `runId`, `body`. */
export class ApiError extends OmegaError {
  constructor(message, { status = 0, code = '', type = '', hint = '', retryAfterS = null, runId = '', body } = {}) {
    super(hint ? `${message} ${hint}` : message);
    Object.assign(this, { status, code, type, hint, retryAfterS, runId, body });
  }
}

export class BadRequest extends ApiError {}
export class Unauthorized extends ApiError {}
export class Forbidden extends ApiError {}
/** It is not there, or belongs to another key. */
export class NotFound extends ApiError {}
export class Conflict extends ApiError {}
/** The session, or the run, was yours and has ended. */
export class Gone extends ApiError {}
export class TooLarge extends ApiError {}
/** `retryAfterS` says in how many seconds to try again. */
export class TooManyRequests extends ApiError {}
/** The gateway is full, or can't start kernels. */
export class Unavailable extends ApiError {}

/** Code has failed, and `check` was asked to say so; `result` has everything. */
export class RunFailed extends OmegaError {
  constructor(result) {
    const { type, message, hint } = result.error ?? {};
    super([`${type}: ${message}`, hint].filter(Boolean).join(' '));
    this.result = result;
  }
}

/** The API of a model refused, or failed; `status` is 0 if it said so in a stream, or said nothing. */
export class ModelError extends OmegaError {
  constructor(message, { status = 0, code = '', cause } = {}) {
    super(message, { cause });
    Object.assign(this, { status, code });
  }
}

/** The model calls tools after its last round, too. `messages` is the conversation without these calls. */
export class TooManyRounds extends OmegaError {
  constructor(rounds, messages, text) {
    super(`The model has called tools in ${rounds} rounds and asks for more: raise maxRounds.`);
    Object.assign(this, { rounds, messages, text });
  }
}

/** *result*, unless its code has failed: that raises RunFailed. */
export function check(result) {
  if (!result.success) throw new RunFailed(result);
  return result;
}

const KINDS = [
  [BadRequest, 400, 'bad_request'], [BadRequest, 415, 'unsupported_media_type'], [Unauthorized, 401, 'unauthorized'],
  [Forbidden, 403, 'forbidden'], [NotFound, 404, 'not_found'], [Conflict, 409, 'conflict'], [Gone, 410, 'gone'],
  [TooLarge, 413, 'too_large'], [TooManyRequests, 429, 'too_many_requests'], [Unavailable, 503, 'unavailable'],
  [Unavailable, 503, 'busy'],
];

function refusal(error, status = 0, more = {}) {
  const code = error.code ?? '';
  const ofCode = KINDS.find(([, , name]) => name === code);
  const [Kind, known] = ofCode ?? KINDS.find(([, number]) => number === status) ?? [ApiError, 0];
  return new Kind(error.message, { status: status || known, code, type: error.type, hint: error.hint, ...more });
}

async function failure(response) {
  const text = await response.text().catch(() => '');
  const body = parsed(text);
  const more = { retryAfterS: retryAfterS(response), runId: response.headers.get('x-run-id') ?? '', body };
  const error = typeof body?.error?.message === 'string' ? body.error : { message: saidBy(response, text) };
  return refusal(error, response.status, more);
}

function saidBy(response, text) {
  return `HTTP ${response.status}: ${text.trim().slice(0, 200) || response.statusText || 'no reason given'}`;
}

function retryAfterS(response) {
  const seconds = Number.parseFloat(response.headers.get('retry-after') ?? '');
  return Number.isFinite(seconds) ? seconds : null;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// ---- Bytes ----------------------------------------------------------------------------------------------------------

const PIECE = 0x8000;

/** The bytes of a chart, a fetched file or anything else with `base64`. */
export function bytesOf({ base64 }) {
  return Uint8Array.from(atob(base64), character => character.charCodeAt(0));
}

/** A chart as an address that an `<img>` shows. */
export function dataUrlOf({ base64, mimeType }) {
  return `data:${mimeType};base64,${base64}`;
}

function toBase64(data) {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let text = '';
  for (let start = 0; start < bytes.length; start += PIECE) {
    text += String.fromCharCode(...bytes.subarray(start, start + PIECE));
  }
  return btoa(text);
}

const isBytes = value => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

function toSend(files) {
  const encoded = Object.entries(files).map(([path, data]) => [path, isBytes(data) ? { base64: toBase64(data) } : data]);
  return Object.fromEntries(encoded);
}

// ---- HTTP -----------------------------------------------------------------------------------------------------------

/** Sends a request again after the statuses in *again*, which say that nothing was done; answers with the last response. */
async function fetchPatiently(fetch, url, init, { retries, again }) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(url, init);
    if (attempt >= retries || !again(response.status)) return response;
    const seconds = retryAfterS(response) ?? 0.5 * 2 ** attempt;
    if (seconds > MAX_WAIT_S) return response;
    await response.arrayBuffer().catch(() => {});
    await pause(seconds, init.signal);
  }
}

const bearer = key => (key ? { Authorization: `Bearer ${key}` } : {});

/** Why a fetch failed: Node says so in the cause. */
function reasonOf(error) {
  return error?.cause?.message || error?.cause?.code || error?.message || String(error);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}

/** The connection of one Omega, or of its sessions and tools. *given* may be the URL alone. */
class Connection {
  constructor(given = {}) {
    this.given = typeof given === 'string' ? { url: given } : given;
  }

  get url() {
    const url = String(this.given.url ?? configured.url ?? environment('OMEGA_URL') ?? DEFAULT_URL);
    return url.replace(/\/+$/, '').replace(/\/code-interpreter$/, '');
  }

  get token() {
    return this.given.token ?? configured.token ?? environment('OMEGA_TOKEN');
  }

  /** The response; raises an OmegaError for any that is no success. */
  async send(method, path, { query = {}, json, data, accept, signal } = {}) {
    const asked = new URLSearchParams(present(query)).toString();
    const url = `${this.url}${API}/${path}${asked && `?${asked}`}`;
    const headers = { Accept: accept ?? '*/*', ...bearer(this.token) };
    if (json !== undefined) headers['Content-Type'] = 'application/json';
    if (data !== undefined) headers['Content-Type'] = 'application/octet-stream';
    const body = json === undefined ? data : JSON.stringify(json);
    const response = await this.#fetch(url, { method, headers, body, signal, redirect: 'error' });
    if (!response.ok) throw await failure(response);
    return response;
  }

  /** The JSON of the answer: an object, or with *isList* a list of objects. */
  async ask(method, path, options = {}, isList = false) {
    const response = await this.send(method, path, options);
    const answer = await this.#reading(() => response.json(), options.signal);
    if (isList ? isListOfObjects(answer) : isRecord(answer)) return answer;
    throw this.undocumented(isList ? 'it is no list of objects' : 'it is no object');
  }

  /** The field *name* of the answer, which has to be a list of objects. */
  async askForList(name, method, path, options) {
    const { [name]: found } = await this.ask(method, path, options);
    if (isListOfObjects(found)) return found;
    throw this.undocumented(`its '${name}' is no list`);
  }

  undocumented(why) {
    return new ConnectionFailed(`The answer of the gateway at ${this.url} is not as documented: ${why}.`);
  }

  /** The events of a stream: objects with `type`. Leaving the loop ends the request, and with it the run. */
  async *events(method, path, options = {}) {
    const response = await this.send(method, path, { ...options, accept: 'text/event-stream' });
    const events = readEvents(response.body);
    try {
      for (;;) {
        const { done, value } = await this.#reading(() => events.next(), options.signal);
        if (done) return;
        const event = parsed(value.data);
        if (typeof event?.type !== 'string') throw this.undocumented(`${value.data.slice(0, 80)} is no event`);
        yield event;
      }
    } finally {
      await events.return();
    }
  }

  async #fetch(url, init) {
    const { fetch = configured.fetch ?? globalThis.fetch, retries = configured.retries ?? 2 } = this.given;
    const again = status => status === 429 || status === 503;
    return this.#reading(() => fetchPatiently(fetch, url, init, { retries, again }), init.signal);
  }

  async #reading(act, signal) {
    try {
      return await act();
    } catch (cause) {
      if (signal?.aborted || cause?.name === 'AbortError') throw cause;
      throw new ConnectionFailed(`No answer from the gateway at ${this.url}: ${reasonOf(cause)}.`, { cause });
    }
  }
}

/** The events of a `text/event-stream` body as {event, data, id} (HTML standard, section 9.2). */
export async function* readEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [held, event] = [[], {}];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      held.push(decoder.decode(value, { stream: true }));
      if (!/[\r\n]/.test(held.at(-1))) continue; // a long line is joined once
      const lines = held.join('').split(/\r\n|\n|\r(?!$)/);
      held = [lines.pop()];
      for (const line of lines) {
        if (line) readField(event, line);
        else if (event.data !== undefined) yield event;
        if (!line) event = {};
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function readField(event, line) {
  const at = line.indexOf(':');
  const [name, rest] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
  const value = rest.startsWith(' ') ? rest.slice(1) : rest;
  if (name === 'data') event.data = event.data === undefined ? value : `${event.data}\n${value}`;
  else if (name === 'event' || name === 'id') event[name] = value;
}

// ---- Tools that code can call ---------------------------------------------------------------------------------------

/** A function of this program that code in a kernel, or a model, can call. */
export class HostTool {
  constructor(name, { description, parameters } = {}, act) {
    if (typeof act !== 'function') throw new TypeError(`The tool '${name}' needs a function.`);
    Object.assign(this, { name, description, parameters, act });
  }

  /** What the gateway is told of it. */
  toJSON() {
    return { name: this.name, description: this.description, parameters: this.parameters };
  }
}

/** Carries out calls of host tools: each once, however often the gateway names it. */
class Host {
  constructor(tools, signal) {
    this.tools = new Map(tools.map(tool => [tool.name, tool]));
    this.signal = signal;
    this.pending = new Map();
  }

  /** The result that the gateway wants of *call*, as a promise that never fails. */
  begin(call) {
    if (!this.pending.has(call.id)) this.pending.set(call.id, this.#carryOut(call));
    return this.pending.get(call.id);
  }

  /** The results that are there, at least one. */
  async settled() {
    if (!this.pending.size) throw new OmegaError('The gateway waits for calls that it does not name.');
    await Promise.race(this.pending.values());
    const nothing = Symbol('nothing');
    const all = await Promise.all([...this.pending.values()].map(one => Promise.race([one, nothing])));
    const results = all.filter(one => one !== nothing);
    for (const { id } of results) this.pending.delete(id);
    return results;
  }

  async #carryOut({ id, name, input }) {
    try {
      const tool = this.tools.get(name);
      if (!tool) throw new Error(`There is no tool '${name}'.`);
      return { id, output: strictJson((await tool.act(input, { signal: this.signal })) ?? null) };
    } catch (error) {
      return { id, error: wellFormed(messageOf(error)) };
    }
  }
}

/** *output* as JSON has it. What has no form there is a TypeError: JSON.stringify would make null of it, or leave it out. */
function strictJson(output) {
  const text = JSON.stringify(output, function check(name, value) {
    const isLost = typeof value === 'function' || typeof value === 'symbol' || (value === undefined && Array.isArray(this));
    if (isLost || (typeof value === 'number' && !Number.isFinite(value))) {
      throw new TypeError(`The result has something that has no form in JSON: ${isLost ? typeof value : value}`);
    }
    return value;
  });
  // Halves of characters, which the gateway refuses, are escaped as \udxxx: a backslash of the text itself comes in a pair.
  return JSON.parse(text.replace(/\\(u[dD][89a-fA-F][0-9a-fA-F]{2}|.)/g, one => (/^.u[dD]/.test(one) ? '\ufffd' : one)));
}

const wellFormed = text => text.replace(/\p{Surrogate}/gu, '\ufffd');

function messageOf(error) {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** The body of a run, and who carries out the calls of its code. */
function prepare(code, { signal, tools = [], files, ...fields }) {
  if (!Array.isArray(tools) || tools.some(tool => !(tool instanceof HostTool))) {
    throw new TypeError('tools must be a list of what was made with omega.tool(name, {description, parameters}, function).');
  }
  const json = { code, ...fields, ...(files && { files: toSend(files) }), ...(tools.length && { tools }) };
  return [json, new Host(tools, signal)];
}

const resultsPath = run => `runs/${encodeURIComponent(run)}/tool-results`;

/** Runs *path* and answers with the result, carrying out the calls that the code makes meanwhile. */
async function runCode(connection, path, code, options) {
  const [json, host] = prepare(code, options);
  const { signal } = options;
  let answer = await connection.ask('POST', path, { json, signal });
  while (answer.status === 'tool_call_required') {
    const { run, toolCalls } = answer;
    if (typeof run !== 'string' || !isListOfObjects(toolCalls)) {
      throw connection.undocumented('it asks for calls that it does not name');
    }
    toolCalls.forEach(call => host.begin(call));
    try {
      answer = await bring(connection, run, await until(host.settled(), signal), signal);
    } catch (error) {
      giveUp(connection, run, toolCalls).catch(() => {}); // the program does not wait for it
      throw error;
    }
  }
  return answer;
}

/** Brings *results*, and answers with the last answer. Those that the gateway does not take are errors of their calls. */
async function bring(connection, run, results, signal) {
  const send = these => connection.ask('POST', resultsPath(run), { json: { results: these }, signal });
  if (results.length > 1) {
    try {
      return await send(results);
    } catch (error) {
      if (!isNotTaken(error, results)) throw error;
    }
  }
  let answer;
  for (const result of results) { // each by itself, so that one that is wrong spoils no other
    answer = await send([result]).catch(error => {
      if (!isNotTaken(error, [result])) throw error;
      return send([{ id: result.id, error: wellFormed(`The gateway did not take the result: ${error.message}`) }]);
    });
    if (answer.status === 'completed') break; // the run has ended meanwhile: it waits for no more
  }
  return answer;
}

const LARGE = 1 << 20;

/** Whether it is the results that can't be sent, or that the gateway does not take. It hangs up on far too large a body. */
function isNotTaken(error, results) {
  if (error instanceof ConnectionFailed) return JSON.stringify(results).length > LARGE;
  return error instanceof BadRequest || error instanceof TooLarge || error instanceof RangeError;
}

const GIVE_UP_MS = 2000;
const GIVE_UP_ROUNDS = 1000;

/** Ends a run that waits: its calls fail, and if it goes on all the same, breaking off the request ends it. */
async function giveUp(connection, run, calls) {
  for (let [round, left] = [0, calls]; left?.length && round < GIVE_UP_ROUNDS; round++) {
    const results = left.map(({ id }) => ({ id, error: 'The program has given the run up.' }));
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await connection.ask('POST', resultsPath(run), { json: { results }, signal });
    left = answer.status === 'tool_call_required' ? answer.toolCalls : undefined;
  }
}

function until(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** The events of a run as they happen. Calls of host tools are carried out beside them. */
async function* streamCode(connection, path, code, options) {
  const [json, host] = prepare(code, options);
  const leaving = new AbortController();
  const leave = () => leaving.abort(options.signal.reason);
  if (options.signal?.aborted) leave();
  options.signal?.addEventListener('abort', leave, { once: true });
  let [run, isOver] = ['', false];
  const answer = async call => {
    await bring(connection, run, [await host.begin(call)], leaving.signal);
  };
  try {
    for await (const event of connection.events('POST', path, { json, signal: leaving.signal })) {
      if (event.type === 'accepted') run = event.runId;
      if (event.type === 'error' && event.error?.code) throw refusal(event.error);
      if (event.type === 'tool_call' && host.tools.size) {
        // A run that is over needs no answer; one that goes on would wait for it in vain.
        answer(event).catch(error => error instanceof Gone || error instanceof Conflict || leaving.abort(error));
      }
      isOver ||= event.type === 'done';
      yield event;
    }
    if (!isOver) throw new ConnectionFailed('The stream ended before the run did.');
  } catch (error) {
    throw leaving.signal.aborted ? leaving.signal.reason : error;
  } finally {
    options.signal?.removeEventListener('abort', leave);
  }
}

// ---- Runs and sessions ----------------------------------------------------------------------------------------------

const LANGUAGES = ['python', 'javascript'];

function languageOf(language) {
  if (LANGUAGES.includes(language)) return language;
  throw new TypeError(`There is no language '${language}': the languages are ${LANGUAGES.join(', ')}.`);
}

/** A gateway. Without `url` and `token` those of `configure`, or else of OMEGA_URL and OMEGA_TOKEN. */
export class Omega {
  #connection;

  constructor(given) {
    this.#connection = new Connection(given);
  }

  /** Runs *code* in a fresh kernel; `language` is `python` (default) or `javascript`. */
  async run(code, { language = 'python', ...options } = {}) {
    return runCode(this.#connection, languageOf(language), code, options);
  }

  python(code, options = {}) {
    return runCode(this.#connection, 'python', code, options);
  }

  javascript(code, options = {}) {
    return runCode(this.#connection, 'javascript', code, options);
  }

  /** Runs plotting code; `chart` of the answer is the first picture. */
  chart(code, options = {}) {
    return runCode(this.#connection, 'chart', code, options);
  }

  analyze(data, { signal, ...fields } = {}) {
    return this.#connection.ask('POST', 'analyze', { json: { data, ...fields }, signal });
  }

  math(expression, { signal, ...fields } = {}) {
    return this.#connection.ask('POST', 'math', { json: { expression, ...fields }, signal });
  }

  /** The events of a run as they happen; leaving the loop stops the run. */
  async *stream(code, { language = 'python', ...options } = {}) {
    yield* streamCode(this.#connection, languageOf(language), code, options);
  }

  install(name, { signal } = {}) {
    return this.#connection.ask('POST', 'install', { json: { package: name }, signal });
  }

  async history(limit, { signal } = {}) {
    return this.#connection.askForList('history', 'GET', 'history', { query: { limit }, signal });
  }

  /** Whether the gateway can start kernels: `status` is `healthy`, or the answer says why not. */
  async health({ signal } = {}) {
    const patient = new Connection({ ...this.#connection.given, retries: 0 });
    try {
      return await patient.ask('GET', 'health', { signal });
    } catch (error) {
      if (error instanceof Unavailable && error.body?.status) return error.body;
      throw error;
    }
  }

  /** Begins a session: `language`, `name`, `timeout`, `idleTimeout`, `env`, `cwd`, all optional. */
  async createSession({ signal, ...fields } = {}) {
    if (fields.language !== undefined) languageOf(fields.language);
    const info = await this.#connection.ask('POST', 'sessions', { json: fields, signal });
    return new Session(this.#connection, info.id, info);
  }

  /** The session of *id*, which some client has begun. */
  session(id) {
    return new Session(this.#connection, id);
  }

  async sessions({ signal } = {}) {
    const sessions = await this.#connection.askForList('sessions', 'GET', 'sessions', { signal });
    return sessions.map(info => new Session(this.#connection, info.id, info));
  }

  /** Begins a session for *act* and ends it afterwards, whatever becomes of it. */
  async withSession(options, act = options) {
    const session = await this.createSession(act === options ? {} : options);
    try {
      return await act(session);
    } finally {
      await session[DISPOSE]();
    }
  }

  /** A function of this program that code may call, for `tools` of a run. */
  tool(name, about, act) {
    return new HostTool(name, about, act);
  }

  /** The tools for models. */
  get tools() {
    return new ToolRegistry(this.#connection.given);
  }
}

const DISPOSE = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

/** A kernel that keeps names, files and directory from run to run. */
export class Session {
  #connection;

  constructor(connection, id, info) {
    this.#connection = connection;
    this.id = id;
    this.info = info;
  }

  #ask(method, path = '', options = {}) {
    return this.#connection.ask(method, this.#path(path), options);
  }

  #path(path) {
    return `sessions/${encodeURIComponent(this.id)}${path}`;
  }

  execute(code, options = {}) {
    return runCode(this.#connection, this.#path('/execute'), code, options);
  }

  /** The events of a run in this session; leaving the loop interrupts it, and the state stays. */
  stream(code, options = {}) {
    return streamCode(this.#connection, this.#path('/execute'), code, options);
  }

  /** The events of all runs of this session, whoever started them; with `after`, the `at` of the last one you have. */
  events({ after, signal } = {}) {
    return this.#connection.events('GET', this.#path('/events'), { query: { after }, signal });
  }

  async refresh(options) {
    this.info = await this.#ask('GET', '', options);
    return this.info;
  }

  async variables(options) {
    return this.#connection.askForList('variables', 'GET', this.#path('/variables'), options);
  }

  /** A part of a table: `rows`, `columns`, `sort`, `where`. */
  table(name, { signal, ...query } = {}) {
    return this.#ask('GET', `/variables/${encodeURIComponent(name)}`, { query, signal });
  }

  /** Stops the run that goes on; the state stays. */
  interrupt(options) {
    return this.#ask('POST', '/interrupt', options);
  }

  /** Gives the session a new kernel, without its state. */
  async restart(options) {
    this.info = await this.#ask('POST', '/restart', options);
    return this.info;
  }

  /** The session so far as an .ipynb. */
  notebook(options) {
    return this.#ask('GET', '/notebook', options);
  }

  async files({ path, hashes, signal } = {}) {
    return this.#connection.askForList('files', 'GET', this.#path('/files'), { query: { path, hashes }, signal });
  }

  async readFile(path, { signal } = {}) {
    const response = await this.#connection.send('GET', this.#path(`/files/${filePath(path)}`), { signal });
    return new Uint8Array(await response.arrayBuffer());
  }

  async readText(path, options) {
    return new TextDecoder().decode(await this.readFile(path, options));
  }

  /** *data* is text, bytes or a Blob. */
  writeFile(path, data, { signal } = {}) {
    return this.#ask('PUT', `/files/${filePath(path)}`, { data, signal });
  }

  deleteFile(path, { recursive, signal } = {}) {
    return this.#ask('DELETE', `/files/${filePath(path)}`, { query: { recursive }, signal });
  }

  end(options) {
    return this.#ask('DELETE', '', options);
  }

  /** Ends the session, unless it has ended already. */
  async [DISPOSE]() {
    await this.end().catch(error => {
      if (!(error instanceof Gone || error instanceof NotFound)) throw error;
    });
  }
}

function filePath(path) {
  return path.split('/').map(encodeURIComponent).join('/');
}

// ---- The tools of the gateway ---------------------------------------------------------------------------------------

/** The handler of each definition that a registry gave out. */
const handlerOf = new WeakMap();

/**
 * Definitions that the gateway is asked for when they are needed: `await` gives them in the form that was asked for, and
 * `callWithTools` in the form of its API.
 */
export class ToolDefinitions {
  #registry;

  constructor(registry, names, format) {
    this.#registry = registry;
    Object.assign(this, { names, format });
  }

  /** The definitions as the API *format* takes them. */
  in(format) {
    return this.#registry.fetchDefinitions(this.names, format);
  }

  then(onDone, onFault) {
    return this.in(this.format).then(onDone, onFault);
  }

  catch(onFault) {
    return this.then(undefined, onFault);
  }

  finally(act) {
    return this.in(this.format).finally(act);
  }
}

/** The tools of a gateway: their definitions for models, and the handlers that carry out calls. */
export class ToolRegistry {
  #connection;

  constructor(given) {
    this.#connection = new Connection(given);
  }

  /** Of the tools *names*, or all: `await` them, or give them to `callWithTools` as they are. */
  getToolDefinitions(names, format = 'openai') {
    return new ToolDefinitions(this, names, format);
  }

  async fetchDefinitions(names, format) {
    if (names && !names.length) return [];
    const definitions = await this.#connection.ask('GET', 'tools', { query: { format, names: names?.join(',') } }, true);
    for (const definition of definitions) handlerOf.set(definition, this.getTool(nameOf(definition)).handler);
    return definitions;
  }

  /** One tool; `handler(args)` calls it and answers with `text`, `content` and `isError`. */
  getTool(name) {
    const path = `tools/${encodeURIComponent(name)}`;
    return { name, handler: (json, { signal } = {}) => this.#connection.ask('POST', path, { json, signal }) };
  }

  /** The tools as `generateText` and `streamText` of the AI SDK take them; *jsonSchema* is that of its package `ai`. */
  async getAiTools(jsonSchema, names) {
    const definitions = await this.fetchDefinitions(names, 'mcp');
    const tools = definitions.map(({ name, description, inputSchema }) => [name, {
      description,
      inputSchema: jsonSchema(inputSchema),
      execute: (args, { abortSignal } = {}) => this.getTool(name).handler(args, { signal: abortSignal }),
      toModelOutput: ({ output }) => aiOutput(outcomeOf(output)),
    }]);
    return Object.fromEntries(tools);
  }
}

function aiOutput({ text, images, isError }) {
  if (isError) return { type: 'error-text', value: text };
  const pictures = images.map(({ data, mimeType }) => ({ type: 'file', mediaType: mimeType, data: { type: 'data', data } }));
  return { type: 'content', value: [{ type: 'text', text }, ...pictures] };
}

// ---- Definitions and results in the forms of APIs ---------------------------------------------------------------------

const isObject = value => value !== null && typeof value === 'object';
const isRecord = value => isObject(value) && !Array.isArray(value);
const isListOfObjects = value => Array.isArray(value) && value.every(isObject);
const nameOf = definition => definition.function?.name ?? definition.name;
const schemaOf = tool => tool.input_schema ?? tool.inputSchema ?? tool.parametersJsonSchema ?? tool.parameters;
const NO_PARAMETERS = { type: 'object', properties: {} };

/** Whether the API carries the tool out itself, such as a search of the web. */
function isHosted(definition) {
  const tool = definition.function ?? definition;
  return !tool.name || (definition.type !== undefined && !['function', 'custom'].includes(definition.type));
}

const FORMS = {
  openai: {
    is: tool => tool.function !== undefined,
    make: (name, description, parameters) => ({ type: 'function', function: { name, description, parameters } }),
  },
  'openai-responses': {
    is: tool => tool.type === 'function' && tool.function === undefined,
    make: (name, description, parameters) => ({ type: 'function', name, description, parameters, strict: false }),
  },
  anthropic: {
    is: tool => tool.input_schema !== undefined,
    make: (name, description, parameters) => ({ name, description, input_schema: parameters }),
  },
  gemini: {
    is: tool => tool.type === undefined && (tool.parametersJsonSchema ?? tool.parameters) !== undefined,
    make: (name, description, parameters) => ({ name, description, parametersJsonSchema: parameters }),
  },
};

/** *definition*, of whatever form, as the API *form* takes it. */
export function convertDefinition(definition, form) {
  if (isHosted(definition) || FORMS[form].is(definition)) return definition;
  const tool = definition.function ?? definition;
  return FORMS[form].make(tool.name, tool.description ?? '', schemaOf(tool) ?? NO_PARAMETERS);
}

/** What a handler answered as {text, images, isError}: an answer of the gateway or of MCP, text, or any JSON. */
function outcomeOf(value) {
  const blocks = Array.isArray(value?.content) ? value.content : undefined;
  if (blocks?.every(block => typeof block?.type === 'string')) {
    const text = blocks.filter(block => block.type === 'text').map(block => block.text).join('\n');
    const images = blocks.filter(block => block.type === 'image').map(({ data, mimeType }) => ({ data, mimeType }));
    return { text: text || '(no output)', images, isError: Boolean(value.isError) };
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? null);
  return { text: text || '(no output)', images: [], isError: false };
}

const failed = text => ({ text, images: [], isError: true });

// ---- APIs of models -------------------------------------------------------------------------------------------------
//
// Each has: `form` of its definitions; `begin`, the conversation as {messages, ...}; `body` of the next request; `send`, by
// the client of its vendor; `fetch`, where and how to post without one; `join`, the answer from the events of a stream;
// `read`, the answer as {said, text, calls, stop}; `results`, the messages that answer the calls.

const textOf = parts => parts.filter(part => typeof part.text === 'string' && !part.thought).map(part => part.text).join('');
const CUT = 'The stream ended before the answer did.';
const FAILED = 'The stream failed.';
const argumentsIn = text => (text.trim() ? text : '{}');

function callOf(id, name, given) {
  const args = typeof given === 'string' ? parsed(argumentsIn(given)) : given;
  return isRecord(args) ? { id, name, arguments: args } : { id, name, broken: String(given) };
}

/** A base URL of OpenAI's API: with `/v1`, unless it has a path. */
const withPath = base => (/^\w+:\/\/[^/]+$/.test(base) ? `${base}/v1` : base);

const openai = {
  form: 'openai',
  keys: ['OPENAI_API_KEY'],
  bases: ['OPENAI_BASE_URL'],
  base: 'https://api.openai.com/v1',
  model: 'gpt-5.5',
  begin: messages => ({ messages: [...messages] }),
  body: (talk, { model, tools, mayCall, stream, fields }) => ({
    model, ...fields, messages: talk.messages, ...offered(tools, mayCall, 'none'), ...(stream && { stream }),
  }),
  send: (client, body, signal) => client.chat.completions.create(body, { signal }),
  fetch: (base, key, body) => [`${withPath(base)}/chat/completions`, bearer(key), body],
  async join(chunks, onText) {
    const message = { role: 'assistant', content: null };
    const open = new Map();
    let [finish, usage] = [null, null];
    for await (const { choices = [], usage: told, error } of chunks) {
      if (error) throw new ModelError(error.message ?? FAILED);
      usage = told ?? usage;
      const [{ delta = {}, finish_reason: reason } = {}] = choices;
      finish = reason ?? finish;
      if (delta.content) onText(delta.content);
      addDelta(message, open, delta);
    }
    if (!finish) throw new ModelError(CUT);
    return { choices: [{ message, finish_reason: finish }], usage };
  },
  read({ choices = [], usage }) {
    const [{ message = { role: 'assistant', content: null }, finish_reason: reason } = {}] = choices;
    const uses = message.tool_calls ?? [];
    const calls = uses.map(({ id, function: { name, arguments: given = '' } = {} }) => callOf(id, name, given));
    const broken = new Set(calls.filter(call => call.broken !== undefined).map(call => call.id));
    // Servers that parse what they are sent fail on broken arguments, which the answer to the call quotes anyway.
    const sound = call => (broken.has(call.id) ? { ...call, function: { ...call.function, arguments: '{}' } } : call);
    const said = calls.length ? { ...message, tool_calls: uses.map(sound) } : message;
    const stop = message.refusal ? 'refused' : { length: 'length', content_filter: 'refused' }[reason] ?? 'end';
    return { said: [said], text: message.content ?? message.refusal ?? '', calls, stop, usage };
  },
  results: outcomes => outcomes.map(({ call, text }) => ({ role: 'tool', tool_call_id: call.id, content: text })),
};

/** Some servers give every call the index 0: an id that is new begins another call. */
function addDelta(message, open, { content, refusal: refused, tool_calls: calls }) {
  if (content) message.content = (message.content ?? '') + content;
  if (refused) message.refusal = (message.refusal ?? '') + refused;
  for (const { index = 0, id, function: { name, arguments: piece } = {} } of calls ?? []) {
    const last = open.get(index);
    const call = last && (!id || id === last.id) ? last : { id, type: 'function', function: { name: '', arguments: '' } };
    if (call !== last) (message.tool_calls ??= []).push(call);
    open.set(index, call);
    if (name) call.function.name = name;
    if (piece) call.function.arguments += piece;
  }
}

function offered(tools, mayCall, none) {
  if (!tools.length) return {};
  return mayCall ? { tools } : { tools, tool_choice: none };
}

const openaiResponses = {
  ...openai,
  form: 'openai-responses',
  body: (talk, { model, tools, mayCall, stream, fields }) => ({
    model, ...fields, input: talk.messages, ...offered(tools, mayCall, 'none'), ...(stream && { stream }),
  }),
  send: (client, body, signal) => client.responses.create(body, { signal }),
  fetch: (base, key, body) => [`${withPath(base)}/responses`, bearer(key), body],
  async join(events, onText) {
    const items = [];
    let whole;
    for await (const event of events) {
      if (event.type === 'error') throw new ModelError(event.message ?? event.error?.message ?? FAILED);
      if (event.type === 'response.output_text.delta') onText(event.delta);
      if (event.type === 'response.output_item.done') items[event.output_index] = event.item;
      if (['response.completed', 'response.incomplete', 'response.failed'].includes(event.type)) whole = event.response;
    }
    if (!whole) throw new ModelError(CUT);
    return { ...whole, output: whole.output?.length ? whole.output : items };
  },
  read({ output = [], status, error, usage }) {
    if (status === 'failed') throw new ModelError(error?.message ?? 'The model failed.', { code: error?.code ?? '' });
    const parts = output.filter(item => item.type === 'message').flatMap(item => item.content);
    const uses = output.filter(item => item.type === 'function_call');
    const calls = uses.map(call => callOf(call.call_id, call.name, call.arguments));
    const text = parts.map(part => part.text ?? part.refusal ?? '').join('');
    const isRefused = parts.some(part => part.type === 'refusal');
    const stop = isRefused ? 'refused' : status === 'incomplete' ? 'length' : 'end';
    return { said: output, text, calls, stop, usage };
  },
  results: outcomes => outcomes.map(({ call, text, images }) => ({
    type: 'function_call_output',
    call_id: call.id,
    output: [
      { type: 'input_text', text },
      ...images.map(({ data: base64, mimeType }) => ({ type: 'input_image', image_url: dataUrlOf({ base64, mimeType }) })),
    ],
  })),
};

const anthropic = {
  form: 'anthropic',
  keys: ['ANTHROPIC_API_KEY'],
  bases: ['ANTHROPIC_BASE_URL'],
  base: 'https://api.anthropic.com',
  model: 'claude-sonnet-5-5',
  begin(messages) {
    const { system, others } = withoutSystem(messages);
    return { messages: others, system: system.map(text => ({ type: 'text', text })) };
  },
  body(talk, { model, tools, mayCall, stream, fields: { system = [], ...fields } }) {
    const told = [...(typeof system === 'string' ? [{ type: 'text', text: system }] : system), ...talk.system];
    return {
      model, max_tokens: 8192, ...fields, ...(told.length && { system: told }), messages: talk.messages,
      ...offered(tools, mayCall, { type: 'none' }), ...(stream && { stream }),
    };
  },
  send: (client, body, signal) => client.messages.create(body, { signal }),
  fetch(base, key, body) {
    const url = `${base.replace(/\/v1$/, '')}/v1/messages`;
    return [url, present({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }), body];
  },
  async join(events, onText) {
    const message = { role: 'assistant', content: [] };
    const texts = [];
    let isWhole = false;
    for await (const event of events) {
      if (event.type === 'error') throw new ModelError(event.error?.message ?? FAILED, { code: event.error?.type });
      if (event.type === 'message_start') Object.assign(message, event.message, { content: [] });
      if (event.type === 'content_block_start') message.content[event.index] = { ...event.content_block };
      if (event.type === 'content_block_delta') addBlockDelta(message, texts, event, onText);
      if (event.type === 'message_delta') {
        Object.assign(message, event.delta, { usage: { ...message.usage, ...event.usage } });
      }
      isWhole ||= event.type === 'message_stop';
    }
    if (!isWhole) throw new ModelError(CUT);
    for (const [index, text] of texts.entries()) {
      if (text !== undefined) message.content[index].input = parsed(argumentsIn(text)) ?? text;
    }
    return message;
  },
  read({ content = [], stop_reason: reason, usage }) {
    const uses = content.filter(block => block.type === 'tool_use');
    const calls = uses.map(({ id, name, input }) => callOf(id, name, input));
    const sound = block => (block.type === 'tool_use' && !isObject(block.input) ? { ...block, input: {} } : block);
    const kept = content.filter(block => block.type !== 'text' || block.text).map(sound);
    const stop = { max_tokens: 'length', model_context_window_exceeded: 'length', refusal: 'refused' }[reason] ?? 'end';
    const said = kept.length ? [{ role: 'assistant', content: kept }] : [];
    return { said, text: textOf(content), calls, stop, usage, goesOn: reason === 'pause_turn' };
  },
  results: outcomes => [{ role: 'user', content: outcomes.map(toolResult) }],
};

function addBlockDelta(message, texts, { index, delta }, onText) {
  const block = message.content[index];
  if (delta.type === 'text_delta') {
    block.text += delta.text;
    onText(delta.text);
  }
  if (delta.type === 'input_json_delta') texts[index] = (texts[index] ?? '') + delta.partial_json;
  if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
  if (delta.type === 'signature_delta') block.signature = (block.signature ?? '') + delta.signature;
  if (delta.type === 'citations_delta') block.citations = [...(block.citations ?? []), delta.citation];
}

/** The API takes no pictures in a result that is an error. */
function toolResult({ call, text, images, isError }) {
  const picture = ({ data, mimeType }) => ({ type: 'image', source: { type: 'base64', media_type: mimeType, data } });
  const content = [{ type: 'text', text }, ...(isError ? [] : images.map(picture))];
  return { type: 'tool_result', tool_use_id: call.id, content, is_error: isError };
}

function withoutSystem(messages) {
  const isSystem = message => message.role === 'system' || message.role === 'developer';
  const plain = content => (typeof content === 'string' ? content : textOf(content));
  const system = messages.filter(isSystem).map(one => plain(one.content));
  return { system, others: messages.filter(one => !isSystem(one)) };
}

const REFUSED = ['SAFETY', 'RECITATION', 'PROHIBITED_CONTENT', 'BLOCKLIST', 'SPII'];

const gemini = {
  form: 'gemini',
  keys: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
  bases: ['GOOGLE_GEMINI_BASE_URL'],
  base: 'https://generativelanguage.googleapis.com',
  model: 'gemini-3.8-flash',
  begin(messages) {
    const { system, others } = withoutSystem(messages);
    return { messages: others.map(toContent), system };
  },
  body(talk, { model, tools, mayCall, stream, fields: { config, generationConfig, ...fields } }) {
    const declared = tools.filter(tool => !isHosted(tool));
    const hosted = tools.filter(isHosted);
    return {
      model, contents: talk.messages, stream, settings: { ...generationConfig, ...config },
      rest: {
        ...fields,
        ...(talk.system.length && { systemInstruction: { parts: talk.system.map(text => ({ text })) } }),
        ...(tools.length && { tools: [...(declared.length ? [{ functionDeclarations: declared }] : []), ...hosted] }),
        ...(!mayCall && declared.length && { toolConfig: { functionCallingConfig: { mode: 'NONE' } } }),
      },
    };
  },
  send(client, { model, contents, stream, settings, rest }, abortSignal) {
    const asked = { model, contents, config: { ...settings, ...rest, abortSignal } };
    return stream ? client.models.generateContentStream(asked) : client.models.generateContent(asked);
  },
  fetch(base, key, { model, contents, stream, settings, rest }) {
    const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
    const { systemInstruction, safetySettings, toolConfig, cachedContent, ...generationConfig } = settings;
    const body = { systemInstruction, safetySettings, toolConfig, cachedContent, ...rest, contents, generationConfig };
    const versioned = /\/v1(beta|alpha)?$/.test(base) ? base : `${base}/v1beta`;
    const path = model.includes('/') ? model : `models/${model}`;
    return [`${versioned}/${path}:${method}`, present({ 'x-goog-api-key': key }), body];
  },
  async join(chunks, onText) {
    const content = { role: 'model', parts: [] };
    const whole = { candidates: [{ content }] };
    for await (const { candidates = [], usageMetadata, promptFeedback, error } of chunks) {
      if (error) throw new ModelError(error.message ?? FAILED, { code: String(error.status ?? '') });
      Object.assign(whole, usageMetadata && { usageMetadata }, promptFeedback && { promptFeedback });
      const [candidate = {}] = candidates;
      if (candidate.finishReason) whole.candidates[0].finishReason = candidate.finishReason;
      for (const part of candidate.content?.parts ?? []) {
        if (part.text && !part.thought) onText(part.text);
        addPart(content.parts, part);
      }
    }
    if (!whole.candidates[0].finishReason && !whole.promptFeedback) throw new ModelError(CUT);
    return whole;
  },
  read({ candidates, promptFeedback, usageMetadata: usage }) {
    const [{ content, finishReason: reason } = {}] = candidates ?? [];
    const parts = content?.parts ?? [];
    const uses = parts.filter(part => part.functionCall).map(part => part.functionCall);
    const calls = uses.map(({ id, name, args }) => callOf(id, name, args ?? {}));
    const again = reason === 'MALFORMED_FUNCTION_CALL' ? 'The function call was malformed: send it again.' : '';
    const isRefused = promptFeedback?.blockReason || REFUSED.includes(reason);
    const stop = isRefused ? 'refused' : reason === 'MAX_TOKENS' ? 'length' : 'end';
    const asked = again ? [{ role: 'user', parts: [{ text: again }] }] : [];
    const said = [...(parts.length ? [content] : []), ...asked];
    return { said, text: textOf(parts), calls, stop, usage, goesOn: Boolean(again) };
  },
  results: outcomes => [{ role: 'user', parts: outcomes.map(functionResponse) }],
};

/** Text goes on in the same part, unless a part has more than text: its signature has to come back where it stood. */
function addPart(parts, part) {
  const last = parts.at(-1);
  const isPlain = one => typeof one?.text === 'string' && Object.keys(one).every(name => ['text', 'thought'].includes(name));
  if (isPlain(part) && isPlain(last) && Boolean(part.thought) === Boolean(last.thought)) last.text += part.text;
  else if (!isPlain(part) || part.text) parts.push({ ...part });
}

function functionResponse({ call: { id, name }, text, images, isError }) {
  const pictures = images.map(({ data, mimeType }) => ({ inlineData: { mimeType, data } }));
  const response = isError ? { error: text } : { output: text };
  return { functionResponse: { ...(id && { id }), name, response, ...(pictures.length && { parts: pictures }) } };
}

function toContent(message) {
  if (message.parts) return message;
  const { content } = message;
  const parts = typeof content === 'string' ? [{ text: content }] : content.map(({ text }) => ({ text }));
  return { role: message.role === 'assistant' ? 'model' : message.role, parts };
}

const PROVIDERS = { openai, 'openai-responses': openaiResponses, anthropic, gemini };

// ---- The loop -------------------------------------------------------------------------------------------------------

/** What came of `callWithTools`: the model's `text`, the `messages` to go on with, the `calls` that were made. */
export class ToolConversation {
  constructor(fields) {
    Object.assign(this, fields);
  }

  /** The pictures of all results, ready to be shown: `{base64, mimeType}`. */
  get images() {
    return this.calls.flatMap(({ result }) => result.images.map(({ data, mimeType }) => ({ base64: data, mimeType })));
  }

  toString() {
    return this.text;
  }
}

/**
 * Asks a model, carries out the calls of tools that it makes, and asks on until it answers.
 *
 * After `maxRounds` rounds of calls it is asked once more and may not call: `stopReason` is `max_rounds` then. A model that
 * calls all the same is TooManyRounds.
 */
async function callWithTools(asked, handlers = {}) {
  const {
    provider, client, baseUrl, apiKey, model, headers, // which model
    messages, tools = [], maxRounds = 10, stream = Boolean(asked.onText), registry = toolRegistry,
    onText = () => {}, onCall = () => {}, onResult = () => {}, signal,
    ...fields
  } = asked;
  const access = accessTo({ provider, client, baseUrl, apiKey, model, headers });
  const offer = await resolveTools(tools, access.api.form, handlers, registry);
  const talk = access.api.begin(typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages);
  const calls = [];
  for (let round = 1; ; round++) {
    const mayCall = round <= maxRounds;
    const terms = { model: access.model, tools: offer.definitions, mayCall, stream, fields };
    const response = await askModel(access, access.api.body(talk, terms), { stream, onText, signal });
    const turn = hear(() => access.api.read(response));
    if (turn.calls.length && !mayCall) throw new TooManyRounds(maxRounds, talk.messages, turn.text);
    talk.messages.push(...turn.said);
    if (!mayCall || !(turn.calls.length || turn.goesOn)) {
      const stopReason = mayCall ? turn.stop : 'max_rounds';
      const { text, usage = null } = turn;
      return new ToolConversation({ text, messages: talk.messages, calls, stopReason, rounds: round, usage, response });
    }
    const results = await Promise.all(turn.calls.map(async call => {
      onCall(call);
      const result = await carryOut(call, offer.handlers, signal);
      onResult({ ...call, result });
      return { call, ...result };
    }));
    calls.push(...results.map(({ call, ...result }) => ({ ...call, result })));
    if (results.length) talk.messages.push(...access.api.results(results));
  }
}

/** What the model is told of a call. Its own mistakes are answers; a gateway that is not there is for the program. */
async function carryOut(call, handlers, signal) {
  const handler = handlers.get(call.name);
  if (!handler) return failed(`There is no tool '${call.name}': the tools are ${[...handlers.keys()].join(', ')}.`);
  if (call.broken !== undefined) {
    return failed(`The arguments of ${call.name} are no JSON object: ${call.broken.slice(0, 200)}. Send the call again.`);
  }
  try {
    return outcomeOf(await handler(call.arguments, { signal }));
  } catch (error) {
    const isOurs = error instanceof OmegaError && !(error instanceof TooManyRequests || error instanceof Unavailable);
    if (signal?.aborted || isOurs) throw error;
    return failed(messageOf(error));
  }
}

/** The definitions in the form of the API, and a handler for each name. */
async function resolveTools(tools, form, handlers, registry) {
  const given = await (tools instanceof ToolDefinitions ? tools.in(form) : tools);
  const names = given.filter(item => typeof item === 'string');
  const named = new Map((await registry.fetchDefinitions(names, form)).map(one => [nameOf(one), one]));
  const definitionsOf = item => (item instanceof ToolDefinitions ? item.in(form) : named.get(item) ?? item);
  const found = await Promise.all(given.map(definitionsOf));
  const offer = { definitions: [], handlers: new Map() };
  for (const item of found.flat().flatMap(one => one.functionDeclarations ?? [one])) {
    const definition = convertDefinition(item instanceof HostTool ? item.toJSON() : item, form);
    offer.definitions.push(definition);
    if (isHosted(definition)) continue;
    const name = nameOf(definition);
    const own = item instanceof HostTool ? item.act : handlerOf.get(item);
    offer.handlers.set(name, Object.hasOwn(handlers, name) ? handlers[name] : own);
  }
  await addHandlers(offer.handlers, registry);
  return offer;
}

/** Fills in those of the gateway's tools, whose definitions may be copies. */
async function addHandlers(handlers, registry) {
  const missing = () => [...handlers.keys()].filter(name => typeof handlers.get(name) !== 'function');
  if (missing().some(name => name.startsWith('code_'))) {
    const known = new Set((await registry.fetchDefinitions(undefined, 'mcp')).map(nameOf));
    missing().filter(name => known.has(name)).forEach(name => handlers.set(name, registry.getTool(name).handler));
  }
  for (const name of missing()) throw new TypeError(`There is no handler for the tool '${name}'.`);
}

/** Where the model is, and as what it is asked. Without a provider the one that is configured, or that has a key. */
function accessTo(given) {
  const all = Object.keys(PROVIDERS).join(', ');
  const withKey = Object.keys(PROVIDERS).find(name => environment(...PROVIDERS[name].keys));
  const named = given.provider ?? configured.provider ?? withKey;
  if (!named) throw new TypeError(`Name a provider (${all}), or set the key of one, such as ANTHROPIC_API_KEY.`);
  if (!Object.hasOwn(PROVIDERS, named)) throw new TypeError(`There is no provider '${named}': the providers are ${all}.`);
  const api = PROVIDERS[named];
  const set = { ...configured[named], ...present(given) };
  const key = set.apiKey || environment(...api.keys);
  const own = set.baseUrl ?? environment(...api.bases); // a server of one's own may need no key
  if (!set.client && !key && !own) throw new TypeError(`${named} needs an apiKey (or ${api.keys[0]}), or a client of its SDK.`);
  const base = String(own ?? api.base).replace(/\/+$/, '');
  return { api, base, key, client: set.client, model: set.model ?? api.model, headers: set.headers };
}

/** The whole answer of the model. */
async function askModel({ api, base, key, client, headers }, body, { stream, onText, signal }) {
  if (client) {
    const answer = await api.send(client, body, signal);
    return stream ? api.join(answer, onText) : answer;
  }
  const [url, auth, sent] = api.fetch(base, key, body);
  const told = { 'Content-Type': 'application/json', ...auth, ...headers };
  try {
    const response = await postToModel(url, { method: 'POST', headers: told, body: JSON.stringify(sent), signal });
    return await (stream ? api.join(modelEvents(response.body), onText) : response.json());
  } catch (cause) {
    if (signal?.aborted || cause instanceof ModelError) throw cause;
    throw new ModelError(`No answer from the model's API at ${base}: ${reasonOf(cause)}.`, { cause });
  }
}

async function postToModel(url, init) {
  const again = status => [408, 409, 429].includes(status) || status >= 500;
  const { fetch = globalThis.fetch, retries = 2 } = configured;
  const response = await fetchPatiently(fetch, url, init, { retries, again });
  if (response.ok) return response;
  const text = await response.text().catch(() => '');
  const { message, type, code } = parsed(text)?.error ?? {};
  const said = message ? `HTTP ${response.status}: ${message}` : saidBy(response, text);
  throw new ModelError(`The model's API answered ${said}`, { status: response.status, code: String(type ?? code ?? '') });
}

/** What *read* finds in an answer of a model; ModelError if that is not in the form of its API. */
function hear(read) {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof OmegaError) throw cause;
    throw new ModelError(`The model's answer is not in the form of its API: ${reasonOf(cause)}.`, { cause });
  }
}

async function* modelEvents(body) {
  for await (const { data } of readEvents(body)) {
    if (data !== '[DONE]') yield JSON.parse(data);
  }
}

/** The gateway of the configuration. */
export const omega = new Omega();
/** Its tools for models. */
export const toolRegistry = new ToolRegistry();
/** Models with tools. */
export const llm = { callWithTools };
