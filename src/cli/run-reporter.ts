// The output of `supervisor run`: live lines for people, JSON for machines.

import type { Event } from '../domain/event.ts';
import { type Log, redact } from '../platform/log.ts';
import type { Context } from './context.ts';
import { eventLine } from './render/event-line.ts';
import { printableJson } from './render/json.ts';

/** The output channels of the supervisor. */
export interface RunReporter {
  readonly log: Log;
  hear(event: Event): void;
  say(text: string): void;
}

/** Live lines for people or JSON for machines, depending on configuration and terminal. */
export async function createVoice(context: Context): Promise<RunReporter> {
  const [{ loadMachineConfig }, { jsonLog, prettyLog }, paths] = await Promise.all([
    import('../config/load.ts'),
    import('./logging.ts'),
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
      if (context.json) context.out(redact(`${printableJson(event)}\n`));
      if (!live) return;
      const line = eventLine(event, context.paint);
      if (line !== null) context.out(redact(`${line}\n`));
    },
    say(text) {
      if (json && service) log.info('supervisor.note', { message: text });
      else context.note(`supervisor: ${text}`);
    },
  };
}

/** Every event is one log line; errors stand out. */
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
