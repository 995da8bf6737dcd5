// How things stand at the moment of a scrape, counted from the last decision. No task ids: they are without end.

import type { Decided } from '../run/last-decision.ts';

/** One value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Standing {
  /** By repo and state. */
  readonly tasks: readonly Sample[];
  /** By code. */
  readonly notRunning: readonly Sample[];
  /** Seconds, by executor. */
  readonly oldestReady: readonly Sample[];
  /** By scope and code. */
  readonly paused: readonly Sample[];
}

/** Counts everything once; `now` in ms. */
export function standingOf({ world, decision }: Decided, now: number): Standing {
  const views = new Map(world.graphs.map((view) => [view.graph, view]));
  const tasks = new Tally('repo', 'state');
  const notRunning = new Tally('code');
  const paused = new Tally('scope', 'code');
  const oldest = new Map<string, number>();
  for (const { graph, task: id, state, code, executor } of decision.verdicts.values()) {
    const view = views.get(graph);
    const task = view?.snapshot.tasks.get(id);
    if (!view || !task) continue;
    tasks.add(view.repoName, state === 'finished' ? task.status : state);
    if (state !== 'running' && state !== 'finished') notRunning.add(code);
    if (state !== 'ready' && state !== 'queued') continue;
    const instants = [
      task.createdAt,
      task.notBefore,
      task.readyAfter,
      ...task.after.map((other) => view.snapshot.tasks.get(other)?.completedAt),
    ].map((text) => (text === undefined ? Number.NaN : Date.parse(text)));
    const since = Math.max(...instants.filter((at) => at <= now));
    const name = executor ?? '';
    if (Number.isFinite(since)) oldest.set(name, Math.max(oldest.get(name) ?? 0, (now - since) / 1000));
  }
  for (const { scope, code } of world.pauses) paused.add(scope, code);
  return {
    tasks: tasks.samples(),
    notRunning: notRunning.samples(),
    oldestReady: [...oldest].map(([executor, value]) => ({ labels: { executor }, value })),
    paused: paused.samples(),
  };
}

class Tally {
  readonly #names: readonly string[];
  readonly #counts = new Map<string, number>();

  constructor(...names: string[]) {
    this.#names = names;
  }

  add(...values: string[]): void {
    const key = values.join('\0');
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  samples(): Sample[] {
    return [...this.#counts].map(([key, value]) => {
      const values = key.split('\0');
      return { labels: Object.fromEntries(this.#names.map((name, n) => [name, values[n] ?? ''])), value };
    });
  }
}
