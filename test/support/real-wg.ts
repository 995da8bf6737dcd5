// A real wg beside our supervisor: `WG_BIN=/path/to/wg npm run test:wg`. What differs between its ages in spelling is
// here, in one place; what differs in meaning is said by each test.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from '@jest/globals';
import { WG_AGES, type WgAge, type WgCapabilities } from '../../src/domain/wg-capabilities.ts';
import { askWg } from '../../src/wg/capabilities.ts';
import { eventually, personEnvironment } from './actors.ts';
import { createPlayground, type Playground } from './playground.ts';
import { type Supervised, supervise } from './supervised.ts';

const { WG_BIN } = process.env;

/** The program that was named, and what it can do; null where none was. A named one that cannot be run fails the file. */
export const REAL: { readonly program: string; readonly can: WgCapabilities } | null = await named();

async function named() {
  if (!WG_BIN) return null;
  const found = await askWg(WG_BIN, process.env.PATH);
  if (found.kind === 'worksgood') return { program: WG_BIN, can: found.can };
  const because = found.kind === 'unknown' ? found.because : "it is WireGuard's";
  throw new Error(`WG_BIN=${WG_BIN} is no wg that can be tried: ${because}`);
}

/** Tests beside the real wg; skipped in one line where none is named. */
export function besideRealWg(title: string, tests: () => void): void {
  if (REAL) describe(`${title}, beside the wg of ${REAL.can.age}`, tests);
  else test.skip(`${title}: no real wg is named; WG_BIN=/path/to/wg npm run test:wg tries one`, () => {});
}

export const MARCH: WgAge = '2026-03';
export const MAY: WgAge = '2026-05';
export const AUGUST: WgAge = '2026-08';

/** A test that counts for some ages only; `why` says what the others lack. */
export function forAges(ages: readonly WgAge[], why: string, name: string, run: () => Promise<void>): void {
  const counts = REAL !== null && ages.includes(REAL.can.age);
  (counts ? test : test.skip)(counts ? name : `${name} (only ${ages.join(', ')}: ${why})`, run);
}

/** A test that counts for every age. */
export const forEveryAge = (name: string, run: () => Promise<void>) => forAges(WG_AGES, 'never', name, run);

export interface WgAnswer {
  readonly status: number;
  readonly text: string;
}

/** A new task as a person asks for one. */
export interface Wish {
  readonly exec?: string;
  readonly after?: readonly string[];
  readonly tags?: readonly string[];
  /** More flags as wg spells them. */
  readonly flags?: readonly string[];
}

/** One repository with a graph that a real wg made. */
export interface WgProject {
  readonly playground: Playground;
  readonly environment: Record<string, string | undefined>;
  /** The graph's folder. */
  graph(): string;
  /** Runs wg; what it printed. Throws when it fails. */
  wg(...args: readonly string[]): Promise<string>;
  /** Runs wg, however it ends. */
  tryWg(...args: readonly string[]): Promise<WgAnswer>;
  /** Makes a task that no one starts yet. */
  draft(id: string, wish?: Wish): Promise<void>;
  /** Lets a draft be started. */
  release(id: string): Promise<void>;
  /** Makes a task that may be started. */
  add(id: string, wish?: Wish): Promise<void>;
  /** The task as `wg show` has it. */
  show(id: string): Promise<Record<string, unknown> & { readonly status: string }>;
  /** Waits until wg shows this status. */
  reaches(id: string, status: string): Promise<Record<string, unknown>>;
  /** Our supervisor, started when it is first asked for. */
  ours(): Promise<Supervised>;
  /** Waits until our supervisor says this of a task: its state, its code, or a part of its reason. */
  weSay(id: string, word: string): Promise<string>;
  startDaemon(): Promise<void>;
  remove(): Promise<void>;
}

const INIT: Readonly<Record<WgAge, readonly string[]>> = {
  '2026-03': ['init'],
  '2026-05': ['init', '--no-agency'],
  '2026-08': ['init', '--no-agency'],
};

/** Starting a daemon that never asks a model; each age wants other words. */
const SERVICE_START: Readonly<Record<WgAge, readonly string[]>> = {
  '2026-03': ['service', 'start', '--max-agents', '0'],
  '2026-05': ['service', 'start', '--max-agents', '0', '--no-coordinator-agent'],
  '2026-08': ['service', 'start', '--max-agents', '0', '--no-chat-agent', '--no-supervise'],
};

/** Without a model to ask nothing of the agency can run; the newest wants a route before its service starts. */
const CONFIG: Readonly<Record<WgAge, string>> = {
  // Reloading takes the number of agents from here.
  '2026-03': '[coordinator]\nmax_agents = 0\n',
  '2026-05': '',
  '2026-08': '[models.default]\nmodel = "pi:openai:gpt-5"\nreasoning = "low"\n',
};
const NO_AGENCY = '[agency]\nauto_assign = false\nauto_evaluate = false\nflip_enabled = false\n';

/** Makes one. `config` is put in front of the supervisor. */
export async function wgProject(config = '[limits]\nsafety_pass = "1s"\n'): Promise<WgProject> {
  if (!REAL) throw new Error('no real wg is named');
  const { program, can } = REAL;
  const playground = await createPlayground();
  const bin = join(playground.folder, 'bin');
  await mkdir(bin);
  await symlink(program, join(bin, 'wg'));
  const environment = personEnvironment(playground.folder, { PATH: `${bin}:${process.env.PATH}` });
  let supervised: Supervised | null = null;

  const graph = () =>
    ['.wg', '.workgraph'].map((name) => join(playground.repo, name)).find((path) => existsSync(path)) ??
    join(playground.repo, '.wg');
  const tryWg = (...args: readonly string[]) =>
    new Promise<WgAnswer>((resolve) => {
      const options = { cwd: playground.repo, env: environment, maxBuffer: 64 * 1024 * 1024 };
      execFile(program, args, options, (error, stdout, stderr) => {
        const status = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        resolve({ status, text: stdout + (error ? stderr : '') });
      });
    });
  const wg = async (...args: readonly string[]) => {
    const { status, text } = await tryWg(...args);
    if (status !== 0) throw new Error(`wg ${args.join(' ')} ended with ${status}: ${text.slice(0, 1000)}`);
    return text;
  };
  const show = async (id: string) =>
    JSON.parse(await wg('--json', 'show', id)) as Record<string, unknown> & { status: string };
  const ours = async () => {
    supervised ??= await supervise(playground, { variables: environment });
    return supervised;
  };

  const project: WgProject = {
    playground,
    environment,
    graph,
    wg,
    tryWg,
    async draft(id, { exec, after = [], tags = [], flags = [] } = {}) {
      const more = [...after.flatMap((one) => ['--after', one]), ...tags.flatMap((tag) => ['--tag', tag])];
      const command = exec === undefined ? [] : ['--exec', exec];
      if (can.addExec) await wg('add', `Task ${id}`, '--id', id, '--paused', ...command, ...more, ...flags);
      else {
        await wg('add', `Task ${id}`, '--id', id, '--paused', ...more, ...flags);
        if (exec !== undefined) await wg('exec', id, '--set', exec);
      }
    },
    release: async (id) =>
      void (await (can.commands.has('publish') ? wg('publish', id, '--only') : wg('resume', id))),
    async add(id, wish) {
      await project.draft(id, wish);
      await project.release(id);
    },
    show,
    reaches: (id, status) =>
      eventually(async () => {
        const task = await show(id);
        return task.status === status && task;
      }),
    ours,
    async weSay(id, word) {
      const { control } = await ours();
      let last = '';
      const said = await eventually(async () => {
        const { state, code, because } = await control.why({ task: id });
        last = `${state} ${code}: ${because}`;
        return (state === word || code === word || because.includes(word)) && because;
      }).catch((thrown) => thrown as Error);
      if (typeof said === 'string') return said;
      throw new Error(`we never said ${word} of ${id}, but ${last}`);
    },
    startDaemon: async () => void (await wg(...SERVICE_START[can.age])),
    async remove() {
      await supervised?.stop({ cancelAgents: true });
      if (existsSync(join(graph(), 'service', 'state.json'))) await tryWg('service', 'stop');
      await playground.remove();
    },
  };

  await wg(...INIT[can.age]);
  await writeFile(join(graph(), 'config.toml'), NO_AGENCY + CONFIG[can.age]);
  await playground.writeConfig(config);
  return project;
}

/** The lines of a file that the tasks of a project append to; none where nothing ran. */
export function linesOf(project: WgProject, file = 'ran'): string[] {
  const path = join(project.playground.repo, file);
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

/** Gives each test of a suite a project of its own. */
export function eachInProject(enter: (project: WgProject) => void): void {
  let project: WgProject;
  beforeEach(async () => {
    project = await wgProject();
    enter(project);
  });
  afterEach(() => project.remove());
}
