// The recipes as they stand in docs/recipes: the curl, Node and Python ones are run, the n8n workflows are held against
// what n8n can import, and every configuration in them is one that the supervisor takes.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from '@swc/core';
import { parseMachineConfig } from '../../src/config/load.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const RECIPES = fileURLToPath(new URL('../../docs/recipes/', import.meta.url));
const run = promisify(execFile);

/** The fenced blocks of a language in a recipe, in order. */
function blocks(recipe: string, language: string): string[] {
  const text = readFileSync(join(RECIPES, `${recipe}.md`), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , code]) => code ?? '');
}

function block(recipe: string, language: string, n = 0): string {
  const found = blocks(recipe, language)[n];
  if (found === undefined) throw new Error(`${recipe}.md has no block ${n} of ${language}`);
  return found;
}

async function isThere(program: string): Promise<boolean> {
  return await run(program, ['--version']).then(
    () => true,
    () => false,
  );
}

let playground: Playground;
let supervised: Supervised | null;
let children: ChildProcess[];

beforeEach(async () => {
  playground = await createPlayground();
  supervised = null;
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await supervised?.stop({ cancelAgents: true });
  await playground.remove();
});

async function begin(
  tasks: readonly TaskLine[],
  config: string,
  variables: Record<string, string> = {},
): Promise<Supervised> {
  await playground.writeGraph(playground.repo, tasks);
  await playground.writeConfig(`[api]\nlisten = "127.0.0.1:0"\n${config}`);
  supervised = await supervise(playground, { variables });
  return supervised;
}

/** Starts an agent from its recipe on a free port; gives the recipe's configuration with that port in it. */
async function agent(
  recipe: string,
  program: string,
  file: string,
  code: string,
  port: string,
): Promise<{ readonly config: string; readonly secret: string }> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const path = join(playground.folder, file);
  await writeFile(path, code);
  const env = { ...process.env, AGENT_SECRET: secret, PORT: '0' };
  const child = spawn(program, [path], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const free = await new Promise<string>((resolve, reject) => {
    child.once('close', () => reject(new Error(`${file} ended`)));
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      if (line.startsWith('ready ')) resolve(line.slice('ready '.length));
    });
  });
  return { config: block(recipe, 'toml').replace(port, free), secret };
}

async function task(id: string): Promise<Record<string, unknown> | undefined> {
  return (await playground.readGraph(playground.repo)).get(id);
}

test('curl: every block of it, one after the other, in one shell', async () => {
  if (!(await isThere('curl'))) return void process.stderr.write('recipes: no curl here, not run\n');
  const external = { tags: ['executor:external'] };
  const it = await begin(
    [
      { id: 'sign-off', ...external },
      { id: 'write', after: ['sign-off'], ...external },
      { id: 'build', exec: 'echo built', tags: ['schedule:2126-01-01T00:00:00Z'] },
    ],
    '',
  );
  await it.event('run.handed-off', 'sign-off');
  const script = join(playground.folder, 'recipe.sh');
  await writeFile(script, `set -euo pipefail\n${blocks('curl', 'sh').join('\n')}`);
  const { stdout } = await run('bash', [script], {
    env: { ...process.env, SUPERVISOR_STATE_DIR: playground.stateDir },
  });
  expect(stdout).toMatch(/succeeded\s*$/);
  expect(await task('sign-off')).toMatchObject({ status: 'done' });
  expect(await task('write')).toMatchObject({ status: 'done', artifacts: ['{"result":{"lines":3}}'] });
  expect(await task('build')).toMatchObject({ status: 'done' });
});

test('Node: the agent of the recipe does a task that is sent to it', async () => {
  const { config, secret } = await agent(
    'node-agent',
    process.execPath,
    'agent.mjs',
    block('node-agent', 'js'),
    '3530',
  );
  const it = await begin(
    [{ id: 'look', description: 'three words here', tags: ['executor:research'] }],
    config,
    { AGENT_SECRET: secret },
  );
  const settled = await it.event('run.settled', 'look');
  expect(settled.outcome).toMatchObject({ kind: 'succeeded', artifacts: { result: { words: 3 } } });
});

test('Node: with another secret it refuses, and the task fails for good', async () => {
  const { config } = await agent(
    'node-agent',
    process.execPath,
    'agent.mjs',
    block('node-agent', 'js'),
    '3530',
  );
  const other = `whsec_${randomBytes(32).toString('base64')}`;
  const it = await begin([{ id: 'look', tags: ['executor:research'] }], config, { AGENT_SECRET: other });
  const settled = await it.event('run.settled', 'look');
  expect(settled.outcome).toMatchObject({
    kind: 'failed',
    failure: 'refused',
    message: expect.stringContaining('401'),
  });
});

test('Python: the agent of the recipe does a task that is sent to it', async () => {
  if (!(await isThere('python3'))) return void process.stderr.write('recipes: no python3 here, not run\n');
  const { config, secret } = await agent(
    'python-agent',
    'python3',
    'agent.py',
    block('python-agent', 'python'),
    '3540',
  );
  const it = await begin([{ id: 'count', title: 'four', tags: ['executor:analyst'] }], config, {
    AGENT_SECRET: secret,
  });
  const settled = await it.event('run.settled', 'count');
  expect(settled.outcome).toMatchObject({ kind: 'succeeded', artifacts: { result: { letters: 4 } } });
});

test('Python: the worker of the recipe comes for tasks', async () => {
  if (!(await isThere('python3'))) return void process.stderr.write('recipes: no python3 here, not run\n');
  const it = await begin([{ id: 'count', title: 'seven', tags: ['executor:external'] }], '');
  const path = join(playground.folder, 'worker.py');
  await writeFile(path, block('python-agent', 'python', 1));
  const env = { ...process.env, SUPERVISOR_STATE_DIR: playground.stateDir };
  children.push(spawn('python3', [path], { env, stdio: 'ignore' }));
  const settled = await it.event('run.settled', 'count');
  expect(settled.outcome).toMatchObject({ kind: 'succeeded', artifacts: { result: { letters: 5 } } });
});

interface Workflow {
  readonly name: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly type: string;
    readonly typeVersion: number;
    readonly parameters: Readonly<Record<string, unknown>>;
  }[];
  readonly connections: Readonly<
    Record<string, { readonly main: readonly (readonly { readonly node: string }[])[] }>
  >;
}

describe('n8n', () => {
  const workflows = blocks('n8n', 'json').map((text) => JSON.parse(text) as Workflow);

  test('three workflows: their nodes exist, are named once and lead to one another', () => {
    expect(workflows.map(({ name }) => name)).toEqual([
      'workgraph: push',
      'workgraph: pull',
      'workgraph: wait',
    ]);
    const known = [
      'webhook',
      'set',
      'httpRequest',
      'scheduleTrigger',
      'splitOut',
      'manualTrigger',
      'wait',
      'if',
    ];
    for (const { nodes, connections } of workflows) {
      const names = nodes.map((node) => node.name);
      expect(new Set(names).size).toBe(names.length);
      for (const { type } of nodes) expect(known.map((one) => `n8n-nodes-base.${one}`)).toContain(type);
      const targets = Object.values(connections).flatMap(({ main }) => main.flat().map(({ node }) => node));
      for (const name of [...Object.keys(connections), ...targets]) expect(names).toContain(name);
      // All but the first are reached.
      expect(new Set(targets)).toEqual(new Set(names.slice(1)));
    }
  });

  test('what they call is what the API has', () => {
    const calls = workflows.flatMap(({ nodes }) => nodes.filter(({ type }) => type.endsWith('httpRequest')));
    const urls = calls.map(({ parameters }) => String(parameters.url));
    expect(urls).toEqual([
      expect.stringContaining('body.data.callback.complete_url'),
      expect.stringMatching(/\/api\/tasks\/claim$/),
      expect.stringContaining('$json.callback.complete_url'),
      expect.stringMatching(/\/api\/task\/build\/dispatch$/),
    ]);
    for (const { parameters } of calls) {
      expect(parameters).toMatchObject({
        method: 'POST',
        sendBody: true,
        specifyBody: 'json',
        sendHeaders: true,
      });
      expect(JSON.stringify(parameters.headerParameters)).toContain('Bearer');
    }
    const wait = workflows[2]?.nodes.find(({ type }) => type.endsWith('.wait'));
    expect(wait?.parameters).toMatchObject({ resume: 'webhook', httpMethod: 'POST', limitWaitTime: true });
    const webhook = workflows[0]?.nodes[0];
    expect(webhook?.parameters).toMatchObject({ httpMethod: 'POST', responseMode: 'onReceived' });
    expect(block('n8n', 'toml')).toContain(`/webhook/${String(webhook?.parameters.path)}`);
  });
});

describe('what is not run', () => {
  test.each(
    readdirSync(RECIPES).map((name) => name.replace('.md', '')),
  )('%s: its configuration is taken', (recipe) => {
    for (const text of blocks(recipe, 'toml')) {
      const { problems } = parseMachineConfig('supervisor.toml', text, { home: '/home/u' });
      expect(problems).toEqual([]);
    }
  });

  test('the code for Temporal parses', async () => {
    const found = blocks('temporal', 'ts');
    expect(found.length).toBe(2);
    for (const code of found) await parse(code, { syntax: 'typescript', target: 'es2022' });
  });
});
