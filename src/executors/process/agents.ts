// The executors of the supported agent CLIs.

import type { Executor } from '../executor.ts';
import { ADAPTERS } from './adapters.ts';
import { createAgentExecutor } from './agent.ts';
import { LoginBook } from './login-book.ts';
import type { ProcessMeans, Subprocesses } from './subprocess.ts';

/** One executor for each. */
export function createAgentExecutors(means: ProcessMeans, subprocesses: Subprocesses): readonly Executor[] {
  const logins = new LoginBook(means.clock, means.variables);
  return ADAPTERS.map((cli) => createAgentExecutor(cli, means, subprocesses, logins));
}
