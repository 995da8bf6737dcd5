// Work taken from a supervisor by its claim API: a long poll, a lease kept by heartbeats, a token for each run.

import { SupervisorError } from '../domain/errors.ts';
import { accountLack, type Usage } from '../domain/outcome.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { type ApiAnswer, postJson } from './api-call.ts';
import { readOrder } from './order.ts';
import type { Heard, JobLine, JobReport, Reported, Taken, WorkSource } from './work-source.ts';

/** The longest that the API keeps a claim waiting, seconds. */
const WAIT_S = 50;
const ANSWER_MS = 30_000;
/** What a claim may carry. */
const MOST_AT_ONCE = 50;

export interface ClaimSourceParts {
  /** Of the API, without a slash at its end. */
  readonly url: string;
  /** The worker's own token, for claiming. */
  readonly token: string;
  readonly worker: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The source of `--connect URL`. */
export function createClaimSource(parts: ClaimSourceParts): WorkSource {
  const { url, clock, log, worker } = parts;
  const claim = (body: object, signal?: AbortSignal) =>
    postJson(parts, {
      path: '/api/tasks/claim',
      token: parts.token,
      body: { worker_id: worker, ...body },
      timeoutMs: WAIT_S * 1000 + ANSWER_MS,
      ...(signal ? { signal } : {}),
    });
  return {
    name: url,
    async take({ profiles, resting, places }, signal) {
      const answer = await claim(
        {
          executors: profiles,
          resting: [...resting].map(([executor, because]) => ({ executor, because: because.slice(0, 2000) })),
          max_tasks: Math.min(places, MOST_AT_ONCE),
          lease_s: parts.leaseMs / 1000,
          wait_s: profiles.length === 0 ? 0 : WAIT_S,
        },
        signal,
      );
      if (answer.status !== 200) throw refusedClaim(answer, url);
      const tasks = Array.isArray(answer.value.tasks) ? answer.value.tasks : [];
      return tasks.flatMap((value): Taken[] => {
        const order = readOrder(value);
        if (!('because' in order)) return [{ order, ticket: null }];
        // It is not begun, so its lease ends and it goes to someone else.
        log.error('worker.order-refused', { because: order.because });
        return [];
      });
    },
    line: (taken) => lineOf(taken, parts, log, clock),
    async close() {
      try {
        await claim({ executors: [] });
      } catch (thrown) {
        // It is forgotten after a while on its own.
        if (!(thrown instanceof SupervisorError)) throw thrown;
      }
    },
  };
}

function refusedClaim({ status, code, detail }: ApiAnswer, url: string): SupervisorError {
  if (status === 401)
    return new SupervisorError('config', `${url} does not know the token of this worker`, {
      hint: 'make one there with `supervisor token create NAME --scope remote`',
    });
  if (status === 403)
    return new SupervisorError('config', `${url} refuses this worker: ${detail}`, {
      hint: 'its token needs the scope remote',
    });
  if (status === 404 || code === '')
    return new SupervisorError(
      'not-running',
      `what answers on ${url} is no supervisor (HTTP ${status}) ${detail}`,
    );
  return new SupervisorError('config', `${url} refuses the claim: ${detail} (${code})`, {
    hint: 'check that worker and supervisor are of the same version',
  });
}

function lineOf({ order }: Taken, parts: ClaimSourceParts, log: Log, clock: Clock): JobLine {
  const base = `/api/task/${encodeURIComponent(order.task.id)}`;
  const { token } = order.lease;
  const post = (verb: string, body: object) =>
    postJson(parts, { path: `${base}/${verb}`, token, body, timeoutMs: ANSWER_MS });
  return {
    beatEveryMs: Math.max(1, order.lease.heartbeat_every_s) * 1000,
    callback: { url: `${parts.url}${base}`, token },
    async beat({ progress, usage, model }) {
      try {
        return heardIn(
          await post('heartbeat', {
            ...(progress === null ? {} : { message: progress.slice(0, 2000) }),
            ...(usage === null ? {} : { usage: usageBody(usage) }),
            ...(model === null ? {} : { model: model.slice(0, 200) }),
          }),
        );
      } catch (thrown) {
        if (thrown instanceof SupervisorError && thrown.code === 'not-running') return 'unheard';
        throw thrown;
      }
    },
    async output({ file, offset, bytes }) {
      try {
        const data = Buffer.from(bytes).toString('base64');
        const { value } = await post('output', { file, offset, data });
        return typeof value.size === 'number' ? value.size : null;
      } catch (thrown) {
        if (thrown instanceof SupervisorError && thrown.code === 'not-running') return null;
        throw thrown;
      }
    },
    async end(report) {
      const [verb, body] = endOf(report, clock.now());
      const answer = await post(verb, body);
      const reported = reportedIn(answer);
      if (reported === null) {
        log.warn('worker.report-again', { status: answer.status, because: answer.detail });
        throw new SupervisorError(
          'not-running',
          `the report was answered ${answer.status}: ${answer.detail}`,
        );
      }
      return reported;
    },
  };
}

function heardIn({ status, code, value }: ApiAnswer): Heard {
  if (status === 200) return value.directive === 'cancel' ? 'cancel' : 'continue';
  if (code === 'not-claimed') return 'handed-back';
  if (code === 'lease-superseded') return 'superseded';
  // The task is gone, or the run is unknown: no one waits for it.
  if (status === 404 || status === 410 || status === 401 || status === 403) return 'superseded';
  return 'unheard';
}

/** The outcome of it; null: it is to be said again. */
function reportedIn({ status, code, detail, value }: ApiAnswer): Reported | null {
  if (status >= 200 && status < 300) {
    const note = value.duplicate === true ? 'duplicate' : value.late === true ? 'late' : null;
    return { kind: 'taken', note };
  }
  // Its graph is locked or cannot be read just now.
  if (status >= 500 || status === 408 || code === 'graph' || code === 'conflict') return null;
  return { kind: 'refused', because: detail || `HTTP ${status}` };
}

/** The verb and body of a report. */
function endOf({ outcome, pushed }: JobReport, now: number): readonly [string, object] {
  switch (outcome.kind) {
    case 'succeeded': {
      const artifacts = withPushed(outcome.artifacts, pushed);
      return [
        'complete',
        { summary: outcome.summary, artifacts, commit: pushed?.commit, usage: usageBody(outcome.usage) },
      ];
    }
    case 'failed': {
      const where = pushed === null ? '' : `; what it left is on branch ${pushed.branch}`;
      return [
        'fail',
        {
          reason: `${outcome.message}${where}`.slice(0, 20_000),
          retryable: outcome.retryable,
          failure: outcome.failure,
          usage: usageBody(outcome.usage),
        },
      ];
    }
    case 'deferred': {
      const delay = outcome.until === undefined ? 0 : Math.max(0, outcome.until - now) / 1000;
      const lack = accountLack(outcome);
      // The account's own end is no reason for the task to wait: it goes to a worker with another account.
      const delayS = lack === null ? Math.min(delay, 86_400) : 0;
      return [
        'release',
        {
          reason: outcome.because.slice(0, 20_000),
          delay_s: delayS,
          ...(lack === null ? {} : { account: { code: lack.code, ...secondsUntil(lack.until, now) } }),
        },
      ];
    }
  }
}

/** The artifacts of a result, and the branch that its commits are on. */
export function withPushed(artifacts: unknown, pushed: JobReport['pushed']): unknown {
  if (pushed === null) return artifacts;
  const { branch } = pushed;
  if (artifacts === undefined || artifacts === null) return { branch };
  const keyed = typeof artifacts === 'object' && !Array.isArray(artifacts) ? artifacts : { artifacts };
  return { branch, ...keyed };
}

function secondsUntil(until: number | undefined, now: number): { readonly delay_s?: number } {
  return until === undefined ? {} : { delay_s: Math.min(Math.max(0, until - now) / 1000, 30 * 86_400) };
}

function usageBody(usage: Usage | undefined): object | undefined {
  if (usage === undefined) return undefined;
  return {
    cost_usd: usage.costUsd,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_input_tokens: usage.cacheReadInputTokens,
    cache_creation_input_tokens: usage.cacheCreationInputTokens,
    turns: usage.turns,
    duration_ms: usage.durationMs,
  };
}
