// One sync for all who wait for one: what was written before it began is on the disk when it ends. Callers during a
// sync share the next. A failed sync fails all who shared it. Knows nothing of what is synced.

/** `sync` flushes to the disk what was written so far. */
export function createGroupSync(sync: () => Promise<void>): () => Promise<void> {
  /** Awaited by callers that came before it began. */
  let gathering: Promise<void> | null = null;
  let running: Promise<void> | null = null;

  async function next(after: Promise<void> | null): Promise<void> {
    try {
      await after;
    } catch {
      // Reported to those who shared that one.
    }
    // Callers in the same turn of the event loop share it.
    await new Promise<void>((resolve) => setImmediate(resolve));
    running = gathering;
    gathering = null;
    await sync();
  }

  return () => {
    gathering ??= next(running);
    return gathering;
  };
}
