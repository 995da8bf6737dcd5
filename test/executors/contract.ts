// The one suite that every executor passes. An executor's own test hands in a bench that makes its work do what is
// asked; behaviours that its kind of work cannot have are left out, and the cases about them say that they were.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Outcome, StopReason } from '../../src/domain/outcome.ts';
import type { Assignment, Begun, Executor, Handle } from '../../src/executors/executor.ts';
import { eventually, type RecordedControl, recordedControl } from './bench.ts';

/**
 * - `succeeds`    ends well, on its own
 * - `fails`       ends badly, on its own
 * - `waits`       continues until `release`, then ends well
 * - `waits-fails` continues until `release`, then ends badly
 * - `deaf`        continues and ignores every polite request to end
 * - `escapes`     continues, and has begun more work out of its own reach (a process in another session)
 * - `leaves`      ends well and leaves such work behind
 * - `floods`      ends well after a great deal of output
 * - `killed`      like `waits`, and led by a process that can be killed (`killLeader`)
 * - `missing`     cannot even be begun: a program that is not there, an endpoint that no one answers
 */
export type Behaviour =
  | 'succeeds'
  | 'fails'
  | 'waits'
  | 'waits-fails'
  | 'deaf'
  | 'escapes'
  | 'leaves'
  | 'floods'
  | 'killed'
  | 'missing';

/** One test's surroundings. */
export interface ContractBench {
  /** A new executor over the same outside world: the second one is the next supervisor's. */
  executor(): Executor;
  assignment(behaviour: Behaviour): Promise<Assignment>;
  /** Resolves when the work is under way, so that an abort meets it in the middle. */
  underWay(assignment: Assignment): Promise<void>;
  /** Lets work that waits continue to its end. */
  release(assignment: Assignment): Promise<void>;
  /** What of this run is still at work, in words; empty when nothing is. */
  remains(assignment: Assignment): Promise<readonly string[]>;
  /** Whether all that the work put out has been kept. Only asked of `floods`. */
  outputComplete?(assignment: Assignment): Promise<boolean>;
  /** Kills the process that leads the run, with no chance to say anything. */
  killLeader?(assignment: Assignment, handle: Handle): Promise<void>;
  /** Removes everything that the test left. */
  close(): Promise<void>;
}

export interface ContractSubject {
  readonly name: string;
  readonly behaviours: readonly Behaviour[];
  /** How long a stop may take at most, ms: all graces, and what the machine needs. */
  readonly stopWithinMs: number;
  open(): Promise<ContractBench>;
}

const STOPS: readonly StopReason[] = ['cancelled', 'shutdown', 'lost-claim', 'overruled', 'completed'];

/** Started, as the ledger returns it: through JSON. */
export function handleOf(begun: Begun, adopted: boolean): Handle {
  if (begun.kind === 'ended') throw new Error(`ended at once: ${JSON.stringify(begun.outcome)}`);
  const known =
    begun.kind === 'running'
      ? { process: begun.process, reference: null }
      : { process: null, reference: begun.reference };
  return { ...JSON.parse(JSON.stringify(known)), adopted };
}

/** Defines the whole suite for one executor. */
export function describeExecutorContract(subject: ContractSubject): void {
  const has = (...wanted: Behaviour[]) => wanted.every((one) => subject.behaviours.includes(one));
  const when = (...wanted: Behaviour[]) => (has(...wanted) ? test : test.skip);

  describe(`${subject.name} keeps the executor contract`, () => {
    let bench: ContractBench;
    beforeEach(async () => {
      bench = await subject.open();
    });
    afterEach(() => bench.close());

    interface Started {
      readonly assignment: Assignment;
      readonly handle: Handle;
      readonly control: RecordedControl;
      readonly outcome: Promise<Outcome>;
    }

    async function start(behaviour: Behaviour): Promise<Started> {
      const assignment = await bench.assignment(behaviour);
      const executor = bench.executor();
      const control = recordedControl();
      const handle = handleOf(await executor.begin(assignment, control), false);
      return { assignment, handle, control, outcome: executor.attend(assignment, handle, control) };
    }

    async function stop(behaviour: Behaviour, reason: StopReason): Promise<Started & { tookMs: number }> {
      const started = await start(behaviour);
      await bench.underWay(started.assignment);
      const from = performance.now();
      started.control.abort(reason);
      await started.outcome;
      return { ...started, tookMs: performance.now() - from };
    }

    when('succeeds')('resolves with success, and nothing is left', async () => {
      const { assignment, outcome } = await start('succeeds');
      expect(await outcome).toMatchObject({ kind: 'succeeded' });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('fails')('resolves, never rejects, when the work fails, and says why', async () => {
      const { outcome } = await start('fails');
      const came = await outcome;
      expect(came).toMatchObject({ kind: 'failed' });
      expect(came.kind === 'failed' && came.message).toMatch(/\S/);
    });

    when('missing')(
      'defers work that cannot be begun: no attempt is used up, and the reason says what to do',
      async () => {
        const assignment = await bench.assignment('missing');
        const begun = await bench.executor().begin(assignment, recordedControl());
        expect(begun).toMatchObject({ kind: 'ended', outcome: { kind: 'deferred' } });
        if (begun.kind === 'ended' && begun.outcome.kind === 'deferred')
          expect(begun.outcome.because).toMatch(/\S/);
      },
    );

    for (const reason of STOPS)
      when('waits')(`ends the work and says so when it is stopped: ${reason}`, async () => {
        const { assignment, outcome, tookMs } = await stop('waits', reason);
        expect(await outcome).toMatchObject({ kind: 'stopped', reason });
        expect(tookMs).toBeLessThan(subject.stopWithinMs);
        expect(await bench.remains(assignment)).toEqual([]);
      });

    for (const reason of ['timeout', 'silent'] as const)
      when('waits')(`a run that is ended by its ${reason} limit has failed`, async () => {
        const { assignment, outcome } = await stop('waits', reason);
        expect(await outcome).toMatchObject({ kind: 'failed', failure: reason, retryable: true });
        expect(await bench.remains(assignment)).toEqual([]);
      });

    when('waits')('says the first reason, and a second abort is harmless', async () => {
      const { assignment, control, outcome } = await start('waits');
      await bench.underWay(assignment);
      control.abort('lost-claim');
      control.abort('timeout');
      expect(await outcome).toMatchObject({ kind: 'stopped', reason: 'lost-claim' });
      control.abort('cancelled');
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('waits')('an abort before the beginning leaves nothing at work', async () => {
      const assignment = await bench.assignment('waits');
      const executor = bench.executor();
      const control = recordedControl();
      control.abort('cancelled');
      const begun = await executor.begin(assignment, control);
      const came =
        begun.kind === 'ended'
          ? begun.outcome
          : await executor.attend(assignment, handleOf(begun, false), control);
      expect(came).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('waits')('an abort right after the beginning is not lost', async () => {
      const assignment = await bench.assignment('waits');
      const executor = bench.executor();
      const control = recordedControl();
      const handle = handleOf(await executor.begin(assignment, control), false);
      control.abort('shutdown');
      expect(await executor.attend(assignment, handle, control)).toMatchObject({
        kind: 'stopped',
        reason: 'shutdown',
      });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('deaf')('ends work that ignores polite requests, within its grace', async () => {
      const { assignment, outcome, tookMs } = await stop('deaf', 'cancelled');
      expect(await outcome).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
      expect(tookMs).toBeLessThan(subject.stopWithinMs);
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('escapes')('ends what has left its reach, too', async () => {
      const { assignment, outcome } = await stop('escapes', 'cancelled');
      expect(await outcome).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('leaves')('a good end leaves nothing behind either', async () => {
      const { assignment, outcome } = await start('leaves');
      expect(await outcome).toMatchObject({ kind: 'succeeded' });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('floods')('keeps the output complete', async () => {
      const { assignment, outcome } = await start('floods');
      expect(await outcome).toMatchObject({ kind: 'succeeded' });
      expect(await bench.outputComplete?.(assignment)).toBe(true);
    });

    async function handOver(behaviour: Behaviour): Promise<Started> {
      const before = await start(behaviour);
      await bench.underWay(before.assignment);
      before.control.abort('detached');
      expect(await before.outcome).toMatchObject({ kind: 'stopped', reason: 'detached' });
      expect(await bench.remains(before.assignment)).not.toEqual([]);
      const next = bench.executor();
      const control = recordedControl();
      const handle: Handle = { ...before.handle, adopted: true };
      return { ...before, handle, control, outcome: next.attend(before.assignment, handle, control) };
    }

    when('waits')('detached leaves it running; the next supervisor learns its success', async () => {
      const { assignment, outcome } = await handOver('waits');
      await bench.release(assignment);
      expect(await outcome).toMatchObject({ kind: 'succeeded' });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    when('waits-fails')('the next supervisor learns its failure', async () => {
      const { assignment, outcome } = await handOver('waits-fails');
      await bench.release(assignment);
      expect(await outcome).toMatchObject({ kind: 'failed' });
    });

    when('waits')('the next supervisor learns of an end that no one watched', async () => {
      const { assignment, handle, control, outcome } = await start('waits');
      await bench.underWay(assignment);
      control.abort('detached');
      await outcome;
      await bench.release(assignment);
      await eventually('it ends unwatched', async () => (await bench.remains(assignment)).length === 0);
      const adopted: Handle = { ...handle, adopted: true };
      const came = await bench.executor().attend(assignment, adopted, recordedControl());
      expect(came).toMatchObject({ kind: 'succeeded' });
    });

    when('waits')('the next supervisor can stop it', async () => {
      const { assignment, control, outcome } = await handOver('waits');
      control.abort('cancelled');
      expect(await outcome).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
      expect(await bench.remains(assignment)).toEqual([]);
    });

    for (const adopted of [false, true])
      when('killed')(
        `a leader that was killed ${adopted ? 'after adoption ' : ''}is an interruption, and its children are ended`,
        async () => {
          const { assignment, handle, outcome } = await (adopted ? handOver('killed') : start('killed'));
          await bench.underWay(assignment);
          await bench.killLeader?.(assignment, handle);
          expect(await outcome).toMatchObject({ kind: 'failed', failure: 'interrupted', retryable: true });
          expect(await bench.remains(assignment)).toEqual([]);
        },
      );
  });
}
