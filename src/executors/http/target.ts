// The target of one run: its endpoint, who named it, and its secrets. Reads an assignment, sends nothing.

import type { Outcome } from '../../domain/outcome.ts';
import { placeholdersIn } from '../../domain/placeholder.ts';
import type { HttpDelivery, HttpProfile } from '../../domain/profile.ts';
import type { Assignment } from '../executor.ts';
import { placeholderValue } from '../placeholder-values.ts';
import { type NamedBy, parseEndpoint } from './address.ts';
import { deliveryTo } from './options.ts';
import { type HttpSecrets, resolveSecrets, type Variables } from './secrets.ts';
import { fillUrl } from './template.ts';

/** A run with everything about its endpoint resolved. */
export interface Target {
  readonly profile: HttpProfile;
  readonly endpoint: URL;
  /** The endpoint's name for people: without credentials and query. */
  readonly name: string;
  /** The key of its circuit breaker and rate limit: one endpoint, even if each task has a path of its own. */
  readonly key: string;
  readonly delivery: HttpDelivery;
  readonly namedBy: NamedBy;
  readonly secrets: HttpSecrets;
}

/** The target of a run, or the outcome that says why it has none. */
export function targetOf(
  assignment: Assignment,
  variables: Variables,
  otherwise: Partial<HttpDelivery> = {},
): Target | { readonly outcome: Outcome } {
  const profile = httpProfile(assignment);
  const filled = fillUrl(profile.endpoint, placeholderValue(assignment));
  const endpoint =
    filled === null ? { because: 'a value of this task would climb its path' } : parseEndpoint(filled);
  if ('because' in endpoint)
    return {
      outcome: refused(`the endpoint of [executors.${profile.name}] cannot be used: ${endpoint.because}`),
    };
  const secrets = resolveSecrets(profile, assignment, variables);
  if ('outcome' in secrets) return secrets;
  return {
    profile,
    endpoint,
    name: endpoint.origin + endpoint.pathname,
    key:
      placeholdersIn(profile.endpoint).length > 0
        ? `${endpoint.origin} of ${profile.name}`
        : endpoint.origin + endpoint.pathname,
    delivery: deliveryTo(profile, endpoint, otherwise),
    namedBy: profile.origin.file === 'task' ? 'task' : 'configured',
    secrets,
  };
}

/** The run's profile; anything but an http one is a bug of the caller. */
export function httpProfile(assignment: Assignment): HttpProfile {
  if (assignment.profile.type !== 'http')
    throw new Error(`the http executor was given a profile of type ${assignment.profile.type}`);
  return assignment.profile;
}

/** The endpoint, or the supervisor, refuses this task: retrying changes nothing. */
export function refused(message: string): Outcome {
  return { kind: 'failed', failure: 'refused', message, retryable: false };
}
