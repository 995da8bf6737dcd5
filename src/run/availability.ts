// Whether programs, endpoints and accounts work: pauses that grow with consecutive setbacks, the circuit breaker for
// a profile whose runs fail at once, and the evidence that lifts both. After a pause, admission lets one task try
// first; this file records the result.

import { BY_A_PERSON, profileKey } from '../decide/capacity/room.ts';
import { profileNamed } from '../decide/routes/route.ts';
import { taskKey, taskOfKey } from '../domain/ids.ts';
import type { Deferred, Failed } from '../domain/outcome.ts';
import { accountOf, isForWorkers, isSpawned, type Profile, runsExec } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Clock } from '../platform/clock.ts';
import type { Identity } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import { ENDING_AT_ONCE, fingerprint, isEndpointHold, MISSING, rememberHold } from './endpoint-holds.ts';

/** First pause after something was unavailable, ms; it doubles with every consecutive setback. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 10 * 60_000;
/** For a used-up quota with an unknown reset time. */
const FIRST_QUOTA_PAUSE_MS = 60_000;
const LONGEST_QUOTA_PAUSE_MS = 30 * 60_000;
/** Added to the provider's reset time, so that not all clients return in its first second. */
const QUOTA_JITTER_MS = 60_000;

/** A run that failed this quickly learnt nothing about its task, ms. */
const INSTANT_MS = 10_000;
/** This many of them in a row, from more than one task, indicate a problem of the profile. */
const INSTANT_FAILURES = 5;
const FIRST_BREAK_MS = 5 * 60_000;
const LONGEST_BREAK_MS = 60 * 60_000;

interface AvailabilityNeeds {
  readonly clock: Clock;
  readonly identity: Pick<Identity, 'random'>;
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  /** Something may be begun again. */
  wake(why: string): void;
}

export class Availability {
  readonly #parts: AvailabilityNeeds;
  /** How often in a row each paused thing was unavailable, for a growing pause. */
  readonly #setbacks = new Map<string, number>();
  /** The tasks of a profile's last instant failures, and how often its breaker opened since it last worked. */
  readonly #instant = new Map<string, { readonly tasks: string[]; opened: number }>();
  /** The configuration of each profile at its setback: counts say nothing about another configuration. */
  readonly #configured = new Map<string, string>();

  constructor(parts: AvailabilityNeeds) {
    this.#parts = parts;
  }

  /** Pauses what a run lacked. */
  reportUnavailable(run: Run, { scope, code, because, until: told }: Deferred): void {
    const { clock, identity } = this.#parts;
    this.#noticeChange(run);
    const name = this.#nameOf(run, scope);
    const setbacks = this.#setbacks.get(`${scope} ${name}`) ?? 0;
    this.#setbacks.set(`${scope} ${name}`, setbacks + 1);
    const quota = code === 'quota';
    const first = quota ? FIRST_QUOTA_PAUSE_MS : FIRST_PAUSE_MS;
    const longest = quota ? LONGEST_QUOTA_PAUSE_MS : LONGEST_PAUSE_MS;
    const growing = clock.now() + Math.min(first * 2 ** Math.min(setbacks, 10), longest);
    const spread = quota && told !== undefined ? Math.round(QUOTA_JITTER_MS * identity.random()) : 0;
    if (scope === 'profile') rememberHold(this.#parts, run, name);
    if (isEndpointHold(code)) this.#pause(scope, name, code, because, null);
    else this.#pause(scope, name, code, because, told === undefined ? growing : told + spread);
  }

  /** Someone took it who works elsewhere: its profile works. Of a worker's account nothing is known before it is used. */
  takes(run: Run): void {
    this.#works(run, isForWorkers(run.type) ? ['task', 'profile'] : ['task', 'profile', 'account']);
  }

  /** Evidence that the run's profile and account work: a success, an answer of the model. */
  works(run: Run): void {
    this.#works(run, ['task', 'profile', 'account']);
  }

  #works(run: Run, scopes: readonly Deferred['scope'][]): void {
    this.#instant.delete(this.#nameOf(run, 'profile'));
    const paused = this.#parts.ledger.pauses();
    for (const scope of scopes) {
      const name = this.#nameOf(run, scope);
      this.#setbacks.delete(`${scope} ${name}`);
      const known = paused.find((pause) => pause.scope === scope && pause.name === name);
      if (known === undefined || known.code === BY_A_PERSON || known.code === 'parked') continue;
      // A run from before the pause proves nothing about the time since.
      if (known.until !== null && run.openedAt < known.until && known.until > this.#parts.clock.now())
        continue;
      this.#parts.ledger.clearPause(scope, name);
      this.#parts.wake('available');
    }
  }

  /** What was missing may exist now: every profile that lacked a program may try again, with short pauses. */
  retryMissing(): void {
    for (const { scope, name, code } of this.#parts.ledger.pauses())
      if (scope === 'profile' && code === MISSING) this.#lift(name);
  }

  /**
   * A person says that the profiles of a name work again, wherever they are defined: their accounts are no longer
   * paused either, and failures are counted from zero.
   */
  resume(profile: string): void {
    const { graphs, ledger } = this.#parts;
    this.#lift(profile);
    for (const { scope, name } of ledger.pauses())
      if (scope === 'profile' && taskOfKey(name)?.task === profile) this.#lift(name);
    for (const graph of graphs.all()) {
      this.#forget(taskKey(graph.path, profile));
      const known = graph.profiles.byName.get(profile);
      const account = accountOf(known ?? null);
      if (account === null) continue;
      this.#setbacks.delete(`account ${account}`);
      ledger.clearPause('account', account);
    }
  }

  /** Records a failure; opens the breaker of a profile whose runs all fail at once. */
  failed(run: Run, outcome: Failed): void {
    if (!this.#tellsOfProfile(run, outcome)) return;
    this.#noticeChange(run);
    const name = this.#nameOf(run, 'profile');
    const known = this.#instant.get(name) ?? { tasks: [], opened: 0 };
    const lasted = (run.finishedAt ?? this.#parts.clock.now()) - (run.startedAt ?? run.openedAt);
    if (lasted >= INSTANT_MS) {
      this.works(run);
      return;
    }
    known.tasks.push(taskKey(run.graph, run.task));
    this.#instant.set(name, known);
    const last = known.tasks.slice(-INSTANT_FAILURES);
    // After a break one more is enough: the task that tried first showed that nothing has changed.
    const enough = known.opened > 0 || (last.length >= INSTANT_FAILURES && new Set(last).size > 1);
    if (!enough) return;
    const pauseMs = Math.min(FIRST_BREAK_MS * 2 ** Math.min(known.opened, 10), LONGEST_BREAK_MS);
    known.opened++;
    const because =
      `${INSTANT_FAILURES} runs of ${run.executor} in a row failed within ${INSTANT_MS / 1000} s, ` +
      `the last one of ${run.task} (${outcome.message.slice(0, 200)}); one task tries again after the pause, ` +
      `or \`supervisor resume ${run.executor}\``;
    rememberHold(this.#parts, run, name);
    this.#pause('profile', name, ENDING_AT_ONCE, because, this.#parts.clock.now() + pauseMs);
  }

  /** An agent's report is about its task; so is the result of a task's own command. */
  #tellsOfProfile(run: Run, { failure }: Failed): boolean {
    if (failure !== 'exit' && failure !== 'interrupted' && failure !== 'provider') return false;
    const profile = this.#parts.graphs.get(run.graph)?.profiles.byName.get(run.executor);
    return profile !== undefined && isSpawned(profile) && !runsExec(profile);
  }

  #pause(scope: Deferred['scope'], name: string, code: string, because: string, until: number | null): void {
    const { ledger } = this.#parts;
    const known = ledger.pauses().find((pause) => pause.scope === scope && pause.name === name);
    if (known?.code === BY_A_PERSON) return;
    ledger.setPause({ scope, name, code, because, until });
  }

  #lift(name: string): void {
    this.#forget(name);
    this.#parts.ledger.clearPause('profile', name);
  }

  #forget(profile: string): void {
    this.#instant.delete(profile);
    this.#setbacks.delete(`profile ${profile}`);
  }

  #noticeChange(run: Run): void {
    const profile = this.#profileOf(run);
    if (!profile) return;
    const name = this.#nameOf(run, 'profile');
    const now = fingerprint(profile);
    const before = this.#configured.get(name);
    this.#configured.set(name, now);
    if (before !== undefined && before !== now) this.#forget(name);
  }

  #profileOf(run: Run): Profile | null {
    const profiles = this.#parts.graphs.get(run.graph)?.profiles;
    return profiles ? profileNamed(run.executor, profiles) : null;
  }

  #nameOf(run: Run, scope: Deferred['scope']): string {
    if (scope === 'task') return taskKey(run.graph, run.task);
    const profile = this.#profileOf(run);
    if (scope === 'profile') return profile ? profileKey(profile, run.graph) : run.executor;
    return accountOf(profile) ?? run.executor;
  }
}
