// The supported agent CLIs: one adapter each.

import type { Executor } from '../executor.ts';
import { createAgentExecutor } from './agent.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { gemini } from './gemini.ts';
import { opencode } from './opencode.ts';
import { pi } from './pi.ts';
import type { ProcessMeans, Subprocesses } from './subprocess.ts';

/** One executor for each. */
export function createAgentExecutors(means: ProcessMeans, subprocesses: Subprocesses): readonly Executor[] {
  return [
    createAgentExecutor(claude, means, subprocesses),
    createAgentExecutor(codex, means, subprocesses),
    createAgentExecutor(pi, means, subprocesses),
    createAgentExecutor(gemini, means, subprocesses),
    createAgentExecutor(opencode, means, subprocesses),
  ];
}
