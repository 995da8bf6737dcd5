// `supervisor demo`: a throw-away repository with several worktrees and every executor type, run for real, shown
// live.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { composeSupervisor } from '../../compose/daemon.ts';
import type { Event } from '../../domain/event.ts';
import type { StatusReport } from '../../domain/report.ts';
import { systemClock } from '../../platform/clock.ts';
import { findOnPath } from '../../platform/environment.ts';
import type { Context } from '../context.ts';
import { startDemoAgents, writeStandInClaude } from '../demo/agents.ts';
import { buildPlayground } from '../demo/playground.ts';
import { eventLine } from '../render/event-line.ts';
import { statusView } from '../render/status-view.ts';

/** The demo stops on its own after this time, whatever its state. */
const PATIENCE_MS = 60_000;

/** Runs the demo. Returns the exit status: 0 only if all tasks finished as expected. */
export async function demo(context: Context): Promise<number> {
  const clock = systemClock();
  const agents = await startDemoAgents(clock);
  const claude = findOnPath('claude', context.environment);
  const playground = await buildPlayground({ ...agents, claude: claude ?? 'stand-in-claude' }, clock.now());
  const variables = { ...context.environment.variables };
  if (claude === null) {
    await writeStandInClaude(playground.folder);
    variables.PATH = `${playground.folder}:${variables.PATH ?? ''}`;
  }
  const say = (line: string) => context.out(`${line}\n`);
  say(`A throw-away repository with three worktrees: ${playground.worktrees.main}`);
  say(
    claude === null
      ? 'No Claude CLI here: a stand-in plays its part.\n'
      : 'Your Claude CLI gets one small task.\n',
  );
  try {
    const running = await composeSupervisor({
      environment: { ...context.environment, variables },
      cwd: playground.folder,
      config: playground.config,
      stateDir: playground.stateDir,
      observe: false,
      once: false,
    });
    const signedOff = new Set<string>();
    const off = running.bus.on((event) => {
      const line = eventLine(event, context.paint);
      if (line !== null) say(line);
      if (event.name === 'run.handed-off' && event.task === 'sign-off' && !signedOff.has(event.run)) {
        signedOff.add(event.run);
        void signOff(playground.config, playground.stateDir, event, variables).then(
          (text) =>
            say(
              `  $ supervisor done sign-off --agent demo-person --artifacts '{"approved": true}'\n  ${text.trim()}`,
            ),
          (thrown) => say(`  signing off failed: ${String(thrown)}`),
        );
      }
    });
    try {
      await running.start();
      const report = await finished(() => running.control.status(), running.bus, clock.now() + PATIENCE_MS);
      say('');
      context.out(statusView(report, context));
      const bad = unfinished(report);
      if (bad.length === 0) {
        say('\nAll tasks finished as expected.');
        return 0;
      }
      for (const sentence of bad) say(sentence);
      return 1;
    } finally {
      off();
      await running.stop({ cancelAgents: true });
    }
  } finally {
    await agents.close();
    await playground.remove();
  }
}

/** A person's part: the CLI in another process completes the external task. */
async function signOff(
  config: string,
  stateDir: string,
  event: Event & { name: 'run.handed-off' },
  variables: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      main,
      '--config',
      config,
      '--state-dir',
      stateDir,
      'done',
      event.task,
      '--worktree',
      event.worktree,
      '--agent',
      'demo-person',
      '--artifacts',
      '{"approved": true}',
    ],
    { env: variables },
  );
  return stdout;
}

async function finished(
  status: () => Promise<StatusReport>,
  bus: { next(name: 'tick.finished'): Promise<unknown> },
  until: number,
): Promise<StatusReport> {
  const clock = systemClock();
  for (;;) {
    const report = await status();
    if (report.held.length === 0 && report.runs.length === 0) return report;
    if (report.worktrees.some((worktree) => worktree.counts.failed > 0) || clock.now() > until) return report;
    await Promise.race([bus.next('tick.finished'), clock.sleep(1000)]);
  }
}

function unfinished(report: StatusReport): string[] {
  const failed = report.worktrees
    .filter((worktree) => worktree.counts.failed > 0)
    .map((worktree) => `${worktree.counts.failed} failed in ${worktree.path}`);
  return [
    ...failed,
    ...report.held.map((task) => `${task.task} did not run: ${task.because}`),
    ...report.runs.map((run) => `${run.task} still runs`),
  ];
}
