// The delivery keys of an http profile: their schema, and their conversion for the executor. The defaults belong to
// the executor (http-protocol 1.3).

import { z } from 'zod';
import { defined } from '../../domain/defined.ts';
import { durationOrNull, parseDuration } from '../../domain/duration.ts';
import type { HttpDelivery, HttpProfile } from '../../domain/profile.ts';
import { optional, places, rhythm, withDefault } from '../../settings/setting.ts';

const LONGEST_ANSWER_MS = 30 * 60_000;

const answerTime = rhythm.refine((value) => (durationOrNull(value) ?? 0) <= LONGEST_ANSWER_MS, {
  error: 'must be at most 30m: work that takes longer is called back about, or polled',
});

const deliveryShape = {
  attempts: z.int().min(1).max(100).optional(),
  backoff: rhythm.optional(),
  max_backoff: rhythm.optional(),
  window: rhythm.optional(),
};

const paceShape = {
  in_flight: places.optional(),
  per_second: z.number().min(0).max(10_000).optional(),
  burst: z.int().min(1).max(10_000).optional(),
};

/** Those keys, as part of a profile. */
export const httpDeliveryShape = {
  idempotency_key: withDefault(
    z.enum(['quoted', 'bare']),
    'quoted',
    'The Idempotency-Key header as a quoted string, as its draft asks for, or bare, for receivers that compare texts.',
  ),
  connect_timeout: optional(rhythm, {
    text: 'Longest time to look the name up, to connect and to agree on TLS, each. Default: 5s.',
    example: '5s',
  }),
  response_timeout: optional(answerTime, {
    text: 'Longest time until the whole answer is there, at most 30m. Default: 20s; 30m with completion = "response".',
    example: '20s',
  }),
  delivery: optional(z.strictObject(deliveryShape), {
    text: 'How one attempt is delivered while the endpoint cannot take it: how often in all; the first pause, of which a random part is waited and which doubles; the longest; and the time from the first delivery to the last. A longer Retry-After counts instead. These are the defaults.',
    example: { attempts: 8, backoff: '5s', max_backoff: '10m', window: '1h' },
  }),
  pace: optional(z.strictObject(paceShape), {
    text: 'How fast it is dispatched to: requests under way at once, dispatches a second in the long run (0: no limit), and how many may follow one another at once. These are the defaults; an endpoint on this machine has no limit a second, and completion = "response" none for requests under way.',
    example: { in_flight: 10, per_second: 1, burst: 5 },
  }),
};

type Written = z.output<z.ZodObject<typeof httpDeliveryShape>>;

/** The keys that are present. Durations must have been checked. */
export function httpDelivery(written: Written): Pick<HttpProfile, 'idempotencyKey' | 'delivery'> {
  const { connect_timeout, response_timeout, delivery = {}, pace = {} } = written;
  const durations = {
    connectMs: connect_timeout,
    responseMs: response_timeout,
    backoffMs: delivery.backoff,
    maxBackoffMs: delivery.max_backoff,
    windowMs: delivery.window,
  };
  const counts = { attempts: delivery.attempts, inFlight: pace.in_flight, burst: pace.burst };
  const rate = pace.per_second;
  const said: Partial<HttpDelivery> = {
    ...defined(counts),
    ...Object.fromEntries(
      Object.entries(defined(durations)).map(([key, text]) => [key, parseDuration(text)]),
    ),
    ...(rate === undefined ? {} : { perSecond: rate === 0 ? null : rate }),
  };
  return {
    ...(written.idempotency_key === 'bare' ? { idempotencyKey: 'bare' } : {}),
    ...(Object.keys(said).length === 0 ? {} : { delivery: said }),
  };
}
