// Carries MCP messages between a program that speaks it on standard input and output and the running supervisor, which
// answers them. Knows only as much of the protocol as it takes: a line is a message, and requests have an id.

import { Agent } from 'node:http';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { SupervisorError } from '../../domain/errors.ts';
import { callMcp } from '../client/client-call.ts';

/** A tool may wait for a verify command. */
const ANSWER_TIMEOUT_MS = 15 * 60_000;

type Message = {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: Record<string, unknown>;
};

/**
 * Resolves when the input has ended and every answer is written. `reach` gives the supervisor's socket, and the token
 * of the run that asks, if one does; it is asked again for each message, because the supervisor may be restarted.
 */
export async function carryMcp(options: {
  readonly input: Readable;
  write(text: string): void;
  reach(): Promise<{ readonly socket: string; readonly token: string | null }>;
}): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const underWay = new Set<Promise<void>>();
  try {
    for await (const line of createInterface({ input: options.input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === '') continue;
      const answering = answer(line, agent, options);
      underWay.add(answering);
      void answering.finally(() => underWay.delete(answering));
    }
    await Promise.all(underWay);
  } finally {
    agent.destroy();
  }
}

async function answer(
  line: string,
  agent: Agent,
  { write, reach }: Pick<Parameters<typeof carryMcp>[0], 'write' | 'reach'>,
): Promise<void> {
  let message: Message | null = null;
  try {
    message = JSON.parse(line) as Message;
    const { socket, token } = await reach();
    const messages = await callMcp({
      socket,
      agent,
      method: 'POST',
      path: '/mcp',
      body: message,
      headers: headersOf(message, token),
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
    for (const one of messages) write(`${JSON.stringify(one)}\n`);
  } catch (thrown) {
    // A notification has no one to hear of it.
    const id = message?.id ?? null;
    if (message !== null && id === null) return;
    const code = message === null ? -32700 : -32603;
    write(`${JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: wordsOf(thrown) } })}\n`);
  }
}

/** What the protocol's HTTP binding wants to see beside the body. */
function headersOf({ method, params }: Message, token: string | null): Record<string, string> {
  const meta = params?._meta as Record<string, unknown> | undefined;
  const version = meta?.['io.modelcontextprotocol/protocolVersion'];
  const name = params?.name ?? params?.uri;
  return {
    accept: 'application/json, text/event-stream',
    ...(typeof version === 'string' ? { 'mcp-protocol-version': version } : {}),
    ...(typeof method === 'string' ? { 'mcp-method': method } : {}),
    ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
}

function wordsOf(thrown: unknown): string {
  if (thrown instanceof SupervisorError)
    return thrown.hint ? `${thrown.message}; ${thrown.hint}` : thrown.message;
  return thrown instanceof SyntaxError ? 'the line is not JSON' : 'the supervisor could not answer';
}
