// Sends what an agent prints to the one who gave the job, in pieces that say where they belong. What could not be sent is sent
// with the next one: only the files and what the far side has count.

import { constants } from 'node:fs';
import { join } from 'node:path';
import { OUTPUT_FILES, type OutputName } from '../domain/graph-files.ts';
import { openRegular } from '../platform/regular-file.ts';
import { OUTPUT_MAX_BYTES, PIECE_MAX_BYTES } from '../run/remote-output.ts';
import type { JobLine } from './work-source.ts';

export class OutputRelay {
  readonly #folder: string;
  readonly #line: Pick<JobLine, 'output'>;
  readonly #sent = new Map<OutputName, number>();
  #sending: Promise<void> = Promise.resolve();

  constructor(folder: string, line: Pick<JobLine, 'output'>) {
    this.#folder = folder;
    this.#line = line;
  }

  /** Sends what is new. Rejects never; what was not taken is tried again the next time. */
  flush(): Promise<void> {
    this.#sending = this.#sending.then(() => this.#flush());
    return this.#sending;
  }

  async #flush(): Promise<void> {
    for (const file of OUTPUT_FILES) {
      for (;;) {
        const offset = this.#sent.get(file) ?? 0;
        if (offset >= OUTPUT_MAX_BYTES) break;
        const bytes = await this.#read(file, offset);
        if (bytes === null || bytes.length === 0) break;
        const size = await this.#line.output({ file, offset, bytes });
        // No one took it, or the far side has less than we thought (another supervisor's disk): the next flush.
        if (size === null) return;
        this.#sent.set(file, size);
        if (size <= offset) return;
      }
    }
  }

  async #read(file: OutputName, offset: number): Promise<Uint8Array | null> {
    try {
      const handle = await openRegular(join(this.#folder, file), constants.O_RDONLY);
      if (handle === null) return null;
      try {
        const { buffer, bytesRead } = await handle.read(
          Buffer.alloc(PIECE_MAX_BYTES),
          0,
          PIECE_MAX_BYTES,
          offset,
        );
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    } catch {
      // The agent put something else in its place: there is nothing to send.
      return null;
    }
  }
}
