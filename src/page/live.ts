// What is shown, kept fresh: answers by their address, asked for again when an event says that something changed, and not
// at all while the page is hidden. Says how old everything is and since when the supervisor is gone.

import { type Api, Refusal } from './api.ts';
import { after, now, ownPrint } from './browser.ts';
import { type Cell, createCell } from './cell.ts';
import { readEvents, type ServerEvent } from './events.ts';

/** How the page stands to the supervisor. */
export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** The page is hidden: it asks for nothing. */
  | { readonly kind: 'asleep'; readonly since: number }
  | { readonly kind: 'gone'; readonly since: number }
  /** The session has ended. */
  | { readonly kind: 'over'; readonly because: string };

/** One answer, as it came last. */
export interface Answer<T> {
  readonly data: T | null;
  /** When it came, ms; 0: never. */
  readonly at: number;
  readonly refusal: Refusal | null;
}

const NOTHING: Answer<never> = { data: null, at: 0, refusal: null };

interface Entry {
  readonly path: string;
  readonly cell: Cell<Answer<unknown>>;
  users: number;
  isDirty: boolean;
  isAsking: boolean;
  /** How long the last answer took, ms. */
  tookMs: number;
  cancel: () => void;
}

/** Answers come no faster than this, ms; slow ones more rarely still. */
const PACE_MS = 700;
const SLOWNESS = 8;
/** Without any byte for so long, the stream is taken for dead, ms; signs of life come every 15 s. */
const SILENCE_MS = 40_000;
const RETRY_MS = [500, 1000, 2000, 3000];
/** Ticks say little: something may have become due. */
const TICK_MS = 8000;
const FORGET_AFTER_MS = 60_000;

export interface Live {
  readonly link: Cell<Link>;
  /** The last events, newest last, for what follows a run. */
  onEvent(hear: (event: ServerEvent) => void): () => void;
  /** The answer of an address. `use` while it is shown; the result ends that. */
  answer<T>(path: string): Cell<Answer<T>>;
  use(path: string): () => void;
  /** Everything may have changed, for instance by what was just done. */
  touch(): void;
  start(): void;
  /** The supervisor serves another build of the page than this. */
  readonly isNewer: Cell<boolean>;
  /** The page was hidden, or shown again. */
  sleep(isHidden: boolean): void;
}

export function createLive(api: Api): Live {
  const link = createCell<Link>({ kind: 'connecting' });
  const isNewer = createCell(false);
  const entries = new Map<string, Entry>();
  const hearers = new Set<(event: ServerEvent) => void>();
  let isHidden = false;
  let lastId = '';
  let tries = 0;
  let stream: AbortController | null = null;
  let cancelRetry = () => {};
  let ticked = 0;

  function entryOf(path: string): Entry {
    const known = entries.get(path);
    if (known) return known;
    const entry: Entry = {
      path,
      cell: createCell<Answer<unknown>>(NOTHING),
      users: 0,
      isDirty: true,
      isAsking: false,
      tookMs: 0,
      cancel: () => {},
    };
    entries.set(path, entry);
    return entry;
  }

  function fail(refusal: Refusal): void {
    if (!refusal.isSession) return;
    link.set({ kind: 'over', because: refusal.message });
    stop();
  }

  async function ask(entry: Entry): Promise<void> {
    if (entry.isAsking || isHidden || link.get().kind === 'over') return;
    entry.cancel();
    entry.isAsking = true;
    entry.isDirty = false;
    const begunAt = now();
    try {
      const data = await api.get<unknown>(entry.path);
      entry.tookMs = now() - begunAt;
      entry.cell.set({ data, at: now(), refusal: null });
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      // What was seen last stays, and its age is said.
      const { data, at } = entry.cell.get();
      entry.cell.set({ data, at, refusal: thrown });
      fail(thrown);
      entry.isDirty = thrown.status === 0;
    } finally {
      entry.isAsking = false;
    }
    if (entry.isDirty && entry.users > 0) soon(entry);
  }

  function soon(entry: Entry): void {
    if (entry.isAsking || isHidden) return;
    const due = entry.cell.get().at + Math.max(PACE_MS, entry.tookMs * SLOWNESS);
    entry.cancel();
    entry.cancel = after(Math.max(0, due - now()), () => void ask(entry));
  }

  function touch(): void {
    for (const entry of entries.values()) {
      entry.isDirty = true;
      if (entry.users > 0) soon(entry);
    }
  }

  function take(event: ServerEvent): void {
    if (event.id !== '') lastId = event.id;
    for (const hear of [...hearers]) hear(event);
    // From now on its port may be another program's at any moment, also before the stream is seen to end.
    if (event.name === 'supervisor.stopped') {
      api.lock();
      return;
    }
    if (event.name === 'run.progress') return;
    if (event.name === 'tick.finished' && now() - ticked < TICK_MS) return;
    ticked = now();
    touch();
  }

  async function follow(): Promise<void> {
    if (stream || isHidden || link.get().kind === 'over') return;
    const mine = new AbortController();
    stream = mine;
    let cancelWatch = () => {};
    const watch = () => {
      cancelWatch();
      cancelWatch = after(SILENCE_MS, () => mine.abort());
    };
    try {
      watch();
      const print = await api.unlock();
      if (print !== null && print !== ownPrint()) isNewer.set(true);
      const known: Record<string, string> = lastId === '' ? {} : { 'last-event-id': lastId };
      const response = await api.stream('/api/events', known, mine.signal);
      tries = 0;
      link.set({ kind: 'live' });
      touch();
      for await (const event of readEvents(response, watch)) take(event);
    } catch (thrown) {
      if (thrown instanceof Refusal) fail(thrown);
    } finally {
      cancelWatch();
      if (stream === mine) stream = null;
    }
    const { kind } = link.get();
    if (kind === 'over' || isHidden) return;
    api.lock();
    if (kind !== 'gone') link.set({ kind: 'gone', since: now() });
    const wait = RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)] ?? 3000;
    cancelRetry = after(wait, () => void follow());
  }

  function stop(): void {
    cancelRetry();
    stream?.abort();
    stream = null;
    for (const entry of entries.values()) entry.cancel();
  }

  return {
    link,
    isNewer,
    onEvent(hear) {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
    answer: <T>(path: string) => entryOf(path).cell as unknown as Cell<Answer<T>>,
    use(path) {
      const entry = entryOf(path);
      entry.users++;
      if (entry.isDirty) void ask(entry);
      return () => {
        if (--entry.users > 0) return;
        entry.cancel();
        // Going back at once shows what was there; later it would be a lie, and it takes memory.
        entry.isDirty = true;
        after(FORGET_AFTER_MS, () => entry.users === 0 && entries.delete(path));
      };
    },
    touch,
    start: () => void follow(),
    sleep(hidden) {
      if (hidden === isHidden) return;
      isHidden = hidden;
      if (link.get().kind === 'over') return;
      if (hidden) {
        stop();
        api.lock();
        link.set({ kind: 'asleep', since: now() });
      } else {
        link.set({ kind: 'connecting' });
        touch();
        void follow();
      }
    },
  };
}
