// The numbers of agents: each is assigned once, whatever happens to the registry or the folders.

import { readdirSync, rmdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import { makeWithin } from './folder-within.ts';

const AGENT_NAME = /^agent-(\d{1,10})$/;

/** Folders numbered above this are not agents; counting on from them would overflow wg's u32. */
const LARGEST_FOLDER = 2 ** 31;

/** The number in an agent's name, 0 for any other name. */
export function numberOf(name: string): number {
  const number = Number(AGENT_NAME.exec(name)?.[1] ?? 0);
  return number <= LARGEST_FOLDER ? number : 0;
}

/**
 * A number from `next` on, above those of all folders and of these entries: a folder means that the number was used.
 */
export function aboveAll(graph: GraphPath, entries: readonly string[], next: number): number {
  makeWithin(graph, 'agents');
  const names = [...entries, ...readdirSync(join(graph, 'agents'))];
  return names.reduce((largest, name) => Math.max(largest, numberOf(name) + 1), next);
}

/** Creates the folder of the first number from `next` on that has none. */
export async function takeNumber(
  graph: GraphPath,
  next: number,
): Promise<{ readonly number: number; readonly id: string; readonly folder: string }> {
  makeWithin(graph, 'agents');
  for (let number = next; ; number++) {
    const id = `agent-${number}`;
    const folder = join(graph, 'agents', id);
    try {
      await mkdir(folder);
    } catch (thrown) {
      if (systemCode(thrown) === 'EEXIST') continue;
      throw thrown;
    }
    return { number, id, folder };
  }
}

/** Removes the folder of a number that was not used. */
export function removeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty or gone: an extra folder is harmless, its number is just not assigned again.
  }
}
