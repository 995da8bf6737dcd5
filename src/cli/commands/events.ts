// `supervisor events`: what the running supervisor did and does, from its event stream.

import type { ServerEvent } from '../../api/client/server-events.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Event } from '../../domain/event.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { eventLine } from '../render/event-line.ts';
import { sinceInstant } from '../since.ts';

/** Flags of `events`. */
export interface EventsOptions {
  readonly follow?: boolean;
  readonly since?: string;
  /** Only the last of those that are kept. */
  readonly lines?: number;
}

/** How often it is looked for a supervisor while none runs, ms. */
const LOOK_MS = 1_000;

/** Prints events, latest last. Throws `not-running` when no supervisor runs, unless it follows. */
export async function events(
  context: Context,
  task: string | undefined,
  options: EventsOptions,
): Promise<number> {
  const since = options.since === undefined ? null : sinceInstant(options.since, context.now());
  const lineOf = (event: ServerEvent): string | null => {
    const data = event.data as Event;
    if (event.name === 'stream.gap' || (since !== null && data.at < since)) return null;
    if (task !== undefined && !('task' in data && data.task === task)) return null;
    return context.json ? JSON.stringify(data) : eventLine(data, context.paint);
  };
  const show = (event: ServerEvent) => {
    const line = lineOf(event);
    if (line !== null) context.out(`${line}\n`);
  };
  const { lines, follow = false } = options;
  let lastId = since === null ? undefined : '0';
  if (!follow || lines !== undefined) {
    const seen = await showKept(context, lineOf, { lines, isFollowed: follow });
    lastId = seen ?? lastId;
  }
  if (follow) await followEvents(context, show, lastId);
  return 0;
}

/** Prints the events that are kept, or the last of them; returns the id of the newest one, if there is any. */
async function showKept(
  context: Context,
  lineOf: (event: ServerEvent) => string | null,
  { lines, isFollowed }: { readonly lines: number | undefined; readonly isFollowed: boolean },
): Promise<string | undefined> {
  const connected = connect(context);
  const client = await (isFollowed ? connected.catch(ignoreStopped) : connected);
  if (client === null) {
    if (isFollowed) return undefined;
    throw new SupervisorError('not-running', 'no supervisor is running, and events are kept in its memory', {
      hint: '`supervisor runs --since 1d` lists what ran before',
    });
  }
  const ending = new AbortController();
  const off = context.onClosedPipe(() => ending.abort());
  const last: string[] = [];
  let lastId: string | undefined;
  try {
    for await (const event of client.events({ replayOnly: true, signal: ending.signal })) {
      if (event.id !== '') lastId = event.id;
      const line = lineOf(event);
      if (line === null) continue;
      if (lines === undefined) context.out(`${line}\n`);
      else last.push(line);
      if (lines !== undefined && last.length > lines) last.shift();
    }
  } finally {
    off();
    client.close();
  }
  for (const line of last) context.out(`${line}\n`);
  return lastId;
}

/** Continues until it is interrupted; a supervisor that stops is followed by the next one. */
async function followEvents(
  context: Context,
  show: (event: ServerEvent) => void,
  from: string | undefined,
): Promise<void> {
  const ending = new AbortController();
  const end = () => ending.abort();
  const offs = [context.onSignal('SIGINT', end), context.onSignal('SIGTERM', end), context.onClosedPipe(end)];
  let lastId = from;
  let isTold = false;
  try {
    while (!ending.signal.aborted) {
      const client = await connect(context).catch(ignoreStopped);
      if (client === null) {
        if (!isTold) context.note('supervisor: no supervisor is running; waiting for one');
        isTold = true;
        await context.clock.sleep(LOOK_MS, ending.signal);
        continue;
      }
      isTold = false;
      try {
        const stream = client.events({
          signal: ending.signal,
          ...(lastId === undefined ? {} : { lastId }),
        });
        for await (const event of stream) {
          if (event.id !== '') lastId = event.id;
          show(event);
        }
      } catch (thrown) {
        ignoreStopped(thrown);
      } finally {
        client.close();
      }
      // From the next one nothing is to be missed either.
      lastId ??= '0';
      await context.clock.sleep(LOOK_MS, ending.signal);
    }
  } finally {
    for (const off of offs) off();
  }
}

/** A supervisor that is stopping counts as none. */
function ignoreStopped(thrown: unknown): null {
  if (thrown instanceof SupervisorError && thrown.code === 'not-running') return null;
  throw thrown;
}
