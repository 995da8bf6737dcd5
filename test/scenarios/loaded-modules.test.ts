// What the short commands load. Not timed: machines differ, but making `status` load a web server or a library for
// schemas again finds out here.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { builtCli, runCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

/** Writes the address of every module that is loaded, one per line, to the file named in LOADED. */
const TRACE = `
import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
const hooks = \`import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  appendFileSync(process.env.LOADED, url + '\\\\n');
  return next(url, context);
}\`;
register('data:text/javascript,' + encodeURIComponent(hooks));
const { cache } = createRequire(import.meta.url);
process.on('exit', () => appendFileSync(process.env.LOADED, Object.keys(cache).join('\\n') + '\\n'));
`;

let ground: Playground;
let supervised: Supervised | null = null;
beforeAll(async () => {
  builtCli();
  ground = await createPlayground();
  await ground.writeConfig(
    `[[repos]]\npath = ${JSON.stringify(ground.repo)}\n[executors.mine]\ntype = "external"\n`,
  );
  // Settings of wg alone, as in most graphs.
  await ground.writeGraph(ground.repo, [{ id: 'job', tags: ['executor:somebody-else'] }, { id: 'other' }]);
  writeFileSync(join(ground.repo, '.workgraph', 'config.toml'), '[dispatcher]\nmax_agents = 2\n');
  writeFileSync(join(ground.folder, 'trace.mjs'), TRACE);
}, 120_000);
afterAll(async () => {
  await supervised?.stop({ cancelAgents: true });
  await ground.remove();
});

const cli = (...argv: string[]) =>
  runCli(['--config', ground.configFile, '--state-dir', ground.stateDir, ...argv], { cwd: ground.repo });

/** Runs a command and says what it loaded: our own modules by number, packages that we depend on by name. */
async function loadedBy(...argv: string[]): Promise<{ own: number; packages: string[] }> {
  const list = join(ground.folder, 'loaded');
  rmSync(list, { force: true });
  const env = { NODE_OPTIONS: `--import=${join(ground.folder, 'trace.mjs')}`, LOADED: list };
  const global = ['--config', ground.configFile, '--state-dir', ground.stateDir];
  expect(await runCli([...global, ...argv], { cwd: ground.repo, env })).toMatchObject({ status: 0 });
  const files = new Set(readFileSync(list, 'utf8').split('\n'));
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
  );
  // Most packages are bundled for installation and are dependencies of the development alone.
  const known = { ...devDependencies, ...dependencies };
  const named = [...files].map((file) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? '');
  return {
    own: [...files].filter((file) => file.includes('/dist/') && !file.includes('/node_modules/')).length,
    packages: [...new Set(named)].filter((name) => name in known).sort(),
  };
}

const ALWAYS = ['commander', 'picocolors'];
/** Listing worktrees, deciding, and whether a graph's config.toml can be read. */
const LOOKING = [...ALWAYS, 'croner', 'p-limit', 'picomatch', 'simple-git', 'smol-toml'];
/** What changes a line, and takes the lock. */
const WRITING = [...LOOKING, 'jsonc-parser', 'koffi'];

describe('without a supervisor', () => {
  // The first command on a machine checks the configuration, and the first of a program that was built again.
  beforeEach(async () => {
    expect(await cli('status')).toMatchObject({ status: 0 });
  });

  test.each<[string[], number, string[]]>([
    [['--version'], 25, ALWAYS],
    [['--help'], 25, ALWAYS],
    [['status', '--json'], 170, LOOKING],
    [['status'], 178, [...LOOKING, 'string-width']],
    [['list', '--json'], 170, LOOKING],
    [['why', 'job', '--json'], 170, LOOKING],
    [['done', 'other'], 190, WRITING],
  ])('%j', async (argv, most, packages) => {
    const loaded = await loadedBy(...argv);
    expect(loaded.packages).toEqual([...packages].sort());
    // Sensing nothing at all would pass for loading nothing at all.
    expect(loaded.own).toBeGreaterThan(5);
    expect(loaded.own).toBeLessThanOrEqual(most);
  });
});

describe('beside a supervisor', () => {
  beforeAll(async () => {
    supervised = await supervise(ground);
    await supervised.start();
    await supervised.control.claim({ task: 'job' }, 'somebody');
  });

  test.each<[string[]]>([
    [['status', '--json']],
    [['why', 'job', '--json']],
    [['list', '--json']],
    [['heartbeat', 'job']],
    [['done', 'job']],
  ])('%j', async (argv) => {
    const loaded = await loadedBy(...argv);
    expect(loaded.packages).toEqual(ALWAYS);
    expect(loaded.own).toBeGreaterThan(5);
    expect(loaded.own).toBeLessThanOrEqual(38);
  });
});
