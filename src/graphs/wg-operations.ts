// What wg expects besides the graph itself: lines in the operations log, and the files of an agent's folder that its
// monitors read (wg-rules 5.9, 6.9, 7.1). Driven by the event bus; never delays a run.

import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import type { Event } from '../domain/event.ts';
import { isDoneElsewhere } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Bus } from '../platform/bus.ts';
import { type Clock, isoTime } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { appendTextNow, writeTextNow } from '../platform/regular-file.ts';
import { appendOperation, type Operation } from '../wg/operations-log.ts';

/** Writes the log lines and files of every run from now on; the returned function stops that. */
export function writeWgOperations(parts: {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  run(id: string): Run | null;
  /** wg itself finished this run's task, including the line in the log. */
  endedByWg(run: Run): boolean;
}): () => void {
  const { bus, clock, log } = parts;
  const operation = (run: Run, what: Operation) => appendOperation(run.graph, what, clock.now());

  function hear(event: Event): void {
    switch (event.name) {
      case 'run.claimed': {
        const run = parts.run(event.run);
        if (!run) return;
        operation(run, {
          op: 'claim',
          task_id: run.task,
          actor: run.agent,
          detail: { prev_status: 'Open', prev_assigned: null, executor: run.executor },
        });
        // wg stops agents that print nothing for five minutes, unless their stream has begun.
        if (isDoneElsewhere(run.type)) beginStream(run, clock.now());
        return;
      }
      case 'run.started':
      case 'run.handed-off': {
        const run = parts.run(event.run);
        if (run) writeMetadata(run);
        return;
      }
      case 'run.settled': {
        const run = parts.run(event.run);
        if (!run || parts.endedByWg(run)) return;
        const failed = event.outcome.kind === 'failed';
        operation(run, {
          op: failed ? 'fail' : 'done',
          task_id: run.task,
          actor: run.agent,
          ...(event.outcome.kind === 'failed'
            ? { detail: { reason: event.outcome.message.slice(0, 500) } }
            : {}),
        });
        return;
      }
      default:
    }
  }

  return bus.on((event) => {
    try {
      hear(event);
    } catch (thrown) {
      // Only wg's history suffers; the work itself continues.
      log.warn('trace.unwritten', { event: event.name, because: messageOf(thrown) });
    }
  });
}

function beginStream(run: Run, now: number): void {
  if (run.folder === null) return;
  const init = { type: 'init', executor_type: run.type, timestamp_ms: now };
  appendTextNow(join(run.folder, 'stream.jsonl'), `${JSON.stringify(init)}\n`);
}

function writeMetadata(run: Run): void {
  if (run.folder === null) return;
  const { agent, task, executor, startedAt, deadlineAt, worktree } = run;
  const limit =
    startedAt === null || deadlineAt === null ? null : Math.round((deadlineAt - startedAt) / 1000);
  const metadata = {
    agent_id: agent,
    pid: run.process?.pid ?? null,
    task_id: task,
    executor,
    model: null,
    started_at: isoTime(startedAt ?? run.openedAt),
    timeout_secs: limit,
    worktree_path: worktree,
  };
  writeTextNow(join(run.folder, 'metadata.json'), `${JSON.stringify(metadata, null, 2)}\n`);
}
