// Runs the short suite under each supported version of Node that npm provides, and says which ran. NODE_VERSIONS="22 24"
// names others; one that was named must be there. `npm run test:nodes -- PATTERN…` runs other suites.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNIT } from './support/unit-suites.mjs';

const named = process.env.NODE_VERSIONS?.split(/[\s,]+/).filter(Boolean);
const versions = named ?? ['20', '22', '24'];
const patterns = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'supervisor-nodes-'));

/** The path of that Node, installed from npm; null when npm does not give it. */
function install(version) {
  const prefix = join(folder, version);
  const args = ['install', '--silent', '--no-audit', '--no-fund', '--prefix', prefix, `node@${version}`];
  spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const path = join(prefix, 'node_modules/node/bin/node');
  return existsSync(path) ? path : null;
}

function runUnder(node) {
  const jest = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
  ];
  return (
    spawnSync(node, [...jest, ...(patterns.length > 0 ? patterns : UNIT)], { stdio: 'inherit' }).status === 0
  );
}

const results = [];
try {
  for (const version of versions) {
    const node = install(version);
    if (node === null)
      results.push([version, named ? 'failed: npm does not give it' : 'skipped: npm does not give it']);
    else {
      const exact = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
      results.push([exact, runUnder(node) ? 'passed' : 'failed']);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const [version, result] of results) console.log(`Node ${version}: ${result}`);
const ran = results.some(([, result]) => result === 'passed');
process.exitCode = ran && results.every(([, result]) => !result.startsWith('failed')) ? 0 : 1;
