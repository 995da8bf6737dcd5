import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(() => ground.remove());

const status = (file: string) =>
  command(
    { cwd: ground.repo, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir, 'status', '--html', file],
  );

test('one file for its user alone, with nothing from elsewhere, in which hostile texts are text', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'broken', status: 'failed', failure_reason: '<img src=x onerror=alert(1)> \u202egnp.exe & "more"' },
    { id: '<script>alert(1)</script>', executor: 'nobody' },
  ]);
  const file = join(ground.folder, 'home.html');
  await writeFile(file, 'an older one');
  expect(await status('../home.html')).toMatchObject({ status: 0, out: `${file}\n`, err: '' });
  const html = await readFile(file, 'utf8');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(html).toContain('no supervisor is running');
  expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;');
  expect(html).toContain('supervisor retry broken');
  expect(html).not.toMatch(/<(?:script|img|link|iframe)|https?:|\u202e/);
  expect(html).toContain("default-src 'none'");
});

test('what cannot be written is said, and leaves nothing behind', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'a' }]);
  const folder = join(ground.folder, 'folder');
  await mkdir(folder);
  expect(await status(folder)).toMatchObject({
    status: 2,
    err: expect.stringContaining('cannot be written'),
  });
  expect(await status(join(ground.folder, 'none', 'x.html'))).toMatchObject({ status: 2 });
  expect((await readdir(ground.folder)).filter((name) => name.includes('.tmp'))).toEqual([]);
});
