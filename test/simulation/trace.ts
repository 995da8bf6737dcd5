// The moves of the ledger and the words of the agents, in the form that the model of test/model replays.

/** One thing that happened. Times are ms awake. */
export type Word =
  | { readonly kind: 'began'; readonly at: number; readonly by: 'a' | 'b' }
  | {
      readonly kind: 'move';
      readonly at: number;
      readonly by: 'a' | 'b';
      readonly run: string;
      /** The same for all runs of a task, and for no other. */
      readonly task: string;
      readonly fence: number;
      readonly phase: string;
      readonly hasAgent: boolean;
      /** `succeeded`, `failed`, …; null: not known yet. */
      readonly outcome: string | null;
      readonly type: string;
    }
  | {
      readonly kind: 'agent';
      readonly at: number;
      readonly run: string;
      readonly word: 'start' | 'end' | 'fail' | 'killed' | 'shot';
    };

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
