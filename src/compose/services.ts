// What only a running supervisor needs besides base.ts: the process table, the locks that make it the only one, and
// what its agents get. Separate from base.ts so that short commands do not load it.

import { join } from 'node:path';
import type { Paths } from '../config/paths.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ExecutorType } from '../domain/profile.ts';
import type { Executor } from '../executors/executor.ts';
import { createProcesses } from '../executors/process/lifecycle/process-table.ts';
import { processTable } from '../executors/process/lifecycle/process-table-ps.ts';
import type { Environment } from '../platform/environment.ts';
import { holdInstanceLock, type InstanceLock } from '../platform/instance-lock.ts';
import { VERSION } from '../version.ts';
import {
  type ComposeOptions,
  type ConfigReader,
  createBaseServices,
  type PartWrappers,
  wrapped,
} from './base.ts';

export type DaemonServices = ReturnType<typeof createDaemonServices>;

/** What every program needs, and the processes of this machine. */
export function createDaemonServices<Source extends ConfigReader>(
  options: ComposeOptions,
  paths: Paths,
  source: Source,
) {
  const processes = createProcesses(processTable(options.environment.platform));
  return { ...createBaseServices(options, paths, source), processes };
}

/** The same for every executor. */
export function wrappedExecutors(
  executors: ReadonlyMap<ExecutorType, Executor>,
  wrap: PartWrappers['executor'],
): ReadonlyMap<ExecutorType, Executor> {
  return new Map([...executors].map(([type, executor]) => [type, wrapped(executor, wrap)]));
}

/**
 * One supervisor per machine and user. Null only for an observer beside a running one. `onCompromised` is called if
 * another host took over the lock of a shared folder.
 */
export async function lockMachine(
  ground: DaemonServices,
  observeOnly: boolean,
  onCompromised: (because: string) => void,
  inherited?: number,
): Promise<InstanceLock | null> {
  const { clock, paths, locker, processes } = ground;
  try {
    return await holdInstanceLock({
      lockFile: paths.lockFile,
      holderFile: `${paths.lockFile}.json`,
      locker,
      processes,
      scope: 'machine',
      facts: { stateDir: paths.stateDir, version: VERSION, startedAt: clock.now() },
      onCompromised: (because) => onCompromised(because),
      inherited,
    });
  } catch (thrown) {
    if (observeOnly && thrown instanceof SupervisorError && thrown.code === 'already-running') return null;
    throw thrown;
  }
}

/** One supervisor per graph, also across users and state folders. */
export function lockGraph(graph: GraphPath, ground: DaemonServices) {
  const { clock, locker, processes, paths } = ground;
  const folder = join(graph, 'service');
  return holdInstanceLock({
    lockFile: join(folder, '.supervisor.lock'),
    holderFile: join(folder, '.supervisor.json'),
    locker,
    processes,
    scope: 'graph',
    facts: { stateDir: paths.stateDir, version: VERSION, startedAt: clock.now() },
  });
}

/** The supervisor's own variables that agents may inherit, with the `supervisor` command in front of PATH. */
export function agentVariables(
  environment: Environment,
  tools: string,
  paths: Paths,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment.variables))
    if (value !== undefined) variables[name] = value;
  variables.PATH = variables.PATH ? `${tools}:${variables.PATH}` : tools;
  variables.SUPERVISOR_STATE_DIR = paths.stateDir;
  return variables;
}
