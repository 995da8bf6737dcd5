// A real supervisor over a playground, stopped for sure at the end of the test.

import { composeSupervisor, type RunningSupervisor } from '../../src/compose/daemon.ts';
import type { EventMap, EventName } from '../../src/domain/event.ts';
import type { MachineProbe } from '../../src/platform/machine.ts';
import type { Playground } from './playground.ts';

const QUIET_MACHINE: MachineProbe = {
  read: async (_folders, now) => ({ at: now, memory: null, load: null, disks: new Map() }),
};

export interface Supervised extends RunningSupervisor {
  /** The event of this name for this task, also when it happened already. */
  event<N extends EventName>(name: N, task: string, worktree?: string): Promise<EventMap[N]>;
  /** The event of this name that a task sees for the n-th time (1: the first), also when it happened already. */
  nth<N extends EventName>(n: number, name: N, task: string): Promise<EventMap[N]>;
  /** How often an event of this name was seen for a task. */
  count(name: EventName, task: string): number;
}

/** Starts a supervisor on the playground's configuration, with a state folder of its own. */
export async function supervise(
  playground: Playground,
  options: {
    stateDir?: string;
    variables?: Record<string, string | undefined>;
    observe?: boolean;
    start?: boolean;
    clock?: Parameters<typeof composeSupervisor>[0]['clock'];
    executors?: Parameters<typeof composeSupervisor>[0]['executors'];
    wrap?: Parameters<typeof composeSupervisor>[0]['wrap'];
    log?: Parameters<typeof composeSupervisor>[0]['log'];
    machineZone?: () => string;
    /** Absent: a machine with plenty of everything, however loaded this one is. */
    machine?: MachineProbe;
  } = {},
): Promise<Supervised> {
  const running = await composeSupervisor({
    environment: {
      variables: { ...process.env, ...options.variables },
      home: playground.folder,
      platform: process.platform,
    },
    cwd: playground.folder,
    config: playground.configFile,
    stateDir: options.stateDir ?? playground.stateDir,
    observe: options.observe ?? false,
    machine: options.machine ?? QUIET_MACHINE,
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.executors ? { executors: options.executors } : {}),
    ...(options.wrap ? { wrap: options.wrap } : {}),
    ...(options.log ? { log: options.log } : {}),
    ...(options.machineZone ? { machineZone: options.machineZone } : {}),
  });
  type Seen = { name: EventName; task?: string; worktree?: string };
  const seen: Seen[] = [];
  const waiting = new Set<() => void>();
  running.bus.on((event) => {
    seen.push(event as Seen);
    for (const look of [...waiting]) look();
  });
  const supervised: Supervised = {
    ...running,
    event(name, task, worktree) {
      return new Promise((resolve) => {
        const look = () => {
          const found = seen.find(
            (event) =>
              event.name === name &&
              event.task === task &&
              (worktree === undefined || event.worktree === worktree),
          );
          if (!found) return;
          waiting.delete(look);
          resolve(found as never);
        };
        waiting.add(look);
        look();
      });
    },
    nth(n, name, task) {
      return new Promise((resolve) => {
        const look = () => {
          const found = seen.filter((event) => event.name === name && event.task === task)[n - 1];
          if (!found) return;
          waiting.delete(look);
          resolve(found as never);
        };
        waiting.add(look);
        look();
      });
    },
    count: (name, task) => seen.filter((event) => event.name === name && event.task === task).length,
  };
  if (options.start !== false) await running.start();
  return supervised;
}
