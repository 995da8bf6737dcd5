// The moves of the ledger and the words of the agents, in the form that the model of test/model replays.

/** A move as the ledger committed it. */
export interface Moved {
  readonly run: string;
  readonly graph: string;
  readonly task: string;
  readonly fence: number;
  readonly phase: string;
  readonly agent: string;
  readonly type: string;
  readonly outcome: string | null;
}
