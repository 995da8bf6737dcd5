import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { toldReset } from '../../../../src/executors/process/clis/agent-report.ts';
import { codex } from '../../../../src/executors/process/clis/codex.ts';
import { claudeProfile } from '../../bench.ts';

/** By the clock of this machine, whatever its zone. */
const at = (day: number, hour: number, minute = 0) => new Date(2027, 2, day, hour, minute).getTime();
const NOW = at(10, 23, 30);

test.each([
  ['try again at 11:45 PM.', at(10, 23, 45)],
  ['try again at 2:45 AM.', at(11, 2, 45)],
  ['try again at 12:05 AM', at(11, 0, 5)],
  ['try again at 12:05 PM', at(11, 12, 5)],
  // It has finished now.
  ['try again at 11:29 PM', NOW],
  ['try again at Mar 14th, 2027 7:19 AM.', at(14, 7, 19)],
  ['try again at Mar 1st, 2027 7:19 AM.', null],
  ['try again at Mar 30th, 2027 7:19 AM.', null],
  ['try again at Foo 14th, 2027 7:19 AM.', null],
  ['try again later', null],
  ['', null],
])('%j', (said, expected) => {
  expect(toldReset(said, NOW)).toBe(expected);
});

test("a used-up plan of Codex holds its account until the time that it tells, from the CLI's recording", () => {
  const file = fileURLToPath(
    new URL('../../../../fixtures/agents/recordings/codex/limit.jsonl', import.meta.url),
  );
  const facts = readFileSync(file, 'utf8').split('\n').reduce(codex.read, codex.nothing);
  const profile = claudeProfile({ type: 'codex', name: 'codex', account: 'codex' });
  const outcome = codex.outcome({ exit: { kind: 'exited', code: 1 }, facts, stderr: '', profile, now: NOW });
  expect(outcome).toMatchObject({ kind: 'deferred', code: 'quota', scope: 'account', until: at(11, 7, 19) });
});
