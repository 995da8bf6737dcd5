// Limits a run's output to its profile's `max_output`: the beginning and the end are kept, one line in between says
// how much was omitted. The agent writes directly to its files, so that it does not depend on the supervisor. While
// it runs, the middle of a file is punched out as a hole; nothing moves, so nothing being written is lost. Afterwards
// the file is rewritten without the hole. Systems without holes only get the rewrite.

import { constants } from 'node:fs';
import { type FileHandle, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../../domain/errors.ts';
import type { Outcome } from '../../../domain/outcome.ts';
import type { Profile } from '../../../domain/profile.ts';
import { openRegular } from '../../../platform/regular-file.ts';
import type { Executor } from '../../executor.ts';
import type { Poller } from '../lifecycle/poller.ts';

/** The files agents write to: the cap applies to each. */
const FILES = ['output.log', 'raw_stream.jsonl'] as const;
/** How far to search for a line end, so that the kept end begins with a whole line. */
const LINE_BYTES = 64 * 1024;
const CHUNK_BYTES = 1024 * 1024;

/** The same executor, with the output of its runs limited by their profiles. */
export function withOutputCap(executor: Executor, { poller }: { readonly poller: Poller }): Executor {
  return {
    ...executor,
    async attend(assignment, handle, control) {
      const maxBytes = capOf(assignment.profile);
      if (maxBytes === 0) return await executor.attend(assignment, handle, control);
      const files = FILES.map((name) => join(assignment.folder, name));
      let isPunching = true;
      let trimming = Promise.resolve();
      const each = async (act: (file: string) => Promise<void>) => {
        try {
          for (const file of files) await act(file);
        } catch (thrown) {
          // Too much output is no reason to fail the work.
          isPunching = false;
          control.progress(`its output could not be cut down yet: ${messageOf(thrown)}`);
        }
      };
      const leave = poller.add(() => {
        if (isPunching) trimming = each((file) => punch(file, maxBytes));
        return trimming;
      });
      let outcome: Outcome;
      try {
        outcome = await executor.attend(assignment, handle, control);
      } finally {
        leave();
        await trimming;
      }
      // A detached agent keeps writing.
      if (outcome.kind !== 'stopped' || outcome.reason !== 'detached')
        await each((file) => rewrite(file, maxBytes));
      return outcome;
    },
  };
}

function capOf(profile: Profile): number {
  return 'maxOutputBytes' in profile ? profile.maxOutputBytes : 0;
}

/** The omitted part of a file. */
interface Cut {
  readonly from: number;
  readonly to: number;
}

/**
 * Where a file is cut follows from its size alone, so that nothing needs to be stored: each cut contains the earlier
 * ones. A quarter stays at the beginning and half at the end, with room to grow until the next cut.
 */
async function cutOf(file: FileHandle, size: number, maxBytes: number): Promise<Cut> {
  const tail = size - Math.floor(maxBytes / 2);
  const bytes = await bytesAt(file, tail, Math.min(LINE_BYTES, Math.floor(maxBytes / 4)));
  return { from: Math.floor(maxBytes / 4), to: tail + bytes.indexOf(10) + 1 };
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** Also ends the line that was cut. Of constant length, as it is rewritten in place. */
function lineFor(path: string, { from, to }: Cut): Buffer {
  const bytes = String(to - from).padStart(16);
  return Buffer.from(
    path.endsWith('.jsonl')
      ? `\n{"type":"supervisor","dropped_bytes":${bytes}}\n`
      : `\n[supervisor: ${bytes} bytes of output were left out here]\n`,
  );
}

/** Punches out the middle of a growing file. If killed half-way, the next call repeats it. */
async function punch(path: string, maxBytes: number): Promise<void> {
  const file = await openRegular(path, constants.O_RDWR);
  if (file === null) return;
  try {
    const { size, blocks } = await file.stat();
    if (Math.min(size, blocks * 512) <= maxBytes) return;
    const cut = await cutOf(file, size, maxBytes);
    const line = lineFor(path, cut);
    await file.write(line, 0, line.length, cut.from);
    // Line readers see the hole as a line of its own.
    await file.write('\n', cut.to - 1);
    const begin = cut.from + line.length;
    // By descriptor: the agent may replace the path.
    await execa(
      'fallocate',
      ['-p', '-o', String(begin), '-l', String(cut.to - 1 - begin), '/proc/self/fd/0'],
      // execa's types know the three standard descriptors only; it passes on any other just as well.
      { stdin: file.fd as 0, stdout: 'ignore', stderr: 'ignore' },
    );
  } finally {
    await file.close();
  }
}

/** Rewrites a file with no remaining writer, without its middle: whole or not at all. */
async function rewrite(path: string, maxBytes: number): Promise<void> {
  const file = await openRegular(path, constants.O_RDONLY);
  if (file === null) return;
  const draft = `${path}.tmp`;
  try {
    const { size } = await file.stat();
    if (size <= maxBytes) return;
    const cut = await cutOf(file, size, maxBytes);
    await rm(draft, { force: true });
    const out = await openRegular(
      draft,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
      {},
      0o600,
    );
    if (out === null) return;
    try {
      await copy(file, 0, cut.from, out);
      await out.writeFile(lineFor(path, cut));
      await copy(file, cut.to, size, out);
      await out.datasync();
    } finally {
      await out.close();
    }
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true });
    throw thrown;
  } finally {
    await file.close();
  }
}

async function copy(from: FileHandle, begin: number, end: number, to: FileHandle): Promise<void> {
  for (let position = begin; position < end; ) {
    const bytes = await bytesAt(from, position, Math.min(CHUNK_BYTES, end - position));
    if (bytes.length === 0) return;
    await to.writeFile(bytes);
    position += bytes.length;
  }
}
