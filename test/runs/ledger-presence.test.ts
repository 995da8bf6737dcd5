import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ledgerPresence } from '../../src/runs/ledger-presence.ts';

test('a removed ledger, a replaced one and one whose folder is gone are distinguished from one that is written', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ledger-presence-'));
  const file = join(folder, 'ledger.sqlite');
  await writeFile(file, 'one');
  const lost = ledgerPresence(file);
  expect(lost()).toBeNull();
  await writeFile(file, 'longer than before');
  expect(lost()).toBeNull();
  await rename(file, `${file}.aside`);
  expect(lost()).toContain('removed');
  await writeFile(file, 'another');
  expect(lost()).toContain('replaced');
  await rename(`${file}.aside`, file);
  expect(lost()).toBeNull();
  await rm(folder, { recursive: true });
  expect(lost()).toContain('removed');
});
