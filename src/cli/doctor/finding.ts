// What a check of `supervisor doctor` found.

/** One finding. `note` harms nothing; `failed` keeps the supervisor, or a part of the work, from running. Public in JSON. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'note' | 'failed';
  /** One sentence, with the next step in it. */
  readonly because: string;
}
