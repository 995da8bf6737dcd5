// What a supervisor continues that an earlier program of its process began, and what it says where it cannot have a
// successor itself.

import { readApiFile } from '../api/api-file.ts';
import type { Paths } from '../config/paths.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { Identity } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { ComposeOptions } from './base.ts';

/** Agents that an earlier supervisor of this process started are its children, and end as such. */
export function agentsToReap({ inherited }: ComposeOptions, ledger: Ledger): () => void {
  const pids = new Set(
    inherited ? ledger.openRuns().flatMap(({ process: agent }) => (agent ? [agent.pid] : [])) : [],
  );
  return () => {
    for (const pid of pids) if (!inherited?.reap(pid)) pids.delete(pid);
  };
}

/** For a supervisor that cannot have a successor take over. */
export async function cannotRestart(): Promise<void> {
  throw new SupervisorError('failed', 'this supervisor cannot have a successor take over', {
    hint: 'stop it and start it again; agents run on',
    details: { code: 'no-successor' },
  });
}

/** A successor continues with the token that callers have read in api.json. */
export async function operatorToken(
  { inherited }: ComposeOptions,
  paths: Paths,
  identity: Identity,
): Promise<string> {
  const known = inherited ? await readApiFile(paths.apiFile) : null;
  return known?.pid === process.pid ? known.token : identity.token('wgt_');
}
