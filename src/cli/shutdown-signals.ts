// How `supervisor run` shuts down: the meaning of each signal, and the report about running work.

import type { RunningSupervisor } from '../compose/daemon.ts';
import { messageOf } from '../domain/errors.ts';
import type { RunReport } from '../domain/report.ts';
import type { ServiceNotices } from '../install/service-notices.ts';
import type { Context, Successor } from './context.ts';
import { plain } from './render/plain.ts';
import type { RunReporter } from './run-reporter.ts';

/** The exit status that shells show for a program stopped by SIGINT. */
export const STATUS_INTERRUPTED = 130;

/**
 * How a run shuts down. First SIGINT or SIGTERM: stop dispatching and exit, agents keep running (unless `--cancel`).
 * Second: stop the agents, too. Third: exit at once.
 */
export class Ending {
  readonly requested: Promise<void>;
  isRequested = false;
  readonly #context: Context;
  readonly #offs: (() => void)[];
  #cancelAgents: boolean;
  #signals = 0;
  #running: RunningSupervisor | null = null;
  #voice: RunReporter | null = null;
  #notices: ServiceNotices | null = null;
  #resolve: () => void = () => {};
  #successor: Successor | null = null;

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
      // Stdout was closed: an orderly shutdown, not a death in the middle of a write.
      context.onClosedPipe(() => this.#request()),
    ];
  }

  attend(running: RunningSupervisor, voice: RunReporter, notices: ServiceNotices): void {
    this.#running = running;
    this.#voice = voice;
    this.#notices = notices;
  }

  /** Ends soon, and has a successor in this process take over. */
  handOver(successor: Successor): void {
    this.#successor = successor;
    this.#resolve();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    if (this.#successor && !this.isRequested && (await this.#succeed(running, this.#successor))) return;
    this.#notices?.stopping();
    const open = this.isRequested ? await openRuns(running) : [];
    await running.stop({ cancelAgents: this.#cancelAgents });
    this.#notices?.close();
    if (open.length > 0 && !this.#cancelAgents) this.#voice?.say(leftRunning(open));
  }

  /** Returns only if a signal came meanwhile: true if everything is stopped by then. */
  async #succeed(running: RunningSupervisor, successor: Successor): Promise<boolean> {
    this.#notices?.handingOver();
    const left = await running.handOver((fd) => successor.copy(fd));
    if (left === null) return false;
    this.#notices?.close();
    return this.isRequested || (await successor.begin(left));
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
    this.#notices?.reloading();
    running.control
      .reload()
      .then(
        ({ problems }) => {
          for (const problem of problems) running.log.warn('config.problem', { because: problem });
        },
        (thrown: unknown) => running.log.error('config.reload-failed', { because: messageOf(thrown) }),
      )
      .finally(() => this.#notices?.reloaded());
  }
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
  return `still under way; the next \`supervisor run\` reattaches to them:\n${list.join('\n')}`;
}
