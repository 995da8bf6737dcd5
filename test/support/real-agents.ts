// Real agent CLIs under the built supervisor: AGENT_CLIS=/folder/with/programs npm run test:agents. Each has a key of
// its own and knows only the model API on loopback; a program in front of each writes down for which task it was
// started.

import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, jest, test } from '@jest/globals';
import type { RunReport } from '../../src/domain/report.ts';
import { type Ended, type Started, startSupervisor, supervisor } from './actors.ts';
import { type Caller, callerOf } from './api-calls.ts';
import { type ModelApi, startModelApi } from './model-api.ts';
import { createPlayground, type Playground, type TaskLine } from './playground.ts';

const { AGENT_CLIS } = process.env;

/** The profiles of the suite. */
export const CLIS = ['claude', 'codex', 'pi', 'gemini', 'opencode'] as const;
export type Cli = (typeof CLIS)[number];

/** How long an agent may take for its part, ms: five of them start at once on a machine with much to do. */
const PATIENCE_MS = 240_000;

/** Tests beside the real programs: skipped in one line where no folder is named, failed where one is named and lacks one. */
export function besideRealAgents(title: string, programs: readonly string[], tests: () => void): void {
  if (!AGENT_CLIS) {
    test.skip(`${title}: no CLIs are named; AGENT_CLIS=/folder/of/programs npm run test:agents runs them`, () => {});
    return;
  }
  for (const program of programs)
    try {
      accessSync(join(AGENT_CLIS, program), constants.X_OK);
    } catch {
      throw new Error(`AGENT_CLIS=${AGENT_CLIS} has no program ${program}: install it there`);
    }
  jest.setTimeout(2 * PATIENCE_MS);
  describe(title, tests);
}

/** The path of a named program. */
export const programOf = (name: string) => join(AGENT_CLIS ?? '', name);

/** The key by which the model API knows a profile. */
export const keyOf = (profile: string) => `key-of-${profile}`;

/** A process that has a run's mark. */
export interface RunProcess {
  readonly pid: number;
  /** Its command line. */
  readonly words: string;
}

export interface RealAgents {
  readonly ground: Playground;
  readonly model: ModelApi;
  /** The supervisor's API. */
  api(): Caller;
  /** Writes the graph and starts the built supervisor. */
  start(tasks: readonly TaskLine[], config?: string, perProfile?: string): Promise<Started>;
  /** Starts it once more on what is there. */
  startAgain(): Promise<Started>;
  /** Asks it to end, and waits. */
  stop(): Promise<void>;
  command(...args: string[]): Promise<Ended>;
  /** `PROGRAM TASK` for each start of a program, in order. */
  started(): Promise<readonly string[]>;
  runs(task: string): Promise<readonly RunReport[]>;
  /** The latest run, once it has an outcome. */
  ended(task: string): Promise<RunReport>;
  /** Resolves when the task is done. */
  done(task: string): Promise<void>;
  /** The pid that a tool wrote into a file of the playground. */
  pidIn(name: string): Promise<number>;
  /** The live processes of a run. */
  processesOf(run: RunReport | undefined): Promise<readonly RunProcess[]>;
  /** The task as it is judged, once it is in this state. */
  judged(task: string, state: string): Promise<{ readonly code: string; readonly because: string }>;
}

/** A playground, a model API and a supervisor for each test. `more`: profiles besides the five. */
export function realAgents(more: (model: ModelApi) => string = () => ''): RealAgents {
  let ground: Playground;
  let model: ModelApi;
  let running: Started | null = null;
  let api: Caller | null = null;
  const bin = () => join(ground.folder, 'bin');

  beforeEach(async () => {
    ground = await createPlayground();
    model = await startModelApi();
    await putInFront(bin());
    await tellWhereTheModelIs(ground.folder, model.url);
  });
  afterEach(async () => {
    await stop();
    await model.close();
    await ground.remove();
  });

  async function begin(): Promise<Started> {
    const path = [bin(), process.env.PATH].join(delimiter);
    running = startSupervisor(ground, ['run', '--cancel'], { env: { PATH: path } });
    await running.prints('started');
    api = await callerOf({ paths: { apiFile: join(ground.stateDir, 'api.json') } as never });
    return running;
  }
  async function stop(): Promise<void> {
    if (running === null) return;
    await running.kill('SIGTERM');
    running = null;
  }
  const callApi = () => {
    if (api === null) throw new Error('no supervisor was started');
    return api;
  };
  const runs = async (task: string) =>
    (await callApi().get(`/api/runs?task=${task}`)).json.runs as unknown as RunReport[];

  return {
    get ground() {
      return ground;
    },
    get model() {
      return model;
    },
    api: callApi,
    async start(tasks, config = '', perProfile = '') {
      await ground.writeGraph(ground.repo, tasks);
      await ground.writeConfig(
        `[api]\nlisten = "127.0.0.1:0"\n${config}${profiles(model, perProfile)}${more(model)}`,
      );
      return await begin();
    },
    startAgain: begin,
    stop,
    command: (...args) => supervisor(ground, args),
    async started() {
      const text = await readFile(join(ground.folder, 'started'), 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
    runs,
    ended: (task) =>
      patiently(`${task} has an outcome`, async () =>
        (await runs(task)).find(({ outcome }) => outcome !== null),
      ),
    async done(task) {
      await patiently(`${task} is done`, async () => {
        const { status } = (await ground.readGraph(ground.repo)).get(task) ?? {};
        if (status === 'failed') throw new Error(`${task} failed: ${JSON.stringify((await runs(task))[0])}`);
        return status === 'done';
      });
    },
    pidIn: (name) =>
      patiently(`${name} has a pid`, async () =>
        Number(await readFile(join(ground.folder, name), 'utf8').catch(() => '0')),
      ),
    processesOf: processesOfRun,
    judged: (task, state) =>
      patiently(`${task} is ${state}`, async () => {
        const why = (await callApi().get(`/api/task/${task}/why`)).json;
        return why.state === state && { code: String(why.code), because: String(why.because) };
      }),
  };
}

/** Waits until `look` gives something, for as long as agents may take. */
export async function patiently<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`this did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A program in front of each CLI. */
async function putInFront(bin: string): Promise<void> {
  await mkdir(bin);
  for (const name of CLIS) {
    const note = `[ -z "$WG_TASK_ID" ] || echo "${name} $WG_TASK_ID" >>'${join(bin, '..')}/started'`;
    await writeFile(join(bin, name), `#!/bin/sh\n${note}\nexec '${programOf(name)}' "$@"\n`, { mode: 0o755 });
  }
}

/** The CLIs' own settings, where they cannot be told by variables. */
async function tellWhereTheModelIs(home: string, url: string): Promise<void> {
  const write = async (path: string, value: object | string) => {
    await mkdir(join(home, path, '..'), { recursive: true });
    await writeFile(join(home, path), typeof value === 'string' ? value : JSON.stringify(value));
  };
  await write('.gemini/settings.json', {
    security: { auth: { selectedType: 'gemini-api-key' } },
    general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
  });
  await write(
    '.codex/config.toml',
    `model = "gpt-5"\nmodel_provider = "here"\ncheck_for_update_on_startup = false\n[analytics]\nenabled = false\n[model_providers.here]\nname = "here"\nbase_url = "${url}/v1"\nwire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n`,
  );
  const cost = { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 0 };
  await write('.pi/agent/models.json', {
    providers: {
      here: {
        ...{ baseUrl: `${url}/v1`, api: 'openai-completions', apiKey: 'OPENAI_API_KEY' },
        models: [
          {
            id: 'm',
            name: 'm',
            reasoning: false,
            input: ['text'],
            cost,
            contextWindow: 100_000,
            maxTokens: 1_000,
          },
        ],
      },
    },
  });
  const options = { baseURL: `${url}/v1`, apiKey: '{env:OPENAI_API_KEY}' };
  await write('.config/opencode/opencode.json', {
    ...{ autoupdate: false, share: 'disabled', model: 'here/m', small_model: 'here/m' },
    provider: {
      here: {
        npm: '@ai-sdk/openai-compatible',
        name: 'here',
        options,
        models: {
          m: {
            name: 'm',
            cost: { input: 1, output: 2, cache_read: 0.1 },
            limit: { context: 100_000, output: 1_000 },
          },
        },
      },
    },
  });
}

function profiles({ url }: ModelApi, each: string): string {
  const variables: Readonly<Record<Cli, Readonly<Record<string, string>>>> = {
    claude: {
      ...{ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: keyOf('claude') },
      ...{ IS_SANDBOX: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
    },
    codex: { OPENAI_API_KEY: keyOf('codex') },
    pi: { OPENAI_API_KEY: keyOf('pi'), PI_OFFLINE: '1' },
    gemini: { GEMINI_API_KEY: keyOf('gemini'), GOOGLE_GEMINI_BASE_URL: url },
    opencode: {
      ...{ OPENAI_API_KEY: keyOf('opencode'), OPENCODE_DISABLE_AUTOUPDATE: '1' },
      ...{ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1' },
    },
  };
  const models: Readonly<Partial<Record<Cli, string>>> = {
    pi: 'here/m',
    gemini: 'gemini-2.5-flash',
    claude: 'sonnet',
  };
  return CLIS.map((name) => {
    const env = Object.entries(variables[name]).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    const model = models[name] === undefined ? '' : `model = "${models[name]}"\n`;
    return `[executors.${name}]\n${model}${each}env = { ${env.join(', ')} }\n`;
  }).join('');
}

/** The processes with a run's mark, and their command lines. */
async function processesOfRun(run: RunReport | undefined): Promise<readonly RunProcess[]> {
  if (run === undefined) throw new Error('there is no run');
  const found: RunProcess[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const marks = await readFile(`/proc/${entry}/environ`, 'utf8');
      const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8')).replaceAll('\0', ' ');
      if (marks.includes(`SUPERVISOR_RUN_ID=${run.run}\0`)) found.push({ pid: Number(entry), words });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** Whether there is a process of this number. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The lines that a run printed, as they are on the disk. */
export function streamOf(run: RunReport): string {
  return readFileSync(join(run.output ?? '', '..', 'raw_stream.jsonl'), 'utf8');
}

/**
 * With RECORD=FOLDER, keeps what a CLI printed as FOLDER/CLI/NAME.jsonl and .err, without keys and paths of this machine:
 * recordings that the tests of the adapters play.
 */
export function keepRecording(run: RunReport, name: string): void {
  const { RECORD } = process.env;
  if (!RECORD || run.output === null) return;
  const folder = join(run.output, '..');
  const place = join(RECORD, run.executor);
  mkdirSync(place, { recursive: true });
  for (const [file, suffix] of [
    ['raw_stream.jsonl', 'jsonl'],
    ['output.log', 'err'],
  ] as const) {
    const text = readFileSync(join(folder, file), 'utf8')
      .replaceAll(run.worktree, '/work-tree')
      .replaceAll(dirname(run.worktree), '/home')
      .replaceAll(dirname(AGENT_CLIS ?? '/programs/bin'), '/programs')
      .replaceAll(run.worktree.replaceAll('/', '-'), '-work-tree')
      .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:1')
      .replace(/key-of-\w+/g, 'KEY');
    if (text !== '') writeFileSync(join(place, `${name}.${suffix}`), text);
  }
}
