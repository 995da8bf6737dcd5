// The text of a configuration file, or why it cannot be had. Knows nothing of what stands in it.

import { readFileSync, statSync } from 'node:fs';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';

/** A configuration larger than this is a mistake, bytes. */
const LARGEST_FILE = 4 * 1024 * 1024;

/** Text of a configuration file, or null when there is none. Throws SupervisorError `config` when it cannot be read. */
export function readConfigText(file: string): string | null {
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    if (!stat.isFile()) throw new SupervisorError('config', `${file} is not a file`);
    if (stat.size > LARGEST_FILE)
      throw new SupervisorError('config', `${file} is larger than ${LARGEST_FILE} bytes`);
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof SupervisorError) throw thrown;
    if (systemCode(thrown) === 'ENOENT') return null;
    throw new SupervisorError('config', `${file} cannot be read: ${messageOf(thrown)}`, {
      hint: 'make it readable for the user who runs the supervisor',
      cause: thrown,
    });
  }
}

/** A file that was named with `--config` and is not there. */
export function missingConfig(file: string): SupervisorError {
  return new SupervisorError('config', `${file} does not exist`, {
    hint: 'correct --config, or write one with `supervisor config example`',
  });
}
