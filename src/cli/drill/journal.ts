// What the agents themselves say of each run, outside of every repository: git takes nothing of it back, and the
// supervisor neither reads nor writes it.

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { Clock } from '../../platform/clock.ts';

/** `killed`: a signal that can be caught ended it. `shot`: it was chosen to be killed without one. */
const WORDS = ['start', 'end', 'fail', 'killed', 'shot'] as const;

export interface Entry {
  readonly word: (typeof WORDS)[number];
  readonly run: string;
  readonly task: string;
  /** The agent's process; 0: it has none of its own. */
  readonly pid: number;
  /** ms since the epoch; where `date` knows no nanoseconds, as exact as a second. */
  readonly at: number;
}

export interface Journal {
  readonly file: string;
  note(word: Entry['word'], run: string, task: string): void;
  /** Everything, in the order in which it happened. */
  entries(): Entry[];
}

export function createJournal(file: string, clock: Pick<Clock, 'now'>): Journal {
  writeFileSync(file, '');
  return {
    file,
    note: (word, run, task) => appendFileSync(file, `${word} ${run} ${task} 0 ${clock.now()}500000\n`),
    entries: () => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(entryOf),
  };
}

function entryOf(line: string): Entry {
  const [text, run = '', task = '', pid, stamp = ''] = line.split(' ');
  const word = WORDS.find((each) => each === text);
  if (word === undefined) throw new Error(`the journal has a line that no agent writes: ${line}`);
  return { word, run, task, pid: Number(pid), at: msOf(stamp) };
}

/** What `date +%s%N` printed: nanoseconds, or on macOS seconds with a letter. */
function msOf(stamp: string): number {
  const digits = /^\d+/.exec(stamp)?.[0] ?? '0';
  return digits.length > 15 ? Number(digits) / 1e6 : Number(digits) * 1000;
}

/**
 * An agent as a shell script: `agent SECONDS [GIT …]` notes its start, works, runs git in the middle, notes its end.
 * `agent SECONDS fails-first` fails in its first attempt.
 */
export function agentScript(journal: string): string {
  return `#!/bin/sh
note() { echo "$1 $SUPERVISOR_RUN_ID $WG_TASK_ID $$ $(date +%s%N)" >> '${journal}'; }
trap 'note killed; exit 143' TERM INT HUP
note start
half=$1; shift
sleep $half & wait $!
if [ "$1" = fails-first ]; then
  shift
  [ "$SUPERVISOR_ATTEMPT" != 1 ] || { note fail; exit 3; }
fi
[ $# = 0 ] || git "$@" >/dev/null 2>&1
sleep $half & wait $!
note end
`;
}
