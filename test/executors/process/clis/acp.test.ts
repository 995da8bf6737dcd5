// The executor for ACP agents: the built client, as a process, with a scripted agent made of the official SDK.

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentProfile } from '../../../../src/domain/profile.ts';
import { createAgentExecutor } from '../../../../src/executors/process/agent.ts';
import { acp } from '../../../../src/executors/process/clis/acp.ts';
import type { AgentCli, AgentFacts } from '../../../../src/executors/process/clis/agent-cli.ts';
import { createSubprocesses } from '../../../../src/executors/process/lifecycle/subprocess.ts';
import { remainsOf } from '../../../../src/executors/process/lifecycle/terminate.ts';
import { builtCli } from '../../../support/built-cli.ts';
import {
  claudeProfile,
  eventually,
  makeAssignment,
  processMeans,
  recordedControl,
  temporaryFolder,
} from '../../bench.ts';
import { handleOf } from '../../contract.ts';

const AGENT = fileURLToPath(new URL('../../../../fixtures/agents/acp-agent.mjs', import.meta.url));
let root: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  root = await temporaryFolder();
});
afterEach(() => root.remove());

/** The adapter, with the client as it was built: the sources cannot be run by node itself. */
const built: typeof acp = {
  ...acp,
  commandLine(call) {
    const [node, , ...rest] = acp.commandLine(call);
    return [node, join(dirname(builtCli()), '../executors/process/clis/acp-client.js'), ...rest];
  },
};

async function begin(
  lines: readonly string[],
  options: { profile?: Partial<AgentProfile>; callback?: object; resume?: string } = {},
) {
  const means = processMeans(join(root.path, 'state'), { graceMs: () => 10_000 });
  const profile = claudeProfile({
    type: 'acp',
    name: 'scripted',
    command: AGENT,
    args: [],
    permissionMode: 'allow',
    account: 'acp',
    ...options.profile,
  } as Partial<AgentProfile>);
  const assignment = await makeAssignment(
    root.path,
    profile,
    { description: lines.map((line) => `acp: ${line}`).join('\n') },
    { ...options.callback, ...(options.resume ? { resumeSession: options.resume } : {}) },
  );
  const executor = createAgentExecutor(
    built as unknown as AgentCli<AgentFacts>,
    means,
    createSubprocesses(means),
  );
  const control = recordedControl();
  const handle = handleOf(await executor.begin(assignment, control), false);
  return {
    control,
    assignment,
    ended: () => executor.attend(assignment, handle, control),
    remains: () => remainsOf(assignment.run, handle.process, means),
  };
}

async function ran(...given: Parameters<typeof begin>) {
  const run = await begin(...given);
  const outcome = await run.ended();
  return { ...run, outcome };
}

test('a prompt to its end: text, tools, session, tokens and cost', async () => {
  const { outcome, control, remains } = await ran(['tool npm test', 'say all is well']);
  expect(outcome).toEqual({
    kind: 'succeeded',
    summary: 'did npm testall is well',
    usage: { inputTokens: 7, outputTokens: 3, costUsd: 0.25 },
  });
  expect(control.noted).toContainEqual({ session: expect.stringMatching(/^session-/) });
  expect(control.said).toContain('npm test');
  expect(await remains()).toMatchObject({ group: [], escaped: [] });
});

test('a permission that is refused is a failure that names it', async () => {
  const { outcome } = await ran(['tool rm -rf /'], { profile: { permissionMode: 'deny' } });
  expect(outcome).toMatchObject({
    kind: 'failed',
    failure: 'reported',
    message: expect.stringContaining('rm -rf /'),
  });
});

describe('a session in which nothing can be changed', () => {
  const inMode = (profile: Partial<AgentProfile>) =>
    ran(['tool npm test', 'say The file is written.'], { profile: { args: ['read-only'], ...profile } });

  test('is no success where no tool ran and nothing was reported: it says which mode, and which others there are', async () => {
    expect((await inMode({})).outcome).toEqual({
      ...{ kind: 'failed', failure: 'reported', retryable: false },
      usage: { inputTokens: 7, outputTokens: 3, costUsd: 0.25 },
      message: expect.stringMatching(
        /^its session was in its mode read-only, no tool of it ran .* in profile scripted mode = "full-access" changes that/,
      ),
    });
  });

  test('is left where the profile names another mode, and meant where it names this one', async () => {
    expect((await inMode({ mode: 'full-access' })).outcome).toMatchObject({
      ...{ kind: 'succeeded', summary: 'did npm testThe file is written.' },
    });
    expect((await inMode({ mode: 'read-only' })).outcome).toMatchObject({
      ...{ kind: 'succeeded', summary: 'The file is written.' },
    });
  });

  test('a mode that the agent does not have holds the profile, with those it has', async () => {
    expect((await inMode({ mode: 'root' })).outcome).toEqual({
      ...{ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' },
      because: 'profile scripted: the agent has no mode root; it has read-only, full-access',
    });
  });
});

describe('errors of the protocol', () => {
  test.each([
    ['fail 401 wrong key', { kind: 'deferred', code: 'executor-unavailable', scope: 'profile' }],
    ['fail 429 quota exceeded', { kind: 'deferred', code: 'quota', scope: 'account' }],
    ['fail -32603 Internal error: 503', { kind: 'deferred', code: 'provider', scope: 'account' }],
    ['fail -32603 something odd', { kind: 'failed', failure: 'exit', message: /something odd/ }],
  ])('%s', async (line, expected) => {
    const { outcome } = await ran([line]);
    const { message, ...rest } = expected as { message?: RegExp };
    expect(outcome).toMatchObject({
      ...rest,
      ...(message ? { message: expect.stringMatching(message) } : {}),
    });
  });
});

test('an agent that leaves in the middle of its turn failed; one that is not there, too', async () => {
  expect((await ran(['die'])).outcome).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('before its turn had finished'),
  });
  const none = await ran([], { profile: { command: join(root.path, 'no-such') } });
  expect(none.outcome).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('could not be started'),
  });
});

test('an agent that is killed from outside was interrupted, though its client lives', async () => {
  const { outcome, remains } = await ran(['say at work', 'killed', 'until-cancelled']);
  expect(outcome).toMatchObject({ kind: 'failed', failure: 'interrupted', retryable: true });
  expect(await remains()).toMatchObject({ group: [], escaped: [] });
});

test('an agent that tries again with a wrong key is ended, and the profile is held', async () => {
  const { outcome, remains } = await ran(['retries 401']);
  expect(outcome).toMatchObject({ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' });
  expect(await remains()).toMatchObject({ group: [], escaped: [] });
});

test('ending it cancels its turn, and leaves nothing behind', async () => {
  const run = await begin(['until-cancelled']);
  const ended = run.ended();
  await eventually('it waits', () => run.control.said.includes('waiting'), 30_000);
  run.control.abort('cancelled');
  expect(await ended).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
  const stream = await readFile(join(run.assignment.folder, 'raw_stream.jsonl'), 'utf8');
  expect(stream).toContain('"stopReason":"cancelled"');
  expect(await run.remains()).toMatchObject({ group: [], escaped: [] });
});

test('a session continues where the agent can load it', async () => {
  const note = join(root.path, 'note');
  await ran([`note ${note}`], { resume: 'session-of-before' });
  expect(await readFile(note, 'utf8')).toBe('loaded session-of-before\n');
});

describe('permission_mode = "ask"', () => {
  test.each([
    ['Allow', { kind: 'succeeded', summary: 'did npm test' }],
    ['whatever', { kind: 'failed', failure: 'reported' }],
  ])('asks the supervisor, and does as it is told: %s', async (answer, expected) => {
    const asked: { path: string; body: { id?: unknown } }[] = [];
    const server = createServer(async (request, response) => {
      asked.push({ path: request.url ?? '', body: JSON.parse(await bodyOf(request)) as object });
      // The first time it cannot be reached; the answer comes with a heartbeat.
      if (asked.length === 1) return void request.socket.destroy();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ directive: 'continue', ...(asked.length > 2 ? { answer } : {}) }));
    });
    const socket = join(root.path, 's');
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      const { outcome } = await ran(['tool npm test'], {
        profile: { permissionMode: 'ask' },
        callback: { callback: { url: null, socket, token: 'wgt_x' } },
      });
      expect(outcome).toMatchObject(expected);
      expect(asked.slice(1)).toEqual([
        {
          path: '/api/task/build-api/input',
          // Sent again it is the same asking.
          body: { question: 'May it npm test?', options: ['Allow', 'Reject'], id: asked[0]?.body.id },
        },
        { path: '/api/task/build-api/heartbeat', body: expect.anything() },
      ]);
    } finally {
      server.close();
    }
  });
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}
