// The one home of pino: a running supervisor's own log, to stderr. JSON for machines, one short line for people.
// Tokens are always redacted.

import { type DestinationStream, pino } from 'pino';
import { type Log, type LogLevel, redact } from '../platform/log.ts';
import type { Colors } from './render/color.ts';
import { plain } from './render/plain.ts';
import { timeOfDay } from './render/relative-time.ts';

/** systemd reads `<N>` at a line's start as its syslog priority (sd-daemon(3)). */
const JOURNAL_PRIORITY: Readonly<Record<string, string>> = {
  debug: '<7>',
  info: '<6>',
  warn: '<4>',
  error: '<3>',
};

export interface LogOptions {
  readonly level: LogLevel;
  readonly write: (text: string) => void;
  /** Prefix lines with the priority that journald understands. */
  readonly journal: boolean;
}

/** One JSON object per line: `time`, `level`, `event`, and the fields. */
export function jsonLog(options: LogOptions): Log {
  const stream: DestinationStream = {
    write: (line: string) => {
      const level = options.journal ? (/^\{"level":"(\w+)"/.exec(line)?.[1] ?? 'info') : '';
      options.write(`${JOURNAL_PRIORITY[level] ?? ''}${redact(line)}`);
    },
  };
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['token', '*.token', 'secret', '*.secret', 'authorization', '*.authorization'],
        censor: '[redacted]',
      },
    },
    stream,
  );
  const at =
    (level: LogLevel): Log['info'] =>
    (name, fields) =>
      logger[level]({ ...fields }, name);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Lines for people, beside the live lines of `run`: only what those do not show. */
export function prettyLog(options: LogOptions & { readonly paint: Colors; now(): number }): Log {
  const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  const from = Math.max(order.indexOf(options.level), options.level === 'debug' ? 0 : order.indexOf('warn'));
  const at =
    (level: LogLevel): Log['info'] =>
    (name, fields) => {
      if (order.indexOf(level) < from) return;
      const paint =
        level === 'error'
          ? options.paint.bad
          : level === 'warn'
            ? options.paint.caution
            : options.paint.faint;
      const rest = Object.entries(fields ?? {}).map(([key, value]) => `${key}=${fieldText(value)}`);
      const line = plain(redact([name, ...rest].join('  ')));
      options.write(
        `${options.paint.faint(timeOfDay(options.now()))}  ${paint(level.padEnd(11))}  ${line}\n`,
      );
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
