// Chance that a seed repeats: the same numbers in the same order, for ever. Streams of different names do not disturb
// one another, so that one decision more in the scheduler does not change what the agents do.

/** A stream of numbers (sfc32). */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;
  readonly #seed: string;

  constructor(seed: string) {
    this.#seed = seed;
    this.#a = hash(seed, 1);
    this.#b = hash(seed, 2);
    this.#c = hash(seed, 3);
    for (let n = 0; n < 12; n++) this.next();
  }

  /** A stream of its own, the same whatever was drawn here before. */
  fork(name: string): Chance {
    return new Chance(`${this.#seed}/${name}`);
  }

  /** In [0, 1). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return (sum >>> 0) / 4294967296;
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** A whole number in [from, to]. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True with this probability. */
  is(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  /** One of the names, as often as its weight says. */
  weighed<T extends string>(weights: Readonly<Record<T, number>>): T {
    const names = Object.keys(weights) as T[];
    let left = this.next() * names.reduce((sum, name) => sum + weights[name], 0);
    for (const name of names) {
      left -= weights[name];
      if (left < 0) return name;
    }
    return names[names.length - 1] as T;
  }

  /** Exponentially distributed whole ms, at least 1, at most ten times the mean. */
  around(meanMs: number): number {
    return Math.max(1, Math.round(Math.min(-Math.log(1 - this.next()) * meanMs, 10 * meanMs)));
  }
}

/** FNV-1a with a salt, finished as murmur does. */
function hash(text: string, salt: number): number {
  let found = 2166136261 ^ Math.imul(salt, 0x9e3779b1);
  for (let n = 0; n < text.length; n++) found = Math.imul(found ^ text.charCodeAt(n), 16777619);
  found ^= found >>> 16;
  found = Math.imul(found, 0x85ebca6b);
  found ^= found >>> 13;
  return found | 0;
}
