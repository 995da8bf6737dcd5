// `supervisor run`: the supervisor in the foreground, its live lines, and what signals mean to it.

import type { RunningSupervisor } from '../../compose.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Event } from '../../domain/event.ts';
import type { RunReport } from '../../domain/report.ts';
import type { Log } from '../../seams/log.ts';
import { type Context, compositionOf } from '../context.ts';
import { eventLine } from '../render/event-line.ts';
import { plain } from '../render/plain.ts';

/** Flags of `run`. */
export interface RunOptions {
  readonly once?: boolean;
  readonly observe?: boolean;
  /** ms that `--once` waits for handed-off work. */
  readonly wait?: number;
  /** The first signal ends agents too. */
  readonly cancel?: boolean;
}

/** Where the supervisor's words go. */
interface Voice {
  readonly log: Log;
  hear(event: Event): void;
  say(text: string): void;
}

const STATUS_INTERRUPTED = 130;

/** Runs until a signal, or with `--once` until there is nothing left to do. */
export async function run(context: Context, options: RunOptions): Promise<number> {
  const ending = new Ending(context, options.cancel === true);
  try {
    const voice = await createVoice(context);
    const { composeSupervisor } = await import('../../compose.ts');
    const running = await composeSupervisor({
      ...compositionOf(context),
      observe: options.observe === true,
      once: options.once === true,
      log: voice.log,
    });
    const failed = new Set<string>();
    running.bus.on((event) => {
      voice.hear(event);
      if (event.name === 'run.settled') noteOutcome(event, failed);
    });
    ending.attend(running, voice);
    try {
      await running.start();
      if (!options.once) {
        await ending.requested;
        return 0;
      }
      await Promise.race([nothingLeft(context, running, options.wait ?? 5000), ending.requested]);
      if (ending.isRequested) return STATUS_INTERRUPTED;
      await sumUp(context, running);
      return failed.size === 0 ? 0 : 1;
    } finally {
      await ending.stop();
    }
  } finally {
    ending.off();
  }
}

/** Which tasks ended badly here: a later success makes good for an earlier failure. */
function noteOutcome(event: Extract<Event, { name: 'run.settled' }>, failed: Set<string>): void {
  const key = `${event.graph}\0${event.task}`;
  if (event.outcome.kind === 'failed') failed.add(key);
  if (event.outcome.kind === 'succeeded') failed.delete(key);
}

/** Quiet, and no handed-off request that might still be answered within `waitMs`. */
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
    // What just came in may have made other tasks ready: those get their own time.
    if (context.now() < until) until = null;
  }
}

/** An agent outside answers by itself; an external task is done by somebody who may take days. */
function isAwaited(run: RunReport): boolean {
  return run.phase === 'handed-off' && run.type === 'http';
}

async function sumUp(context: Context, running: RunningSupervisor): Promise<void> {
  const report = await running.control.status();
  if (context.json) {
    context.outJson(report);
    return;
  }
  const { remainder } = await import('../render/status-view.ts');
  context.out(`\n${remainder(report, context)}`);
}

/**
 * How a run comes to its end. First SIGINT or SIGTERM: take nothing new and stop, agents run on (unless `--cancel`).
 * Second: end the agents too. Third: exit at once.
 */
class Ending {
  readonly requested: Promise<void>;
  isRequested = false;
  readonly #context: Context;
  readonly #offs: (() => void)[];
  #cancelAgents: boolean;
  #signals = 0;
  #running: RunningSupervisor | null = null;
  #voice: Voice | null = null;
  #resolve: () => void = () => {};

  constructor(context: Context, cancelAgents: boolean) {
    this.#context = context;
    this.#cancelAgents = cancelAgents;
    this.requested = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#offs = [
      context.onSignal('SIGINT', () => this.#signal('SIGINT')),
      context.onSignal('SIGTERM', () => this.#signal('SIGTERM')),
      context.onSignal('SIGHUP', () => this.#reload()),
      // Nobody reads any more: an orderly end, not a death in the middle of a write.
      context.onClosedPipe(() => this.#request()),
    ];
  }

  attend(running: RunningSupervisor, voice: Voice): void {
    this.#running = running;
    this.#voice = voice;
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    const open = this.isRequested ? await openRuns(running) : [];
    await running.stop({ cancelAgents: this.#cancelAgents });
    if (open.length > 0 && !this.#cancelAgents) this.#voice?.say(leftRunning(open));
  }

  off(): void {
    for (const off of this.#offs) off();
  }

  #request(): void {
    this.isRequested = true;
    this.#resolve();
  }

  #signal(name: string): void {
    this.#signals++;
    if (this.#signals >= 3) {
      this.#context.exitNow(STATUS_INTERRUPTED);
      return;
    }
    if (this.#signals === 2) {
      this.#cancelAgents = true;
      this.#voice?.say(`${name} again: ending the agents too; once more exits at once`);
      void this.#running?.stop({ cancelAgents: true });
    } else {
      this.#voice?.say(
        this.#cancelAgents
          ? `${name}: taking nothing new, ending the agents`
          : `${name}: taking nothing new and stopping, agents run on; once more ends them too`,
      );
      this.#running?.supervisor.drain(name);
    }
    this.#request();
  }

  #reload(): void {
    const running = this.#running;
    if (!running) return;
    running.control.reload().then(
      ({ problems }) => {
        for (const problem of problems) running.log.warn('config.problem', { because: problem });
      },
      (thrown: unknown) => running.log.error('config.reload-failed', { because: thrownText(thrown) }),
    );
  }
}

function thrownText(thrown: unknown): string {
  return thrown instanceof SupervisorError ? thrown.message : String(thrown);
}

async function openRuns({ control }: RunningSupervisor): Promise<readonly RunReport[]> {
  const open = await control.runs({ open: true, limit: 1000 });
  return open.filter((run) => run.phase === 'started' || run.phase === 'handed-off');
}

function leftRunning(runs: readonly RunReport[]): string {
  const list = runs.map((run) => {
    const where =
      run.phase === 'handed-off'
        ? 'handed off'
        : run.pid === null
          ? run.agent
          : `${run.agent}, pid ${run.pid}`;
    return `  ${plain(run.task)} → ${plain(run.executor)} (${plain(where)})`;
  });
  return `still under way; the next \`supervisor run\` takes them up:\n${list.join('\n')}`;
}

/** Live lines for people, JSON for machines, as configuration and surroundings want it. */
async function createVoice(context: Context): Promise<Voice> {
  const [{ loadMachineConfig }, { jsonLog, prettyLog }, paths] = await Promise.all([
    import('../../config/load.ts'),
    import('../logging.ts'),
    context.paths(),
  ]);
  const { log: settings } = loadMachineConfig(paths.configFile, { home: context.environment.home }).config;
  const { JOURNAL_STREAM } = context.environment.variables;
  const service = JOURNAL_STREAM !== undefined && !context.stderr.isTTY;
  const json = settings.format === 'json' || (settings.format === 'auto' && !context.stderr.isTTY);
  const live = !context.json && settings.format !== 'json' && !service;
  const output = {
    level: settings.level,
    write: (text: string) => context.stderr.write(text),
    journal: service,
  };
  const log = json ? jsonLog(output) : prettyLog({ ...output, paint: context.paint, now: context.now });
  return {
    log,
    hear(event) {
      if (json) logEvent(log, event);
      if (context.json) context.out(`${JSON.stringify(event)}\n`);
      if (!live) return;
      const line = eventLine(event, context.paint, context.now());
      if (line !== null) context.out(`${line}\n`);
    },
    say(text) {
      if (json && service) log.info('supervisor.note', { message: text });
      else context.note(`supervisor: ${text}`);
    },
  };
}

/** Every event is one log line; what went wrong stands out. */
function logEvent(log: Log, event: Event): void {
  const { name, at: _at, ...fields } = event;
  log[levelOf(name)](name, fields);
}

function levelOf(name: Event['name']): keyof Log {
  switch (name) {
    case 'tick.finished':
    case 'graph.changed':
    case 'run.progress':
      return 'debug';
    case 'config.rejected':
    case 'graph.problem':
    case 'watch.degraded':
      return 'warn';
    default:
      return 'info';
  }
}
