// One line per event, for people who watch `run`. Uninteresting events have none.

import { basename } from 'node:path';
import { instantText } from '../../decide/instant.ts';
import type { Event } from '../../domain/event.ts';
import { actionText } from './action-text.ts';
import type { Colors, Paint } from './color.ts';
import { plain } from './plain.ts';
import { timeOfDay } from './relative-time.ts';
import { outcomeText } from './run-view.ts';

/** The line without its line feed, or null. */
export function eventLine(event: Event, paint: Colors): string | null {
  const told = tell(event, paint);
  if (told === null) return null;
  const [colour, word, rest] = told;
  return `${paint.faint(timeOfDay(event.at))}  ${colour(word.padEnd(11))}  ${rest}`;
}

function runOn(agents: number): string {
  if (agents === 0) return '';
  return agents === 1 ? '1 agent runs on' : `${agents} agents run on`;
}

type Told = readonly [Paint, string, string];

function tell(event: Event, { good, bad, busy, caution, faint }: Colors): Told | null {
  switch (event.name) {
    case 'supervisor.started':
      return [
        good,
        'started',
        `pid ${event.pid}${event.mode === 'observe' ? ', observing: nothing is touched' : ''}`,
      ];
    case 'supervisor.draining':
      return [caution, 'draining', plain(event.because)];
    case 'supervisor.restarting':
      return [caution, 'restarting', 'callers wait for the successor'];
    case 'supervisor.stopped':
      return [faint, 'stopped', runOn(event.stillRunning)];
    case 'config.rejected':
      return [bad, 'config', plain(event.message)];
    case 'worktrees.changed':
      return [
        faint,
        'worktrees',
        [
          ...event.added.map((path) => `+ ${plain(path)}`),
          ...event.removed.map((path) => `- ${plain(path)}`),
        ].join('  '),
      ];
    case 'graph.problem':
      return [bad, 'graph', `${plain(event.graph)}: ${plain(event.message)}`];
    case 'graph.healed':
      return [good, 'graph', `${plain(event.graph)} can be read again`];
    case 'watch.degraded':
      return [caution, 'watching', plain(event.message)];
    case 'run.opened':
      return [busy, 'dispatch', `${whose(event)}${attempt(event)}, because ${plain(event.because)}`];
    case 'run.started':
      return [
        busy,
        'running',
        `${whose(event)}  ${plain(event.agent)}${event.pid === null ? '' : `, pid ${event.pid}`}`,
      ];
    case 'run.adopted':
      return [
        busy,
        'adopted',
        `${whose(event)}  ${plain(event.agent)}${event.pid === null ? '' : `, pid ${event.pid}`}`,
      ];
    case 'run.handed-off':
      return [
        busy,
        'handed off',
        `${whose(event)}${event.reference === null ? '' : `  ${plain(event.reference)}`}`,
      ];
    case 'run.abandoned':
      return [faint, 'not begun', `${whose(event)}, because ${plain(event.because)}`];
    case 'run.released':
      return [faint, 'released', `${whose(event)}, because ${plain(event.because)}`];
    case 'run.stale':
      return [caution, 'stale', `${whose(event)}, because ${plain(event.because)}`];
    case 'run.input':
      return [caution, 'asks', `${whose(event)}  ${plain(event.question)}`];
    case 'run.answered':
      return [good, 'answered', `${whose(event)}  ${plain(event.answer)}`];
    case 'run.silent':
      return [
        event.level === 'critical' ? bad : caution,
        'silent',
        `${whose(event)}, no sign of life for ${Math.round(event.silentMs / 60_000)} min`,
      ];
    case 'run.hook':
      return [
        event.result === 'ok' ? faint : caution,
        'hook',
        `${whose(event)}  ${plain(event.because === '' ? `${event.hook} ended well` : event.because)}`,
      ];
    case 'run.stopping':
      return [caution, 'stopping', `${whose(event)}, because ${event.reason}`];
    case 'run.settled':
      return [
        event.outcome.kind === 'succeeded' ? good : event.outcome.kind === 'failed' ? bad : caution,
        plain(event.status),
        `${whose(event)}  ${plain(outcomeText(event.outcome))}`,
      ];
    case 'run.overruled':
      return [caution, 'overruled', `${whose(event)}, because ${plain(event.because)}`];
    case 'run.reclaimed':
      return [caution, 'reclaimed', `${whose(event)}, because ${plain(event.because)}`];
    case 'result.restored':
      return [
        caution,
        'restored',
        `${plain(event.task)} is ${plain(event.status)}, because ${plain(event.because)}`,
      ];
    case 'run.retrying':
      return [
        caution,
        'retry',
        `${whose(event)} at ${timeOfDay(event.againAt)}, because ${plain(event.because)}`,
      ];
    case 'schedule.missed':
    case 'schedule.skipped_overlap':
      return [caution, 'skipped', `${plain(event.task)}${instants(event)}, because ${plain(event.because)}`];
    case 'schedule.reopened':
      return [
        faint,
        'open again',
        `${plain(event.task)}${event.nextAt === null ? '' : ` for ${instantText(event.nextAt)}`}`,
      ];
    case 'task.held':
      return [caution, 'held', `${plain(event.task)}, because ${plain(event.because)}`];
    case 'action.taken':
      return [busy, 'asked', `${plain(actionText(event))} by ${plain(event.actor)}`];
    case 'config.loaded':
    case 'graph.changed':
    case 'run.claimed':
    case 'run.progress':
    case 'run.finished':
    case 'tick.finished':
      return null;
    default:
      event satisfies never;
      return null;
  }
}

function whose(event: {
  readonly task: string;
  readonly worktree: string;
  readonly executor: string;
}): string {
  return `${plain(event.task)} (${plain(basename(event.worktree))}) → ${plain(event.executor)}`;
}

function instants({ nominalAt, count }: { readonly nominalAt: number; readonly count: number }): string {
  return `  ${instantText(nominalAt)}${count > 1 ? ` and ${count > 10 ? 'more than ten' : count - 1} before it` : ''}`;
}

function attempt(event: { readonly attempt: number }): string {
  return event.attempt > 1 ? `, attempt ${event.attempt}` : '';
}
