// Run by ledger.test.ts as a process of its own and killed: says every move once it is confirmed, without end.

import { writeSync } from 'node:fs';
import type { RunPhase } from '../../src/domain/run.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';

const ledger = await openLedger({ file: process.argv[2] ?? '', clock: systemClock() });
for (let n = 0; ; n++) {
  const id = `run_${n}`;
  const say = (phase: RunPhase) => writeSync(1, `${id} ${phase}\n`);
  ledger.open(
    {
      id,
      graph: '/g',
      task: `t${n}`,
      taskCreatedAt: null,
      worktree: '/g',
      repo: '/g/.git',
      executor: 'default',
      type: 'command',
      because: 'test',
      attempt: 1,
      occurrence: null,
    },
    id,
  );
  say('opened');
  ledger.move(id, 'claimed', { agent: `agent-${n}` });
  say('claimed');
  ledger.move(id, 'started');
  say('started');
}
