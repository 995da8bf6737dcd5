// What the agents themselves say of each run, outside of every repository: git takes nothing of it back.

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';

export interface Entry {
  readonly word: 'start' | 'end' | 'killed';
  readonly run: string;
  readonly task: string;
}

export interface Journal {
  readonly file: string;
  note(word: Entry['word'], run: string, task: string): void;
  /** Everything, in the order in which it happened. */
  entries(): Entry[];
}

export function createJournal(file: string): Journal {
  writeFileSync(file, '');
  return {
    file,
    note: (word, run, task) => appendFileSync(file, `${word} ${run} ${task}\n`),
    entries: () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => {
          const [word, run = '', task = ''] = line.split(' ');
          return { word: word === 'start' || word === 'end' ? word : 'killed', run, task };
        }),
  };
}

/** An agent as a shell script: `agent SECONDS [GIT …]` notes its start, works, runs git in the middle, notes its end. */
export function agentScript(journal: string): string {
  return `#!/bin/sh
note() { echo "$1 $SUPERVISOR_RUN_ID $WG_TASK_ID" >> '${journal}'; }
trap 'note killed; exit 143' TERM INT HUP
note start
half=$1; shift
sleep $half & wait $!
[ $# = 0 ] || git "$@" >/dev/null 2>&1
sleep $half & wait $!
note end
`;
}
