// The executors of the supported agent CLIs.

import type { AgentType } from '../../domain/agent-cli.ts';
import type { Executor } from '../executor.ts';
import type { ExecutorMeans } from '../executor-type.ts';
import { createAgentExecutor } from './agent.ts';
import { ADAPTERS } from './clis/adapters.ts';
import { withOutputCap } from './output/output-cap.ts';

/** The executor of one CLI. */
export function agentExecutor(type: AgentType, means: ExecutorMeans): Executor {
  const cli = ADAPTERS.find((adapter) => adapter.type === type);
  if (!cli) throw new Error(`the CLI ${type} has no adapter`);
  return withOutputCap(createAgentExecutor(cli, means, means.subprocesses), means);
}
