// The test command always ends. A suite that left something open has failed by then; what it holds open and
// no one can close, such as a worker thread, does not keep the run from ending.

import process from 'node:process';

export default function endWithoutWaiting({ watch, watchAll }) {
  if (!watch && !watchAll) setTimeout(() => process.exit(), 5000).unref();
}
