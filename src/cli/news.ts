// Waiting for something to happen, with and without a running supervisor: its events say when to ask again; without it,
// the files of the graphs and the ledger do. A supervisor that starts or stops meanwhile changes nothing for who waits.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SupervisorClient } from '../api/client/client.ts';
import { SupervisorError } from '../domain/errors.ts';
import { connectOrNull, type View, viewOfClient, viewOfLookout, withLookout } from './connect.ts';
import type { Context } from './context.ts';

/** How often the files are looked at while no supervisor runs, ms. */
const LOOK_MS = 1_000;
/** Asked again after this long even if nothing was heard, ms. */
const QUIET_MS = 30_000;

/** Asks until there is an answer that is not null; null when the signal aborts first. */
export async function askUntil<T>(
  context: Context,
  ask: (view: View) => Promise<T | null>,
  signal: AbortSignal,
): Promise<T | null> {
  while (!signal.aborted) {
    const client = await connectOrNull(context);
    const answer =
      client === null
        ? await askByFiles(context, ask, signal)
        : await askByEvents(context, client, ask, signal);
    if (answer !== null) return answer;
  }
  return null;
}

/** Null when it was aborted, or the supervisor stopped. */
async function askByEvents<T>(
  context: Context,
  client: SupervisorClient,
  ask: (view: View) => Promise<T | null>,
  signal: AbortSignal,
): Promise<T | null> {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener('abort', end, { once: true });
  const news = new Bell();
  const hearing = hear(client, news, ending.signal);
  try {
    // What happens between the asking and the next event must not be missed.
    await news.rung();
    for (;;) {
      news.still();
      if (ending.signal.aborted) return null;
      const answer = await ask(viewOfClient(client, context.cwd));
      if (answer !== null || news.over) return answer;
      const quiet = new AbortController();
      await Promise.race([news.rung(), context.clock.sleep(QUIET_MS, quiet.signal)]);
      quiet.abort();
    }
  } catch (thrown) {
    // It stopped during the request: waiting callers continue with the files.
    if (thrown instanceof SupervisorError && thrown.code === 'not-running') {
      await context.clock.sleep(LOOK_MS, signal);
      return null;
    }
    throw thrown;
  } finally {
    ending.abort();
    signal.removeEventListener('abort', end);
    client.close();
    await hearing;
  }
}

async function hear(client: SupervisorClient, news: Bell, signal: AbortSignal): Promise<void> {
  signal.addEventListener('abort', () => news.ring(), { once: true });
  try {
    for await (const event of client.events({ signal, onOpen: () => news.ring() }))
      if (event.name === 'tick.finished' || event.name.startsWith('run.')) news.ring();
  } catch (thrown) {
    // It broke off: the same as its end.
    if (!(thrown instanceof SupervisorError)) throw thrown;
  } finally {
    news.over = true;
    news.ring();
  }
}

/** Null when it was aborted, or a supervisor is there now. */
async function askByFiles<T>(
  context: Context,
  ask: (view: View) => Promise<T | null>,
  signal: AbortSignal,
): Promise<T | null> {
  const { apiFile, ledgerFile } = await context.paths();
  const before = await stampOf([apiFile]);
  let files: readonly string[] = [];
  let asked: string | null = null;
  while (!signal.aborted) {
    if ((await stampOf([apiFile])) !== before) return null;
    // Before it is asked: what changes from here on is asked about again.
    const stamp = await stampOf(files);
    if (stamp !== asked) {
      const known = files;
      const answer = await withLookout(context, async (lookout) => {
        const graphs = lookout.status().worktrees.flatMap(({ graph }) => (graph === null ? [] : [graph]));
        files = [ledgerFile, `${ledgerFile}-wal`, ...graphs.map((graph) => join(graph, 'graph.jsonl'))];
        return await ask(viewOfLookout(lookout));
      });
      if (answer !== null) return answer;
      // Of files that were not known before it is not known either what they were when they were read.
      asked = files.join() === known.join() ? stamp : null;
    }
    await context.clock.sleep(LOOK_MS, signal);
  }
  return null;
}

/** Changes whenever one of the files does. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    files.map(async (file) => {
      try {
        const { size, mtimeMs, ino } = await stat(file);
        return `${ino} ${size} ${mtimeMs}`;
      } catch {
        // Not there, or not to be seen: that, too, is something to notice when it changes.
        return '-';
      }
    }),
  );
  return stamps.join('\n');
}

/** Events without a listener are combined into one. */
class Bell {
  over = false;
  #rung = false;
  #hear: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#hear?.();
  }

  still(): void {
    this.#rung = false;
  }

  rung(): Promise<void> {
    if (this.#rung) return Promise.resolve();
    return new Promise((resolve) => {
      this.#hear = resolve;
    });
  }
}
