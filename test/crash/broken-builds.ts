// Builds that are broken on purpose, each in one place that crash recovery depends on: what finds nothing wrong in them
// proves nothing.

import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Patch {
  /** Below dist/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface BrokenBuild {
  readonly name: string;
  /** What is broken, in one sentence. */
  readonly what: string;
  readonly patches: readonly Patch[];
}

const ADVANCE = `live.run = await ledger.advance(run.id, 'opened', { agent, folder });`;
const LOCK = `locks.push(await locker.acquire(file, {
                        timeoutMs: options.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
                        signal: closing.signal,
                    }));`;

export const BROKEN_BUILDS: readonly BrokenBuild[] = [
  {
    name: 'settles-not',
    what: 'a run that had finished before a kill is released instead of settled from the ledger',
    patches: [
      {
        file: 'decide/reconcile/reconcile.js',
        from: `return ours ? settle(run) : closeFinished(run, task);`,
        to: `return ours ? { kind: 'release', run, because: 'broken' } : closeFinished(run, task);`,
      },
    ],
  },
  {
    name: 'forgets-exits',
    what: 'the exit status that an agent left while no supervisor ran is not read',
    patches: [
      {
        file: 'executors/process/lifecycle/launch.js',
        from: `return typeof recorded.exit === 'number' ? recorded.exit : null;`,
        to: `return null;`,
      },
    ],
  },
  {
    name: 'adopts-nothing',
    what: 'a restarted supervisor releases the tasks of running agents instead of reattaching to them',
    patches: [
      {
        file: 'decide/reconcile/reconcile.js',
        from: `return attended ? null : { kind: 'attend', run };`,
        to: `return attended ? null : { kind: 'release', run, because: 'broken' };`,
      },
    ],
  },
  {
    name: 'finds-no-agent',
    what: 'an agent that was started, and not recorded before the kill, is not looked for',
    patches: [
      {
        file: 'run/recovery.js',
        from: `if (found === 'never' || found === 'away')`,
        to: `if (found !== 'away') return 'never';\n        if (found === 'never' || found === 'away')`,
      },
    ],
  },
  {
    name: 'no-lock',
    what: 'graphs are written without graph.lock, and without a second look before the rename',
    patches: [
      { file: 'graph/store.js', from: LOCK, to: 'void file;' },
      {
        file: 'graph/graph-file.js',
        from: `if (stateOfFileNow(graph)?.print !== previous?.print)`,
        to: `if (false)`,
      },
    ],
  },
  {
    name: 'believes-git',
    what: 'an older line that git brings back is taken for a decision',
    patches: [{ file: 'config/load.js', from: 'onRewind: repo.on_rewind,', to: `onRewind: 'rerun',` }],
  },
  {
    name: 'leaves-orphans',
    what: 'what an agent left behind is not ended',
    patches: [
      {
        file: 'executors/process/lifecycle/terminate.js',
        from: 'export async function endRunProcesses(run, leader, ladder, means) {',
        to: 'export async function endRunProcesses(run, leader, ladder, means) {\n    if (means !== null) return;',
      },
    ],
  },
  {
    name: 'sends-again',
    what: 'a request whose delivery was interrupted by a kill is sent as another run instead of the same one',
    patches: [
      {
        file: 'decide/reconcile/reconcile.js',
        from: `return { kind: 'resume', run };`,
        to: `return { kind: 'release', run, because: 'broken' };`,
      },
    ],
  },
  {
    name: 'answers-early',
    what: 'a report is answered before its outcome is in the ledger',
    patches: [
      {
        file: 'control/work/completions.js',
        from: `const { status, written, kept } = await this.#runs.end(run, reportedOutcome(request), 'report');`,
        to: `void this.#parts.clock.sleep(100).then(() => this.#runs.end(run, reportedOutcome(request), 'report'));\n        const { status, written, kept } = { status: 'done', written: true, kept: false };`,
      },
    ],
  },
  {
    name: 'claims-unnoted',
    what: 'the agent of a claim is not in the ledger before the graph names it',
    patches: [
      {
        file: 'run/runner.js',
        from: ADVANCE,
        to: 'live.run = { ...live.run, agent, folder };',
      },
      {
        file: 'run/runner.js',
        from: 'const claimed = { deadlineAt, startedAt: now };',
        to: 'const claimed = { deadlineAt, startedAt: now, agent, folder };',
      },
    ],
  },
];

/** Makes the build in a folder of its own; gives its `cli/main.js`. Throws if the program no longer has the place. */
export function breakBuild({ name, patches }: BrokenBuild, folder: string): string {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  cpSync(join(ROOT, 'dist'), join(at, 'dist'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(at, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(at, 'node_modules'));
  for (const patch of patches) {
    const file = join(at, 'dist', patch.file);
    writeFileSync(file, patched(patch, readFileSync(file, 'utf8')));
  }
  return join(at, 'dist', 'cli', 'main.js');
}

/** The text with the change in it. */
export function patched({ file, from, to }: Patch, text: string): string {
  if (text.split(from).length !== 2) throw new Error(`${file} does not have exactly one: ${from}`);
  return text.replace(from, () => to);
}
