// A suite that leaves something behind fails by its name, whatever it is, and the test command ends all the same.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const HERE = import.meta.dirname;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'suites-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

interface Report {
  readonly status: number | null;
  readonly said: string;
  readonly tests: { readonly passed: number; readonly skipped: number };
  /** What Jest says of each suite; empty: it passed. */
  readonly messages: ReadonlyMap<string, string>;
}

/** Runs suites, given as the body of their only test, in a Jest of their own with this house's environment. */
async function runSuites(
  bodies: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
): Promise<Report> {
  for (const [name, body] of Object.entries(bodies))
    await writeFile(join(folder, `${name}.test.cjs`), `test('it', async () => {\n${body}\n});\n`);
  const config = {
    rootDir: folder,
    cacheDirectory: join(folder, 'cache'),
    testMatch: ['**/*.test.cjs'],
    transform: {},
    testEnvironment: join(HERE, 'environment.mjs'),
    testEnvironmentOptions: { patienceMs: 300 },
    testRunner: join(HERE, 'suite-runner.mjs'),
    testSequencer: join(HERE, 'suite-order.mjs'),
    reporters: [join(HERE, 'left-out.mjs')],
    globalTeardown: join(HERE, 'ends.mjs'),
  };
  const output = join(folder, 'output.json');
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
  const args = [jest, '--config', JSON.stringify(config), '--maxWorkers=1', '--json', '--outputFile', output];
  const child = spawn(process.execPath, ['--experimental-vm-modules', ...args], {
    cwd: ROOT,
    env: { ...process.env, TEST_STALL_MS: '1000000', ...variables },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const { testResults, numPassedTests, numPendingTests } = JSON.parse(await readFile(output, 'utf8')) as {
    testResults: { name: string; message: string }[];
    numPassedTests: number;
    numPendingTests: number;
  };
  return {
    status,
    said,
    tests: { passed: numPassedTests, skipped: numPendingTests },
    messages: new Map(
      testResults.map(({ name, message }) => [name.slice(folder.length + 1, -'.test.cjs'.length), message]),
    ),
  };
}

/** What a suite leaves behind → what is said of it. */
const LEFT_BEHIND: Readonly<Record<string, readonly [body: string, said: string]>> = {
  server: [
    `await new Promise((resolve) => require('node:net').createServer().listen(0, '127.0.0.1', resolve));`,
    'a listening server',
  ],
  connection: [
    `const net = require('node:net');
    const server = net.createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const socket = net.connect(server.address().port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    server.close();`,
    'a connection',
  ],
  child: [`require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore' });`, 'a child process'],
  agent: [
    `require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore', detached: true }).unref();`,
    'sleep 1000',
  ],
  timer: ['setInterval(() => {}, 1000);', 'a timer'],
  watcher: [`require('node:fs').watch(require('node:os').tmpdir(), () => {});`, 'a file watcher'],
  failing: [
    `require('node:net').createServer().listen(0, '127.0.0.1');
    expect('this').toBe('that');`,
    'a listening server',
  ],
};

test('whatever a suite leaves behind is named with the suite, and the command ends', async () => {
  const tidy = `await new Promise((resolve) => {
    const server = require('node:net').createServer().listen(0, () => server.close(resolve));
  });`;
  const suites = Object.entries(LEFT_BEHIND).map(([name, [body]]) => [name, body]);
  const { status, messages } = await runSuites({ ...Object.fromEntries(suites), tidy });
  expect(status).toBe(1);
  expect(messages.get('tidy')).toBe('');
  for (const [name, [, said]] of Object.entries(LEFT_BEHIND))
    expect({ name, message: messages.get(name) }).toEqual({
      name,
      message: expect.stringMatching(new RegExp(`${name}\\.test\\.cjs left behind:.*${said}`)),
    });
  // What failed on its own is not hidden by what it left behind.
  expect(messages.get('failing')).toContain('Expected: "that"');
});

test('nothing of the outer world reaches a suite or what it starts, but what says how to test', async () => {
  const asChild = `const { execFileSync } = require('node:child_process');
    const child = JSON.parse(execFileSync(process.execPath, ['-p', 'JSON.stringify(process.env)'], { encoding: 'utf8' }));
    for (const variables of [process.env, child]) {`;
  const body = `${asChild}
      const names = Object.keys(variables);
      expect(names.filter((name) => /^(?:SUPERVISOR|CLAUDE|XDG|OUTER|GIT_DIR|https?_proxy)/.test(name))).toEqual([]);
      expect(variables).toMatchObject({ WG_BIN: '/opt/wg', GIT_AUTHOR_NAME: 'test' });
      expect(variables).not.toHaveProperty('WG_DIR');
      expect(variables.HOME).not.toBe('/home/outer');
    }
    const folder = require('node:fs').mkdtempSync(require('node:path').join(require('node:os').tmpdir(), 'r-'));
    execFileSync('git', ['init', '-q'], { cwd: folder });
    execFileSync('git', ['commit', '-q', '--allow-empty', '-m', 'it'], { cwd: folder });
    require('node:fs').rmSync(folder, { recursive: true });`;
  const { status, messages } = await runSuites(
    { body },
    {
      HOME: '/home/outer',
      WG_BIN: '/opt/wg',
      WG_DIR: '/somewhere/.wg',
      SUPERVISOR_STATE_DIR: '/somewhere',
      CLAUDECODE: '1',
      XDG_RUNTIME_DIR: '/run/user/1000',
      OUTER: '1',
      GIT_DIR: '/somewhere/.git',
      GIT_AUTHOR_NAME: '',
      https_proxy: 'http://127.0.0.1:1',
    },
  );
  expect(messages.get('body')).toBe('');
  expect(status).toBe(0);
});

test('what there is no time for, or what a stalling machine cannot judge, is left out and named, and nothing of it is run', async () => {
  const suites = {
    first: `expect(1).toBe(2);`,
    second: `require('node:fs').writeFileSync(__filename + '.ran', '');`,
  };
  const past = await runSuites(suites, { TEST_UNTIL: String(Math.floor(Date.now() / 1000) - 1) });
  expect(past).toMatchObject({ status: 0, tests: { passed: 0 } });
  expect(past.said).toMatch(
    /^Left out: 2 suites\n.*first\.test\.cjs: the time was up\n.*second\.test\.cjs: the time was up$/m,
  );
  const stalled = await runSuites(suites, { CI: '1', TEST_STALL_MS: '0' });
  expect(stalled).toMatchObject({ status: 0, tests: { passed: 0 } });
  expect(stalled.said).toMatch(/first\.test\.cjs: the machine stalled\n/);
  expect(readdirSync(folder).filter((name) => name.endsWith('.ran'))).toEqual([]);
  const soon = await runSuites(suites, { TEST_UNTIL: String(Math.floor(Date.now() / 1000) + 3600) });
  expect(soon).toMatchObject({ status: 1, tests: { passed: 1 } });
  expect(soon.said).not.toContain('Left out');
  // The rest of a suite in which the time ends.
  const { default: SuiteEnvironment } = await import(join(HERE, 'environment.mjs'));
  const begun = async (until: string) => {
    process.env.TEST_UNTIL = until;
    const event = { name: 'test_start', test: { mode: undefined } };
    await SuiteEnvironment.prototype.handleTestEvent(event, {});
    delete process.env.TEST_UNTIL;
    return event.test.mode;
  };
  expect(await begun('1')).toBe('skip');
  expect(await begun('99999999999')).toBe(undefined);
});

test('every variable by which tests are told how to run is let through', async () => {
  const named = new Set<string>();
  for (const path of readdirSync(join(HERE, '..'), { recursive: true, encoding: 'utf8' }))
    if (path.endsWith('.ts'))
      for (const [, name = ''] of readFileSync(join(HERE, '..', path), 'utf8').matchAll(
        /process\.env\.(\w+) \?\?/g,
      ))
        named.add(name);
  const { isolate } = await import('./outer-world.mjs');
  const variables = Object.fromEntries([...named].map((name) => [name, 'given']));
  isolate(variables, { home: '/h', temporary: '/t' });
  expect(Object.keys(variables)).toEqual(expect.arrayContaining([...named]));
  expect(named.size).toBeGreaterThan(5);
});
