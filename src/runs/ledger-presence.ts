// Whether the ledger that is being written still is the file that the next start will find. Somebody who deletes the
// state folder under a running supervisor leaves it writing into a file without a name.

import { statSync } from 'node:fs';

/** Asked later, says what happened to the file, or null while it is the one that it was. */
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
      // A folder on the way to it that may not be entered any more: as good as gone.
      now = null;
    }
    if (now === before) return null;
    return (
      `the ledger ${file} was ${now === null ? 'removed' : 'replaced'} while the supervisor runs: nothing new is ` +
      'started, what runs is brought to its end; restart the supervisor, which takes up what still runs from its folders'
    );
  };
}
