// A program of its own: the client of one ACP agent (Agent Client Protocol) for one prompt. It is started like an agent
// CLI, with the prompt on standard input, and prints what happens as lines of JSON, so that it outlives a restart of the
// supervisor like any other agent. What the lines mean to a run is in acp.ts.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Readable, Writable } from 'node:stream';
import {
  client,
  type InitializeResponse,
  type LoadSessionResponse,
  methods,
  type NewSessionResponse,
  ndJsonStream,
  type PromptResponse,
  type RequestPermissionRequest,
} from '@agentclientprotocol/sdk';
import { systemClock } from '../../../platform/clock.ts';
import { processEnvironment } from '../../../platform/environment.ts';
import { VERSION } from '../../../version.ts';
import { type AcpOrder, readOrder } from './acp-order.ts';
import { askPerson } from './acp-question.ts';
import { fields, number, text } from './stream-fields.ts';

/** How long an agent may take to exit after its last message, ms. Some never do. */
const LEAVE_MS = 3_000;

// Claude's adapter does not say that a request is tried again, for minutes, even with a wrong key, unless it is asked.
const CLAUDE_SAYS = '_claude/sdkMessage';
const ASKED_OF_CLAUDE = {
  claudeCode: { emitRawSDKMessages: [{ type: 'system', subtype: 'api_retry' }] },
};

const clock = systemClock();

function say(event: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

async function main(): Promise<number> {
  const order = readOrder(process.argv.slice(2));
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const prompt = Buffer.concat(chunks).toString('utf8');
  const [program = '', ...args] = order.argv;
  // In a group of its own: who stops us must not interrupt it before its turn is cancelled.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const left = new Promise<Left>((resolve) => {
    child.once('error', ({ message }) => resolve({ how: `could not be started: ${message}`, status: 1 }));
    child.once('exit', (code, signal) =>
      resolve(
        signal === null
          ? { how: `ended with status ${code}`, status: 1 }
          : // As a shell has it: who was killed from outside did not fail.
            { how: `ended with ${signal}`, status: 128 + constants.signals[signal] },
      ),
    );
  });
  child.stdin.on('error', () => {
    // It has left; that is told below.
  });
  try {
    const stopReason = await converse(order, prompt, child);
    say({ type: 'end', stopReason });
    return stopReason === 'end_turn' ? 0 : 1;
  } catch (thrown) {
    const error = errorFields(thrown);
    // Its pipes close a moment before it is known how it ended; an answer with a code came from the agent itself.
    const gone = await Promise.race([left, clock.sleep(error.code === null ? LEAVE_MS : 0).then(() => null)]);
    if (gone === null) {
      say({ type: 'error', ...error });
      return 1;
    }
    say({
      type: 'error',
      message: `the agent ${gone.how} before its turn had finished`,
      code: null,
      data: null,
    });
    return gone.status;
  } finally {
    child.stdin.end();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const isGone = await Promise.race([left.then(() => true), clock.sleep(LEAVE_MS).then(() => false)]);
      if (isGone) break;
      killGroup(child.pid, signal);
    }
  }
}

/** How an agent has left, and the exit status that says so. */
interface Left {
  readonly how: string;
  readonly status: number;
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has left just now.
  }
}

/** One prompt, and why its turn had finished. */
async function converse(
  order: AcpOrder,
  prompt: string,
  child: { readonly stdin: Writable; readonly stdout: Readable },
): Promise<string> {
  const stream = ndJsonStream(
    Writable.toWeb(child.stdin) as WritableStream<Uint8Array>,
    Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>,
  );
  return await client({ name: 'workgraph-supervisor' })
    .onRequest(methods.client.session.requestPermission, async ({ params }) => ({
      outcome: await settle(order, params),
    }))
    .onNotification(methods.client.session.update, ({ params }) => {
      say({ type: 'update', update: params.update });
    })
    .onNotification(
      CLAUDE_SAYS,
      (params) => fields(fields(params).message),
      ({ params }) => {
        say({ type: 'retry', status: number(params.error_status), message: text(params.error) });
      },
    )
    .connectWith(stream, async (agent) => {
      const { agentCapabilities } = await agent.request<InitializeResponse>(methods.agent.initialize, {
        protocolVersion: 1,
        clientCapabilities: {},
        clientInfo: { name: 'workgraph-supervisor', version: VERSION },
      });
      const place = { cwd: process.cwd(), mcpServers: [], _meta: ASKED_OF_CLAUDE };
      const known = agentCapabilities?.loadSession ? order.session : null;
      const { sessionId, modes } =
        known === null
          ? await agent.request<NewSessionResponse>(methods.agent.session.new, place)
          : {
              ...(await agent.request<LoadSessionResponse>(methods.agent.session.load, {
                ...place,
                sessionId: known,
              })),
              sessionId: known,
            };
      const available = modes?.availableModes.map(({ id }) => id) ?? [];
      const { mode } = order;
      if (mode !== null && !available.includes(mode)) {
        const others = available.length === 0 ? 'no modes' : available.join(', ');
        say({ type: 'unusable', message: `the agent has no mode ${mode}; it has ${others}` });
        return 'refused';
      }
      if (mode !== null && mode !== modes?.currentModeId)
        await agent.request(methods.agent.session.setMode, { sessionId, modeId: mode });
      // What was replayed of an earlier session is not the answer to this prompt.
      say({ type: 'session', id: sessionId, mode: mode ?? modes?.currentModeId ?? null, modes: available });
      let isCancelled = false;
      const cancel = () => {
        if (isCancelled) process.exit(1);
        isCancelled = true;
        void agent.notify(methods.agent.session.cancel, { sessionId });
      };
      process.on('SIGINT', cancel);
      process.on('SIGTERM', cancel);
      const result = await agent.request<PromptResponse>(methods.agent.session.prompt, {
        sessionId,
        prompt: [{ type: 'text', text: prompt }],
      });
      say({ type: 'usage', usage: 'usage' in result ? result.usage : null });
      return result.stopReason;
    });
}

type Settled =
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'selected'; readonly optionId: string };

/** Allows, refuses or asks, as the profile says. */
async function settle(
  { permission }: AcpOrder,
  { toolCall, options }: RequestPermissionRequest,
): Promise<Settled> {
  const what = toolCall.title ?? 'use a tool';
  const ofKind = (kind: string) => options.find((option) => option.kind.startsWith(kind));
  const select = (option: { readonly optionId: string } | undefined): Settled =>
    option ? { outcome: 'selected', optionId: option.optionId } : { outcome: 'cancelled' };
  if (permission === 'allow') return select(ofKind('allow'));
  if (permission === 'deny') {
    say({ type: 'denied', what });
    return select(ofKind('reject'));
  }
  say({ type: 'asking', what });
  const names = options.map(({ name }) => name);
  const { variables } = processEnvironment();
  const answer = await askPerson(`May it ${what}?`, names, variables, clock);
  const chosen = options.find(({ name, optionId }) => name === answer || optionId === answer);
  if (!chosen || chosen.kind.startsWith('reject')) say({ type: 'denied', what });
  return select(chosen ?? ofKind('reject'));
}

/** What an error of the protocol tells, as far as agents fill it in. */
function errorFields(thrown: unknown): { message: string; code: unknown; data: unknown } {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { code = null, data = null } = error as { code?: unknown; data?: unknown };
  return { message: error.message, code, data };
}

process.exitCode = await main();
// Requests that no one answers any more must not keep it.
process.exit();
