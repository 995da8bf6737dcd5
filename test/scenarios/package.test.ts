// The package as users get it: bundled, with three packages beside it, and no script of its own.

import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readApiFile } from '../../src/api/api-file.ts';
import { findOnPath } from '../../src/platform/environment.ts';
import { bareEnvironment, eventually } from '../support/actors.ts';

const run = promisify(execFile);
const AS_SOMEONE = ['-c', 'user.name=someone', '-c', 'user.email=someone@example.com'];
const ROOT = join(import.meta.dirname, '../..');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'package-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const packageJson = async () => JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

/** Nothing of the surroundings but PATH; `HOME` is the test's own. */
const program = (main: string, ...args: string[]) =>
  run(main, args, {
    cwd: folder,
    env: bareEnvironment(folder),
  });

test('nothing that is installed runs a script, and what is bundled is no dependency', async () => {
  const { dependencies, scripts } = await packageJson();
  for (const name of ['preinstall', 'install', 'postinstall']) expect(scripts).not.toHaveProperty(name);
  // Each of these is a package or more on the user's disk; whatever has no native code is bundled instead.
  expect(Object.keys(dependencies).sort()).toEqual(['jsonc-parser', 'koffi', 'libsql']);
});

/** A bundle with nothing beside it but what is not in it; its main program. */
async function bundled(): Promise<string> {
  await run(process.execPath, [join(ROOT, 'scripts/bundle.mjs'), join(folder, 'bundle')]);
  const { dependencies } = await packageJson();
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  for (const name of Object.keys(dependencies)) {
    await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  return join(folder, 'bundle/cli/main.js');
}

test('the bundle works with its dependencies alone beside it', async () => {
  const main = await bundled();
  const { version } = await packageJson();
  expect((await program(main, '--version')).stdout).toBe(`${version}\n`);
  expect((await program(main, 'demo')).stdout).toContain('All tasks finished as expected.');
  // Each file costs half a millisecond of a short command.
  const chunks = await readdir(join(folder, 'bundle/chunks'));
  expect(chunks).toEqual(expect.arrayContaining(['every.js', 'look.js', 'offline.js', 'supervisor.js']));
  expect(await importsOf(main)).toEqual(['../chunks/every.js']);
  expect(await importsOf(join(folder, 'bundle/chunks/look.js'))).toEqual(['./every.js']);
  const notices = await readFile(join(folder, 'bundle/LICENSES.txt'), 'utf8');
  for (const name of ['zod', 'hono', 'got', 'preact'])
    expect(notices).toMatch(new RegExp(`^${name} \\d`, 'm'));
});

test('every file that a module finds by its own place is in the bundle, and its programs start', async () => {
  await bundled();
  const bundle = join(folder, 'bundle');
  const named: string[] = [];
  for (const file of await readdir(join(ROOT, 'src'), { recursive: true })) {
    if (!file.endsWith('.ts') || file.startsWith('page/')) continue;
    const text = await readFile(join(ROOT, 'src', file), 'utf8');
    for (const [, place = ''] of text.matchAll(/new URL\('([^']+)', import\.meta\.url\)/g))
      named.push(join(bundle, dirname(file), place));
  }
  const own = [...new Set(named.filter((path) => path.startsWith(`${bundle}/`)))];
  expect(own.length).toBeGreaterThan(1);
  for (const path of own) expect([path, (await stat(path)).isFile()]).toEqual([path, true]);
  const client = own.filter((path) => path.endsWith('/acp-client.js'));
  expect(client).toHaveLength(1);
  // An agent that leaves at once: said by the client, which found all that it loads.
  const said = await program(process.execPath, ...client, 'ask', '', '', 'false').catch(({ stdout }) => ({
    stdout,
  }));
  expect(said.stdout).toContain('"type":"error"');
});

test('what the bundle loads late works in it as well: metrics, traces, MCP', async () => {
  const main = await bundled();
  const repo = join(folder, 'shop');
  await run('git', ['init', '-q', '-b', 'main', repo]);
  await run('git', ['-C', repo, ...AS_SOMEONE, 'commit', '-q', '--allow-empty', '-m', 'Begin']);
  const told = new Set<string>();
  const collector = createServer((incoming, outgoing) => {
    told.add(incoming.url ?? '');
    incoming.resume().once('end', () => outgoing.end('{}'));
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  const env = {
    ...{ ...bareEnvironment(folder), XDG_RUNTIME_DIR: folder },
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRICS_EXPORTER: 'otlp' },
  };
  await run(main, ['add', 'Say hello', '--id', 'hello', '--exec', 'echo hello'], { cwd: repo, env });
  const supervisor = spawn(main, ['run'], { cwd: repo, env, stdio: 'ignore' });
  const ended = new Promise((resolve) => supervisor.once('exit', resolve));
  try {
    const apiFile = join(folder, '.local/state/workgraph-supervisor/api.json');
    const { socket } = await eventually(async () => await readApiFile(apiFile));
    const call = (path: string, body: object | null) => callSocket(socket, path, body);
    await eventually(async () => {
      const { status, text } = await call('/metrics', null);
      expect([status, text]).toEqual([200, expect.stringContaining('# TYPE workgraph_runs_started_total')]);
      return text.includes('outcome="succeeded"} 1');
    });
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 't', version: '1' },
    };
    const greeted = await call('/mcp', { jsonrpc: '2.0', id: 1, method: 'initialize', params });
    expect([greeted.status, greeted.text]).toEqual([200, expect.stringContaining('"serverInfo"')]);
  } finally {
    supervisor.kill('SIGTERM');
    await ended;
    collector.closeAllConnections();
    collector.close();
  }
  expect([...told].sort()).toEqual(['/v1/metrics', '/v1/traces']);
});

/** An answer over a unix socket. */
function callSocket(socketPath: string, path: string, body: object | null) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request({
      ...{ socketPath, path, method: body === null ? 'GET' : 'POST' },
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream, text/plain',
      },
    });
    sent.once('error', reject);
    sent.once('response', async (response) => {
      let text = '';
      for await (const more of response.setEncoding('utf8')) text += more;
      resolve({ status: response.statusCode ?? 0, text });
    });
    sent.end(body === null ? undefined : JSON.stringify(body));
  });
}

/** The other files of the bundle that this one is not loaded without. */
async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  const named = text.matchAll(/(?:^|[;}\n])import(?:\{[^}]*\}from)?"(\.[^"]+)"/g);
  return [...new Set([...named].map(([, path = '']) => path))];
}

/** The transcript of docs/install.md: what is typed, and what follows. */
async function transcript(): Promise<{ typed: string; shown: string }[]> {
  const text = await readFile(join(ROOT, 'docs/install.md'), 'utf8');
  const block = /<!-- test: install -->\n```console\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => ({ typed: part.slice(0, part.indexOf('\n')), shown: part.slice(part.indexOf('\n') + 1) }));
}

/** Types the transcript into a shell that finds nothing but Node, npm, git and itself, and compares what is shown. */
async function typeAll(install: (command: string) => Promise<void>): Promise<void> {
  const bin = join(folder, 'bin');
  const src = join(folder, 'src');
  for (const program of ['node', 'npm', 'git', 'sh']) {
    const path = findOnPath(program, { variables: process.env });
    if (path === null) throw new Error(`there is no ${program} here`);
    await mkdir(bin, { recursive: true });
    await symlink(path, join(bin, program));
  }
  for (const name of ['shop', 'site']) await run('git', ['init', '-q', '-b', 'main', join(src, name)]);
  const env = { PATH: bin, HOME: folder };
  let cwd = folder;
  /** Times, process ids and blanks at the end of a line differ from day to day. */
  const masked = (text: string) =>
    text
      .replaceAll(folder, '~')
      .replace(/^\d\d:\d\d:\d\d/gm, 'TIME')
      // A task this short may end before its process was identified.
      .replace(/(agent-\d+), pid \d+/g, '$1')
      .replace(/pid \d+/g, 'pid N')
      .replace(/ +$/gm, '')
      .trim();
  for (const { typed, shown } of await transcript()) {
    if (typed.startsWith('npm install')) await install(typed);
    else if (typed.startsWith('cd ')) cwd = typed.slice(3).replace('~', folder);
    else expect(masked((await run('sh', ['-c', typed], { cwd, env })).stdout)).toBe(masked(shown));
  }
}

test('with Node and git alone, from nothing to a task that is done, as docs/install.md shows it', async () => {
  await typeAll(async () => {
    await run(process.execPath, [join(ROOT, 'scripts/bundle.mjs'), join(folder, 'lib/bundle')]);
    await cp(join(ROOT, 'package.json'), join(folder, 'lib/package.json'));
    await symlink(join(ROOT, 'node_modules'), join(folder, 'lib/node_modules'));
    // As npm does it.
    await symlink(join(folder, 'lib/bundle/cli/main.js'), join(folder, 'bin/supervisor'));
  });
});

/** Bytes below a folder, and the packages in it. */
async function weigh(place: string): Promise<{ megabytes: number; packages: number }> {
  let bytes = 0;
  let packages = 0;
  for (const entry of await readdir(place, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += (await stat(join(entry.parentPath, entry.name))).size;
    if (entry.name === 'package.json' && /node_modules\/(?:@[^/]+\/)?[^/]+$/.test(entry.parentPath))
      packages++;
  }
  return { megabytes: bytes / 1e6, packages };
}

/** The person's settings of npm, such as the registry, and whom it trusts: everything else of theirs stays outside. */
const { PACKAGE: USER_CONFIG, PACKAGE_CA } = process.env;
const installed = USER_CONFIG ? describe : describe.skip;

installed('installed by npm (npm run test:package)', () => {
  const prefix = () => join(folder, 'prefix');
  const npm = (...args: string[]) =>
    run('npm', [...args, `--userconfig=${USER_CONFIG}`, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: folder,
      timeout: 600_000,
      env: { ...process.env, ...(PACKAGE_CA ? { NODE_EXTRA_CA_CERTS: PACKAGE_CA } : {}) },
    });

  /** Few packages, little on the disk, both commands, and they work. */
  async function expectWhole(): Promise<void> {
    const { megabytes, packages } = await weigh(prefix());
    process.stderr.write(`installed: ${packages} packages, ${megabytes.toFixed(1)} MB\n`);
    expect(packages).toBeLessThan(60);
    expect(megabytes).toBeLessThan(30);
    expect(await readdir(join(prefix(), 'bin'))).toEqual(['supervisor', 'wgs']);
    const home = join(prefix(), 'lib/node_modules/workgraph-supervisor');
    expect(await readdir(join(home, 'dist/page'))).toContain('page.js');
    expect((await program(join(prefix(), 'bin/wgs'), 'demo')).stdout).toContain(
      'All tasks finished as expected.',
    );
  }

  test('from a tarball without scripts: small, whole, and it works', async () => {
    await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT });
    const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await npm('install', '--global', '--ignore-scripts', '--prefix', prefix(), join(folder, tarball));
    await expectWhole();
  }, 600_000);

  test('from a git URL: the branch that npm run package:branch makes', async () => {
    const clone = join(folder, 'clone');
    await run('git', ['clone', '-q', ROOT, clone]);
    await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
    const before = await run('git', ['status', '--porcelain'], { cwd: clone });
    await run(process.execPath, ['scripts/package-branch.mjs'], { cwd: clone, timeout: 600_000 });
    expect(await run('git', ['status', '--porcelain'], { cwd: clone })).toEqual(before);
    await npm('install', '--global', '--prefix', prefix(), `git+file://${clone}#package`);
    await expectWhole();
  }, 1_200_000);

  test('docs/install.md from its first line', async () => {
    await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT });
    await typeAll(async (command) => {
      const [, ...words] = command.split(' ');
      await npm(
        ...words.map((word) => (word.endsWith('.tgz') ? join(folder, word) : word)),
        '--prefix',
        folder,
      );
    });
  }, 600_000);
});
