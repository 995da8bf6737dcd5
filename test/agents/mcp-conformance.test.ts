// The official MCP conformance suite against `POST /mcp`: MCP_CONFORMANCE=/path/to/conformance npm run test:mcp
// (`@modelcontextprotocol/conformance` needs Node 22). Twice: against a whole supervisor with its own tools, and against the
// same API server, route, security and SDK with the tools, resources and prompts that the suite's scenarios call. What
// each may fail, and why, is in mcp-conformance.yml and mcp-example.yml.

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../api/api-kit.ts';
import { OPERATOR_TOKEN } from '../api/scripted-control.ts';
import { callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';
import { exampleHandler } from './mcp-example-server.ts';

const { MCP_CONFORMANCE, PATH } = process.env;
/** Scenarios with checks of their own that this server passes. */
const PASSED = ['dns-rebinding-protection', 'ping', 'server-initialize', 'tools-list'];
/** How many pass with the suite's own tools. */
const EXAMPLE_PASSED = 26;

let playground: Playground;
let supervised: Supervised | null = null;
let api: TestApi | null = null;
let front: Server | null = null;
beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  front?.closeAllConnections();
  front?.close();
  front = null;
  await api?.stop();
  api = null;
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

/** Runs all scenarios; gives those whose checks all passed. Throws if others fail than those in the file. */
async function conformance(address: string, expectedFailures: string): Promise<readonly string[]> {
  const args = [
    ...['server', '--url', `${address}/mcp`, '--suite', 'all'],
    ...['--expected-failures', join(import.meta.dirname, expectedFailures)],
    ...['--output-dir', join(playground.folder, 'results')],
  ];
  const { status, out } = await new Promise<{ readonly status: number; readonly out: string }>((resolve) => {
    const options = { cwd: playground.folder, env: { PATH }, maxBuffer: 2 ** 26 };
    execFile(MCP_CONFORMANCE ?? '', args, options, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr }),
    );
  });
  if (status !== 0) throw new Error(`it ended with ${status}:\n${out.slice(-6000)}`);
  return [...out.matchAll(/✓ ([\w-]+): [1-9]\d* passed, 0 failed/g)].map(([, name = '']) => name).sort();
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
    expect(await conformance(address, 'mcp-conformance.yml')).toEqual(PASSED);
  });

  test('with the tools, resources and prompts of the suite, all pass but what needs a session', async () => {
    api = await startApi({ mcp: exampleHandler });
    const url = await api.server.openTcp();
    const address = await withToken(new URL(url), OPERATOR_TOKEN);
    const passed = await conformance(address, 'mcp-example.yml');
    expect(passed).toEqual(
      expect.arrayContaining([...PASSED, 'tools-call-with-progress', 'prompts-get-simple']),
    );
    expect(passed).toHaveLength(EXAMPLE_PASSED);
  });
}
