// Which repositories a person has trusted, by their common git dir, and which worktree configurations, by content: a
// changed file must be trusted again. Does not interpret such files.

import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';

export interface Trust {
  /** Whether exactly this text of this file was trusted. An unreadable record trusts nothing. */
  isTrusted(configFile: string, text: string): boolean;
  /** Trusts this text of this file, replacing any earlier one. */
  trust(configFile: string, text: string): void;
  /** Revokes it; returns whether there was anything to revoke. */
  untrust(configFile: string): boolean;
  /** Whether the tasks of the repository with this common git dir may choose what runs. */
  isTrustedRepository(commonDir: string): boolean;
  /** Trusts that repository. */
  trustRepository(commonDir: string): void;
  /** Revokes it; returns whether there was anything to revoke. */
  untrustRepository(commonDir: string): boolean;
}

/** The record's shape: file → SHA-256 of the trusted text, hex; common git dirs of trusted repositories. */
interface TrustRecord {
  readonly version: 1;
  readonly files: Readonly<Record<string, string>>;
  readonly repositories?: readonly string[];
}

interface Allowed {
  readonly files: Map<string, string>;
  readonly repositories: Set<string>;
}

/** Trust kept in a JSON file (0600). Read again each time: another process may have written it. */
export function createTrust(file: string): Trust {
  return {
    isTrusted(configFile, text) {
      try {
        return read(file).files.get(configFile) === sha256(text);
      } catch {
        // An unreadable record must not grant anything; `trust` reports what is wrong with it.
        return false;
      }
    },
    trust(configFile, text) {
      const allowed = read(file);
      allowed.files.set(configFile, sha256(text));
      write(file, allowed);
    },
    untrust(configFile) {
      const allowed = read(file);
      const known = allowed.files.delete(configFile);
      if (known) write(file, allowed);
      return known;
    },
    isTrustedRepository(commonDir) {
      try {
        return read(file).repositories.has(commonDir);
      } catch {
        // As above.
        return false;
      }
    },
    trustRepository(commonDir) {
      const allowed = read(file);
      allowed.repositories.add(commonDir);
      write(file, allowed);
    },
    untrustRepository(commonDir) {
      const allowed = read(file);
      const known = allowed.repositories.delete(commonDir);
      if (known) write(file, allowed);
      return known;
    },
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function read(file: string): Allowed {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return { files: new Map(), repositories: new Set() };
    throw unusable(file, messageOf(thrown), thrown);
  }
  try {
    const record: unknown = JSON.parse(text);
    if (isRecord(record))
      return { files: new Map(Object.entries(record.files)), repositories: new Set(record.repositories) };
  } catch (thrown) {
    throw unusable(file, 'it is no valid JSON', thrown);
  }
  throw unusable(file, 'it is no trust record', undefined);
}

function isRecord(value: unknown): value is TrustRecord {
  if (typeof value !== 'object' || value === null || !('version' in value) || value.version !== 1)
    return false;
  if (!('files' in value) || typeof value.files !== 'object' || value.files === null) return false;
  if (!Object.values(value.files).every((hash) => typeof hash === 'string')) return false;
  if (!('repositories' in value)) return true;
  const { repositories } = value;
  return Array.isArray(repositories) && repositories.every((path) => typeof path === 'string');
}

function unusable(file: string, why: string, cause: unknown): SupervisorError {
  return new SupervisorError('config', `the trust record ${file} cannot be used: ${why}`, {
    hint: 'move it away and run `supervisor trust` again',
    cause,
  });
}

/** Replaces the record atomically: readers see the old or the new one. */
function write(file: string, { files, repositories }: Allowed): void {
  const record: TrustRecord = {
    version: 1,
    files: Object.fromEntries([...files].sort()),
    repositories: [...repositories].sort(),
  };
  const temporary = `${file}.${process.pid}.tmp`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, `${JSON.stringify(record, null, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw unusable(file, `it cannot be written: ${messageOf(thrown)}`, thrown);
  }
}
