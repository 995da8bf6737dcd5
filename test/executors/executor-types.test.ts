// A new executor type takes one file and one line, as CONTRIBUTING.md says: its example is added to a copy of the sources,
// type-checked, and runs a task.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { personEnvironment, place } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let playground: Playground;
let copy: string;
beforeEach(async () => {
  playground = await createPlayground();
  copy = await mkdtemp(join(playground.folder, 'copy-'));
});
afterEach(async () => {
  await playground.remove();
});

test('the example of CONTRIBUTING.md compiles, and a task runs by it', async () => {
  const text = await readFile(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const [, example] = /<!-- test: new executor type -->\n```ts\n([\s\S]*?)```/.exec(text) ?? [];
  if (example === undefined) throw new Error('CONTRIBUTING.md has no such example');
  for (const part of ['src', 'tsconfig.json', 'package.json', 'test/support/run-typescript.mjs'])
    await cp(join(ROOT, part), join(copy, part), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  await writeFile(join(copy, 'src/executors/mark.ts'), example);
  const list = join(copy, 'src/executors/executor-types.ts');
  const types = await readFile(list, 'utf8');
  const added = types.replace('  bullmq,\n', '  bullmq,\n  mark,\n');
  expect(added).not.toBe(types);
  await writeFile(list, `import { mark } from './mark.ts';\n${added}`);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const checked = await run(process.execPath, [tsc, '-p', '.', '--noEmit'], { cwd: copy }).catch(
    ({ stdout }: { stdout: string }) => ({ stdout }),
  );
  expect(checked.stdout).toBe('');

  await playground.writeGraph(playground.repo, [{ id: 'one', title: 'First mark', executor: 'diary' }]);
  await playground.writeConfig('[executors.diary]\ntype = "mark"\npath = "DIARY"\n');
  const supervisor = (...argv: string[]) =>
    run(
      process.execPath,
      [
        '--import',
        join(copy, 'test/support/run-typescript.mjs'),
        join(copy, 'src/cli/main.ts'),
        ...place(playground),
        ...argv,
      ],
      { cwd: playground.repo, env: personEnvironment(playground.folder) },
    );
  await supervisor('run', '--once');
  expect(await readFile(join(playground.repo, 'DIARY'), 'utf8')).toBe('First mark\n');
  expect((await playground.readGraph(playground.repo)).get('one')).toMatchObject({ status: 'done' });
  const { stdout } = await supervisor('config', 'example');
  expect(stdout).toContain('#[executors.diary]\n#type = "mark"');
});
