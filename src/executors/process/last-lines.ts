// The last things that the attempt before did, for the prompt of the next one: from what its CLI printed, else from its
// output as it is. Its folder may be gone, or hold anything: then there are none.

import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { ExecutorType } from '../../domain/profile.ts';
import { redact } from '../../platform/log.ts';
import type { PreviousAttempt } from '../executor.ts';
import { ADAPTERS } from './clis/adapters.ts';
import type { AgentCli, AgentFacts } from './clis/agent-cli.ts';
import { tailOf } from './output/tail.ts';

const LINES = 12;
const LINE_CHARS = 300;
/** One tool result may well have ten megabytes; this is enough for the last steps of nearly every run. */
const STREAM_BYTES = 1024 * 1024;
const OUTPUT_BYTES = 8 * 1024;

/** The last lines of an attempt, oldest first, without secrets. */
export async function lastLinesOf(previous: PreviousAttempt | null): Promise<readonly string[]> {
  if (previous === null || previous.folder === null) return [];
  const cli = adapterOf(previous.type);
  const done =
    cli === null ? [] : doneIn(cli, await tailOf(join(previous.folder, 'raw_stream.jsonl'), STREAM_BYTES));
  const lines =
    done.length > 0 ? done : (await tailOf(join(previous.folder, 'output.log'), OUTPUT_BYTES)).split('\n');
  return lines
    .map((line) => redact(stripVTControlCharacters(line)).trimEnd().slice(0, LINE_CHARS))
    .filter((line) => line.trim() !== '')
    .slice(-LINES);
}

function adapterOf(type: ExecutorType): AgentCli<AgentFacts> | null {
  return ADAPTERS.find((cli) => cli.type === type) ?? null;
}

function doneIn(cli: AgentCli<AgentFacts>, stream: string): string[] {
  const done: string[] = [];
  let facts = cli.nothing;
  for (const line of stream.split('\n')) {
    const before = facts.doing;
    facts = cli.read(facts, line);
    if (facts.doing !== null && facts.doing !== before) done.push(facts.doing);
  }
  return done;
}
