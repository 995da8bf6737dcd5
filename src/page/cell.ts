// A value that changes, and who wants to know. All that the page needs of a store.

/** A value and those who hear of its changes. */
export interface Cell<T> {
  get(): T;
  set(value: T): void;
  /** Calls `hear` after every change; the result ends that. */
  on(hear: () => void): () => void;
}

export function createCell<T>(initial: T): Cell<T> {
  let value = initial;
  const hearers = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const hear of [...hearers]) hear();
    },
    on(hear) {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
  };
}
