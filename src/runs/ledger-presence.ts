// Whether the open ledger is still the file that the next start will find. If the state folder is deleted under a
// running supervisor, it keeps writing to an unlinked file.

import { statSync } from 'node:fs';

/** Called later, returns what happened to the file, or null while it is the same one. */
export function ledgerPresence(file: string): () => string | null {
  const printOf = () => {
    const found = statSync(file, { throwIfNoEntry: false });
    return found === undefined ? null : `${found.dev}:${found.ino}`;
  };
  const before = printOf();
  return () => {
    let now: string | null;
    try {
      now = printOf();
    } catch {
      // A parent folder became inaccessible: as good as gone.
      now = null;
    }
    if (now === before) return null;
    return (
      `the ledger ${file} was ${now === null ? 'removed' : 'replaced'} while the supervisor runs: nothing new is ` +
      'started, running work completes; restart the supervisor, which reattaches to running agents by their folders'
    );
  };
}
