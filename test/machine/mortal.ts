// A supervisor that can be killed inside this process: from one moment on nothing of it reaches the disk any more.

import type { PartWrappers } from '../../src/compose/base.ts';
import type { GraphStore } from '../../src/graph/store.ts';
import type { Ledger } from '../../src/runs/ledger.ts';

export interface Mortal {
  readonly isDead: boolean;
  kill(): void;
  readonly wrap: PartWrappers;
}

/** What a dead one may still do of its ledger: it is read and closed. */
const HARMLESS: ReadonlySet<PropertyKey> = new Set<keyof Ledger>([
  'close',
  'countedAttempts',
  'latestRun',
  'lease',
  'meta',
  'openRuns',
  'pauses',
  'refusal',
  'results',
  'run',
  'runOfToken',
  'runs',
  'runsSinceReset',
  'scheduleMemory',
  'session',
]);

export function createMortal(): Mortal {
  let isDead = false;
  const deaths = new Set<() => void>();
  const refuse = (): never => {
    throw new Error('killed');
  };
  return {
    get isDead() {
      return isDead;
    },
    kill() {
      isDead = true;
      for (const dies of [...deaths]) dies();
    },
    wrap: {
      ledger: (ledger) =>
        new Proxy(ledger, {
          get(target, name, receiver) {
            if (isDead && typeof target[name as keyof Ledger] === 'function' && !HARMLESS.has(name))
              return refuse;
            return Reflect.get(target, name, receiver);
          },
        }),
      store: (store): GraphStore => {
        const change: GraphStore['change'] = async (edit, options) => {
          let dies = () => {};
          const death = new Promise<never>((_, reject) => {
            dies = () => reject(new Error('killed'));
            deaths.add(dies);
          });
          const changed = store.change((draft) => (isDead ? refuse() : edit(draft)), options);
          // The loser of the race is not awaited.
          changed.catch(() => {});
          try {
            return await Promise.race([changed, death]);
          } finally {
            deaths.delete(dies);
          }
        };
        return { ...store, change };
      },
    },
  };
}
