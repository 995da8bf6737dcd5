// A configuration that was checked once, kept in the state folder so that the next short command need not check the same
// text again: loading the rules takes longer than everything else such a command does. What is kept is sealed with the
// text it was made from. Whoever does not have the text learns nothing from it, and a torn, foreign or outdated one does
// not open. Losing it costs time and nothing else.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../domain/config.ts';
import { decryptText, sealText } from '../platform/encryption.ts';
import { VERSION } from '../version.ts';
import type { LoadedConfig } from './load.ts';

/** What else than the text decides what a configuration means. */
export interface CheckedFacts {
  /** supervisor.toml, or null where there is none. */
  readonly file: string | null;
  /** The user's home folder. */
  readonly home: string;
  /** The variable TZ. */
  readonly zone: string | undefined;
}

/** The checked configuration that was kept for this very text, or null. Never throws. */
export function checkedConfig(kept: string, text: string, facts: CheckedFacts): LoadedConfig | null {
  try {
    const plain = decryptText(readFileSync(kept), keyOf(text, facts));
    // Of another text or program, or torn: the text is checked, as it always was.
    return plain === null ? null : revived(plain);
  } catch {
    // None yet, or none that can be read.
    return null;
  }
}

/**
 * Keeps a configuration that was loaded from this text. Never throws: where it cannot be kept, it is not. Nor is it in a
 * folder of somebody else: a command run with sudo must not leave root's files in a user's home.
 */
export function keepChecked(kept: string, text: string, facts: CheckedFacts, loaded: LoadedConfig): void {
  const temporary = `${kept}.${process.pid}.tmp`;
  try {
    if (!isOurs(dirname(kept))) return;
    const plain = flattened(loaded);
    // What JSON cannot carry, such as a date in a body, is left to be checked each time.
    if (!isDeepStrictEqual(revived(plain), loaded)) return;
    mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, sealText(plain, keyOf(text, facts)), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, kept);
  } catch {
    // A full disk, a folder of somebody else's, or another command at the very same moment.
    removeIfThere(temporary);
  }
}

/** The folder, or the nearest above it that exists, belongs to this user. */
function isOurs(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found !== undefined) return found.uid === process.getuid?.();
  return folder !== dirname(folder) && isOurs(dirname(folder));
}

function removeIfThere(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // The folder cannot be entered: then nothing was left in it either.
  }
}

/** The text, and everything that could make the same text mean something else: another program, home or zone. */
function keyOf(text: string, { file, home, zone }: CheckedFacts): Buffer {
  const program = statSync(fileURLToPath(import.meta.url), { bigint: true });
  const parts = [
    VERSION,
    process.version,
    `${program.dev}:${program.ino}:${program.mtimeNs}:${program.ctimeNs}:${program.size}`,
    file,
    home,
    zone ?? null,
    zoneFile(),
    text,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

/** Says when the zone of the machine is another one. */
function zoneFile(): string {
  const place = '/etc/localtime';
  try {
    return readlinkSync(place);
  } catch {
    const found = statSync(place, { bigint: true, throwIfNoEntry: false });
    return found === undefined ? '' : `${found.ino}:${found.mtimeNs}:${found.size}`;
  }
}

function flattened({ config, problems }: LoadedConfig): string {
  const { profiles, brokenProfiles, ...rest } = config;
  return JSON.stringify({ rest, profiles: [...profiles], brokenProfiles: [...brokenProfiles], problems });
}

function revived(text: string): LoadedConfig {
  const { rest, profiles, brokenProfiles, problems } = JSON.parse(text) as {
    readonly rest: Omit<Config, 'profiles' | 'brokenProfiles'>;
    readonly profiles: readonly (readonly [string, never])[];
    readonly brokenProfiles: readonly (readonly [string, never])[];
    readonly problems: LoadedConfig['problems'];
  };
  return {
    config: { ...rest, profiles: new Map(profiles), brokenProfiles: new Map(brokenProfiles) },
    problems,
  };
}
