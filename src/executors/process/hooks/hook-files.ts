// The files that the hooks of a run leave in its folder: what each printed, and a record of whether it began and ended.

import { join } from 'node:path';
import { RUN_FILE_MAX_BYTES } from '../../../domain/graph-files.ts';
import { readText } from '../../../platform/regular-file.ts';

export const HOOKS = ['before_run', 'after_run'] as const;
export type HookName = (typeof HOOKS)[number];

/** The longest that a hook may take, ms. */
export const HOOK_LIMIT_MS = 60_000;

/** What is known of a hook of a run. `none`: it never began. `begun`: it began, and its end was not written. */
export type HookState = 'none' | 'begun' | 'ended';

/** Where the output of a run's hook is kept. */
export function hookLog(folder: string, name: HookName): string {
  return join(folder, `${name}.log`);
}

/** Where it stands when it began and ended. */
export function hookRecord(folder: string, name: HookName): string {
  return join(folder, `${name}.json`);
}

/** What the folder of a run says about its hook. Never rejects. */
export async function hookState(folder: string | null, name: HookName): Promise<HookState> {
  if (folder === null) return 'none';
  try {
    const text = await readText(hookRecord(folder, name), { maxBytes: RUN_FILE_MAX_BYTES });
    if (text === null) return 'none';
    return /"ended_at":\s*\d/.test(text) ? 'ended' : 'begun';
  } catch {
    // Torn, or replaced by what is no file: that it began is all there is to be seen.
    return 'begun';
  }
}
