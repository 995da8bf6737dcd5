// What the agents of one run have asked. Each asking is a question of its own, however its text begins; the same asking sent
// again is not. Pure.

import type { AskedQuestion } from '../executors/queue/messages.ts';

/** A question as its asker sends it. `id`: the asking's own name, the same each time that it is sent. */
export interface Asking {
  readonly id: string;
  readonly question: string;
  readonly options: readonly string[];
}

interface Asked {
  readonly question: AskedQuestion;
  /** Who waits for its answer: an agent whose tool ran out of time asks the same once more. */
  readonly ids: Set<string>;
  answer: string | null;
  /** When it was last asked for, in askings. */
  wantedAt: number;
}

/** Answers that may still be fetched a second time. */
const KEPT = 50;

export class AskedOfRun {
  /** The newest last. */
  #asked: Asked[] = [];
  #askings = 0;

  /** Asks, unless this asking or the very question is open already. */
  ask({ id, question, options }: Asking): void {
    const known =
      this.#asked.find((one) => one.ids.has(id)) ??
      this.#asked.find((one) => one.answer === null && isSame(one.question, { question, options }));
    if (known) {
      known.ids.add(id);
      known.wantedAt = this.#askings;
      return;
    }
    const asked = { name: id, question, options: [...options] };
    this.#asked.push({ question: asked, ids: new Set([id]), answer: null, wantedAt: ++this.#askings });
    if (this.#asked.length > KEPT) this.#asked.shift();
  }

  /** The question that waits for a person; null: none. Of several, the newest whose asker still waits. */
  open(): AskedQuestion | null {
    return (
      this.#asked.findLast((one) => one.answer === null && one.wantedAt === this.#askings)?.question ?? null
    );
  }

  answer(name: string, text: string): void {
    const asked = this.#asked.find((one) => one.question.name === name);
    if (asked) asked.answer ??= text;
  }

  /** The answer to an asking (null: to the newest question), or null as long as there is none. */
  answerTo(id: string | null): string | null | 'unknown' {
    const asked = id === null ? this.#asked.at(-1) : this.#asked.find((one) => one.ids.has(id));
    if (!asked) return id === null ? null : 'unknown';
    asked.wantedAt = this.#askings;
    return asked.answer;
  }
}

function isSame(one: Omit<AskedQuestion, 'name'>, other: Omit<Asking, 'id'>): boolean {
  return JSON.stringify([one.question, one.options]) === JSON.stringify([other.question, other.options]);
}
