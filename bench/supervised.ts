// Run by benchmarks as a process of its own: a supervisor whose executor does nothing. Says over its channel what it does
// and when, and on demand how long its event loop let others wait, so that the benchmark's own work is in no figure.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { composeSupervisor } from '../src/compose/daemon.ts';
import type { Executor } from '../src/executors/executor.ts';
import type { Farm } from './farm.ts';
import { type LoopDelay, watchLoop } from './loop-delay.ts';

/** What the process tells. `at`: ms since the epoch, to the microsecond. */
export type Told =
  | { readonly kind: 'started'; readonly at: number }
  | { readonly kind: 'decided'; readonly at: number }
  | { readonly kind: 'began'; readonly task: string; readonly at: number }
  | { readonly kind: 'settled'; readonly task: string; readonly at: number }
  | { readonly kind: 'loop'; readonly delay: LoopDelay };

/** The same clock in every process of this machine, ms. */
export function instant(): number {
  return performance.timeOrigin + performance.now();
}

/** A supervisor over the farm in a process of its own. */
export interface SupervisedProcess {
  readonly child: ChildProcess;
  /** The next thing of this kind that it tells. */
  next<K extends Told['kind']>(kind: K): Promise<Extract<Told, { kind: K }>>;
  /** From now on its event loop is watched again. */
  resetLoop(): void;
  loop(): Promise<LoopDelay>;
  stop(): Promise<void>;
}

export function superviseInProcess(farm: Farm): SupervisedProcess {
  const child = fork(fileURLToPath(import.meta.url), [farm.folder, farm.config, farm.stateDir], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: (process.env.BENCH_NODE_FLAGS ?? '').split(' ').filter(Boolean),
  });
  const next = <K extends Told['kind']>(kind: K) =>
    new Promise<Extract<Told, { kind: K }>>((resolve, reject) => {
      const hear = (told: Told) => {
        if (told.kind !== kind) return;
        child.off('message', hear);
        child.off('exit', ended);
        resolve(told as Extract<Told, { kind: K }>);
      };
      const ended = () => reject(new Error('the supervisor ended on its own'));
      child.on('message', hear);
      child.once('exit', ended);
    });
  return {
    child,
    next,
    resetLoop: () => void child.send('reset'),
    async loop() {
      const told = next('loop');
      child.send('loop');
      return (await told).delay;
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.send('stop');
      await gone;
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  const [, , folder = '', config = '', stateDir = ''] = process.argv;
  const tell = (told: Told) => void process.send?.(told);
  const loop = watchLoop();
  const nothing: Executor = {
    type: 'command',
    async begin(assignment) {
      tell({ kind: 'began', task: assignment.task.id, at: instant() });
      return { kind: 'ended', outcome: { kind: 'succeeded' } };
    },
    attend: async () => ({ kind: 'succeeded' }),
  };
  const running = await composeSupervisor({
    environment: { variables: process.env, home: folder, platform: process.platform },
    cwd: folder,
    config,
    stateDir,
    executors: new Map([['command', nothing]]),
  });
  running.bus.on((event) => {
    if (event.name === 'tick.finished' && event.dispatched > 0) tell({ kind: 'decided', at: instant() });
    if (event.name === 'run.settled') tell({ kind: 'settled', task: event.task, at: instant() });
  });
  process.on('message', (asked) => {
    if (asked === 'reset') loop.reset();
    if (asked === 'loop') tell({ kind: 'loop', delay: loop.seen() });
    if (asked === 'stop') void running.stop({ cancelAgents: true }).then(() => process.exit(0));
  });
  await running.start();
  tell({ kind: 'started', at: instant() });
}
