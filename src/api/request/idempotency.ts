// A request with an Idempotency-Key is executed once: the same request gets the same response, a different one with
// the same key is refused. Responses may contain tokens, so they are stored encrypted with the client's key.

import { createHash } from 'node:crypto';
import type { IdempotencyStore, KeptAnswer } from '../../runs/idempotency-store.ts';
import { decrypted, type SealedFor, seal } from './encrypted-answer.ts';
import { ApiProblem, problemAnswer } from './problem.ts';
import type { Reply } from './route.ts';

export interface KeyedRequest {
  /** The caller: keys of different callers are independent. */
  readonly scope: string;
  /** The raw header; undefined: none. */
  readonly key: string | undefined;
  /** Everything that identifies the request. */
  readonly request: readonly string[];
}

/** Executes requests that have not been executed yet. */
export type Once = (keyed: KeyedRequest, act: () => Promise<Reply>) => Promise<Reply>;

interface StoredAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Without a store: keys are ignored. */
export const always: Once = (_keyed, act) => act();

export function createOnce(book: IdempotencyStore): Once {
  // Requests being processed when the last process died are not any more.
  book.dropUnanswered();

  return async ({ scope, key, request }, act) => {
    if (key === undefined) return await act();
    const bare = bareKey(key);
    const name = digest(bare);
    const hash = digest(...request);
    const whose = { key: bare, scope, requestHash: hash };
    const kept = book.reserve(scope, name, hash);
    if (kept !== null) return answerAgain(kept, whose);
    const keep = (status: number, answer: StoredAnswer) =>
      book.keep(scope, name, status, seal(JSON.stringify(answer), whose));
    try {
      const reply = await act();
      keep(reply.status ?? 200, { headers: reply.headers ?? {}, body: reply.body ?? null });
      return reply;
    } catch (thrown) {
      const { status, headers, body } = problemAnswer(thrown, 'replayed');
      const problem: { readonly retryable?: boolean } = JSON.parse(body);
      // What may succeed next time is to be retried, not remembered.
      if (status >= 500 || problem.retryable === true) book.drop(scope, name);
      else keep(status, { headers, body: problem });
      throw thrown;
    }
  };
}

/** The answer to the first request with the key; throws while there is none, and for another request. */
function answerAgain(kept: KeptAnswer, whose: SealedFor): Reply {
  if (kept.requestHash !== whose.requestHash)
    throw new ApiProblem('idempotency-key-reused', 'Another request was made with this Idempotency-Key.', {
      hint: 'use a new key for each request, and the same one only to repeat it',
    });
  const answer = kept.answer === null ? null : decrypted(kept.answer, whose);
  if (kept.status !== null && answer !== null) {
    const { headers, body } = JSON.parse(answer) as StoredAnswer;
    return { status: kept.status, headers: { ...headers, 'idempotency-replayed': 'true' }, body };
  }
  throw new ApiProblem(
    'idempotency-key-in-use',
    kept.status === null
      ? 'The first request with this key is still being worked on.'
      : 'The first request with this key was done, but its answer is no longer known.',
    { hint: 'ask for the state of the task', headers: { 'retry-after': '1' } },
  );
}

/** The draft requires the key as a quoted string; most clients send it bare. Both mean the same. */
function bareKey(header: string): string {
  const key = /^\s*"((?:[^"\\]|\\.)*)"\s*$/.exec(header)?.[1] ?? header.trim();
  if (key.length === 0 || key.length > 255)
    throw new ApiProblem('malformed-request', 'An Idempotency-Key has 1 to 255 characters.');
  return key;
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
