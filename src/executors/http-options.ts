// What the HTTP executor is made of and the numbers it goes by, with their defaults.

import type { Clock } from '../seams/clock.ts';
import type { Identity } from '../seams/identity.ts';
import type { Log } from '../seams/log.ts';
import type { Pace } from './backoff.ts';
import type { CircuitOptions } from './circuit.ts';
import type { Lookup } from './http-address.ts';
import type { HttpClient } from './http-client.ts';
import type { Variables } from './http-secrets.ts';

/** How often and how long one dispatch is delivered again. */
export interface DeliveryOptions extends Pace {
  readonly attempts: number;
  /** From the first delivery to the last, ms. */
  readonly windowMs: number;
}

export interface HttpLimits {
  /** For the look-up of the name, and again for the connection, ms. */
  readonly connectMs: number;
  /** Until the whole answer is there, ms. */
  readonly responseMs: number;
  /** The same where the answer is the result (`completion = "response"`), ms; the run's deadline counts as well. */
  readonly longResponseMs: number;
  /** How long a delivery under way may still be answered after an abort with `detached`, ms. */
  readonly detachGraceMs: number;
  /** Most that is read of an answer that acknowledges, bytes. */
  readonly maxAnswerBytes: number;
  /** Most that is read of an answer that may hold the result, to a status request or with `completion = "response"`. */
  readonly maxResultBytes: number;
}

export interface HttpExecutorParts {
  readonly clock: Clock;
  readonly identity: Pick<Identity, 'random'>;
  readonly log?: Log;
  readonly client?: HttpClient;
  readonly lookup?: Lookup;
  /** Where `{ env = "NAME" }` is looked up first: the supervisor's own environment. */
  readonly variables?: Variables;
  /** Name of this machine in CloudEvents sources. */
  readonly host?: string;
  readonly version?: string;
  readonly deliveries?: Partial<DeliveryOptions>;
  readonly circuit?: Partial<CircuitOptions>;
  readonly limits?: Partial<HttpLimits>;
}

/** Eight deliveries within an hour (protocols 1.3). */
export const DELIVERIES: DeliveryOptions = { attempts: 8, baseMs: 5000, capMs: 600_000, windowMs: 3_600_000 };
/** Five dispatches in a row that came to nothing rest an endpoint for a minute. */
export const CIRCUIT: CircuitOptions = { failures: 5, openMs: 60_000 };
/** 20 s suit an agent that only acknowledges. */
export const LIMITS: HttpLimits = {
  connectMs: 5000,
  responseMs: 20_000,
  longResponseMs: 1_800_000,
  detachGraceMs: 1000,
  maxAnswerBytes: 64 * 1024,
  maxResultBytes: 1024 * 1024,
};
