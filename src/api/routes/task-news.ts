// A task as it is, or as soon as it differs from what the client knows: entity tags, and waiting for a new one.

import { createHash } from 'node:crypto';
import type { Caller, TaskQuery } from '../../control/control.ts';
import { nextTurn } from '../../platform/cooperative.ts';
import type { ApiParts, Reply } from '../request/route.ts';

/** The client asking for a task. */
export interface TaskQuestion {
  readonly task: TaskQuery;
  readonly caller: Caller;
  /** The If-None-Match header. */
  readonly known: string | undefined;
  /** Seconds the client would wait; null: none. */
  readonly wait: number | null;
  /** Aborted when the client has gone. */
  readonly gone: () => AbortSignal;
}

/** Answers requests for tasks. */
export interface TaskNews {
  of(question: TaskQuestion, parts: ApiParts): Promise<Reply>;
}

/** Concurrent waiting requests per run; connections are few, and other agents need theirs. */
const MOST_WAITING = 4;

/**
 * Answers at once if the client knows no version or does not wait, and if a run already has too many waiting
 * requests.
 */
export function createTaskNews(): TaskNews {
  const waiting = new Map<string, number>();
  return {
    async of({ wait, ...question }, parts) {
      const { caller, known } = question;
      if (wait === null || known === undefined) return { body: await parts.control.task(question.task) };
      if (caller.kind === 'operator') return await news(question, known, wait, parts);
      const { run } = caller;
      const before = waiting.get(run) ?? 0;
      if (before >= MOST_WAITING) return { body: await parts.control.task(question.task) };
      waiting.set(run, before + 1);
      try {
        return await news(question, known, wait, parts);
      } finally {
        const left = (waiting.get(run) ?? 1) - 1;
        if (left > 0) waiting.set(run, left);
        else waiting.delete(run);
      }
    },
  };
}

async function news(
  { task, gone }: Pick<TaskQuestion, 'task' | 'gone'>,
  known: string,
  wait: number,
  { control, clock }: ApiParts,
): Promise<Reply> {
  const signal = gone();
  const until = clock.now() + wait * 1000;
  for (;;) {
    const left = Math.max(0, until - clock.now());
    const enough = new AbortController();
    // Subscribes before it checks: changes in between are not missed.
    const change = control.changed(task, left, AbortSignal.any([signal, enough.signal]));
    const body = await control.task(task);
    if (left > 0 && !signal.aborted && matchesTag(known, entityTag(JSON.stringify(body)))) {
      await change;
      await nextTurn();
      continue;
    }
    enough.abort();
    return { headers: { 'preference-applied': `wait=${wait}` }, body };
  }
}

/** The entity tag of a JSON body: equal tags mean equal bytes. */
export function entityTag(body: string): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

/** Whether an If-None-Match header names the tag. */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => {
    const name = one.trim();
    return name === '*' || name === tag || name === `W/${tag}`;
  });
}
