// The executors of the supported agent CLIs.

import type { Executor } from '../executor.ts';
import { ADAPTERS } from './adapters.ts';
import { createAgentExecutor } from './agent.ts';
import type { ProcessMeans, Subprocesses } from './subprocess.ts';

/** One executor for each. */
export function createAgentExecutors(means: ProcessMeans, subprocesses: Subprocesses): readonly Executor[] {
  return ADAPTERS.map((cli) => createAgentExecutor(cli, means, subprocesses));
}
