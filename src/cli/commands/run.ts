// `supervisor run`: the supervisor in the foreground.

import type { RunningSupervisor } from '../../compose/daemon.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Event } from '../../domain/event.ts';
import { asksService } from '../../domain/profile.ts';
import type { RunReport } from '../../domain/report.ts';
import { UNDER_LAUNCHD } from '../../install/service-files.ts';
import { createServiceNotices } from '../../install/service-notices.ts';
import { type Context, compositionOf } from '../context.ts';
import { explainFailure } from '../exit-status.ts';
import { printableJson } from '../render/json.ts';
import { createVoice } from '../run-reporter.ts';
import { Ending, STATUS_INTERRUPTED } from '../shutdown-signals.ts';

/** Flags of `run`. */
export interface RunOptions {
  readonly once?: boolean;
  readonly observe?: boolean;
  /** How long `--once` waits for handed-off work, ms. */
  readonly wait?: number;
  /** Only try whether the configuration can be loaded. */
  readonly check?: boolean;
  /** The first signal stops agents, too. */
  readonly cancel?: boolean;
}

/** Runs until a signal, or with `--once` until there is nothing left to do. */
export async function run(context: Context, options: RunOptions): Promise<number> {
  try {
    if (options.check) return await check(context);
    return await serve(context, options);
  } catch (thrown) {
    // launchd starts again whatever fails. These two fail the same way until a person does something.
    const isFinal =
      thrown instanceof SupervisorError && (thrown.code === 'config' || thrown.code === 'already-running');
    if (!isFinal || !context.environment.variables[UNDER_LAUNCHD]) throw thrown;
    context.note(explainFailure(thrown, false).text.trimEnd());
    return 0;
  }
}

/** Whether it would start, as far as that is the configuration's doing. Throws `config` if not. */
async function check(context: Context): Promise<number> {
  const [{ createConfigSource }, paths] = await Promise.all([
    import('../../config/source.ts'),
    context.paths(),
  ]);
  createConfigSource({ paths, environment: context.environment });
  return 0;
}

/** How the running supervisor has a successor take over; undefined where that cannot be done. */
function restarting(
  context: Context,
  options: RunOptions,
  ending: Ending,
): (() => Promise<void>) | undefined {
  const successor = options.once || options.observe ? null : (context.successor?.() ?? null);
  if (!successor) return undefined;
  return async () => {
    const because = await successor.refusal();
    if (because !== null)
      throw new SupervisorError('config', `the successor would not start, so this one stays: ${because}`);
    ending.handOver(successor);
  };
}

async function serve(context: Context, options: RunOptions): Promise<number> {
  const ending = new Ending(context, options.cancel === true);
  let lastWords = '';
  try {
    const voice = await createVoice(context);
    const { composeSupervisor } = await import('../../compose/daemon.ts');
    const running = await composeSupervisor({
      ...compositionOf(context),
      observe: options.observe === true,
      once: options.once === true,
      log: voice.log,
      inherited: context.inherited?.() ?? undefined,
      restart: restarting(context, options, ending),
    });
    const failed = new Set<string>();
    running.bus.on((event) => {
      voice.hear(event);
      if (event.name === 'run.settled') noteOutcome(event, failed);
    });
    const notices = createServiceNotices({
      environment: context.environment,
      bus: running.bus,
      clock: context.clock,
      log: running.log,
    });
    ending.attend(running, voice, notices);
    // Probably a worktree: once it is removed, git and agents could not be started any more.
    context.leaveFolder();
    try {
      // A signal during set-up: nothing starts.
      if (ending.isRequested) return options.once ? STATUS_INTERRUPTED : 0;
      await running.start();
      notices.ready(() => statusLine(running));
      if (!options.once) {
        await ending.requested;
        return 0;
      }
      await Promise.race([nothingLeft(context, running, options.wait ?? 5000), ending.requested]);
      if (ending.isRequested) return STATUS_INTERRUPTED;
      await refuseNothing(running);
      lastWords = await sumUp(context, running);
      return failed.size === 0 ? 0 : 1;
    } finally {
      await ending.stop();
      context.out(lastWords);
    }
  } finally {
    ending.off();
  }
}

/** One line for the service manager. */
function statusLine({ supervisor }: RunningSupervisor): string {
  const { state, decided } = supervisor;
  const graphs = decided?.world.graphs.length ?? 0;
  const runs = decided?.world.attended.size ?? 0;
  return `${state}: ${runs} under way, ${graphs} ${graphs === 1 ? 'graph' : 'graphs'} served`;
}

/** Doing nothing because no repository could be read is not a success. */
async function refuseNothing({ control }: RunningSupervisor): Promise<void> {
  const { worktrees } = await control.status();
  const [first] = worktrees;
  if (first && worktrees.every((worktree) => worktree.state === 'unreadable'))
    throw new SupervisorError('graph', `nothing could be served: ${first.because}`);
}

/** Which tasks failed here: a later success cancels an earlier failure. */
function noteOutcome(event: Extract<Event, { name: 'run.settled' }>, failed: Set<string>): void {
  const key = `${event.graph}\0${event.task}`;
  if (event.outcome.kind === 'failed') failed.add(key);
  if (event.outcome.kind === 'succeeded') failed.delete(key);
}

/** Idle, and no handed-off request that might still be answered within `waitMs`. */
async function nothingLeft(
  context: Context,
  { supervisor, control, bus }: RunningSupervisor,
  waitMs: number,
): Promise<void> {
  let until: number | null = null;
  for (;;) {
    await supervisor.quiet();
    const open = (await control.runs({ open: true, limit: 1000 })).filter(isAwaited);
    until ??= context.now() + waitMs;
    const left = until - context.now();
    if (open.length === 0 || left <= 0) return;
    const heard = new AbortController();
    const settled = new Promise<void>((resolve) => {
      const off = bus.on((event) => {
        if (event.name !== 'run.settled') return;
        off();
        resolve();
      });
      heard.signal.addEventListener('abort', off, { once: true });
    });
    await Promise.race([settled, context.clock.sleep(left, heard.signal)]);
    heard.abort();
    // Results that just arrived may have made other tasks ready: those get their own time.
    if (context.now() < until) until = null;
  }
}

/** An external agent answers on its own; an external task is done by a person who may take days. */
function isAwaited(run: RunReport): boolean {
  return run.phase === 'handed-off' && asksService(run.type);
}

/** What remains: in JSON one line like those of the events, named `status`. */
async function sumUp(context: Context, running: RunningSupervisor): Promise<string> {
  const report = await running.control.status();
  if (context.json) return `${printableJson({ name: 'status', at: context.now(), status: report })}\n`;
  const { remainder } = await import('../render/status-view.ts');
  return `\n${remainder(report, context)}`;
}
