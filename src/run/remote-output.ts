// Output of a run that works elsewhere, put into the run's own folder as it arrives. Each piece says where it belongs, so
// that one that comes twice, or after a restart of either side, changes nothing.

import { constants } from 'node:fs';
import { join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { PieceOfOutput } from '../executors/executor.ts';
import { openRegular } from '../platform/regular-file.ts';

/** The most of one piece, bytes. */
export const PIECE_MAX_BYTES = 256 * 1024;
/** The most that is kept of each file; what comes after it is counted and not kept. */
export const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Adds a piece. Gives how much of the file is here now, bytes: where the next piece is to begin. A piece that leaves a
 * gap is not taken. Throws `graph` where something else lies in the file's place.
 */
export async function addOutput(folder: string, { file, offset, bytes }: PieceOfOutput): Promise<number> {
  const path = join(folder, file);
  const handle = await openRegular(path, constants.O_RDWR | constants.O_CREAT, {}, 0o600);
  if (handle === null)
    throw new SupervisorError('graph', `the folder ${folder} of this run is gone`, {
      hint: 'continue without sending output',
    });
  try {
    const { size } = await handle.stat();
    // What is beyond the limit counts as received: it need not be sent again.
    if (size >= OUTPUT_MAX_BYTES) return Math.max(size, offset + bytes.length);
    const known = size - offset;
    if (known < 0 || known >= bytes.length) return size;
    const fresh = bytes.subarray(known, known + OUTPUT_MAX_BYTES - size);
    await handle.write(fresh, 0, fresh.length, size);
    return size + fresh.length;
  } finally {
    await handle.close();
  }
}
