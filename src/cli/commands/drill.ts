// `supervisor drill`: the crash test on the user's own machine, in a throw-away repository.

import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { createLocker } from '../../platform/flock.ts';
import type { Context } from '../context.ts';
import { type Drilled, type DrillOptions, runDrill } from '../drill/drill.ts';
import { removeLeftovers } from '../drill/leftovers.ts';
import { drillReport, drillView, progressBar, progressLine } from '../render/drill-view.ts';
import { STATUS_INTERRUPTED } from '../shutdown-signals.ts';

/** Flags of `drill`. */
export interface DrillCommandOptions {
  readonly seconds?: number;
  readonly seed?: number;
  /** A folder to copy the drill's files to. */
  readonly keep?: string;
}

/** How often a line is printed where no bar can be drawn, ms. */
const LINE_EVERY_MS = 10_000;

/** Runs a drill. Returns the exit status: 0 only if nothing was found. */
export async function drill(context: Context, options: DrillCommandOptions): Promise<number> {
  const seconds = options.seconds ?? 60;
  const seed = options.seed ?? randomInt(1_000_000);
  const locker = createLocker();
  const ended = new AbortController();
  let signals = 0;
  const stop = () => {
    ended.abort();
    // What is left then is removed by the next drill.
    if (++signals > 2) context.exitNow(STATUS_INTERRUPTED);
  };
  const offs = [
    context.onSignal('SIGINT', stop),
    context.onSignal('SIGTERM', stop),
    context.onSignal('SIGHUP', stop),
    context.onClosedPipe(stop),
  ];
  try {
    for (const folder of await removeLeftovers(locker, context.now()))
      context.note(`removed ${folder}, left by a drill that was killed`);
    const drilled = await runDrill({
      ...{ seconds, seed, locker, clock: context.clock, environment: context.environment },
      signal: ended.signal,
      keep: options.keep === undefined ? null : resolve(context.cwd, options.keep),
      progress: progressOf(context, { seconds, seed }),
    });
    clearBar(context);
    if (ended.signal.aborted) {
      context.note(`ended by a signal; everything that it made is removed. Seed ${seed}`);
      return STATUS_INTERRUPTED;
    }
    show(context, drilled);
    return drilled.findings.length === 0 ? 0 : 1;
  } finally {
    for (const off of offs) off();
  }
}

function show(context: Context, drilled: Drilled): void {
  if (context.json) context.outJson(drillReport(drilled));
  else context.out(drillView(drilled, context));
}

/** A bar that is drawn over itself on a terminal, elsewhere a line now and then. With --json neither. */
function progressOf(
  context: Context,
  { seconds, seed }: { readonly seconds: number; readonly seed: number },
): DrillOptions['progress'] {
  if (context.json) return () => {};
  context.out(`A throw-away repository, ${seconds} s of kills and git operations. Seed ${seed}\n`);
  if (context.stdout.isTTY)
    return (now) => context.out(`\r${progressBar(now, seconds * 1000, context)}\u001b[K`);
  let next = 0;
  return (now) => {
    if (now.elapsedMs < next) return;
    next += LINE_EVERY_MS;
    context.out(`${progressLine(now)}\n`);
  };
}

function clearBar(context: Context): void {
  if (context.stdout.isTTY && !context.json) context.out('\r\u001b[K');
}
