// A model API on loopback, as five agent CLIs know theirs: Anthropic messages, OpenAI responses and chat completions,
// Gemini. What the model does is written in the task's description, one line each:
//   model: bash COMMAND      has the CLI's shell tool run it
//   model: tool NAME JSON    calls a tool by the beginning of its name
//   model: say TEXT          says it, which ends the turn
//   model: wait              never answers
// It knows how far it is by the conversation alone, so that it may be asked twice, or again after a restart.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What one request of a CLI was about. */
export interface ModelRequest {
  /** The key that it came with. */
  readonly key: string;
  readonly path: string;
  readonly task: string | null;
  /** How many tools were run before; null where no tools were offered: a title, a summary. */
  readonly step: number | null;
  /** Tasks of earlier prompts in the same conversation. */
  readonly before: readonly string[];
  readonly text: string;
}

/** A refusal in place of an answer. */
export interface Refusal {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ModelApi {
  readonly url: string;
  readonly requests: readonly ModelRequest[];
  /** From now on a key is refused; null: it is let in again. */
  refuse(key: string, refusal: Refusal | null): void;
  close(): Promise<void>;
}

/** What one answer is said to have used: the table of tokens in docs/agents.md is tested with it. */
export const PER_ANSWER = { fresh: 80, cached: 20, output: 30 } as const;

const WAIT_FOR_MCP = 'WaitForMcpServers';

type Json = Readonly<Record<string, unknown>>;
interface Turn {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** Names of the tools that are called in it. */
  readonly calls: readonly string[];
}
interface Tool {
  readonly name: string;
  readonly properties: readonly string[];
}
type Step =
  | { readonly kind: 'say'; readonly text: string }
  | { readonly kind: 'call'; readonly name: string; readonly input: Json }
  | { readonly kind: 'wait' };

export async function startModelApi(): Promise<ModelApi> {
  const requests: ModelRequest[] = [];
  const refusals = new Map<string, Refusal>();
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    let text = '';
    for await (const piece of request.setEncoding('utf8')) text += piece as string;
    const key = keyOf(request);
    const refusal = refusals.get(key);
    const body = (text === '' ? {} : JSON.parse(text)) as Json;
    const dialect = DIALECTS.find((one) => one.path.test(path));
    if (dialect === undefined || request.method !== 'POST')
      return send(response, 404, { error: 'no such path' });
    const turns = dialect.turns(body);
    const tools = dialect.tools(body);
    const asked = whatIsAsked(turns);
    const step = tools.length === 0 ? null : asked.step;
    requests.push({ key, path, task: asked.task, step, before: asked.before, text });
    if (refusal !== undefined) return send(response, refusal.status, refusal.body, refusal.headers);
    const next = step === null ? ({ kind: 'say', text: 'A title' } as const) : nextStep(asked, step, tools);
    if (next.kind === 'wait') return;
    dialect.answer(response, next, { body, id: `call_${requests.length}`, path });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    refuse(key, refusal) {
      if (refusal === null) refusals.delete(key);
      else refusals.set(key, refusal);
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function keyOf({ headers }: IncomingMessage): string {
  const bearer = /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1];
  return String(headers['x-api-key'] ?? headers['x-goog-api-key'] ?? bearer ?? '');
}

/** The task of the last prompt, what the model does in it, and how far it is. */
function whatIsAsked(turns: readonly Turn[]) {
  const prompts = turns.flatMap(({ role, text }, at) => {
    const task = role === 'user' ? /^# Task ([\w.-]+):/m.exec(text)?.[1] : undefined;
    return task === undefined ? [] : [{ task, text, at }];
  });
  const last = prompts.at(-1);
  const script = [...(last?.text ?? '').matchAll(/^model: (\w+) ?(.*)$/gm)].map(([, word, rest]) => ({
    word: word ?? '',
    rest: rest ?? '',
  }));
  const called = turns.slice(last?.at ?? 0).flatMap(({ calls }) => calls);
  const step = called.filter((name) => name !== WAIT_FOR_MCP).length;
  const hasWaited = called.includes(WAIT_FOR_MCP);
  return {
    task: last?.task ?? null,
    before: prompts.slice(0, -1).map(({ task }) => task),
    script,
    step,
    hasWaited,
  };
}

function nextStep(
  { script, hasWaited }: ReturnType<typeof whatIsAsked>,
  step: number,
  tools: readonly Tool[],
): Step {
  const { word, rest } = script[step] ?? { word: 'say', rest: 'All of it is done.' };
  switch (word) {
    case 'wait':
      return { kind: 'wait' };
    case 'bash':
      return shellCall(rest, tools);
    case 'tool': {
      const [, name = '', input = '{}'] = /^(\S+) ?(.*)$/.exec(rest) ?? [];
      const tool = tools.find((one) => one.name.startsWith(name));
      // Claude connects to MCP servers beside its first turn; a model that wants their tools waits for them.
      if (tool === undefined && !hasWaited && tools.some((one) => one.name === WAIT_FOR_MCP))
        return { kind: 'call', name: WAIT_FOR_MCP, input: {} };
      if (tool === undefined)
        return {
          kind: 'say',
          text: `There is no tool ${name} among ${tools.map((one) => one.name).join(', ')}`,
        };
      return { kind: 'call', name: tool.name, input: JSON.parse(input) as Json };
    }
    default:
      return { kind: 'say', text: rest };
  }
}

/** The shell tool of the CLI that asks, in its own terms. */
function shellCall(command: string, tools: readonly Tool[]): Step {
  const tool = tools.find(({ name }) =>
    ['Bash', 'bash', 'exec_command', 'shell_command', 'shell', 'run_shell_command'].includes(name),
  );
  if (tool === undefined) return { kind: 'say', text: 'No shell is offered.' };
  const has = (name: string) => tool.properties.includes(name);
  const input = {
    ...(has('cmd')
      ? { cmd: command }
      : { command: tool.name === 'shell' ? ['bash', '-c', command] : command }),
    ...(has('description') ? { description: 'Run what the task says' } : {}),
    // A tool that is left to itself after a while would be another case.
    ...(has('yield_time_ms') ? { yield_time_ms: 120_000 } : {}),
  };
  return { kind: 'call', name: tool.name, input };
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Refusal['headers'] = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function stream(
  response: ServerResponse,
  events: readonly (readonly [string | null, object])[],
  end = '',
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [name, data] of events)
    response.write(`${name === null ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`);
  response.end(end);
}

interface Dialect {
  readonly path: RegExp;
  turns(body: Json): readonly Turn[];
  tools(body: Json): readonly Tool[];
  answer(
    response: ServerResponse,
    step: Exclude<Step, { kind: 'wait' }>,
    about: { readonly body: Json; readonly id: string; readonly path: string },
  ): void;
}

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? (value as Json[]) : []);
const record = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const words = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : list(value)
        .map((part) => String(part.text ?? ''))
        .join('\n');
const properties = (schema: unknown) => Object.keys(record(record(schema).properties));

const anthropic: Dialect = {
  path: /^\/v1\/messages(\?|$)/,
  turns: ({ messages }) =>
    list(messages).map(({ role, content }) => ({
      role: role === 'assistant' ? 'assistant' : 'user',
      text: words(content),
      calls: list(content)
        .filter(({ type }) => type === 'tool_use')
        .map(({ name }) => String(name)),
    })),
  tools: ({ tools }) =>
    list(tools).map(({ name, input_schema }) => ({
      name: String(name),
      properties: properties(input_schema),
    })),
  answer(response, step, { body, id }) {
    const usage = {
      input_tokens: PER_ANSWER.fresh,
      cache_read_input_tokens: PER_ANSWER.cached,
      cache_creation_input_tokens: 0,
      output_tokens: PER_ANSWER.output,
    };
    const stop_reason = step.kind === 'call' ? 'tool_use' : 'end_turn';
    const content =
      step.kind === 'call'
        ? { type: 'tool_use', id, name: step.name, input: step.input }
        : { type: 'text', text: step.text };
    const message = {
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model: body.model,
      stop_sequence: null,
    };
    if (body.stream !== true)
      return send(response, 200, { ...message, content: [content], stop_reason, usage });
    const begun = step.kind === 'call' ? { ...content, input: {} } : { type: 'text', text: '' };
    const delta =
      step.kind === 'call'
        ? { type: 'input_json_delta', partial_json: JSON.stringify(step.input) }
        : { type: 'text_delta', text: step.text };
    stream(
      response,
      [
        { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage } },
        { type: 'content_block_start', index: 0, content_block: begun },
        { type: 'content_block_delta', index: 0, delta },
        { type: 'content_block_stop', index: 0 },
        {
          type: 'message_delta',
          delta: { stop_reason, stop_sequence: null },
          usage: { output_tokens: PER_ANSWER.output },
        },
        { type: 'message_stop' },
      ].map((event) => [event.type, event] as const),
    );
  },
};

const responses: Dialect = {
  path: /\/responses(\?|$)/,
  turns: ({ input }) =>
    list(input).map(({ type, role, content, name }) => ({
      role: role === 'user' ? 'user' : 'assistant',
      text: words(content),
      calls: /^(custom_tool|function)_call$/.test(String(type)) ? [String(name)] : [],
    })),
  tools: ({ tools }) =>
    list(tools)
      .filter(({ type }) => type === 'function')
      .map(({ name, parameters }) => ({ name: String(name), properties: properties(parameters) })),
  answer(response, step, { id }) {
    const item =
      step.kind === 'call'
        ? {
            type: 'function_call',
            id: `fc_${id}`,
            call_id: id,
            name: step.name,
            arguments: JSON.stringify(step.input),
          }
        : {
            type: 'message',
            id: `msg_${id}`,
            role: 'assistant',
            content: [{ type: 'output_text', text: step.text }],
          };
    const usage = {
      input_tokens: PER_ANSWER.fresh + PER_ANSWER.cached,
      input_tokens_details: { cached_tokens: PER_ANSWER.cached },
      output_tokens: PER_ANSWER.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: PER_ANSWER.fresh + PER_ANSWER.cached + PER_ANSWER.output,
    };
    stream(
      response,
      [
        { type: 'response.created', response: { id: `resp_${id}` } },
        { type: 'response.output_item.done', output_index: 0, item },
        { type: 'response.completed', response: { id: `resp_${id}`, output: [item], usage } },
      ].map((event) => [event.type, event] as const),
    );
  },
};

const chat: Dialect = {
  path: /\/chat\/completions(\?|$)/,
  turns: ({ messages }) =>
    list(messages).map(({ role, content, tool_calls }) => ({
      role: role === 'assistant' ? 'assistant' : 'user',
      text: words(content),
      calls: list(tool_calls).map(({ function: fn }) => String(record(fn).name)),
    })),
  tools: ({ tools }) =>
    list(tools).map(({ function: fn }) => ({
      name: String(record(fn).name),
      properties: properties(record(fn).parameters),
    })),
  answer(response, step, { body, id }) {
    const delta =
      step.kind === 'call'
        ? {
            role: 'assistant',
            tool_calls: [
              {
                index: 0,
                id,
                type: 'function',
                function: { name: step.name, arguments: JSON.stringify(step.input) },
              },
            ],
          }
        : { role: 'assistant', content: step.text };
    const usage = {
      prompt_tokens: PER_ANSWER.fresh + PER_ANSWER.cached,
      prompt_tokens_details: { cached_tokens: PER_ANSWER.cached },
      completion_tokens: PER_ANSWER.output,
      total_tokens: PER_ANSWER.fresh + PER_ANSWER.cached + PER_ANSWER.output,
    };
    const chunk = { id: `chat_${id}`, object: 'chat.completion.chunk', created: 0, model: body.model };
    const finish_reason = step.kind === 'call' ? 'tool_calls' : 'stop';
    stream(
      response,
      [
        [null, { ...chunk, choices: [{ index: 0, delta, finish_reason: null }] }],
        [null, { ...chunk, choices: [{ index: 0, delta: {}, finish_reason }] }],
        [null, { ...chunk, choices: [], usage }],
      ],
      'data: [DONE]\n\n',
    );
  },
};

const gemini: Dialect = {
  path: /:(streamGenerateContent|generateContent)(\?|$)/,
  turns: ({ contents }) =>
    list(contents).map(({ role, parts }) => ({
      role: role === 'model' ? 'assistant' : 'user',
      text: words(parts),
      calls: list(parts).flatMap(({ functionCall }) =>
        functionCall === undefined ? [] : [String(record(functionCall).name)],
      ),
    })),
  tools: ({ tools }) =>
    list(tools).flatMap(({ functionDeclarations }) =>
      list(functionDeclarations).map(({ name, parametersJsonSchema, parameters }) => ({
        name: String(name),
        properties: properties(parametersJsonSchema ?? parameters),
      })),
    ),
  answer(response, step, { path }) {
    const part =
      step.kind === 'call' ? { functionCall: { name: step.name, args: step.input } } : { text: step.text };
    const answer = {
      candidates: [{ index: 0, finishReason: 'STOP', content: { role: 'model', parts: [part] } }],
      modelVersion: 'stand-in',
      usageMetadata: {
        promptTokenCount: PER_ANSWER.fresh + PER_ANSWER.cached,
        cachedContentTokenCount: PER_ANSWER.cached,
        candidatesTokenCount: PER_ANSWER.output,
        totalTokenCount: PER_ANSWER.fresh + PER_ANSWER.cached + PER_ANSWER.output,
      },
    };
    if (path.includes(':streamGenerateContent')) stream(response, [[null, answer]]);
    else send(response, 200, answer);
  },
};

const DIALECTS: readonly Dialect[] = [anthropic, responses, chat, gemini];
