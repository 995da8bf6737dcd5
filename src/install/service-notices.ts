// What the service manager is told while the supervisor runs (sd_notify(3)): that it is ready, what it does, and after
// each finished tick that it is alive. A supervisor whose ticks do not end is restarted; its agents keep running.

import type { Bus } from '../platform/bus.ts';
import type { Cancel, Clock } from '../platform/clock.ts';
import { datagramSender, type SendDatagram } from '../platform/datagram.ts';
import type { Environment } from '../platform/environment.ts';
import type { Log } from '../platform/log.ts';

export interface ServiceNotices {
  /** The start is done; from now on ticks feed the watchdog. `status` is asked for the line that `service status` shows. */
  ready(status: () => string): void;
  /** Around reading the configuration again. */
  reloading(): void;
  reloaded(): void;
  /** A successor in this process will say when it is ready. */
  handingOver(): void;
  stopping(): void;
  /** Says nothing more, and leaves no timer. */
  close(): void;
}

export interface ServiceNoticesParts {
  readonly environment: Environment;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** For tests; by default libc's. */
  readonly send?: SendDatagram | null;
}

/** Not more often than this, ms: a busy supervisor ticks hundreds of times a second. */
const PAUSE_MS = 1000;

/** Notices to the service manager that started this process; without one they are dropped. */
export function createServiceNotices(parts: ServiceNoticesParts): ServiceNotices {
  const { environment, bus, clock, log } = parts;
  const { NOTIFY_SOCKET } = environment.variables;
  const send =
    !NOTIFY_SOCKET || parts.send === null ? null : (parts.send ?? datagramSender(environment.platform));
  const watched = isWatched(environment);
  let refused: string | null = null;
  let status: () => string = () => '';
  let isReady = false;
  let said = '';
  let sentAt = Number.NEGATIVE_INFINITY;
  let later: Cancel | null = null;
  const elapsed = () => clock.elapsed?.() ?? clock.now();

  function tell(...lines: string[]): void {
    if (!NOTIFY_SOCKET || send === null || lines.length === 0) return;
    const because = send(NOTIFY_SOCKET, lines.join('\n'));
    // Said once: a manager that does not listen will not begin to.
    if (because !== null && because !== refused) log.warn('service.unheard', { because });
    refused = because;
  }

  function statusLine(): string[] {
    // A line break would end the message's field, and begin another one.
    const line = status().replace(/[\r\n]+/g, ' ');
    if (line === said || line === '') return [];
    said = line;
    return [`STATUS=${line}`];
  }

  function alive(): void {
    later?.();
    later = null;
    sentAt = elapsed();
    tell(...(watched ? ['WATCHDOG=1'] : []), ...statusLine());
  }

  const off = bus.on((event) => {
    if (event.name !== 'tick.finished' || !isReady || later !== null) return;
    const wait = sentAt + PAUSE_MS - elapsed();
    if (wait <= 0) alive();
    else later = clock.after(wait, alive);
  });
  return {
    ready(asked) {
      status = asked;
      isReady = true;
      sentAt = elapsed();
      tell('READY=1', ...statusLine());
    },
    reloading() {
      if (isReady) tell('RELOADING=1', 'STATUS=reading the configuration again');
    },
    reloaded() {
      said = '';
      if (isReady) tell('READY=1', ...statusLine());
    },
    handingOver() {
      isReady = false;
      tell('RELOADING=1', 'STATUS=a successor takes over; agents run on');
    },
    stopping() {
      isReady = false;
      tell('STOPPING=1', 'STATUS=stopping; agents run on');
    },
    close() {
      off();
      later?.();
      isReady = false;
    },
  };
}

/** Whether the manager waits for signs of life from this very process (sd_watchdog_enabled(3)). */
function isWatched({ variables }: Environment): boolean {
  const { WATCHDOG_USEC, WATCHDOG_PID } = variables;
  if (!/^[1-9]\d*$/.test(WATCHDOG_USEC ?? '')) return false;
  return !WATCHDOG_PID || Number(WATCHDOG_PID) === process.pid;
}
