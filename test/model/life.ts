// A trace of the program as a sequence of the model's actions. The sources are what the ledger committed and what the
// agents' own journal says, merged by time: one trace is the life of one task.

/** One thing that happened. Both sources give these; a simulation can, too. Times are ms. */
export type Word =
  /** A supervisor with this ledger began: the one before it is dead. */
  | { readonly kind: 'began'; readonly at: number; readonly by: 'a' | 'b' }
  | {
      readonly kind: 'move';
      readonly at: number;
      readonly by: 'a' | 'b';
      readonly run: string;
      /** The same for all runs of a task, and for no other. */
      readonly task: string;
      readonly fence: number;
      /** The phase that the ledger has now. */
      readonly phase: string;
      readonly hasAgent: boolean;
      /** `succeeded`, `failed`, …; null: not known yet. */
      readonly outcome: string | null;
      /** The type of its executor. */
      readonly type: string;
    }
  | {
      readonly kind: 'agent';
      readonly at: number;
      readonly run: string;
      readonly word: 'start' | 'end' | 'fail' | 'killed' | 'shot';
    };

/** The life of one task as actions of life.qnt. */
export interface Life {
  readonly task: string;
  readonly steps: readonly string[];
}

/** Splits what happened into lives. Words of agents whose run no ledger knows are an error. */
export function livesOf(words: readonly Word[]): Life[] {
  const tasks = new Map<string, string>();
  for (const word of words) if (word.kind === 'move') tasks.set(word.run, word.task);
  const lives = new Map<string, ReturnType<typeof createLife>>();
  for (const word of [...words].sort((one, other) => one.at - other.at)) {
    if (word.kind === 'began') {
      for (const life of lives.values()) life.began(word.by);
      continue;
    }
    const task = tasks.get(word.run);
    if (task === undefined) throw new Error(`no ledger knows ${word.run}, which an agent names`);
    const life = lives.get(task) ?? createLife();
    lives.set(task, life);
    life.hear(word);
  }
  return [...lives].map(([task, life]) => ({ task, steps: life.steps }));
}

type Move = Extract<Word, { kind: 'move' }>;

const OVER = new Set(['settled', 'abandoned', 'interrupted', 'superseded', 'overruled']);

function createLife() {
  const steps: string[] = [];
  /** The number of each run, as the model counts them. */
  const numbers = new Map<string, number>();
  /** Where each run is, by its last move. */
  const moves = new Map<string, Move>();
  const working = new Set<string>();
  /** Runs of workers whose lease ran out while they worked. */
  const stale = new Set<string>();

  const moved = (move: Move, r: number): string | null => {
    const before = moves.get(move.run);
    moves.set(move.run, move);
    switch (move.phase) {
      case 'opened':
        if (before === undefined) return `open(${r}, "${move.by}", ${move.fence})`;
        return move.hasAgent && !before.hasAgent ? `note(${r})` : null;
      case 'claimed':
        return `claim(${r})`;
      case 'started':
        return `start(${r})`;
      case 'handed-off':
        return `handOff(${r})`;
      case 'finished':
        return `finish(${r}, ${move.outcome === 'succeeded'})`;
      case 'settled':
        // The ledger closes what it had not recorded as finished, when the graph says so already.
        return before?.phase === 'finished' ? `settle(${r})` : `overrule(${r})`;
      case 'abandoned':
        return `abandon(${r})`;
      case 'interrupted':
        if (move.type !== 'external' || !working.has(move.run)) return `release(${r})`;
        stale.add(move.run);
        return `expire(${r})`;
      default:
        return `overrule(${r})`;
    }
  };

  const said = ({ run, word }: Extract<Word, { kind: 'agent' }>, r: number): string => {
    if (word === 'start') {
      working.add(run);
      return `begin(${r})`;
    }
    working.delete(run);
    if (word === 'end') return stale.has(run) ? `late(${r})` : `succeed(${r})`;
    return word === 'fail' ? `break(${r})` : word === 'shot' ? `shoot(${r})` : `stop(${r})`;
  };

  return {
    steps,
    /** A kill and a start change something only where a run is open. */
    began(by: string) {
      const isOpen = [...moves.values()].some((move) => move.by === by && !OVER.has(move.phase));
      if (isOpen && steps.at(-1) !== `adopt("${by}")`) steps.push(`crash("${by}")`, `adopt("${by}")`);
    },
    hear(word: Exclude<Word, { kind: 'began' }>) {
      const r = numbers.get(word.run) ?? numbers.size + 1;
      numbers.set(word.run, r);
      const step = word.kind === 'move' ? moved(word, r) : said(word, r);
      if (step !== null) steps.push(step);
    },
  };
}
