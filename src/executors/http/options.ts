// The parameters of the HTTP executor, with their defaults.

import { isLoopback } from '../../domain/loopback.ts';
import type { HttpDelivery, HttpProfile } from '../../domain/profile.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Identity } from '../../platform/identity.ts';
import type { Log } from '../../platform/log.ts';
import type { Lookup } from './address.ts';
import type { CircuitOptions } from './circuit-breaker.ts';
import type { HttpClient } from './client.ts';
import type { Variables } from './secrets.ts';

export interface HttpLimits {
  /** How long a delivery in flight may still be answered after an abort with `detached`, ms. */
  readonly detachGraceMs: number;
  /** Limit for responses that acknowledge, bytes. */
  readonly maxAnswerBytes: number;
  /** Limit for responses that may contain the result: to a status request or with `completion = "response"`. */
  readonly maxResultBytes: number;
}

export interface HttpExecutorParts {
  readonly clock: Clock;
  readonly identity: Pick<Identity, 'random'>;
  readonly log?: Log;
  readonly client?: HttpClient;
  readonly lookup?: Lookup;
  /** Resolves `{ env = "NAME" }` first: the supervisor's own environment. */
  readonly variables?: Variables;
  /** Name of this machine in CloudEvents sources. */
  readonly host?: string;
  readonly version?: string;
  /** Other defaults for every endpoint. */
  readonly delivery?: Partial<HttpDelivery>;
  readonly circuit?: Partial<CircuitOptions>;
  readonly limits?: Partial<HttpLimits>;
}

/** How an endpoint is delivered to by default (http-protocol 1.3). */
const DELIVERY: HttpDelivery = {
  connectMs: 5000,
  // Enough for an agent that only acknowledges.
  responseMs: 20_000,
  attempts: 8,
  backoffMs: 5000,
  maxBackoffMs: 600_000,
  windowMs: 3_600_000,
  inFlight: 10,
  perSecond: 1,
  burst: 5,
};

/**
 * If the response is the result, it lasts as long as the work, and a request in flight is a running run:
 * max_concurrent limits those.
 */
const ANSWERED: Partial<HttpDelivery> = { responseMs: 1_800_000, inFlight: Number.POSITIVE_INFINITY };

/** A service on this machine is limited by the machine itself; a rate would only slow its user down. */
const ON_THIS_MACHINE: Partial<HttpDelivery> = { perSecond: null };

/** How this endpoint is delivered to. `otherwise` ranks between the defaults and the profile. */
export function deliveryTo(
  profile: Pick<HttpProfile, 'completion' | 'delivery'>,
  endpoint: URL,
  otherwise: Partial<HttpDelivery> = {},
): HttpDelivery {
  return {
    ...DELIVERY,
    ...(isLoopback(endpoint.hostname) ? ON_THIS_MACHINE : {}),
    ...(profile.completion === 'response' ? ANSWERED : {}),
    ...otherwise,
    ...profile.delivery,
  };
}

/** Five failed dispatches in a row pause an endpoint for a minute. */
export const CIRCUIT: CircuitOptions = { failures: 5, openMs: 60_000 };

export const LIMITS: HttpLimits = {
  detachGraceMs: 1000,
  maxAnswerBytes: 64 * 1024,
  maxResultBytes: 1024 * 1024,
};
