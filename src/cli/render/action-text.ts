// What a person had done, in words.

import type { ActionTaken } from '../../domain/action.ts';

/** `retry build`, `pause everything: lunch`. */
export function actionText({
  action,
  task,
  target,
  detail,
}: Omit<ActionTaken, 'actor' | 'worktree'>): string {
  const about = task ?? target ?? 'everything';
  return `${action} ${about}${detail === '' ? '' : `: ${detail}`}`;
}
