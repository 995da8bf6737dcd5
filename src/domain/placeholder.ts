// The `{{…}}` placeholders that profiles may use. Configuration checks them, executors fill them in.

/** Every known placeholder. An unknown one is a configuration error. */
export const PLACEHOLDERS = [
  'task.id',
  'task.title',
  'task.description',
  'task.tags',
  'task.category',
  'worktree.path',
  'worktree.branch',
  'worktree.head',
  'repo.name',
  'repo.path',
  'run.id',
  'run.attempt',
  'run.fence',
  'run.agent',
  'prompt.file',
  'callback.complete_url',
  'callback.a2a_url',
  'callback.token',
] as const;

export type Placeholder = (typeof PLACEHOLDERS)[number];

const PATTERN = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** The names between `{{` and `}}` in a text, in order, known or not. */
export function placeholdersIn(text: string): string[] {
  return [...text.matchAll(PATTERN)].map((match) => match[1] ?? '');
}

/** The text with every placeholder replaced by `value(name)`. */
export function fillPlaceholders(text: string, value: (name: Placeholder) => string): string {
  return text.replace(PATTERN, (_whole, name: string) => value(name as Placeholder));
}
