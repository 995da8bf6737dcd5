// An agent's unsolicited report about its work, independent of the protocol.

/** One report of an agent about its run. */
export type AgentUpdate =
  /** It is working; `message` if it said more. */
  | { readonly kind: 'working'; readonly message: string | null }
  /** A part of its result, before it is done. `more`: it continues the last part of this name. */
  | { readonly kind: 'part'; readonly name: string; readonly more: boolean; readonly part: unknown }
  /** It waits for a person. `name`: two questions with the same name are one. */
  | { readonly kind: 'asks'; readonly question: string; readonly name: string }
  /** It is done. `result` null: the reported parts are the result. */
  | { readonly kind: 'completed'; readonly summary: string | null; readonly result: unknown }
  | { readonly kind: 'failed'; readonly message: string; readonly retryable: boolean };
