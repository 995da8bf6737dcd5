// The other side of the demo: two small HTTP agents in this process, and a stand-in for the Claude CLI.

import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../platform/clock.ts';

/** The HTTP agents while they listen. */
export interface DemoAgents {
  /** Answers 202 and calls back when its work is done. */
  readonly researchUrl: string;
  /** Responds with the result. */
  readonly translateUrl: string;
  close(): Promise<void>;
}

interface Dispatch {
  readonly data: {
    readonly task: { readonly title: string };
    readonly lease: { readonly token: string };
    readonly callback: { readonly complete_url: string };
  };
}

/** Starts the HTTP agents on a free loopback port. */
export async function startDemoAgents(clock: Clock): Promise<DemoAgents> {
  const server = createServer((request, response) => {
    void readJson(request).then(async (body) => {
      response.setHeader('content-type', 'application/json');
      if (request.url === '/translate') {
        response.end(JSON.stringify({ status: 'completed', summary: 'translated', result: { words: 42 } }));
        return;
      }
      response.statusCode = 202;
      response.end('{"status":"accepted"}');
      await clock.sleep(400);
      const { task, lease, callback } = (body as Dispatch).data;
      await fetch(callback.complete_url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${lease.token}` },
        body: JSON.stringify({ summary: `looked into: ${task.title}`, result: { sources: 3 } }),
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    researchUrl: `http://127.0.0.1:${port}/research`,
    translateUrl: `http://127.0.0.1:${port}/translate`,
    close: () => closed(server),
  };
}

/**
 * A program that imitates one short success of the Claude CLI, for machines without it. `work`: a command that it runs
 * before it answers.
 */
export async function writeStandInClaude(folder: string, work = ':'): Promise<string> {
  const path = join(folder, 'stand-in-claude');
  const lines = [
    {
      type: 'system',
      subtype: 'init',
      session_id: '00000000-0000-4000-8000-000000000000',
      model: 'stand-in',
    },
    {
      type: 'assistant',
      message: { content: [{ type: 'text', text: 'Fixed the greeting.' }] },
    },
    {
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: 'Fixed the greeting.',
      num_turns: 1,
      duration_ms: 300,
      total_cost_usd: 0,
      usage: { input_tokens: 10, output_tokens: 5 },
    },
  ];
  const print = lines.map((line) => `printf '%s\\n' '${JSON.stringify(line)}'`).join('\n');
  await writeFile(path, `#!/bin/sh\ncat >/dev/null\n${work} || exit 1\n${print}\n`);
  await chmod(path, 0o755);
  return path;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? null : JSON.parse(text);
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
