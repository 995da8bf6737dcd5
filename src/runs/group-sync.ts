// One sync for everybody who waits for one: what was written before it began is on the disk when it ends. Whoever comes
// while one is under way gets the next. A sync that fails fails all who shared it. Knows nothing of what is synced.

/** Over something that writes to the disk what was handed to the system so far. */
export function createGroupSync(sync: () => Promise<void>): () => Promise<void> {
  /** Waited for by those who came before it began. */
  let gathering: Promise<void> | null = null;
  let running: Promise<void> | null = null;

  async function next(after: Promise<void> | null): Promise<void> {
    try {
      await after;
    } catch {
      // Told to those who shared that one.
    }
    // Whoever is served in the same turn of the event loop goes along.
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
