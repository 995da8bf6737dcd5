// One executor of each type, sharing one poller and one view of the process table.

import type { ExecutorType } from '../domain/profile.ts';
import type { Clock } from '../platform/clock.ts';
import type { Identity } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import type { Executor } from './executor.ts';
import { createExternalExecutor } from './external.ts';
import { createHttpExecutor } from './http/executor.ts';
import { createAgentExecutors } from './process/agents.ts';
import { createCommandExecutor } from './process/command.ts';
import { createHookRunner, type HookRunner } from './process/hook.ts';
import { withOutputCap } from './process/output-cap.ts';
import { createPoller } from './process/poller.ts';
import type { Processes } from './process/process-table.ts';
import { createSubprocesses } from './process/subprocess.ts';
import { type SweptProcess, sweepOrphans } from './process/terminate.ts';
import { createQueueExecutor, type QueueExecutorParts } from './queue/executor.ts';

/** How often output and reattached processes are checked, ms. */
const LOOK_EVERY_MS = 500;

/** How often the process table is searched for orphaned agents, ms. */
const SWEEP_EVERY_MS = 5 * 60_000;

/** The dependencies of the executors. */
export interface ExecutorParts {
  readonly clock: Clock;
  readonly identity: Identity;
  readonly log: Log;
  readonly stateDir: string;
  readonly version: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly processes: Processes;
  graceMs(): number;
  /** What handing work to a queue needs; absent: this program does not. */
  readonly queue?: Pick<QueueExecutorParts, 'replies' | 'offers' | 'trouble'>;
}

export interface Executors {
  readonly byType: ReadonlyMap<ExecutorType, Executor>;
  readonly hooks: HookRunner;
  /** Stops processes and takes back queued jobs without an open run; at most once every few minutes, however often it is called. */
  sweep(held: () => ReadonlySet<string>): Promise<readonly SweptProcess[]>;
  /** Ends connections; what was handed off continues. */
  close(): Promise<void>;
}

/** Every executor by its type. `schedule` has none: it is decided, not run. */
export function createExecutors(parts: ExecutorParts): Executors {
  const { clock, identity, log, variables, version, stateDir } = parts;
  const means = {
    clock,
    processes: parts.processes,
    poller: createPoller(clock, LOOK_EVERY_MS),
    stateDir,
    graceMs: () => parts.graceMs(),
    variables,
  };
  const subprocesses = createSubprocesses(means);
  const spawning = [...createAgentExecutors(means, subprocesses), createCommandExecutor(means, subprocesses)];
  const executors: Executor[] = [
    ...spawning.map((executor) => withOutputCap(executor, means)),
    createHttpExecutor({ clock, identity, log, variables, version }),
    createExternalExecutor(),
    createExternalExecutor('remote'),
  ];
  const queue = parts.queue ? createQueueExecutor({ clock, log, variables, ...parts.queue }) : null;
  if (queue) executors.push(queue);
  let nextSweepAt = 0;
  return {
    hooks: createHookRunner(means),
    byType: new Map(executors.map((executor) => [executor.type, executor])),
    async sweep(held) {
      const now = clock.now();
      if (now < nextSweepAt) return [];
      nextSweepAt = now + SWEEP_EVERY_MS;
      await queue?.sweep(held());
      return await sweepOrphans(held, { ...means, graceMs: parts.graceMs() });
    },
    async close() {
      await queue?.close();
    },
  };
}
