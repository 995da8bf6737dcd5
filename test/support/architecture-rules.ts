// The rules of the house as data and one check over sources: who may import whom, which package has which home, and
// what has one home each in the language.

import { codeOnly, importsOf, lineAt, moduleLevelVariables } from './source-text.ts';

/** An import goes down a rank or stays in its folder; folders of equal rank do not know each other. */
export const RANKS: Readonly<Record<string, number>> = {
  domain: 0,
  decide: 1,
  platform: 1,
  // Courses of events on paper, by the rules that decide: what if, and when.
  forecast: 1.5,
  // How a setting is declared.
  settings: 1,
  executors: 1.8,
  graph: 2,
  wg: 2,
  worktrees: 2,
  config: 2,
  runs: 2,
  // The graphs that are served, one run, the tick, what callers may ask: each knows only those before it.
  graphs: 3,
  run: 3.3,
  supervisor: 3.6,
  control: 3.9,
  // Tells people what happened: hears events and sends, and knows nothing of how work is carried.
  notify: 3,
  // Counts and traces what happens, for those who watch from outside.
  telemetry: 4,
  // Runs in a browser, and knows of the supervisor what the API says.
  page: 1,
  api: 4,
  install: 4,
  // Work for a supervisor on another machine: speaks its API, and runs the same executors.
  worker: 4.5,
  'version.ts': 0,
  compose: 5,
  cli: 6,
};

/** Each package and the files (or, with a slash at the end, folders) that may name it. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  '@hono/node-server': ['api/'],
  chokidar: ['worktrees/watcher.ts'],
  commander: ['cli/'],
  croner: ['decide/schedules/schedule.ts', 'decide/schedules/wg-cron.ts'],
  execa: ['executors/', 'worker/checkouts.ts'],
  got: ['executors/'],
  hono: ['api/'],
  'jsonc-parser': ['graph/json-tree.ts'],
  koffi: ['platform/flock.ts', 'platform/datagram.ts', 'platform/process-image.ts'],
  libsql: ['runs/'],
  'p-limit': ['worktrees/'],
  'p-queue': ['supervisor/'],
  picocolors: ['cli/'],
  picomatch: ['worktrees/glob.ts'],
  pino: ['cli/logging.ts', 'platform/'],
  'prom-client': ['telemetry/'],
  '@opentelemetry/exporter-trace-otlp-http': ['telemetry/otlp-library.ts'],
  '@opentelemetry/otlp-exporter-base': ['telemetry/otlp-library.ts'],
  '@opentelemetry/otlp-transformer': ['telemetry/otlp-library.ts'],
  '@opentelemetry/sdk-trace': ['telemetry/traces.ts'],
  'proper-lockfile': ['platform/instance-lock.ts'],
  'simple-git': ['worktrees/'],
  'smol-toml': ['config/'],
  '@agentclientprotocol/sdk': ['executors/process/clis/acp-client.ts'],
  '@modelcontextprotocol/server': ['api/'],
  'string-width': ['cli/render/text-width.ts'],
  preact: ['page/'],
  // Loaded only where a queue is used: users install them themselves.
  bullmq: ['executors/queue/'],
  ioredis: ['executors/queue/'],
  zod: ['settings/', 'config/', 'api/', 'executors/'],
};

/** What has one home in the language, and which. */
const ONE_HOME: readonly { what: string; pattern: RegExp; homes: readonly string[] }[] = [
  {
    what: 'the time',
    pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|(?<!\.)\bDate\s*\(\s*\)/g,
    homes: ['platform/clock.ts', 'page/browser.ts'],
  },
  {
    what: 'a timer',
    pattern: /(?<![.\w])set(?:Timeout|Interval)\b|\bAbortSignal\s*\.\s*timeout\b/g,
    homes: ['platform/clock.ts', 'page/browser.ts'],
  },
  { what: 'randomness', pattern: /\bMath\s*\.\s*random\b/g, homes: ['platform/identity.ts'] },
  { what: 'the environment', pattern: /\bprocess\s*(?:\.\s*env\b|\[)/g, homes: ['platform/environment.ts'] },
  { what: 'console', pattern: /(?<![.\w])console\s*\./g, homes: ['cli/'] },
];

/** What opens files by name, in `node:fs` and `node:fs/promises`. */
const OPENING =
  /^(?:open|readFile|writeFile|appendFile|createReadStream|createWriteStream|copyFile|cp)(?:Sync)?$/;

/**
 * Who may do so beside the one piece that is there for places where others may put anything. Each is about a place where
 * no one else does, or makes a new file that must not exist.
 */
const OPENING_HOMES: Readonly<Record<string, string>> = {
  'platform/regular-file.ts': 'is that piece',
  'platform/replace-file.ts': 'the state folder',
  'api/api-file.ts': 'the state folder',
  'config/add-repos.ts': 'makes a new file beside supervisor.toml, exclusively',
  'config/checked.ts': 'the state folder',
  'config/trust.ts': 'the state folder',
  'executors/process/environment/agent-tools.ts': 'the state folder',
  'runs/ledger.ts': 'the state folder',
  'runs/log-sync.ts': 'the state folder',
  'runs/spool.ts': 'writes in the state folder',
  'runs/token-key.ts': 'the state folder',
  'worker/job-record.ts': 'the state folder',
  'install/service-manager.ts': 'the service files of the user',
  'version.ts': 'the program itself',
  'wg/capabilities.ts': 'a temporary folder of its own',
  'wg/daemon.ts': '/proc',
  'executors/process/lifecycle/process-table.ts': '/proc',
  'platform/machine.ts': '/proc and /sys',
  'cli/': 'files that a person names, and temporary folders of its own',
  'graph/graph-file.ts': 'makes a new file beside the graph, exclusively',
  'graphs/large-results.ts': 'makes new files in a new folder, exclusively',
  'platform/instance-lock.ts': 'makes a new file beside the lock, exclusively',
  'wg/registry-file.ts': 'makes a new file beside the registry, exclusively',
  'worktrees/include-files.ts': 'copies into a new worktree, exclusively, and a temporary folder of its own',
  'worktrees/locate.ts': 'makes a new file in a new graph, exclusively',
};

/** What is nowhere. */
const NOWHERE: readonly { what: string; pattern: RegExp }[] = [
  { what: 'a default export', pattern: /\bexport\s+default\b|\bas\s+default\b/g },
  { what: 'a star export', pattern: /\bexport\s*\*/g },
  { what: 'any', pattern: /(?<![.\w$])any\b(?!\s*[(:?])/g },
];

/** What deciding may not do. */
const IMPURE: readonly { what: string; pattern: RegExp }[] = [
  { what: 'async', pattern: /\basync\b|\bawait\b|\bnew\s+Promise\b/g },
  { what: 'process', pattern: /(?<![.\w])process\s*\./g },
];

/** Parts that offer verbs. Who needs what is behind one of them is given that itself, or a verb for it. */
const OFFERING =
  'supervisor|dispatcher|runs|runner|ending|leases|recovery|availability|parking|completions|claims|workerCalls';

/** Two members deep into such a part: `runs.find(id)` is a verb, `runs.ending.release` reaches through. A signal is a value. */
const REACHING = new RegExp(
  `(?<![\\w$])(?:${OFFERING})\\s*\\??\\.\\s*#?(?!signal\\b)\\w+\\s*\\??\\.\\s*#?\\w`,
  'g',
);

const MAX_LINES = 450;

export interface Rules {
  /** File below src/ → why it may be longer. */
  readonly longFiles: Readonly<Record<string, string>>;
  /** Test file below test/ → why it mirrors no source file. */
  readonly testsOfTheirOwn: Readonly<Record<string, string>>;
}

/** Folders of test/ that mirror nothing in src/. */
const FREE_TEST_FOLDERS = [
  'agents/',
  'crash/',
  'git/',
  'machine/',
  'model/',
  'scenarios/',
  'simulation/',
  'soak/',
  'support/',
];

interface SourceFile {
  readonly path: string;
  readonly source: string;
  readonly code: string;
}

const isAt = (path: string, homes: readonly string[]) =>
  homes.some((home) => (home.endsWith('/') ? path.startsWith(home) : path === home));

const placeOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path);

/** The path below src/ that a relative import means. */
function resolveImport(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/**
 * Every violation as `src/file:line sentence`, sorted. `sources` maps paths below src/ to their text, `tests` lists
 * paths below test/.
 */
export function violationsOf(
  sources: ReadonlyMap<string, string>,
  tests: readonly string[],
  dependencies: readonly string[],
  rules: Rules,
): string[] {
  const found: string[] = [];
  const files = [...sources].map(([path, source]): SourceFile => ({ path, source, code: codeOnly(source) }));
  for (const file of files) {
    const say = (line: number, what: string) => found.push(`src/${file.path}:${line} ${what}`);
    const each = (pattern: RegExp, what: string) => {
      for (const match of file.code.matchAll(pattern)) say(lineAt(file.source, match.index), what);
    };
    checkPlace(file, say);
    checkImports(file, say);
    checkOpening(file, say);
    for (const { what, pattern, homes } of ONE_HOME)
      if (!isAt(file.path, homes)) each(pattern, `uses ${what}, whose home is ${homes.join(' or ')}`);
    for (const { what, pattern } of NOWHERE) each(pattern, `has ${what}`);
    each(REACHING, 'reaches through a part; ask that part, or take what you need as an argument');
    if (isPure(file.path))
      for (const { what, pattern } of IMPURE) each(pattern, `uses ${what}, but decides only`);
    for (const position of moduleLevelVariables(file.code))
      say(lineAt(file.source, position), 'has a variable at module level');
    checkLength(file, rules, say);
  }
  found.push(...cyclesOf(files));
  for (const test of tests) {
    const mirrored = test.replace(/(\.[a-z0-9-]+)?\.test\.ts$/, '.ts');
    if (
      isAt(test, FREE_TEST_FOLDERS) ||
      sources.has(mirrored) ||
      sources.has(`${mirrored}x`) ||
      test in rules.testsOfTheirOwn
    )
      continue;
    found.push(`test/${test}:1 mirrors no file: there is no src/${mirrored}`);
  }
  for (const name of dependencies)
    if (!(name in HOMES)) found.push(`package.json:1 ${name} has no home in the architecture test`);
  return found.sort();
}

type Say = (line: number, what: string) => void;

const isPure = (path: string) => isAt(path, ['domain/', 'decide/']);

function checkPlace(file: SourceFile, say: Say): void {
  if (RANKS[placeOf(file.path)] === undefined) say(1, `is in ${placeOf(file.path)}, which has no rank`);
  if (/(?:^|\/)index\.ts$/.test(file.path)) say(1, 'is a barrel file by its name');
  const name = file.path.slice(file.path.lastIndexOf('/') + 1);
  if (/^(?:utils?|helpers?|common|types|manager|misc)\.ts$/.test(name))
    say(1, 'has a name that says nothing');
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*\.tsx?$/.test(name)) say(1, 'is not named in kebab-case');
}

function checkImports(file: SourceFile, say: Say): void {
  const place = placeOf(file.path);
  for (const { specifier, line } of importsOf(file.source, file.code)) {
    if (specifier.startsWith('.')) {
      const target = placeOf(resolveImport(file.path, specifier));
      if (target === place) continue;
      const [from, to] = [RANKS[place], RANKS[target]];
      if (from === undefined || to === undefined || to >= from)
        say(line, `imports ${specifier}, which is not below ${place}`);
      else if (place === 'decide' && target !== 'domain') say(line, `imports ${specifier}, but decides only`);
      continue;
    }
    if (specifier.startsWith('node:')) {
      if (isPure(file.path)) say(line, `imports ${specifier}, but decides only`);
      if (/^node:timers/.test(specifier) && file.path !== 'platform/clock.ts')
        say(line, `imports ${specifier}; timers have their home in platform/clock.ts`);
      continue;
    }
    const homes = HOMES[packageOf(specifier)];
    if (homes === undefined) say(line, `imports ${specifier}, which has no home`);
    else if (!isAt(file.path, homes)) say(line, `imports ${specifier}, whose home is ${homes.join(' or ')}`);
  }
}

function checkOpening(file: SourceFile, say: Say): void {
  if (isAt(file.path, Object.keys(OPENING_HOMES))) return;
  const imports = /\bimport\s*\{([^}]*)\}\s*from\s*['"]node:fs(?:\/promises)?['"]/g;
  for (const match of file.source.matchAll(imports))
    for (const part of (match[1] ?? '').split(',')) {
      const name = part.trim().split(/\s+/)[0] ?? '';
      if (OPENING.test(name))
        say(
          lineAt(file.source, match.index),
          `opens files with ${name}; use platform/regular-file.ts, or give it a home`,
        );
    }
  // Whole, it could not be seen what is used of it.
  for (const match of file.source.matchAll(
    /\bimport\s+(?:\*\s+as\s+)?\w+\s+from\s*['"]node:fs(?:\/promises)?['"]/g,
  ))
    say(lineAt(file.source, match.index), 'imports all of node:fs; name what is used');
}

function checkLength(file: SourceFile, rules: Rules, say: Say): void {
  const lines = file.source.trimEnd().split('\n').length;
  const allowed = rules.longFiles[file.path] !== undefined;
  if (lines > MAX_LINES && !allowed) say(lines, `is longer than ${MAX_LINES} lines`);
  if (lines <= MAX_LINES && allowed) say(lines, 'needs no exception for its length any more');
}

/** Circles of imports that exist at run time; types are erased and may refer to each other. */
function cyclesOf(files: readonly SourceFile[]): string[] {
  const imports = new Map(
    files.map(({ path, source, code }) => [
      path,
      importsOf(source, code).filter((one) => !one.typeOnly && one.specifier.startsWith('.')),
    ]),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const seen = way.indexOf(path);
    if (seen >= 0) {
      const circle = [...way.slice(seen), path];
      found.push(`src/${path}:1 is in a circle of imports: ${circle.join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const { specifier } of imports.get(path) ?? [])
      visit(resolveImport(path, specifier), [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}
