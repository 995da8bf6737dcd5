// A notification on the desktop of the person who runs the supervisor, by the system's own program.

import { spawn } from 'node:child_process';
import { messageOf } from '../domain/errors.ts';
import { xmlText } from '../domain/xml-text.ts';
import type { HttpAnswer } from '../executors/http/client.ts';
import type { Message } from './message.ts';

/** The program of a platform, and its arguments. Texts are arguments of their own: nothing of them is evaluated. */
export function desktopCommand(
  platform: string,
  { title, text, isUrgent }: Message,
): readonly [string, ...string[]] {
  if (platform !== 'darwin') {
    const urgency = isUrgent ? 'critical' : 'normal';
    return ['notify-send', '--app-name=supervisor', `--urgency=${urgency}`, '--', title, xmlText(text)];
  }
  const script = 'on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run';
  return ['osascript', '-e', script, '--', title, text];
}

/** Shows it, and answers as a webhook would: 204, or none with the reason. */
export function showOnDesktop(
  message: Message,
  platform: string,
  variables: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const [program, ...args] = desktopCommand(platform, message);
  const none = (because: string): HttpAnswer => ({ kind: 'none', timedOut: false, message: because });
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: withSession(variables),
      stdio: 'ignore',
      signal,
      timeout: 20_000,
    });
    child.once('error', (error) => resolve(none(`${program}: ${messageOf(error)}`)));
    child.once('close', (status) =>
      resolve(
        status === 0
          ? { kind: 'answer', status: 204, headers: {}, body: Buffer.alloc(0), end: 'complete' }
          : none(`${program} ended with ${status ?? 'a signal'}`),
      ),
    );
  });
}

/** A service has no session bus in its environment; it is always at the same place. */
function withSession(variables: Readonly<Record<string, string | undefined>>) {
  const { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR } = variables;
  return DBUS_SESSION_BUS_ADDRESS === undefined && XDG_RUNTIME_DIR !== undefined
    ? { ...variables, DBUS_SESSION_BUS_ADDRESS: `unix:path=${XDG_RUNTIME_DIR}/bus` }
    : { ...variables };
}
