import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { command } from '../fake-surroundings.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-'));
  await writeFile(
    join(folder, 'routing.toml'),
    '[routing]\n[routing.executors.sam]\ntype = "http"\nendpoint = "http://localhost:1/x"\ntag_match = "agent:sam"\n',
  );
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const cli = (...argv: string[]) =>
  command({ cwd: folder, home: folder }, '--config', join(folder, 'supervisor.toml'), ...argv);

test('printed, or added to supervisor.toml once', async () => {
  const printed = await cli('import', 'routing', 'routing.toml');
  expect(printed).toMatchObject({ status: 0, err: '' });
  expect(printed.out).toContain('[executors.sam]\ntype = "http"');
  await writeFile(join(folder, 'supervisor.toml'), '[supervisor]\nmax_concurrent = 2');
  expect(await cli('import', 'routing', 'routing.toml', '--write')).toMatchObject({ status: 0 });
  expect(await cli('config', 'check')).toMatchObject({ status: 0 });
  const once = await readFile(join(folder, 'supervisor.toml'), 'utf8');
  expect(once).toContain('max_concurrent = 2\n\n[executors.sam]');
  const again = await cli('import', 'routing', 'routing.toml', '--write');
  expect(again).toMatchObject({ status: 3, err: expect.stringContaining('has sam already') });
  expect(await readFile(join(folder, 'supervisor.toml'), 'utf8')).toBe(once);
});

test('a file that is not there', async () => {
  expect(await cli('import', 'routing', 'nowhere.toml')).toMatchObject({ status: 3 });
});
