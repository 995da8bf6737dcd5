// What the executors themselves saw: starts, ends and the word of every piece of work, told by no supervisor. Judges
// on the spot what may never happen.

import type { Word as TraceWord } from '../model/life.ts';

/** How a piece of work ended, as its worker knows. */
export type Word =
  /** It did what was asked for. */
  | 'good'
  /** It failed, and said so. */
  | 'bad'
  /** It is gone, and left no word. */
  | 'gone'
  /** It was stopped, or another has its task by now: it counts for nothing. */
  | 'stopped';

interface Known {
  /** Runs that work on it now. */
  readonly working: Set<string>;
  /** The run that did it. */
  good: string | null;
  /** A person or another program decided about it since: what was before says nothing. */
  bad: number;
  starts: number;
}

type AgentWord = Extract<TraceWord, { kind: 'agent' }>['word'];
/** How the model names an end. */
const ENDS = { good: 'end', bad: 'fail', gone: 'shot' } as const;

/** One thing that may not happen. */
export interface Fault {
  readonly kind:
    | 'two'
    | 'twice'
    | 'attempts'
    | 'lost'
    | 'stranded'
    | 'log'
    | 'unsettled'
    | 'killed'
    | 'busy'
    | 'late'
    | 'unverified';
  readonly what: string;
}

export class Journal {
  readonly faults: Fault[] = [];
  starts = 0;
  readonly #tasks = new Map<string, Known>();
  readonly #attempts: number;
  readonly #tell: (line: string) => void;
  readonly #hear: (run: string, word: AgentWord) => void;

  constructor(attempts: number, tell: (line: string) => void, hear: (run: string, word: AgentWord) => void) {
    this.#hear = hear;
    this.#attempts = attempts;
    this.#tell = tell;
  }

  known(task: string): Known {
    const known = this.#tasks.get(task) ?? { working: new Set(), good: null, bad: 0, starts: 0 };
    this.#tasks.set(task, known);
    return known;
  }

  start(task: string, run: string): void {
    const known = this.known(task);
    known.starts++;
    this.starts++;
    this.#tell(`work begins on ${task} as ${run}`);
    this.#hear(run, 'start');
    if (known.working.size > 0)
      this.fault('two', `${task}: ${run} begins while ${[...known.working].join(', ')} works`);
    if (known.good !== null) this.fault('twice', `${task}: ${run} begins though ${known.good} did it`);
    if (known.bad >= this.#attempts)
      this.fault('attempts', `${task}: ${run} begins after ${known.bad} failed attempts`);
    known.working.add(run);
  }

  /** A worker elsewhere begins: one that lost its lease may still believe that it has the task. */
  begin(task: string, run: string): void {
    const known = this.known(task);
    this.#tell(`a worker begins on ${task} as ${run}`);
    if (known.good !== null) this.fault('twice', `${task}: ${run} is handed out though ${known.good} did it`);
  }

  /** `exit`: what the process itself left; it may count for nothing. */
  end(task: string, run: string, word: Word, exit: 'good' | 'bad' | 'gone' = 'gone', isKilled = false): void {
    const known = this.known(task);
    if (!known.working.delete(run)) return;
    this.#tell(`work on ${task} as ${run} ends: ${word}`);
    this.#hear(run, isKilled ? 'killed' : ENDS[exit]);
    if (word === 'good') known.good ??= run;
    if (word === 'bad') known.bad++;
  }

  /** The word of a worker was taken, before it ended. */
  heard(task: string, run: string, word: 'good' | 'bad'): void {
    const known = this.known(task);
    this.#tell(`${run} of ${task} is heard: ${word}`);
    if (word === 'good') {
      // By hand a copy may be completed while another one is worked on.
      if (known.good !== null && known.good !== run && known.good !== 'a person')
        this.fault('twice', `${task}: the word of ${run} is taken though ${known.good} did it`);
      known.good = run;
    } else known.bad++;
  }

  /** The same once more; it may have been heard before, or another's word came first. */
  confirmed(task: string, run: string, word: 'good' | 'bad'): void {
    const known = this.known(task);
    this.#tell(`${run} of ${task} is known: ${word}`);
    if (word === 'good') known.good ??= run;
  }

  /** Someone with the right to do so decided about the task: what was before says nothing any more. */
  decided(task: string): void {
    const known = this.known(task);
    known.good = null;
    known.bad = Number.NEGATIVE_INFINITY;
  }

  fault(kind: Fault['kind'], what: string): void {
    this.#tell(`FAULT ${kind}: ${what}`);
    this.faults.push({ kind, what });
  }
}
