// What agent CLIs said of their login, kept for a while: they are asked before a task is claimed, and not for each of them.

import { createHash } from 'node:crypto';
import type { Deferred } from '../../../domain/outcome.ts';
import type { AgentProfile } from '../../../domain/profile.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Place } from '../../executor.ts';
import { profileEnvironment } from './environment.ts';
import { askLogin, type LoginAnswer } from './login.ts';

/** How long an answer holds, ms: a login lasts for days, and one that was missing is there at once. */
const YES_HOLDS_MS = 10 * 60_000;
const NO_HOLDS_MS = 5_000;

export class LoginBook {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #variables: Readonly<Record<string, string | undefined>>;
  readonly #answers = new Map<string, { readonly askedAt: number; readonly answer: Promise<LoginAnswer> }>();

  /** `variables`: the supervisor's own. */
  constructor(clock: Pick<Clock, 'now'>, variables: Readonly<Record<string, string | undefined>>) {
    this.#clock = clock;
    this.#variables = variables;
  }

  /** The block for a profile whose CLI says that it is not logged in; null if it does not say so. */
  async lacks(profile: AgentProfile, place: Place, cliDefaults: Readonly<Record<string, string>> = {}) {
    const environment = profileEnvironment(profile, { ...place, variables: this.#variables }, cliDefaults);
    const key = createHash('sha256')
      .update(
        JSON.stringify([profile.type, profile.command, profile.args, Object.entries(environment).sort()]),
      )
      .digest('hex');
    const now = this.#clock.now();
    let known = this.#answers.get(key);
    if (!known || !(await this.#holds(known, now))) {
      known = { askedAt: now, answer: askLogin(profile, { worktree: place.worktree, environment }) };
      this.#forgetOld(now);
      this.#answers.set(key, known);
    }
    const answer = await known.answer;
    return answer.state === 'no' ? loginMissing(profile, answer) : null;
  }

  async #holds(known: { readonly askedAt: number; readonly answer: Promise<LoginAnswer> }, now: number) {
    const holdsMs = (await known.answer).state === 'no' ? NO_HOLDS_MS : YES_HOLDS_MS;
    return now >= known.askedAt && now < known.askedAt + holdsMs;
  }

  #forgetOld(now: number): void {
    for (const [key, { askedAt }] of this.#answers)
      if (now < askedAt || now >= askedAt + YES_HOLDS_MS) this.#answers.delete(key);
  }
}

/** The block for a profile whose CLI is not logged in. */
export function loginMissing(profile: AgentProfile, { how, remedy }: LoginAnswer): Deferred {
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because: `${profile.name} is not logged in (by ${how}): ${remedy}`,
    scope: 'profile',
  };
}
