// Takes a graph over from wg's own daemon: it is stopped by its own command, and counts as stopped once it is no
// longer detected. Its agents keep running: stopping a daemon does not stop them.

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { WgCommand } from './command.ts';
import type { Daemon, DaemonDetector } from './daemon.ts';

/** wg waits for its daemon to finish its tick, which may call a language model. */
const STOP_MS = 60_000;
const GONE_WITHIN_MS = 20_000;
const LOOK_MS = 200;

/** Stops the daemon of a graph. Resolves with the stopped one, null if there was none. */
export async function stopDaemon(
  graph: GraphPath,
  means: { readonly wg: WgCommand; readonly daemons: DaemonDetector; readonly clock: Clock },
): Promise<Daemon | null> {
  const { wg, daemons, clock } = means;
  const daemon = await daemons.detect(graph);
  if (!daemon) return null;
  const who = daemon.pid === null ? 'the wg daemon' : `the wg daemon with pid ${daemon.pid}`;
  if (wg.path() === null)
    throw new SupervisorError('executor-unavailable', `${who} cannot be stopped: there is no wg on PATH`, {
      hint: daemon.pid === null ? 'install wg' : `install wg, or end it with \`kill ${daemon.pid}\``,
    });
  const answer = await wg.run(graph, ['service', 'stop'], { timeoutMs: STOP_MS });
  const until = clock.now() + GONE_WITHIN_MS;
  // Its exit status proves nothing: only its disappearance does.
  while (await daemons.detect(graph)) {
    if (clock.now() >= until)
      throw new SupervisorError('failed', `${who} still serves ${graph} after \`wg service stop\``, {
        hint: answer.said === '' ? 'see its service/daemon.log' : `wg said: ${answer.said}`,
      });
    await clock.sleep(LOOK_MS);
  }
  return daemon;
}

/** The systemd user unit that wg created for this graph and that might restart its daemon; null: none. */
export function daemonUnit(graph: GraphPath, home: string): string | null {
  const name = `wg-${basename(dirname(graph))}.service`;
  return existsSync(join(home, '.config', 'systemd', 'user', name)) ? name : null;
}
