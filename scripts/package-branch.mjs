// `npm run package:branch [-- BRANCH]`: commits the package, built, to a branch of its own (`package`), so that
// `npm install --global git+URL#package` installs it. From the sources npm cannot: it hands `--global` on to the npm that prepares its clone,
// which then leaves out the tools of the build and links the clone into the global folder, in place of what the first npm is just putting
// there. That comes before any script of ours, and a script that mends it afterwards is too late. A package without scripts is not prepared.
// Neither the work tree nor the index is touched.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const branch = process.argv[2] ?? 'package';
const scratch = mkdtempSync(join(tmpdir(), 'package-branch-'));
const folder = join(scratch, 'package');

const run = (program, args, env = {}) =>
  execFileSync(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();

try {
  run('npm', ['pack', '--silent', '--pack-destination', scratch]);
  run('sh', ['-c', 'tar -xzf "$1"/*.tgz -C "$1"', 'sh', scratch]);
  const file = join(folder, 'package.json');
  const { scripts: _scripts, devDependencies: _tools, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, `${JSON.stringify(rest, null, 2)}\n`);
  const index = {
    GIT_INDEX_FILE: join(scratch, 'index'),
    GIT_DIR: run('git', ['rev-parse', '--absolute-git-dir']),
  };
  run('git', ['--work-tree', folder, 'add', '--force', '--all', '.'], index);
  const tree = run('git', ['write-tree'], index);
  const before = run('git', ['for-each-ref', '--format=%(objectname)', `refs/heads/${branch}`]);
  const of = run('git', ['rev-parse', '--short', 'HEAD']);
  const commit = run('git', [
    'commit-tree',
    tree,
    ...(before === '' ? [] : ['-p', before]),
    ...['-m', `Package of version ${rest.version}, from ${of}`],
  ]);
  run('git', ['update-ref', `refs/heads/${branch}`, commit, before]);
  process.stdout.write(`${branch} ${commit}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
