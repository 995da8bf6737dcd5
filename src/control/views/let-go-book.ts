// Records which instants of schedules were skipped: a bounded memory of this process, for the timetable that people look at.

import { type TaskKey, taskKey } from '../../domain/ids.ts';
import type { Bus } from '../../platform/bus.ts';

/** An instant of a schedule that was not run. */
export interface LetGo {
  readonly at: number;
  readonly result: 'missed' | 'skipped';
  readonly because: string;
}

const MOST_LET_GO = 10;

export class LetGoBook {
  readonly #letGo = new Map<TaskKey, LetGo[]>();

  constructor(bus: Bus) {
    bus.on((event) => {
      if (event.name === 'schedule.missed' || event.name === 'schedule.skipped_overlap') {
        const result = event.name === 'schedule.missed' ? 'missed' : 'skipped';
        const key = taskKey(event.graph, event.task);
        const list = this.#letGo.get(key) ?? [];
        list.push({ at: event.nominalAt, result, because: event.because });
        this.#letGo.set(key, list.slice(-MOST_LET_GO));
      }
    });
  }

  /** The latest skipped instants of its schedule. */
  letGoOf(key: TaskKey): readonly LetGo[] {
    return this.#letGo.get(key) ?? [];
  }
}
