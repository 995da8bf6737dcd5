// The supported agent CLIs: one adapter each.

import { acp } from './acp.ts';
import type { AgentCli, AgentFacts } from './agent-cli.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { gemini } from './gemini.ts';
import { opencode } from './opencode.ts';
import { pi } from './pi.ts';

/** An adapter among others: it keeps facts of its own kind, which only it reads. */
function anyCli<F extends AgentFacts>(cli: AgentCli<F>): AgentCli<AgentFacts> {
  return cli as unknown as AgentCli<AgentFacts>;
}

export const ADAPTERS: readonly AgentCli<AgentFacts>[] = [
  anyCli(claude),
  anyCli(codex),
  anyCli(pi),
  anyCli(gemini),
  anyCli(opencode),
  anyCli(acp),
];
