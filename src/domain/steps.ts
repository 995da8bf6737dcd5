// Long work in short steps, so that others get their turn in between. Pure: who carries it out decides when.

/** Work that pauses at each `yield`, and returns its result. Anything may happen in between. */
export type Steps<T> = Generator<void, T, void>;

/** Carries the work out at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** How many items are sorted, or merged, between two pauses. */
const RUN = 1024;

/** A sorted copy; equal items keep their order. */
export function* sortedSteps<T>(items: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < items.length; from += RUN) {
    runs.push(items.slice(from, from + RUN).sort(compare));
    yield;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2)
      merged.push(yield* merge(runs[i] as T[], runs[i + 1] ?? [], compare));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  const all: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const left = a[i] as T;
    const right = b[j] as T;
    if (compare(left, right) <= 0) {
      all.push(left);
      i++;
    } else {
      all.push(right);
      j++;
    }
    if (all.length % RUN === 0) yield;
  }
  for (; i < a.length; i++) all.push(a[i] as T);
  for (; j < b.length; j++) all.push(b[j] as T);
  return all;
}
