// What an agent says of its work without being asked, whatever protocol it says it in.

/** One word of an agent about its run. */
export type AgentUpdate =
  /** It works; `message` where it said more than that. */
  | { readonly kind: 'working'; readonly message: string | null }
  /** A part of its result, before it is done. `more`: it goes on where the last part of this name ended. */
  | { readonly kind: 'part'; readonly name: string; readonly more: boolean; readonly part: unknown }
  /** It waits for a person. `name`: two questions with the same one are one. */
  | { readonly kind: 'asks'; readonly question: string; readonly name: string }
  /** It is done. `result` null: what it said in parts is the result. */
  | { readonly kind: 'completed'; readonly summary: string | null; readonly result: unknown }
  | { readonly kind: 'failed'; readonly message: string; readonly retryable: boolean };
