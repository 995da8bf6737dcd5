// Files of a graph, of a run and of the spool that this user may not read count as none. Run as another user than root, who
// may read everything, by the built program.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { builtCli } from '../support/built-cli.ts';
import { put, unreadable } from '../support/hostile-files.ts';

let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'unreadable-')));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Each reader: its file, its module, what is asked of it, and the answer where there is nothing to read. */
const READERS: readonly (readonly [file: string, module: string, ask: string, nothing: unknown])[] = [
  ['exit.json', 'executors/process/launch', 'it.exitStatus(folder)', null],
  ['agent.pid', 'executors/process/launch', 'it.recordedPid(folder)', null],
  ['run.json', 'runs/run-file', 'it.readRunFile(folder)', null],
  ['output.log', 'executors/process/tail', 'it.tailOf(folder + "/output.log", 100)', ''],
  [
    'raw_stream.jsonl',
    'executors/process/tail',
    'it.followLines(folder + "/raw_stream.jsonl", () => { throw new Error("a line") }, 100).finish().then(() => [])',
    [],
  ],
  ['messages/a.jsonl', 'wg/messages', '[...it.readMessages(folder, "a")]', []],
  ['agency/evaluations/a.json', 'wg/evaluations', 'it.newestScore(folder, "a")', null],
  ['federation.yaml', 'wg/federation', '[...it.readPeers(folder)]', []],
  ['config', 'worktrees/remote', 'it.remoteOf(folder)', null],
  [
    'spool/1.json',
    'runs/spool',
    'it.drainSpool(folder + "/spool", async () => ({ kind: "applied" })).then((it) => [it.applied, it.bad.length])',
    [0, 1],
  ],
];

test('every file that is read and may not be', () => {
  const dist = dirname(dirname(builtCli()));
  for (const [file] of READERS) {
    put(join(folder, file), folder, unreadable);
    for (let above = dirname(file); above !== '.'; above = dirname(above))
      chmodSync(join(folder, above), 0o777);
  }
  mkdirSync(join(folder, 'spool'), { recursive: true });
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  if (spawnSync('test', ['-r', join(dist, 'runs/spool.js')], user).status !== 0)
    return console.log('not run: another user cannot read the built program here');
  const asked = READERS.map(
    ([, module, ask]) =>
      `await import(${JSON.stringify(pathToFileURL(join(dist, `${module}.js`)).href)}).then((it) => ${ask})`,
  );
  const script = `const folder = process.argv[1]; console.log(JSON.stringify([${asked.join(', ')}])); process.exit(0)`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, '--', folder],
    {
      ...user,
      encoding: 'utf8',
    },
  );
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual(READERS.map(([, , , nothing]) => nothing));
});
