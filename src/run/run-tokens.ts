// The tokens with which whoever works on a run reports back. They follow from the run, so that a supervisor that was
// started anew says the same ones again; the ledger has their hashes.

import type { Run } from '../domain/run.ts';
import { tokenHash } from '../platform/identity.ts';
import type { RunnerParts } from './run-services.ts';

type Parts = Pick<RunnerParts, 'tokens' | 'ledger'>;

/**
 * The token of a run that an earlier supervisor began: the one that the far side knows, or a further one where the key
 * was lost. Null for a process of ours, which has it in its environment.
 */
export function tokenAgain({ tokens, ledger }: Parts, run: Run): string | null {
  if (run.type !== 'http') return null;
  const token = tokens.of('wgl_', run.id);
  ledger.addToken(run.id, tokenHash(token));
  return token;
}

/** The token of the pre-signed URL of work that goes elsewhere; null for a process of ours. */
export function signedTokenOf({ tokens, ledger }: Parts, run: Run): string | null {
  if (run.type !== 'http' && run.type !== 'external') return null;
  const token = tokens.of('wgc_', run.id);
  ledger.addToken(run.id, tokenHash(token));
  return token;
}
