// A request with an Idempotency-Key is done once: the same request again gets the same answer, another one with its key
// is refused. Answers may hold tokens, so they are kept sealed: whoever has no key reads none.

import { createHash } from 'node:crypto';
import type { IdempotencyStore } from '../runs/idempotency-store.ts';
import { decrypted, seal } from './encrypted-answer.ts';
import { ApiProblem, problemAnswer } from './problem.ts';
import type { Reply } from './route.ts';

export interface KeyedRequest {
  /** Who asks: keys of one caller say nothing to another. */
  readonly scope: string;
  /** The header as it came; undefined: none. */
  readonly key: string | undefined;
  /** Everything that makes it this request. */
  readonly request: readonly string[];
}

/** Does what has not been done yet. */
export type Once = (keyed: KeyedRequest, act: () => Promise<Reply>) => Promise<Reply>;

interface StoredAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Nobody keeps answers: keys are ignored. */
export const always: Once = (_keyed, act) => act();

export function createOnce(book: IdempotencyStore): Once {
  // Whoever was answering when the last process died is not doing it any more.
  book.dropUnanswered();

  function replay(status: number, { headers, body }: StoredAnswer): Reply {
    return { status, headers: { ...headers, 'idempotency-replayed': 'true' }, body };
  }

  return async ({ scope, key, request }, act) => {
    if (key === undefined) return await act();
    const bare = bareKey(key);
    const name = digest(bare);
    const hash = digest(...request);
    const whose = { key: bare, scope, requestHash: hash };
    const kept = book.reserve(scope, name, hash);
    if (kept !== null) {
      if (kept.requestHash !== hash)
        throw new ApiProblem(
          'idempotency-key-reused',
          'Another request was made with this Idempotency-Key.',
          {
            hint: 'use a new key for each request, and the same one only to repeat it',
          },
        );
      const answer = kept.answer === null ? null : decrypted(kept.answer, whose);
      if (kept.status !== null && answer !== null)
        return replay(kept.status, JSON.parse(answer) as StoredAnswer);
      throw new ApiProblem(
        'idempotency-key-in-use',
        kept.status === null
          ? 'The first request with this key is still being worked on.'
          : 'The first request with this key was done, but its answer is no longer known.',
        { hint: 'ask for the state of the task', headers: { 'retry-after': '1' } },
      );
    }
    const keep = (status: number, answer: StoredAnswer) =>
      book.keep(scope, name, status, seal(JSON.stringify(answer), whose));
    try {
      const reply = await act();
      keep(reply.status ?? 200, { headers: reply.headers ?? {}, body: reply.body ?? null });
      return reply;
    } catch (thrown) {
      const { status, headers, body } = problemAnswer(thrown, 'replayed');
      const problem: { readonly retryable?: boolean } = JSON.parse(body);
      // What may go otherwise the next time is to be tried again, not remembered.
      if (status >= 500 || problem.retryable === true) book.drop(scope, name);
      else keep(status, { headers, body: problem });
      throw thrown;
    }
  };
}

/** The draft wants the key as a quoted string; most clients send it bare. Both mean the same. */
function bareKey(header: string): string {
  const key = /^\s*"((?:[^"\\]|\\.)*)"\s*$/.exec(header)?.[1] ?? header.trim();
  if (key.length === 0 || key.length > 255)
    throw new ApiProblem('malformed-request', 'An Idempotency-Key has 1 to 255 characters.');
  return key;
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
