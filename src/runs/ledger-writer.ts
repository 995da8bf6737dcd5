// The ledger's writing side: runs and their phases, schedules, pauses. Every call is on the disk when it returns. It
// knows nothing of graphs or processes: it records what this program did, in order.

import type { Pause } from '../decide/world.ts';
import type { CountedTask } from '../domain/counted-task.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import { isOpenRun, type Run, type RunNotes, type RunPhase } from '../domain/run.ts';
import type { Clock } from '../platform/clock.ts';
import { type ActionStore, createActionStore } from './action-store.ts';
import type { Database } from './database.ts';
import { createDeliveryStore, type DeliveryStore } from './delivery-store.ts';
import { createGraphBook, type GraphBook } from './graph-book.ts';
import { createIdempotencyStore, type IdempotencyStore } from './idempotency-store.ts';
import { type Lease, writeLease } from './lease-row.ts';
import { createLedgerView, type LedgerView } from './ledger-view.ts';
import { createOldRuns, FENCE_FLOOR_SQL, type OldRuns } from './old-runs.ts';
import { createOpenRuns } from './open-runs.ts';
import { createResultBook, type ResultBook } from './result-book.ts';
import { moved } from './run-moves.ts';
import { CHANGEABLE, changeableValues, type NewRun, type RunFacts, refuseUnfaithful } from './run-row.ts';
import { createScheduleStore, type ScheduleStore } from './schedule-store.ts';
import { createVerdictStore, type VerdictStore } from './verdict-store.ts';

export interface Ledger
  extends LedgerView,
    ScheduleStore,
    ResultBook,
    OldRuns,
    GraphBook,
    VerdictStore,
    ActionStore {
  /**
   * Records that a run begins: phase `opened`, a fence above all earlier ones of the task. Throws `conflict` if the
   * task has an open run already, `graph` if the task's id cannot be stored faithfully.
   */
  open(run: NewRun, tokenHash: string): Run;
  /** The same for many in one write: for each the run, or why it was refused. Throws if nothing was written. */
  openAll(runs: readonly (readonly [NewRun, string])[]): (Run | SupervisorError)[];
  /**
   * Restores an open run that the ledger lost, from its folder's record. False if the ledger knows the run, or an
   * open or newer run of the task: then the ledger is right.
   */
  restore(run: Run, tokenHash: string): boolean;
  /**
   * The only way a run changes its phase. Moving to the current phase only adds facts. An illegal move and an unknown
   * run are bugs and throw a plain Error.
   */
  move(id: RunId, to: RunPhase, facts?: RunFacts): Run;
  /**
   * As `move`, and resolves once a power cut cannot undo it. Concurrent callers share one sync; if that fails, all of
   * them are told, and the move stands as far as this program can tell.
   */
  advance(id: RunId, to: RunPhase, facts?: RunFacts): Promise<Run>;
  /**
   * Records what the work reported about itself, without a move. An unknown run is ignored: it may have been pruned.
   */
  note(id: RunId, notes: RunNotes): void;
  /** A person said `retry`: earlier attempts, of all copies of the task, no longer count. */
  resetAttempts(task: CountedTask): void;
  setPause(pause: Pause): void;
  clearPause(scope: Pause['scope'], name: string): void;
  setMeta(key: string, value: string): void;
  /**
   * Another valid token of a run; only its hash is stored. On the disk with the next durable write: the delivery or
   * the lease that hands out the token.
   */
  addToken(id: RunId, tokenHash: string): void;
  /** Records the lease of a run, replacing the previous one. `lasting` false: a power cut may undo it. */
  setLease(id: RunId, lease: Lease, lasting?: boolean): void;
  /** Sent and pending deliveries. */
  readonly deliveries: DeliveryStore;
  /** Responses for repeated requests. */
  readonly answers: IdempotencyStore;
  /** Why the disk refused the last write, with what to do; null once a later one succeeded. */
  refusal(): string | null;
  /** Writes as much as a few runs need, without content; throws the disk's error. */
  probe(): void;
  /** Counts a start of the supervisor; `rebooted` if the machine restarted since the last one. */
  noteStart(bootId: string): { readonly starts: number; readonly rebooted: boolean };
}

/**
 * Whether a move must survive a power cut: a result, work handed off, and an agent that a claim is about to name.
 * Everything else can be derived from the graph and the processes, and after a power cut none of our processes lives.
 */
function outlivesPower(to: RunPhase, facts: RunFacts): boolean {
  return to === 'finished' || to === 'handed-off' || (to === 'opened' && facts.agent !== undefined);
}

const PROBE_BYTES = 64 * 1024;

/** The facts about a run when it is opened. */
type Opened = Pick<Run, Exclude<keyof NewRun, 'fenceAbove'> | 'fence' | 'deadlineAt' | 'openedAt'>;

/** The writing side over an open, migrated database. */
export function createLedger(database: Database, clock: Clock, warnings: readonly string[]): Ledger {
  const view = createLedgerView(database, warnings);
  const nextFence = database.prepare(
    `INSERT INTO tasks (graph, task, fence) VALUES (?1, ?2, max(?3, ${FENCE_FLOOR_SQL}) + 1)
     ON CONFLICT (graph, task) DO UPDATE SET fence = max(fence, ?3) + 1 RETURNING fence`,
  );
  const openOfTask = database.prepare(
    `SELECT id, phase FROM runs WHERE graph = ? AND task = ?
     AND phase IN ('opened', 'claimed', 'started', 'handed-off', 'finished')`,
  );
  const newerOrOpen = database.prepare(
    `SELECT id FROM runs WHERE id = ?1 OR token_hash = ?2 OR (graph = ?3 AND task = ?4 AND (fence >= ?5
     OR phase IN ('opened', 'claimed', 'started', 'handed-off', 'finished')))`,
  );
  const insert = database.prepare(
    `INSERT INTO runs (id, graph, task, task_created_at, worktree, repo, executor, type, because, attempt, fence,
       phase, deadline_at, occurrence, opened_at, token_hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'opened', ?, ?, ?, ?)`,
  );
  const update = database.prepare(
    `UPDATE runs SET ${CHANGEABLE.map((column) => `${column} = ?`).join(', ')} WHERE id = ? AND phase = ?`,
  );
  const annotate = database.prepare(
    `UPDATE runs SET session = coalesce(?, session), reference = coalesce(?, reference),
       model = coalesce(?, model), usage = coalesce(?, usage), footprint = coalesce(?, footprint),
       place = coalesce(?, place), port_base = coalesce(?, port_base) WHERE id = ?`,
  );
  const schedules = createScheduleStore(database);
  const results = createResultBook(database);
  const setMeta = database.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );

  const addToken = database.prepare('INSERT OR REPLACE INTO run_tokens (hash, run) VALUES (?, ?)');

  /** As on the disk, whatever is cached. */
  const known = (id: RunId): Run => {
    const run = view.run(id);
    if (run === null) throw new Error(`run ${id} is not in the ledger`);
    return run;
  };

  /** Inserts a run as opened. */
  const put = (run: Opened, tokenHash: string) =>
    insert.run(
      run.id,
      run.graph,
      run.task,
      run.taskCreatedAt,
      run.worktree,
      run.repo,
      run.executor,
      run.type,
      run.because,
      run.attempt,
      run.fence,
      run.deadlineAt,
      run.occurrence,
      run.openedAt,
      tokenHash,
    );

  /** Compare and set: false if another process moved the run meanwhile. */
  const write = (before: Run, after: Run): boolean =>
    update.run(...changeableValues(after), before.id, before.phase) === 1;

  const openOne = (run: NewRun, tokenHash: string): Run => {
    refuseUnfaithful('graph path', run.graph);
    refuseUnfaithful('task id', run.task);
    refuseUnfaithful('creation time', run.taskCreatedAt);
    const other = openOfTask.one(run.graph, run.task);
    if (other !== null)
      throw new SupervisorError(
        'conflict',
        `Task ${run.task} already has the open run ${String(other.id)} (${String(other.phase)}).`,
        {
          hint: 'It must end before another can begin.',
          details: { run: other.id, phase: other.phase },
        },
      );
    const fence = Number(nextFence.one(run.graph, run.task, run.fenceAbove ?? 0)?.fence);
    put({ ...run, fence, deadlineAt: run.deadlineAt ?? null, openedAt: clock.now() }, tokenHash);
    return known(run.id);
  };

  const openRuns = createOpenRuns(database, () => view.openRuns());
  const kept = (run: Run): Run => {
    openRuns.wrote(run);
    return run;
  };

  function carryOut(id: RunId, to: RunPhase, facts: RunFacts): Run {
    const step = (before: Run): Run => {
      const after = moved(before, to, facts, clock.now());
      // Another process moved it first: its move stands, and ours is judged against that.
      if (!write(before, after)) return step(known(id));
      const { graph, task, occurrence } = after;
      const begun = !isOpenRun(after) || to === 'started' || to === 'handed-off' || to === 'finished';
      if (occurrence !== null && begun && to !== 'abandoned')
        schedules.noteOccurrence({ graph, task }, occurrence);
      return after;
    };
    const before = openRuns.get(id) ?? known(id);
    // Only a run with an occurrence touches two tables; the others commit on their own, which is quicker.
    return before.occurrence === null ? step(before) : database.transaction(() => step(known(id)));
  }

  return {
    ...view,
    ...schedules,
    ...results,
    ...createVerdictStore(database),
    ...createActionStore(database),
    ...createOldRuns(database, clock),
    ...createGraphBook(database, () => {
      openRuns.wrote(null);
      schedules.readAnew();
      results.readResultsAnew();
    }),
    // Open runs are read all the time; the cache has what was written.
    run: (id) => openRuns.get(id) ?? view.run(id),
    openRuns: () => openRuns.all(),

    // Not certain to be on the disk yet: nothing happens outside before the agent is recorded, and that is synced.
    open: (run, tokenHash) =>
      kept(database.relaxed(() => database.transaction(() => openOne(run, tokenHash)))),

    openAll(runs) {
      const opened = database.relaxed(() =>
        database.transaction(() =>
          runs.map(([run, tokenHash]) => {
            try {
              return openOne(run, tokenHash);
            } catch (thrown) {
              // Refused before anything of it was written; an error of the disk aborts the whole write.
              if (thrown instanceof SupervisorError && thrown.code !== 'failed') return thrown;
              throw thrown;
            }
          }),
        ),
      );
      for (const run of opened) if (!(run instanceof SupervisorError)) openRuns.wrote(run);
      return opened;
    },

    restore(run, tokenHash) {
      refuseUnfaithful('graph path', run.graph);
      refuseUnfaithful('task id', run.task);
      return database.transaction(() => {
        const newer = newerOrOpen.one(run.id, tokenHash, run.graph, run.task, run.fence);
        if (newer !== null || !isOpenRun(run)) return false;
        nextFence.one(run.graph, run.task, run.fence - 1);
        put(run, tokenHash);
        update.run(...changeableValues(run), run.id, 'opened');
        openRuns.wrote(null);
        return true;
      });
    },

    move: (id, to, facts = {}) =>
      kept(
        outlivesPower(to, facts) ? carryOut(id, to, facts) : database.relaxed(() => carryOut(id, to, facts)),
      ),

    async advance(id, to, facts = {}) {
      const run = kept(database.relaxed(() => carryOut(id, to, facts)));
      await database.synced();
      return run;
    },

    note(id, { session, reference, model, usage, footprint, place, portBase }) {
      const json = (value: object | undefined) => (value === undefined ? null : JSON.stringify(value));
      annotate.run(
        session ?? null,
        reference ?? null,
        model ?? null,
        json(usage),
        json(footprint),
        place ?? null,
        portBase ?? null,
        id,
      );
      const run = view.run(id);
      if (run) openRuns.wrote(run);
    },

    resetAttempts({ graph, task, createdAt, repo }) {
      database
        .prepare(
          `INSERT INTO tasks (graph, task, reset_seq)
           SELECT graph, ?2, (SELECT coalesce(max(seq), 0) FROM runs) FROM (SELECT ?1 AS graph UNION
             SELECT graph FROM runs WHERE repo = ?3 AND task = ?2 AND task_created_at IS ?4 AND counted = 1)
           WHERE true ON CONFLICT (graph, task) DO UPDATE SET reset_seq = excluded.reset_seq`,
        )
        .run(graph, task, repo, createdAt);
    },

    setPause(pause) {
      database
        .prepare(
          `INSERT INTO pauses (scope, name, code, because, until, set_at) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (scope, name) DO UPDATE SET code = excluded.code, because = excluded.because,
             until = excluded.until, set_at = excluded.set_at`,
        )
        .run(pause.scope, pause.name, pause.code, pause.because, pause.until, clock.now());
    },

    clearPause(scope, name) {
      database.prepare('DELETE FROM pauses WHERE scope = ? AND name = ?').run(scope, name);
    },

    // Only marks and shortcuts: after a power cut the same is found, or reported, once more.
    setMeta: (key, value) => database.relaxed(() => void setMeta.run(key, value)),

    addToken: (id, hash) => void database.relaxed(() => addToken.run(hash, id)),

    setLease(id, lease, lasting = true) {
      const write = () => writeLease(database, id, lease);
      if (lasting) write();
      else database.relaxed(write);
    },

    deliveries: createDeliveryStore(database, clock),
    answers: createIdempotencyStore(database, clock),

    refusal: () => database.refusal(),
    probe() {
      // A write that fits into the log's free space would prove nothing.
      for (const value of ['-'.repeat(PROBE_BYTES), '']) setMeta.run('probe', value);
    },

    noteStart(bootId) {
      return database.transaction(() => {
        const before = view.meta('boot-id');
        const starts = Number(view.meta('starts') ?? 0) + 1;
        setMeta.run('boot-id', bootId);
        setMeta.run('starts', String(starts));
        setMeta.run('started-at', String(clock.now()));
        return { starts, rebooted: before !== null && before !== bootId };
      });
    },
  };
}
