// Handles what agents push about their runs: progress, questions, parts of a result and its end. Parts are stored in
// the run's folder, so that a restart loses none. Knows no protocol.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentUpdate } from '../../domain/agent-update.ts';
import { SupervisorError, systemCode } from '../../domain/errors.ts';
import { appendText, readText } from '../../platform/regular-file.ts';
import type { Ledger } from '../../runs/ledger.ts';
import type { CompletionAnswer, CompletionRequest } from '../control.ts';
import type { WorkerCalls } from './worker-calls.ts';

/** What handling updates needs besides the ledger. */
export interface PushParts {
  readonly ledger: Pick<Ledger, 'run'>;
  readonly outside: Pick<WorkerCalls, 'heartbeat' | 'input'>;
  complete(request: CompletionRequest): Promise<CompletionAnswer>;
}

/** Parts of one result in total; more is refused. */
const MAX_PARTS_BYTES = 4 * 1024 * 1024;
const FILE = 'parts.jsonl';

type Part = Pick<Extract<AgentUpdate, { kind: 'part' }>, 'name' | 'more' | 'part'>;

/** Handles one update from a run's agent. Idempotent. Throws as heartbeat, input and complete do. */
export async function handleAgentUpdate(id: string, said: AgentUpdate, parts: PushParts): Promise<void> {
  const run = parts.ledger.run(id);
  if (!run) throw new SupervisorError('not-found', `there is no run ${id}`);
  const report = { task: run.task, worktree: run.graph, caller: { kind: 'run', run: id } } as const;
  switch (said.kind) {
    case 'working':
      // Pushes come when something changes, not periodically: they must not start a lease.
      parts.outside.heartbeat(id, said.message ?? undefined, { passive: true, resumed: true });
      return;
    case 'asks':
      parts.outside.input(id, { question: said.question, options: [], name: said.name }, { passive: true });
      return;
    case 'part': {
      const { directive } = parts.outside.heartbeat(id, undefined, { passive: true });
      const { name, more, part } = said;
      if (directive === 'continue' && run.folder !== null) await keepPart(run.folder, { name, more, part });
      return;
    }
    case 'completed': {
      const result = said.result ?? (run.folder === null ? null : await keptParts(run.folder));
      await parts.complete({
        ...report,
        result: 'succeeded',
        ...(said.summary === null ? {} : { summary: said.summary }),
        ...(result === null ? {} : { artifacts: { result } }),
      });
      return;
    }
    case 'failed':
      await parts.complete({ ...report, result: 'failed', reason: said.message, retryable: said.retryable });
  }
}

async function keepPart(folder: string, part: Part): Promise<void> {
  const file = join(folder, FILE);
  const line = `${JSON.stringify(part)}\n`;
  const { size } = await stat(file).catch(absent({ size: 0 }));
  if (size + Buffer.byteLength(line) > MAX_PARTS_BYTES)
    throw new SupervisorError(
      'too-large',
      `the parts of this result have more than ${MAX_PARTS_BYTES} bytes`,
      {
        hint: 'put large results into files and name them',
      },
    );
  await appendText(file, line);
}

/** The artifacts that came in parts: the last version of each, with its continuations. */
async function keptParts(folder: string): Promise<readonly unknown[] | null> {
  const text = (await readText(join(folder, FILE), { maxBytes: MAX_PARTS_BYTES })) ?? '';
  const whole = new Map<string, unknown>();
  for (const line of text.split('\n')) {
    const read = readLine(line);
    if (read === null) continue;
    const before = whole.get(read.name);
    whole.set(read.name, read.more && before !== undefined ? joined(before, read.part) : read.part);
  }
  return whole.size === 0 ? null : [...whole.values()];
}

/** Null for a line that is empty, or torn by a crash. */
function readLine(line: string): Part | null {
  try {
    return line === '' ? null : (JSON.parse(line) as Part);
  } catch {
    return null;
  }
}

/** The pieces of the later part after those of the earlier one. */
function joined(before: unknown, more: unknown): unknown {
  const [first, second] = [piecesOf(before), piecesOf(more)];
  return first === null || second === null ? more : { ...(before as object), parts: [...first, ...second] };
}

function piecesOf(part: unknown): readonly unknown[] | null {
  const pieces = typeof part === 'object' && part !== null && 'parts' in part ? part.parts : null;
  return Array.isArray(pieces) ? pieces : null;
}

function absent<T>(instead: T): (thrown: unknown) => T {
  return (thrown) => {
    if (systemCode(thrown) === 'ENOENT') return instead;
    throw thrown;
  };
}
