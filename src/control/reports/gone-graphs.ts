// Reports on graphs that are gone: what was open in them, and what is kept for them. Pure.

import type { ReportedProblem } from '../../domain/report.ts';
import type { Run } from '../../domain/run.ts';
import type { Worktree } from '../../domain/worktree.ts';
import type { RememberedGraph } from '../../runs/graph-book.ts';
import type { Reportable } from './reports.ts';

/** Tasks listed by name; of the others the number. */
const NAMED = 5;

const MEND = 'bring it back, or begin a new one with `supervisor init`';

/** What to do if git is missing a worktree. */
export const MEND_MISSING =
  'if it was moved, `git worktree repair` where it is now mends that; if it was deleted, `git worktree prune`';

type Known = Pick<Reportable, 'world' | 'repositories' | 'gone'>;

/** A graph that is gone, with its open runs. */
interface Gone {
  readonly graph: string;
  readonly worktree: string;
  readonly remembered: RememberedGraph | null;
  readonly runs: readonly Run[];
}

/** What a worktree lost; empty: nothing, or nothing of value. */
export function goneFrom(
  input: Known,
  worktree: Pick<Worktree, 'path' | 'graph'> & { readonly missing?: boolean },
): ReportedProblem[] {
  return allGone(input)
    .filter((gone) => gone.graph === worktree.graph || gone.worktree === worktree.path)
    .map((gone) => problemOf(gone, worktree.missing ? MEND_MISSING : undefined));
}

/** What was lost with worktrees that git no longer lists, and with repositories that are gone themselves. */
export function goneElsewhere(input: Known): ReportedProblem[] {
  const rows = input.repositories.flatMap(({ repository }) => repository.worktrees);
  const paths = new Set(
    [...rows, ...input.repositories.map((found) => found.repository)].map(({ path }) => path),
  );
  const graphs = new Set(rows.map(({ graph }) => graph));
  return allGone(input)
    .filter((gone) => !paths.has(gone.worktree) && !graphs.has(gone.graph))
    .map((gone) => problemOf(gone));
}

function allGone({ world, gone = [] }: Known): Gone[] {
  const served = new Set(world.graphs.map((view) => view.graph));
  const missing = new Set(
    world.graphs.filter(({ snapshot }) => snapshot.problem?.code === 'missing').map((view) => view.graph),
  );
  const remembered = new Map(gone.map((one) => [one.graph, one]));
  const found = new Map<string, Gone>();
  const note = (graph: string, worktree: string) => {
    if (served.has(graph) && !missing.has(graph)) return;
    const runs = world.runs.filter((run) => run.graph === graph);
    found.set(graph, { graph, worktree, remembered: remembered.get(graph) ?? null, runs });
  };
  for (const { graph, worktree } of gone) note(graph, worktree);
  for (const { graph, worktree } of world.runs) note(graph, worktree);
  return [...found.values()];
}

function problemOf({ graph, remembered, runs }: Gone, mend = MEND): ReportedProblem {
  const open = remembered?.openCount ?? 0;
  const names = (remembered?.open ?? []).slice(0, NAMED).join(', ');
  const more = open > NAMED ? ', …' : '';
  const tasks =
    open === 0 ? '' : ` with ${open} unfinished ${open === 1 ? 'task' : 'tasks'} (${names}${more})`;
  const kept =
    runs.length === 0
      ? ''
      : `; results of ${runs.map((run) => run.task).join(', ')} are kept and written when it is back`;
  return {
    code: 'graph-gone',
    message: `its graph ${graph} is gone${tasks}${kept}; ${mend}`,
  };
}
