// The text of a configuration file, or why it cannot be had. Knows nothing of what stands in it.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import { readTextNow } from '../platform/regular-file.ts';

/** Text of a configuration file, or null when there is none. Throws SupervisorError `config` when it cannot be read. */
export function readConfigText(file: string): string | null {
  try {
    return readTextNow(file, GRAPH_FILES.config);
  } catch (thrown) {
    if (thrown instanceof SupervisorError)
      throw new SupervisorError('config', thrown.message, {
        hint: 'put a configuration file there, or nothing',
      });
    throw new SupervisorError('config', `${file} cannot be read: ${messageOf(thrown)}`, {
      hint: 'make it readable for the user who runs the supervisor',
      cause: thrown,
    });
  }
}

/** `file:line: sentence`, as all problems of a configuration begin. */
export function problemText(file: string, line: number | null, sentence: string): string {
  return `${line === null ? file : `${file}:${line}`}: ${sentence}`;
}

/** A file that was named with `--config` or SUPERVISOR_CONFIG and is not there. */
export function missingConfig(file: string): SupervisorError {
  return new SupervisorError('config', `${file} does not exist`, {
    hint: 'correct --config or SUPERVISOR_CONFIG, or write one with `supervisor config example`',
  });
}
