// What supervisor and workers say to each other through a queue, and how it is checked: it comes from another machine.

import { z } from 'zod';
import { OUTPUT_FILES } from '../../domain/graph-files.ts';
import { ACCOUNT_CODES, FAILURE_KINDS } from '../../domain/outcome.ts';

/** A worker refuses a job of a version that it does not know, and so does the supervisor a report. */
export const QUEUE_SCHEMA = 1;

/** What lies in the queue. Nothing in it is secret. */
const queuedJob = z.object({
  schema: z.literal(QUEUE_SCHEMA),
  run: z.string().regex(/^run_[0-9A-Za-z]{1,64}$/),
  /** The queue that its worker answers into. */
  replies: z.string().max(200),
  /** The longest time that the worker may take once it began, ms; null: any. */
  timeout_ms: z.number().positive().nullable(),
  lease_ms: z.number().positive(),
  /** The public dispatch payload and how the work is begun; read by the worker. */
  order: z.unknown(),
});
export type QueuedJob = z.infer<typeof queuedJob>;

const question = z.object({
  /** Each asking has its own; the same name is the same asking. */
  name: z.string().max(200),
  question: z.string().max(10_000),
  options: z.array(z.string().max(1000)).max(50),
});

const usage = z
  .object({
    costUsd: z.number(),
    inputTokens: z.number(),
    outputTokens: z.number(),
    cacheReadInputTokens: z.number(),
    cacheCreationInputTokens: z.number(),
    turns: z.number(),
    durationMs: z.number(),
  })
  .partial();

/** A sign of life of a worker; the last one is kept with the job. */
const sign = z.object({
  /** Counts up. */
  beat: z.number(),
  worker: z.string().max(200),
  message: z.string().max(2000).nullable(),
  question: question.nullable(),
  /** What the run used so far. */
  usage: usage.optional(),
  model: z.string().max(200).optional(),
});
export type Sign = z.infer<typeof sign>;
export type AskedQuestion = z.infer<typeof question>;

/** How the work ended: the result of the job. */
const report = z.object({
  schema: z.literal(QUEUE_SCHEMA),
  run: z.string(),
  worker: z.string().max(200),
  outcome: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('succeeded'),
      summary: z.string().optional(),
      artifacts: z.unknown().optional(),
      usage: usage.optional(),
    }),
    z.object({
      kind: z.literal('failed'),
      failure: z.enum(FAILURE_KINDS),
      message: z.string(),
      retryable: z.boolean(),
      usage: usage.optional(),
    }),
    z.object({
      kind: z.literal('deferred'),
      because: z.string(),
      /** Not to be tried again before; null: another worker may at once. */
      delay_ms: z.number().min(0).nullable(),
      /** What the account of its worker lacks, and for how long where that is known. */
      account: z.object({ code: z.enum(ACCOUNT_CODES), delay_ms: z.number().min(0).nullable() }).optional(),
    }),
  ]),
});
export type QueueReport = z.infer<typeof report>;

/** What the supervisor tells the worker of a run, kept beside the job. */
const told = z.object({
  cancel: z.boolean().optional(),
  answer: z.object({ name: z.string(), text: z.string() }).optional(),
});
export type Told = z.infer<typeof told>;

/** What a worker says of itself. */
const offer = z.object({
  profiles: z.array(z.string()),
  resting: z.array(z.tuple([z.string(), z.string()])),
  /** By the clock of the Redis, ms. */
  at: z.number(),
});
export type QueueOffer = z.infer<typeof offer>;

const reply = z.discriminatedUnion('kind', [
  /** Something about the job changed: it is to be looked at. */
  z.object({ kind: z.literal('news'), run: z.string() }),
  z.object({
    kind: z.literal('output'),
    run: z.string(),
    file: z.enum(OUTPUT_FILES),
    offset: z.number().int().min(0),
    /** Base64. */
    data: z.string(),
  }),
]);
export type Reply = z.infer<typeof reply>;

/** Each gives what was said, or null for what is none: others may have written there. */
export const read = {
  job: (value: unknown) => orBecause(queuedJob, value),
  sign: (value: unknown) => orNull(sign, value),
  report: (value: unknown) => orBecause(report, value),
  told: (text: string | null) => orNull(told, parsed(text)),
  offer: (text: string) => orNull(offer, parsed(text)),
  reply: (value: unknown) => orNull(reply, value),
};

function orNull<T>(schema: z.ZodType<T>, value: unknown): T | null {
  const found = schema.safeParse(value);
  return found.success ? found.data : null;
}

function orBecause<T extends object>(schema: z.ZodType<T>, value: unknown): T | { readonly because: string } {
  const found = schema.safeParse(value);
  return found.success
    ? found.data
    : { because: z.prettifyError(found.error).replace(/\s+/g, ' ').slice(0, 300) };
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    // Someone else's.
    return null;
  }
}
