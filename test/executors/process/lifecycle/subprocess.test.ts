import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Handle } from '../../../../src/executors/executor.ts';
import { createCommandExecutor } from '../../../../src/executors/process/command.ts';
import { dropKeptExits } from '../../../../src/executors/process/lifecycle/kept-exits.ts';
import { createSubprocesses } from '../../../../src/executors/process/lifecycle/subprocess.ts';
import { remainsOf } from '../../../../src/executors/process/lifecycle/terminate.ts';
import { AGENTS, commandProfile, eventually, makeAssignment, recordedControl } from '../../bench.ts';
import { handleOf } from '../../contract.ts';
import { contentOf, eachInProcessWorld, type ProcessWorld } from '../../process-bench.ts';

describe('processes that outlive their supervisor', () => {
  let root: ProcessWorld['root'];
  let means: ProcessWorld['means'];
  eachInProcessWorld((world) => {
    ({ root, means } = world);
  });

  const executor = () => createCommandExecutor(means, createSubprocesses(means));
  const VANISHED = { kind: 'failed', failure: 'interrupted', retryable: true };

  test('an agent leads a session and a group of its own', async () => {
    // One that has ended before it is looked at has no process any more.
    const go = join(root.path, 'go');
    const shell = `until [ -e ${go} ]; do sleep 0.02; done; ps -o pid=,pgid=,sid= -p $PPID`;
    const assignment = await makeAssignment(root.path, commandProfile({ shell }));
    const one = executor();
    const handle = handleOf(await one.begin(assignment, recordedControl()), false);
    await writeFile(go, '');
    await one.attend(assignment, handle, recordedControl());
    const numbers = (await contentOf(join(assignment.folder, 'output.log'))).trim().split(/\s+/).map(Number);
    const pid = handle.process?.pid;
    expect(numbers).toEqual([pid, pid, pid]);
  });

  test('it continues when its supervisor is killed, and the next one learns all of it', async () => {
    const goFile = join(root.path, 'go');
    const command = [join(AGENTS, 'waits-for'), goFile, '6'];
    const assignment = await makeAssignment(root.path, commandProfile({ command }));
    const loader = resolve(import.meta.dirname, '../../../support/run-typescript.mjs');
    const victim = spawn(
      process.execPath,
      [
        ...['--import', loader, resolve(import.meta.dirname, 'victim.ts')],
        JSON.stringify({ assignment, stateDir: means.stateDir }),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [said] = await once(victim.stdout, 'data');
    const handle = { ...handleOf(JSON.parse(String(said)), true) };
    victim.kill('SIGKILL');
    await once(victim, 'exit');
    expect(handle.process !== null && means.processes.isAlive(handle.process)).toBe(true);
    const outcome = executor().attend(assignment, handle, recordedControl());
    await writeFile(goFile, '');
    expect(await outcome).toMatchObject({ kind: 'failed', exitCode: 6 });
    expect(await contentOf(join(assignment.folder, 'output.log'))).toBe('ready\nreleased\n');
  });

  test('a signal to the whole group is recorded as the status that it is', async () => {
    const assignment = await makeAssignment(
      root.path,
      commandProfile({ command: [join(AGENTS, 'forever')] }),
    );
    const one = executor();
    const handle = handleOf(await one.begin(assignment, recordedControl()), false);
    const outcome = one.attend(assignment, handle, recordedControl());
    await eventually('it works', async () => (await contentOf(join(assignment.folder, 'output.log'))) !== '');
    process.kill(-(handle.process?.pid ?? 0), 'SIGTERM');
    expect(await outcome).toMatchObject({ kind: 'failed', failure: 'exit', exitCode: 143 });
  });

  test.each([
    ['of another boot', { startTime: '1', bootId: 'another boot' }],
    ['whose number has passed to a stranger', { startTime: '1' }],
  ])('a process %s is gone: an interruption, and the stranger is left alone', async (_name, wrong) => {
    const self = means.processes.identify(process.pid);
    if (self === null) throw new Error('not found');
    const assignment = await makeAssignment(root.path, commandProfile({ shell: 'true' }));
    const handle: Handle = { process: { ...self, ...wrong }, reference: null, adopted: true };
    expect(await executor().attend(assignment, handle, recordedControl())).toMatchObject(VANISHED);
  });

  test('killed between spawning and noting the pid: its status counts, and without one its agent is ended', async () => {
    const unknown: Handle = { process: null, reference: null, adopted: true };
    const done = await makeAssignment(root.path, commandProfile({ shell: 'true' }));
    await writeFile(join(done.folder, 'exit.json'), '{"exit":0}\n');
    expect(await executor().attend(done, unknown, recordedControl())).toMatchObject({ kind: 'succeeded' });

    const lost = await makeAssignment(root.path, commandProfile({ command: [join(AGENTS, 'ignores-term')] }));
    await executor().begin(lost, recordedControl());
    await eventually('it works', async () => (await contentOf(join(lost.folder, 'output.log'))) !== '');
    expect(await executor().attend(lost, unknown, recordedControl())).toMatchObject(VANISHED);
    expect((await remainsOf(lost.run, null, means)).escaped).toEqual([]);
  });

  test('while its folder is away with its graph no one says the result; a folder that alone is gone is lost', async () => {
    const goFile = join(root.path, 'go');
    const home = join(root.path, 'graph');
    const away = join(root.path, 'graph-away');
    const command = [join(AGENTS, 'waits-for'), goFile, '6'];
    const assignment = await makeAssignment(home, commandProfile({ command }));
    const { run: id, folder } = assignment;
    const handle = handleOf(await executor().begin(assignment, recordedControl()), true);
    await rename(home, away);
    // It lives: which process is its wrapper stands in the folder.
    expect(await executor().recover?.({ id, folder })).toBe('away');
    await writeFile(goFile, '');
    const next = executor();
    // Its status is known, what it printed is not.
    const detached = { kind: 'stopped', reason: 'detached' };
    expect(await next.attend(assignment, handle, recordedControl())).toEqual(detached);
    expect(await next.recover?.({ id, folder })).toBeNull();
    const kept = join(means.stateDir, 'exits', `${id}.json`);
    await rename(kept, `${kept}-away`);
    expect(await next.attend(assignment, handle, recordedControl())).toEqual(detached);
    expect(await next.recover?.({ id, folder })).toBe('away');
    // What someone decided needs no answer.
    const cancelled = recordedControl();
    cancelled.abort('cancelled');
    const stopped = { kind: 'stopped', reason: 'cancelled' };
    expect(await next.attend(assignment, handle, cancelled)).toEqual(stopped);
    await rename(`${kept}-away`, kept);
    await rename(away, home);
    expect(await next.recover?.({ id, folder })).toBeNull();
    const failed = { kind: 'failed', exitCode: 6 };
    expect(await next.attend(assignment, handle, recordedControl())).toMatchObject(failed);
    // Its folder alone is gone, as `git clean -fdx` leaves it: the supervisor knows the status itself.
    await rm(folder, { recursive: true });
    expect(await next.recover?.({ id, folder })).toBeNull();
    expect(await next.attend(assignment, handle, recordedControl())).toMatchObject(failed);
    expect(await dropKeptExits(means.stateDir, (run) => run === id)).toBe(0);
    expect(await dropKeptExits(means.stateDir, () => false)).toBe(1);
    expect(await next.recover?.({ id, folder })).toBe('never');
    expect(await next.attend(assignment, handle, recordedControl())).toMatchObject(VANISHED);
    expect(await dropKeptExits(join(root.path, 'never-used'), () => false)).toBe(0);
  });

  test('an exit file that is torn, foreign or of an earlier use is not believed', async () => {
    const gone: Handle = { process: null, reference: null, adopted: true };
    for (const text of ['', '{"exit":', 'null', '[]', '{"exit":"0"}']) {
      const assignment = await makeAssignment(root.path, commandProfile({ shell: 'true' }));
      await writeFile(join(assignment.folder, 'exit.json'), text);
      expect(await executor().attend(assignment, gone, recordedControl())).toMatchObject(VANISHED);
    }
    const again = await makeAssignment(root.path, commandProfile({ shell: 'exit 4' }));
    await writeFile(join(again.folder, 'exit.json'), '{"exit":0}');
    const one = executor();
    const handle = handleOf(await one.begin(again, recordedControl()), false);
    expect(await one.attend(again, handle, recordedControl())).toMatchObject({ exitCode: 4 });
  });

  test('a dozen at once leave no descriptor open and mix up nothing', async () => {
    // Ours only: the test runner opens and closes some of its own meanwhile.
    const openFiles = async () => {
      const names = await readdir('/proc/self/fd').catch(() => []);
      const paths = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
      return paths.filter((path) => path.startsWith(root.path));
    };
    const one = executor();
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, async (_, status) => {
        const assignment = await makeAssignment(
          root.path,
          commandProfile({ shell: `echo n${status}; exit ${status}` }),
        );
        const handle = handleOf(await one.begin(assignment, recordedControl()), false);
        return one.attend(assignment, handle, recordedControl());
      }),
    );
    expect(outcomes.map((one) => (one.kind === 'failed' ? one.exitCode : 0))).toEqual([...Array(12).keys()]);
    expect(await openFiles()).toEqual([]);
  });

  test('a run folder that cannot be written to defers the task for a while', async () => {
    await writeFile(join(root.path, 'file'), '');
    const assignment = await makeAssignment(
      root.path,
      commandProfile({ shell: 'true' }),
      {},
      { folder: join(root.path, 'file', 'x') },
    );
    expect(await executor().begin(assignment, recordedControl())).toMatchObject({
      kind: 'ended',
      outcome: { kind: 'deferred', scope: 'task', until: expect.any(Number) },
    });
  });
});
