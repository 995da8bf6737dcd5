// What is shown about pauses that a person ordered: what is paused, why, and how to resume.

import { shellWord } from '../../domain/shell-word.ts';
import type { GraphView, Pause, World } from '../world.ts';

/** The code of a pause that a person ordered; other pauses carry their own text. */
const ORDERED = 'paused';

/** The full text of a pause that a person ordered, for `status` and `why`; any other is shown as it is. */
export function toldPause(pause: Pause, graphs: readonly GraphView[]): Pause {
  if (pause.code !== ORDERED) return pause;
  const named = namedTarget(pause, graphs);
  if (named === null) return pause;
  const command = ['supervisor resume', ...(named.target === null ? [] : [shellWord(named.target)])].join(
    ' ',
  );
  return { ...pause, because: `${named.what} is paused: ${pause.because}; \`${command}\` resumes it` };
}

/** Every active pause that a person ordered, in full. */
export function orderedPauses(world: Pick<World, 'now' | 'pauses' | 'graphs'>): Pause[] {
  return world.pauses
    .filter(({ code, until }) => code === ORDERED && (until === null || until > world.now))
    .map((pause) => toldPause(pause, world.graphs));
}

function namedTarget(
  { scope, name }: Pause,
  graphs: readonly GraphView[],
): { readonly what: string; readonly target: string | null } | null {
  switch (scope) {
    case 'machine':
      return { what: 'the whole machine', target: null };
    case 'repo': {
      const target = repoTarget(name, graphs);
      return { what: `repository ${target}`, target };
    }
    case 'worktree':
      return { what: `worktree ${name}`, target: name };
    case 'profile':
      return { what: `executor ${name}`, target: name };
    default:
      return null;
  }
}

/** The repository's name, or what distinguishes it if another has the same name. */
function repoTarget(repo: string, graphs: readonly GraphView[]): string {
  const name = graphs.find((view) => view.repo === repo)?.repoName;
  if (name === undefined) return repo;
  return graphs.some((view) => view.repoName === name && view.repo !== repo) ? repo : name;
}
