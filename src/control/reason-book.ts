// Records why tasks wait while they do, and which instants of schedules were skipped: a bounded memory of this process, for
// the history that people look at. What it does not know is said to be unknown.

import { type TaskKey, taskKey } from '../domain/ids.ts';
import type { Bus } from '../platform/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { LastDecision } from '../run/last-decision.ts';
import type { NotedReason } from './waits.ts';

/** An instant of a schedule that was not run. */
export interface LetGo {
  readonly at: number;
  readonly result: 'missed' | 'skipped';
  readonly because: string;
}

/** Looked at no more often than this, ms: verdicts change with every tick. */
const EVERY_MS = 1000;
/** Of this many tasks; with more, checking would cost what dispatching needs. */
const MOST_TASKS = 30_000;
const MOST_OF_TASK = 12;
const MOST_LET_GO = 10;

export class ReasonBook {
  readonly #reasons = new Map<TaskKey, NotedReason[]>();
  readonly #letGo = new Map<TaskKey, LetGo[]>();
  readonly #last: Pick<LastDecision, 'made'>;
  readonly #clock: Clock;
  #lookedAt = 0;

  /** Notes the last decision after every tick from now on. */
  constructor(needs: {
    readonly bus: Bus;
    readonly clock: Clock;
    readonly last: Pick<LastDecision, 'made'>;
  }) {
    this.#clock = needs.clock;
    this.#last = needs.last;
    needs.bus.on((event) => {
      if (event.name === 'tick.finished') this.#look();
      if (event.name === 'schedule.missed' || event.name === 'schedule.skipped_overlap') {
        const result = event.name === 'schedule.missed' ? 'missed' : 'skipped';
        const key = taskKey(event.graph, event.task);
        const list = this.#letGo.get(key) ?? [];
        list.push({ at: event.nominalAt, result, because: event.because });
        this.#letGo.set(key, list.slice(-MOST_LET_GO));
      }
    });
  }

  /** The reasons noted of a task, oldest first. */
  reasonsOf(key: TaskKey): readonly NotedReason[] {
    return this.#reasons.get(key) ?? [];
  }

  /** The latest skipped instants of its schedule. */
  letGoOf(key: TaskKey): readonly LetGo[] {
    return this.#letGo.get(key) ?? [];
  }

  #look(): void {
    const now = this.#clock.now();
    const decision = this.#last.made?.decision;
    if (!decision || Math.abs(now - this.#lookedAt) < EVERY_MS) return;
    this.#lookedAt = now;
    if (decision.verdicts.size > MOST_TASKS) return;
    for (const { graph, task, state, code, because } of decision.verdicts.values()) {
      if (state === 'finished') continue;
      const key = taskKey(graph, task);
      const list = this.#reasons.get(key);
      const last = list?.at(-1);
      if (last?.code === code && (code !== 'dependency' || last.because === because)) continue;
      const noted = { from: now, code, because };
      if (!list) this.#reasons.set(key, [noted]);
      else {
        list.push(noted);
        if (list.length > MOST_OF_TASK) list.shift();
      }
    }
    // Tasks that are gone are forgotten in one go now and then.
    if (this.#reasons.size > 2 * MOST_TASKS) this.#reasons.clear();
  }
}
