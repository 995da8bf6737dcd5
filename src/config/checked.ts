// A configuration that was checked once, stored in the state folder so that the next short command need not check the
// same text again: loading the rules takes longer than everything else such a command does. It is readable for its owner
// alone, as the configuration itself is. Its first line is a digest of the source text and of what follows: torn,
// foreign or outdated data is rejected. Losing it only costs time.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../domain/config.ts';
import { VERSION } from '../version.ts';
import type { LoadedConfig } from './load.ts';

/** What else determines the meaning of a configuration. */
export interface CheckedFacts {
  /** supervisor.toml, or null if there is none. */
  readonly file: string | null;
  /** The user's home folder. */
  readonly home: string;
  /** The variable TZ. */
  readonly zone: string | undefined;
}

/** The stored configuration for this very text, or null. Never throws. */
export function checkedConfig(kept: string, text: string, facts: CheckedFacts): LoadedConfig | null {
  try {
    const whole = readFileSync(kept, 'utf8');
    const end = whole.indexOf('\n');
    const stored = whole.slice(end + 1);
    // Of another text or program, or torn: the text is checked as usual.
    return whole.slice(0, end) === digestOf(stored, text, facts) ? revived(stored) : null;
  } catch {
    // None yet, or an unreadable one.
    return null;
  }
}

/**
 * Stores a configuration loaded from this text. Never throws: if it cannot be stored, it is not. Nor is it in another
 * user's folder: a command run with sudo must not leave root's files in a user's home.
 */
export function keepChecked(kept: string, text: string, facts: CheckedFacts, loaded: LoadedConfig): void {
  const temporary = `${kept}.${process.pid}.tmp`;
  try {
    if (!isOurs(dirname(kept))) return;
    const stored = flattened(loaded);
    // What JSON cannot represent, such as a date in a body, is checked each time.
    if (!isDeepStrictEqual(revived(stored), loaded)) return;
    mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
    const whole = `${digestOf(stored, text, facts)}\n${stored}`;
    writeFileSync(temporary, whole, { flag: 'wx', mode: 0o600 });
    renameSync(temporary, kept);
  } catch {
    // A full disk, another user's folder, or another command at the very same moment.
    removeIfThere(temporary);
  }
}

/** Whether the folder, or the nearest existing one above it, belongs to this user. */
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

/** Of what is stored, of the text, and of everything that could change its meaning: another program, home or zone. */
function digestOf(stored: string, text: string, { file, home, zone }: CheckedFacts): string {
  const program = statSync(import.meta.filename, { bigint: true });
  const parts = [
    VERSION,
    process.version,
    `${program.dev}:${program.ino}:${program.mtimeNs}:${program.ctimeNs}:${program.size}`,
    file,
    home,
    zone ?? null,
    zoneFile(),
    text,
    stored,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Detects that the zone of the machine changed. */
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
