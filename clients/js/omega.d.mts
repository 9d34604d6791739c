/** The types of omega.mjs, which says what each of them does. */
/// <reference lib="esnext.disposable" />

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Fields = { [name: string]: any };
type Signal = { signal?: AbortSignal };

// ---- Configuration and errors

export interface ModelAccess {
  apiKey?: string;
  /** With the version of the API, such as `/v1`, or without. */
  baseUrl?: string;
  model?: string;
  headers?: Record<string, string>;
  /** A client of the vendor's SDK, in place of key and address. */
  client?: any;
}

export interface Settings {
  url?: string;
  token?: string;
  fetch?: typeof fetch;
  /** How often a request is sent again that was not carried out (429, 503). */
  retries?: number;
  provider?: Provider;
  openai?: ModelAccess;
  'openai-responses'?: ModelAccess;
  anthropic?: ModelAccess;
  gemini?: ModelAccess;
}

export function configure(settings: Settings): void;

export class OmegaError extends Error {}
export class ConnectionFailed extends OmegaError {}
export class ApiError extends OmegaError {
  readonly status: number;
  /** Stable: see docs/errors.md. */
  readonly code: string;
  readonly type: string;
  readonly hint: string;
  readonly retryAfterS: number | null;
  readonly runId: string;
  readonly body: any;
}
export class BadRequest extends ApiError {}
export class Unauthorized extends ApiError {}
export class Forbidden extends ApiError {}
export class NotFound extends ApiError {}
export class Conflict extends ApiError {}
export class Gone extends ApiError {}
export class TooLarge extends ApiError {}
export class TooManyRequests extends ApiError {}
export class Unavailable extends ApiError {}
export class RunFailed extends OmegaError {
  readonly result: RunResult;
}
export class ModelError extends OmegaError {
  readonly status: number;
  readonly code: string;
}
export class TooManyRounds extends OmegaError {
  readonly rounds: number;
  readonly messages: any[];
  readonly text: string;
}

// ---- Runs

export interface RunError {
  type: string;
  message: string;
  traceback: string | null;
  hint?: string;
}

export interface Chart {
  base64: string;
  mimeType: string;
  chartData?: Fields | null;
}

/** The answer to a run; docs/runs.md describes every field. */
export interface RunResult {
  success: boolean;
  output: string;
  stdout?: string;
  stderr?: string;
  error: RunError | null;
  results: { type: 'display' | 'result'; data: Fields; metadata?: Fields; chart?: number }[];
  charts: Chart[];
  chart?: Chart | null;
  returnValue?: any;
  hint?: string;
  variables: { [name: string]: Fields };
  exitCode: number;
  executionTime: number;
  truncated: boolean;
  limits: string[];
  files?: Fields[];
  fetched?: { files: { path: string; urlPath: string; size: number; base64: string }[]; leftOut: Fields[]; truncated: boolean };
  sessionId?: string;
  executionCount?: number;
  kernelReplaced?: boolean;
  [name: string]: any;
}

/** The fields of docs/runs.md, and what is not sent: `signal` ends the run, `tools` are functions that the code can call. */
export interface RunOptions extends Signal {
  timeout?: number;
  files?: { [path: string]: string | { base64: string } | ArrayBuffer | ArrayBufferView };
  fetchFiles?: string[];
  stdin?: string;
  env?: Record<string, string>;
  include?: ('streams' | 'svg')[];
  text?: 'terminal';
  session?: string;
  tools?: HostTool[];
  [field: string]: any;
}

/** An event of docs/streaming.md. */
export interface RunEvent {
  type: string;
  [field: string]: any;
}

export function check<R extends { success: boolean; error?: any }>(result: R): R;
export function bytesOf(file: { base64: string }): Uint8Array;
export function dataUrlOf(chart: { base64: string; mimeType: string }): string;
export function readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<{ data: string; event?: string; id?: string }>;

// ---- Tools that code can call

export interface ToolAbout {
  description?: string;
  /** JSON schema of the arguments; positional arguments follow the order of its properties. */
  parameters?: Fields;
}

export class HostTool {
  constructor(name: string, about: ToolAbout, act: (input: any, context: Signal) => any);
  readonly name: string;
  readonly description?: string;
  readonly parameters?: Fields;
  toJSON(): Fields;
}

// ---- Gateway and sessions

export interface Access {
  url?: string;
  token?: string;
  fetch?: typeof fetch;
  retries?: number;
}

export interface SessionOptions extends Signal {
  language?: 'python' | 'javascript';
  name?: string;
  timeout?: number;
  idleTimeout?: number;
  env?: Record<string, string>;
  cwd?: string;
}

export class Omega {
  constructor(access?: string | Access);
  run(code: string, options?: RunOptions & { language?: 'python' | 'javascript' }): Promise<RunResult>;
  python(code: string, options?: RunOptions): Promise<RunResult>;
  javascript(code: string, options?: RunOptions): Promise<RunResult>;
  chart(code: string, options?: RunOptions & { format?: 'png' | 'svg'; dpi?: number }): Promise<RunResult>;
  analyze(data: Json, options?: Fields & Signal): Promise<RunResult>;
  math(expression: string, options?: Fields & Signal): Promise<RunResult>;
  stream(code: string, options?: RunOptions & { language?: 'python' | 'javascript' }): AsyncGenerator<RunEvent>;
  install(name: string, options?: Signal): Promise<Fields>;
  history(limit?: number, options?: Signal): Promise<Fields[]>;
  health(options?: Signal): Promise<Fields>;
  createSession(options?: SessionOptions): Promise<Session>;
  session(id: string): Session;
  sessions(options?: Signal): Promise<Session[]>;
  withSession<T>(act: (session: Session) => Promise<T>): Promise<T>;
  withSession<T>(options: SessionOptions, act: (session: Session) => Promise<T>): Promise<T>;
  tool<I = any>(name: string, about: ToolAbout, act: (input: I, context: Signal) => any): HostTool;
  readonly tools: ToolRegistry;
}

/** `omega.createSession` and `omega.session` make these. */
export class Session {
  private constructor();
  readonly id: string;
  /** What the gateway last said of it. */
  readonly info?: Fields;
  execute(code: string, options?: RunOptions): Promise<RunResult>;
  stream(code: string, options?: RunOptions): AsyncGenerator<RunEvent>;
  events(options?: Signal & { after?: number }): AsyncGenerator<RunEvent>;
  refresh(options?: Signal): Promise<Fields>;
  variables(options?: Signal): Promise<Fields[]>;
  table(name: string, options?: Signal & { rows?: string; columns?: string; sort?: string; where?: string }): Promise<Fields>;
  interrupt(options?: Signal): Promise<{ interrupted: boolean; kernelReplaced: boolean }>;
  restart(options?: Signal): Promise<Fields>;
  notebook(options?: Signal): Promise<Fields>;
  files(options?: Signal & { path?: string; hashes?: boolean }): Promise<Fields[]>;
  readFile(path: string, options?: Signal): Promise<Uint8Array>;
  readText(path: string, options?: Signal): Promise<string>;
  writeFile(path: string, data: string | Blob | ArrayBuffer | ArrayBufferView, options?: Signal): Promise<Fields>;
  deleteFile(path: string, options?: Signal & { recursive?: boolean }): Promise<Fields>;
  end(options?: Signal): Promise<Fields>;
  [Symbol.asyncDispose](): Promise<void>;
}

// ---- Tools for models

export type Provider = 'openai' | 'openai-responses' | 'anthropic' | 'gemini';
export type Format = Provider | 'mcp';
/** A definition of a tool in the form of any of the APIs. */
export type Definition = Fields;

/** What a tool of the gateway answers. */
export interface ToolAnswer {
  success: boolean;
  text: string;
  content: ({ type: 'text'; text: string } | { type: 'image'; data: string; mimeType: string })[];
  isError: boolean;
  session: string | null;
  run: Fields | null;
}

/** Carries out a call: answers with text, JSON, or what the gateway's tools answer; what it throws, the model reads. */
export type Handler = (args: any, context: Signal) => any;

export class ToolDefinitions implements PromiseLike<Definition[]> {
  private constructor();
  readonly names?: string[];
  readonly format: Format;
  in(format: Format): Promise<Definition[]>;
  then<A = Definition[], B = never>(
    onDone?: ((definitions: Definition[]) => A | PromiseLike<A>) | null,
    onFault?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B>;
  catch<B = never>(onFault?: ((reason: any) => B | PromiseLike<B>) | null): Promise<Definition[] | B>;
  finally(act?: (() => void) | null): Promise<Definition[]>;
}

export class ToolRegistry {
  constructor(access?: string | Access);
  getToolDefinitions(names?: string[], format?: Format): ToolDefinitions;
  fetchDefinitions(names: string[] | undefined, format: Format): Promise<Definition[]>;
  getTool(name: string): { name: string; handler(args: Fields, context?: Signal): Promise<ToolAnswer> };
  /** For the AI SDK 7; *jsonSchema* is that of its package `ai`. */
  getAiTools(jsonSchema: (schema: any) => any, names?: string[]): Promise<Record<string, any>>;
}

export function convertDefinition(definition: Definition, form: Provider): Definition;

export interface ToolCall {
  id?: string;
  name: string;
  arguments?: Fields;
  /** What the model sent in place of arguments. */
  broken?: string;
}

export interface ToolResult {
  text: string;
  images: { data: string; mimeType: string }[];
  isError: boolean;
}

export interface Asked extends Signal, ModelAccess {
  provider?: Provider;
  /** In the form of the provider's API; `{role, content}` fits all. Text is a message of the user. */
  messages: string | any[];
  /** Names of the gateway's tools, definitions of any form, tools of `omega.tool`, or `getToolDefinitions(...)`. */
  tools?: ToolDefinitions | PromiseLike<Definition[]> | (string | Definition | HostTool | ToolDefinitions)[];
  maxRounds?: number;
  stream?: boolean;
  /** Called with each piece of the model's text, as it comes. */
  onText?: (piece: string) => void;
  onCall?: (call: ToolCall) => void;
  onResult?: (call: ToolCall & { result: ToolResult }) => void;
  registry?: ToolRegistry;
  /** Anything else is sent to the model's API: `max_tokens`, `temperature`, `system`... (Gemini: `config`). */
  [field: string]: any;
}

export class ToolConversation {
  readonly text: string;
  readonly messages: any[];
  readonly calls: (ToolCall & { result: ToolResult })[];
  readonly stopReason: 'end' | 'max_rounds' | 'length' | 'refused';
  /** How often the model was asked. */
  readonly rounds: number;
  readonly usage: any;
  /** The last answer of the model's API. */
  readonly response: any;
  get images(): { base64: string; mimeType: string }[];
  toString(): string;
}

export const omega: Omega;
export const toolRegistry: ToolRegistry;
export const llm: { callWithTools(asked: Asked, handlers?: Record<string, Handler>): Promise<ToolConversation> };
