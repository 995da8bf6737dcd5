// The official MCP conformance suite against `POST /mcp` of a whole supervisor: MCP_CONFORMANCE=/path/to/conformance npm
// run test:mcp (`@modelcontextprotocol/conformance` needs Node 22). What it may fail, and why, is in mcp-conformance.yml.

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const { MCP_CONFORMANCE, PATH } = process.env;
const EXPECTED = join(import.meta.dirname, 'mcp-conformance.yml');
/** Scenarios with checks of their own that this server passes. */
const PASSED = ['dns-rebinding-protection', 'ping', 'server-initialize', 'tools-list'];

let playground: Playground;
let supervised: Supervised | null = null;
let front: Server | null = null;
beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  front?.closeAllConnections();
  front?.close();
  front = null;
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

/** What the suite cannot send, the token, is added on the way; everything else passes as it is. */
function withToken(url: URL, token: string): Promise<string> {
  const server = createServer((incoming, response) => {
    const own = `localhost:${(server.address() as AddressInfo).port}`;
    const headers: typeof incoming.headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    // It is the address of the supervisor for those who ask it.
    for (const name of ['host', 'origin'] as const)
      headers[name] = headers[name]?.replace(own, `localhost:${url.port}`);
    if (headers.origin === undefined) delete headers.origin;
    const { method, url: path } = incoming;
    const passedOn = request({ host: url.hostname, port: url.port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passedOn.on('error', () => response.destroy());
    incoming.pipe(passedOn);
  });
  front = server;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://localhost:${(server.address() as AddressInfo).port}`),
    );
  });
}

function conformance(args: readonly string[]): Promise<{ readonly status: number; readonly out: string }> {
  return new Promise((resolve) => {
    const options = { cwd: playground.folder, env: { PATH }, maxBuffer: 2 ** 26 };
    execFile(MCP_CONFORMANCE ?? '', args, options, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr }),
    );
  });
}

if (!MCP_CONFORMANCE)
  test.skip('MCP conformance: no suite is named; MCP_CONFORMANCE=/path/to/conformance npm run test:mcp runs it', () => {});
else {
  accessSync(MCP_CONFORMANCE, constants.X_OK);
  test('every scenario passes but those that need what this server does not have', async () => {
    await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
    await playground.writeGraph(playground.repo, [{ id: 'a', executor: 'outside' }]);
    supervised = await supervise(playground);
    const { url, token } = await callerOf(supervised);
    const address = await withToken(new URL(url), token);
    const results = join(playground.folder, 'results');
    const { status, out } = await conformance([
      ...['server', '--url', `${address}/mcp`, '--suite', 'all'],
      ...['--expected-failures', EXPECTED, '--output-dir', results],
    ]);
    const passed = [...out.matchAll(/✓ ([\w-]+): [1-9]\d* passed, 0 failed/g)].map(([, name]) => name);
    expect([...passed].sort()).toEqual(PASSED);
    if (status !== 0) throw new Error(`it ended with ${status}:\n${out.slice(-4000)}`);
  });
}
