// What happened to runs since the start, counted from events as they come: cheap enough to do whether or not anyone
// ever asks.

import type { Event } from '../domain/event.ts';
import type { Run } from '../domain/run.ts';
import type { Bus } from '../platform/bus.ts';

/** How long something took, s, and whose it was. */
export interface Duration {
  readonly executor: string;
  readonly seconds: number;
}

export interface RunCountsParts {
  readonly bus: Bus;
  /** A run as it is recorded. */
  run(id: string): Pick<Run, 'model' | 'usage'> | null;
}

/** Counts by label values, which are joined with NUL. */
type Counts = Map<string, number>;

/** Durations are kept until someone takes them; this many are enough to take them unasked. */
const MANY = 1000;

export class RunCounts {
  /** executor */
  readonly started: Counts = new Map();
  /** executor, outcome */
  readonly finished: Counts = new Map();
  /** executor, model, kind */
  readonly tokens: Counts = new Map();
  /** executor */
  readonly cost: Counts = new Map();
  /** Instant of the last finished tick, ms; null: none yet. */
  lastTickAt: number | null = null;
  readonly #run: RunCountsParts['run'];
  /** When runs under way were opened and started, ms. */
  readonly #opened = new Map<string, number>();
  readonly #started = new Map<string, number>();
  readonly #off: () => void;
  #durations: { of: 'run' | 'dispatch'; duration: Duration }[] = [];
  #full: () => void = () => {};

  constructor({ bus, run }: RunCountsParts) {
    this.#run = run;
    this.#off = bus.on((event) => this.#hear(event));
  }

  /** Takes the durations that no one took yet. */
  takeDurations(): readonly { readonly of: 'run' | 'dispatch'; readonly duration: Duration }[] {
    const taken = this.#durations;
    this.#durations = [];
    return taken;
  }

  /** Called when this many durations wait that they should be taken. */
  whenFull(take: () => void): void {
    this.#full = take;
  }

  stop(): void {
    this.#off();
  }

  #hear(event: Event): void {
    switch (event.name) {
      case 'tick.finished':
        this.lastTickAt = event.at;
        break;
      case 'run.opened':
        this.#opened.set(event.run, event.at);
        break;
      case 'run.started':
      case 'run.handed-off':
        // Handed off follows started for some executors, and stands alone for others.
        if (this.#started.has(event.run)) break;
        this.#started.set(event.run, event.at);
        add(this.started, [event.executor], 1);
        this.#note('dispatch', event, this.#opened.get(event.run));
        break;
      case 'run.finished':
        add(this.finished, [event.executor, event.outcome.kind], 1);
        this.#note('run', event, this.#started.get(event.run));
        this.#forget(event.run);
        break;
      case 'run.settled':
        this.#spend(event.executor, event.run);
        break;
      case 'run.released':
      case 'run.abandoned':
      case 'run.overruled':
        this.#forget(event.run);
        break;
      default:
        break;
    }
  }

  #note(of: 'run' | 'dispatch', event: { executor: string; at: number }, since: number | undefined): void {
    // A run that an earlier supervisor began: when is not known here. A clock that was set back measures nothing.
    if (since === undefined || event.at < since) return;
    this.#durations.push({ of, duration: { executor: event.executor, seconds: (event.at - since) / 1000 } });
    if (this.#durations.length >= MANY) this.#full();
  }

  #forget(run: string): void {
    this.#opened.delete(run);
    this.#started.delete(run);
  }

  #spend(executor: string, id: string): void {
    const { usage, model = '' } = this.#run(id) ?? {};
    if (!usage) return;
    const kinds = {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cache_read: usage.cacheReadInputTokens,
      cache_creation: usage.cacheCreationInputTokens,
    };
    for (const [kind, count] of Object.entries(kinds))
      if (count !== undefined && count > 0) add(this.tokens, [executor, model, kind], count);
    if (usage.costUsd !== undefined && usage.costUsd > 0) add(this.cost, [executor], usage.costUsd);
  }
}

function add(counts: Counts, labels: readonly string[], by: number): void {
  const key = labels.join('\0');
  counts.set(key, (counts.get(key) ?? 0) + by);
}
