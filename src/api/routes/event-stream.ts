// GET /api/events: every event as server-sent events, with replay of what a client missed. Owns the bounded memory of
// past events and the open streams; knows nothing of what the events mean.

import type { ServerResponse } from 'node:http';
import type { SupervisorControl } from '../../control/control.ts';
import type { Event } from '../../domain/event.ts';
import type { Clock } from '../../platform/clock.ts';

/** Events kept for replay. */
const RING_SIZE = 1000;
/** And their bytes: results are part of events, and a thousand large ones must not fill the memory. */
const RING_BYTES = 8 * 1024 * 1024;
/** How far a reader may lag before it is disconnected; it reconnects with Last-Event-ID and misses nothing. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
/** Proxies and clients give up on silent streams. */
const KEEP_ALIVE_MS = 15_000;
const IDS_PER_MS = 1000;
const GAP = 'event: stream.gap\ndata: {"because":"events may have been missed; read the state again"}\n\n';

interface Kept {
  readonly id: number;
  readonly frame: string;
  readonly bytes: number;
}

export interface EventStream {
  /** Starts recording events. */
  open(): void;
  /** Sends the events after `lastId` (null: from now on) and then every new one, until either side disconnects. */
  serve(response: ServerResponse, lastId: number | null): void;
  /** Sends the recorded events after `lastId` (null: all) and ends. */
  replay(response: ServerResponse, lastId: number | null): void;
  /** Ends every stream and unsubscribes. */
  close(): void;
}

export function createEventStream(options: {
  readonly control: Pick<SupervisorControl, 'events'>;
  readonly clock: Clock;
}): EventStream {
  const { control, clock } = options;
  const readers = new Set<ServerResponse>();
  const ring: Kept[] = [];
  let ringBytes = 0;
  // Ids keep rising over restarts, so that an id from an earlier process is older than everything here.
  let lastId = clock.now() * IDS_PER_MS;
  const firstId = lastId + 1;
  let unhear: (() => void) | null = null;
  let cancelKeepAlive = () => {};

  function send(response: ServerResponse, text: string): void {
    if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
    else response.write(text);
  }

  function hear(event: Event): void {
    const id = ++lastId;
    const frame = `id: ${id}\nevent: ${event.name}\ndata: ${JSON.stringify(event)}\n\n`;
    const bytes = Buffer.byteLength(frame);
    ring.push({ id, frame, bytes });
    ringBytes += bytes;
    while (ring.length > RING_SIZE || (ringBytes > RING_BYTES && ring.length > 1))
      ringBytes -= ring.shift()?.bytes ?? 0;
    for (const response of [...readers]) send(response, frame);
  }

  function keepAlive(): void {
    cancelKeepAlive = clock.after(KEEP_ALIVE_MS, () => {
      for (const response of [...readers]) send(response, ': keep-alive\n\n');
      keepAlive();
    });
  }

  function resend(response: ServerResponse, after: number): void {
    const oldest = ring[0]?.id ?? lastId + 1;
    // A higher id than the current one is also from an earlier process: the clock was set back since.
    const foreign = after < firstId - 1 || after > lastId;
    if (foreign || after < oldest - 1) response.write(GAP);
    for (const { id, frame } of ring) if (foreign || id > after) response.write(frame);
  }

  function begin(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    });
    response.write(': workgraph-supervisor events\nretry: 2000\n\n');
  }

  return {
    open() {
      if (unhear) return;
      unhear = control.events(hear);
      keepAlive();
    },
    serve(response, after) {
      begin(response);
      if (after !== null) resend(response, after);
      if (unhear === null) return void response.end();
      readers.add(response);
      response.on('close', () => readers.delete(response));
    },
    replay(response, after) {
      begin(response);
      resend(response, after ?? 0);
      response.end();
    },
    close() {
      unhear?.();
      unhear = null;
      cancelKeepAlive();
      for (const response of readers) response.end();
      readers.clear();
    },
  };
}

/** The number in a Last-Event-ID header; null if there is none, or an invalid one. */
export function lastEventId(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^\d{1,16}$/.test(header) ? Number(header) : null;
}
