// Hooks of profiles and repositories under a whole supervisor: before and after a run, over failures, kills and restarts.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runCommandLine } from '../../src/cli/program.ts';
import { createProcesses } from '../../src/executors/process/lifecycle/process-table.ts';
import { processTable } from '../../src/executors/process/lifecycle/process-table-ps.ts';
import { command, fakeSurroundings } from '../cli/fake-surroundings.ts';
import { bareEnvironment, eventually } from '../support/actors.ts';
import { callerOf } from '../support/api-calls.ts';
import { builtCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const processes = createProcesses(processTable(process.platform));
let playground: Playground;
let supervised: Supervised | null = null;
let child: ChildProcess | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) await killed(child);
  child = null;
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const at = (name: string) => join(playground.folder, name);
const lines = (name: string) =>
  existsSync(at(name)) ? readFileSync(at(name), 'utf8').trim().split('\n') : [];
const note = (words: string) => `echo "${words}" >> ${at('notes')}`;
const wait = (name: string) => `until [ -e ${at(name)} ]; do sleep 0.05; done`;

/** For the shell: "again" if it runs once more. */
const AGAIN = '$(test -z "$SUPERVISOR_HOOK_AGAIN" || echo again)';

/** A repository with these settings, and a profile `work` of a shell command. */
async function configure(repo: string, profile: string, shell = note('agent')): Promise<void> {
  await playground.writeConfig(
    `${repo}\n[executors.work]\ntype = "command"\nshell = ${JSON.stringify(shell)}\n${profile}\n`,
  );
}
const hook = (name: string, command: string) => `${name} = ${JSON.stringify(command)}\n`;
const graph = (...ids: string[]) =>
  playground.writeGraph(
    playground.repo,
    ids.map((id) => ({ id, executor: 'work' })),
  );

const API = '[api]\nlisten = "127.0.0.1:0"\n';
const flags = () => ['--config', playground.configFile, '--state-dir', playground.stateDir];
const cli = (...argv: string[]) =>
  command({ cwd: playground.repo, home: playground.folder }, ...flags(), ...argv);

/** The built program, until it is killed. */
function startProgram(): ChildProcess {
  const args = [builtCli(), 'run', '--config', playground.configFile, '--state-dir', playground.stateDir];
  const env = bareEnvironment(playground.folder);
  child = spawn(process.execPath, args, { cwd: playground.folder, env, stdio: 'ignore' });
  return child;
}

function killed(program: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    program.once('close', () => resolve());
    program.kill('SIGKILL');
  });
}

test('before, agent, after: each where the agent works; a profile’s own comes before the repository’s', async () => {
  await graph('a');
  await configure(
    hook('before_run', note('repository')) + hook('after_run', note('after $SUPERVISOR_OUTCOME in $PWD')),
    hook('before_run', note('before $WG_TASK_ID')),
  );
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'a');
  expect(lines('notes')).toEqual(['before a', 'agent', `after succeeded in ${playground.repo}`]);
  expect(supervised.count('run.hook', 'a')).toBe(2);
});

test('before_run fails: no attempt is counted, nothing is started, `why` says it, and it is tried again', async () => {
  await graph('a');
  await configure('', hook('before_run', `test -e ${at('ready')} || { echo 'no database'; exit 4; }`));
  supervised = await supervise(playground);
  expect(await supervised.event('run.hook', 'a')).toMatchObject({ hook: 'before_run', result: 'failed' });
  const released = await supervised.event('run.released', 'a');
  expect(released.because).toMatch(/^before_run failed \(exit 4\): no database \(.*\/before_run\.log\)$/);
  expect(await supervised.control.why({ task: 'a' })).toMatchObject({
    ...{ state: 'held', code: 'before-run', because: released.because },
  });
  const [run] = await supervised.control.runs({ task: 'a' });
  expect(run).toMatchObject({ phase: 'interrupted', outcome: { kind: 'deferred' }, pid: null });
  expect(lines('notes')).toEqual([]);

  await writeFile(at('ready'), '');
  await supervised.control.retry({ task: 'a' });
  await supervised.event('run.settled', 'a');
  expect((await supervised.control.runs({ task: 'a' }))[0]).toMatchObject({ attempt: 1, phase: 'settled' });
});

test('after_run runs after a failure too; its own failure is told and changes nothing', async () => {
  await graph('a');
  await configure('', hook('after_run', `${note('after $SUPERVISOR_OUTCOME')}; exit 5`), 'exit 3');
  supervised = await supervise(playground);
  const { outcome } = await supervised.event('run.settled', 'a');
  expect(outcome).toMatchObject({ kind: 'failed', exitCode: 3 });
  expect(await supervised.event('run.hook', 'a')).toMatchObject({
    ...{ hook: 'after_run', result: 'failed', because: expect.stringContaining('exit 5') },
  });
  expect(lines('notes')).toEqual(['after failed']);
});

test('a run that is cancelled during before_run starts no agent; one during its work has its after_run', async () => {
  await graph('early', 'late');
  const before = `if [ $WG_TASK_ID = early ]; then touch ${at('early')}; sleep 60; fi`;
  await configure(
    '',
    hook('before_run', before) + hook('after_run', note('after $SUPERVISOR_OUTCOME')),
    'sleep 60',
  );
  supervised = await supervise(playground);
  await eventually(() => existsSync(at('early')));
  await supervised.event('run.started', 'late');
  for (const task of ['early', 'late']) await supervised.control.cancel({ task }, 'no longer needed');
  await Promise.all(['early', 'late'].map((task) => supervised?.event('run.released', task)));
  expect(supervised.count('run.started', 'early')).toBe(0);
  expect(lines('notes')).toEqual(['after stopped']);
});

test('a task that is reported done during before_run starts no agent, and after_run still runs', async () => {
  const hooks = hook('before_run', `${note('before')}; ${wait('go')}`) + hook('after_run', note('after'));
  await configure('', hooks);
  await graph('t');
  supervised = await supervise(playground);
  await eventually(() => lines('notes').includes('before'));
  const done = await supervised.control.complete({
    task: 't',
    result: 'succeeded',
    caller: { kind: 'operator' },
  });
  expect(done).toMatchObject({ status: 'done' });
  await writeFile(at('go'), '');
  await eventually(() => lines('notes').includes('after'));
  expect(lines('notes')).toEqual(['before', 'after']);
  expect((await playground.readGraph(playground.repo)).get('t')).toMatchObject({ status: 'done' });
});

test('in a repository that is not trusted no hook runs, and that is told', async () => {
  await graph('a');
  await configure('trust = false', `untrusted = true\n${hook('before_run', note('before'))}`);
  supervised = await supervise(playground);
  expect(await supervised.event('run.hook', 'a')).toMatchObject({
    ...{ result: 'skipped', because: 'before_run is not run: the repository is not trusted' },
  });
  await supervised.event('run.settled', 'a');
  expect(lines('notes')).toEqual(['agent']);
});

test('killed during before_run: the task is released, its hook is ended, and the next one is told', async () => {
  await graph('a');
  const before = `${note(`before ${AGAIN}`)}; echo $$ > ${at('pid')}; ${wait('go')}`;
  await configure('', hook('before_run', before));
  const program = startProgram();
  await eventually(() => existsSync(at('pid')));
  const pid = Number(lines('pid')[0]);
  await killed(program);
  expect(processes.identify(pid)).not.toBeNull();

  supervised = await supervise(playground);
  expect(await supervised.event('run.released', 'a')).toMatchObject({
    because: expect.stringMatching(/; its before_run was under way, and runs again with the next run$/),
  });
  expect(await supervised.event('run.hook', 'a')).toMatchObject({ hook: 'before_run', result: 'again' });
  await eventually(() => lines('notes').length === 2);
  expect(processes.identify(pid)).toBeNull();
  await writeFile(at('go'), '');
  await supervised.event('run.settled', 'a');
  expect(lines('notes')).toEqual(['before ', 'before again', 'agent']);
});

test('killed during the work: hooks run once each; killed during after_run: it runs again and is told', async () => {
  await graph('a');
  const after = `${note(`after ${AGAIN}`)}; touch ${at('after')}; ${wait('go')}`;
  await configure(
    '',
    hook('before_run', note('before')) + hook('after_run', after),
    `${note('agent')}; ${wait('work')}`,
  );
  let program = startProgram();
  await eventually(() => lines('notes').includes('agent'));
  await killed(program);
  await writeFile(at('work'), '');
  program = startProgram();
  await eventually(() => existsSync(at('after')));
  await killed(program);

  supervised = await supervise(playground);
  expect(await supervised.event('run.hook', 'a')).toMatchObject({
    hook: 'after_run',
    result: 'again',
    because: expect.stringMatching(/^after_run was begun in run_.* and cut off; it runs again$/),
  });
  await writeFile(at('go'), '');
  const { outcome } = await supervised.event('run.settled', 'a');
  expect(outcome.kind).toBe('succeeded');
  expect(lines('notes')).toEqual(['before', 'agent', 'after ', 'after again']);
});

test('a place is free only when after_run has ended', async () => {
  await graph('a', 'b');
  await configure(
    'max_concurrent_per_worktree = 1',
    hook('before_run', note('before')) + hook('after_run', `sleep 0.2; ${note('after')}`),
  );
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'a');
  await supervised.event('run.settled', 'b');
  expect(lines('notes')).toEqual(['before', 'agent', 'after', 'before', 'agent', 'after']);
});

test('what hooks print is part of `logs`, each line with its hook, and of what the API and the page show', async () => {
  await graph('a');
  await configure(
    '',
    `${hook('before_run', 'echo one; printf two')}${hook('after_run', "printf 'three\\nfour\\n'")}${API}`,
    'printf working',
  );
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'a');
  expect((await cli('logs', 'a')).out).toBe(
    '[before_run] one\n[before_run] two\nworking\n[after_run] three\n[after_run] four\n',
  );
  expect((await cli('logs', 'a', '-n', '3')).out).toBe('working\n[after_run] three\n[after_run] four\n');
  expect((await cli('logs', 'a', '-n', '4')).out).toMatch(/^\[before_run\] two\nworking\n/);
  expect((await cli('logs', 'a', '-t')).out).toMatch(/^\d{4}-\S+ \[before_run\] one\n/);
  expect((await cli('logs', 'a', '--since', '1h')).out).toMatch(/^\[before_run\] one\n.*\n\[after_run\]/);
  expect((await cli('logs', 'a', '--raw')).out).toBe('working\n');

  const api = await callerOf(supervised);
  const [run] = await supervised.control.runs({ task: 'a' });
  const shown = (query: string) => api.get(`/api/runs/${run?.run}/output${query}`);
  expect((await shown('?of=before_run')).json).toMatchObject({ text: 'one\ntwo', over: true });
  expect((await shown('?of=after_run')).json).toMatchObject({ text: 'three\nfour\n' });
  expect((await shown('')).json).toMatchObject({ text: 'working' });
});

test('`logs -f` of a task that was reported done early ends when its after_run has', async () => {
  await graph('a');
  await configure(
    '',
    hook('after_run', `echo late; ${wait('end')}; printf last`),
    `trap '' TERM; echo working; touch ${at('begun')}; ${wait('go')}`,
  );
  supervised = await supervise(playground);
  await eventually(() => existsSync(at('begun')));
  await supervised.control.complete({ task: 'a', result: 'succeeded', caller: { kind: 'operator' } });
  const around = fakeSurroundings({ cwd: playground.repo, home: playground.folder });
  const ended = runCommandLine([...flags(), 'logs', '-f', 'a'], around);
  await around.shows('working\n');
  expect(await supervised.control.runs({ task: 'a' })).toMatchObject([{ phase: 'settled', ending: true }]);
  await writeFile(at('go'), '');
  await around.shows('[after_run] late\n');
  await writeFile(at('end'), '');
  expect(await ended).toBe(0);
  expect(around.written.out).toBe('working\n[after_run] late\n[after_run] last');
  await eventually(async () => !(await supervised?.control.runs({ task: 'a' }))?.[0]?.ending);
});

test('`logs` shows a before_run that fails, and `logs -f` follows both hooks as they print', async () => {
  await graph('a', 'b');
  await configure(
    '',
    hook('before_run', `echo early; [ $WG_TASK_ID = b ] || { echo 'no database'; exit 4; }; ${wait('go')}`) +
      hook('after_run', `echo late; ${wait('end')}; printf last`),
    'printf working',
  );
  supervised = await supervise(playground);
  await supervised.event('run.released', 'a');
  expect((await cli('logs', 'a')).out).toBe('[before_run] early\n[before_run] no database\n');

  const around = fakeSurroundings({ cwd: playground.repo, home: playground.folder });
  const ended = runCommandLine([...flags(), 'logs', '-f', 'b'], around);
  await around.shows('[before_run] early\n');
  await writeFile(at('go'), '');
  await around.shows('working\n[after_run] late\n');
  await writeFile(at('end'), '');
  expect(await ended).toBe(0);
  expect(around.written.out).toBe('[before_run] early\nworking\n[after_run] late\n[after_run] last');
});
