// Keeps the ranks and rules that the README describes. Sources are read as text: the compiler has no stable API.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { RANKS, type Rules, violationsOf } from './support/architecture-rules.ts';
import { codeOnly, importsOf, moduleLevelVariables, openBrackets } from './support/source-text.ts';

const ROOT = join(import.meta.dirname, '..');

/** Exceptions, each with its reason. */
const RULES: Rules = {
  longFiles: {},
  testsOfTheirOwn: {
    'architecture.test.ts': 'looks at all of src/',
    'readme.test.ts': 'runs what the README shows',
    'words.test.ts': 'reads every text of the project',
  },
};

function typescriptBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
    .map((path) => path.replaceAll('\\', '/'));
}

test('the sources keep the rules of the house', () => {
  const sources = new Map(
    typescriptBelow('src').map((path) => [path, readFileSync(join(ROOT, 'src', path), 'utf8')]),
  );
  const tests = typescriptBelow('test').filter((path) => path.endsWith('.test.ts'));
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const misread = [...sources].filter(([, source]) => openBrackets(codeOnly(source)) !== 0);
  expect(misread.map(([path]) => path)).toEqual([]);
  const violations = violationsOf(sources, tests, Object.keys(dependencies), RULES);
  if (violations.length > 0) throw new Error(`${violations.length} violations:\n${violations.join('\n')}`);
  expect(sources.size).toBeGreaterThan(50);
});

test('the picture of the rooms in README is that of the sources, lower rooms below', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, picture = ''] = /<!-- test: rooms -->\n```\n([^`]*)```/.exec(readme) ?? [];
  const rooms = [...new Set(typescriptBelow('src').flatMap((path) => path.match(/^[^/]+(?=\/)/) ?? []))];
  const rows = picture
    .trimEnd()
    .split('\n')
    .map((row) => row.match(/[a-z]+(?=\s|$)/g)?.filter((word) => word in RANKS) ?? []);
  const shown = rows.map((row) => row.filter((word) => rooms.includes(word)));
  // A word of an explanation that is a room's name as well stands behind that room.
  const named = [...new Set(shown.flat())];
  expect(named.sort()).toEqual(rooms.sort());
  const ranks = shown.map((row) => RANKS[row[0] ?? ''] ?? Number.NaN);
  expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
});

test('docs/design/architecture.md has a sentence for every folder below a room', () => {
  const text = readFileSync(join(ROOT, 'docs/design/architecture.md'), 'utf8');
  const [, rooms = ''] = /^## 3\..*\n([\s\S]*?)^## 4\./m.exec(text) ?? [];
  const folders = typescriptBelow('src').flatMap((path) => path.match(/^[^/]+\/.*(?=\/)/) ?? []);
  const named = [...rooms.matchAll(/`([a-z]+)\/`/g)].map(([, name]) => name);
  const missing = [...new Set(folders)].filter((folder) => !named.includes(folder.split('/').at(-1)));
  expect(missing).toEqual([]);
});

test('every section of docs/design that a comment cites is there', () => {
  const headings = new Map(
    ['wg-rules', 'http-protocol', 'architecture'].map((name) => {
      const text = readFileSync(join(ROOT, 'docs/design', `${name}.md`), 'utf8');
      const sections = [...text.matchAll(/^#+ (\d+(?:\.\d+)?)\.? |^(\d+)\. /gm)];
      const edges = sections.flatMap(([, , item]) => (item === undefined ? [] : [`9.${item}`]));
      return [name, new Set([...sections.flatMap(([, section]) => section ?? []), ...edges])] as const;
    }),
  );
  const missing: string[] = [];
  for (const folder of ['src', 'test'])
    for (const path of typescriptBelow(folder)) {
      const source = readFileSync(join(ROOT, folder, path), 'utf8');
      for (const [, name = '', list = ''] of source.matchAll(
        /\b(wg-rules|http-protocol|architecture\.md) ((?:\d+(?:\.\d+)?(?:, |–| to | and )?)+)/g,
      ))
        for (const [section] of list.matchAll(/\d+(?:\.\d+)?/g))
          if (!headings.get(name.replace('.md', ''))?.has(section))
            missing.push(`${folder}/${path}: ${name} ${section}`);
    }
  expect(missing).toEqual([]);
});

/** The violations of sources given in place, and of nothing else. */
function found(sources: Record<string, string>, tests: string[] = [], rules: Partial<Rules> = {}): string[] {
  return violationsOf(new Map(Object.entries(sources)), tests, [], {
    longFiles: {},
    testsOfTheirOwn: {},
    ...rules,
  });
}

describe('each rule finds what breaks it', () => {
  test.each<[string, Record<string, string>, string]>([
    [
      'an import upwards',
      { 'graph/a.ts': "\nimport { b } from '../supervisor/b.ts';" },
      'src/graph/a.ts:2 imports',
    ],
    [
      'an import sideways',
      { 'graph/a.ts': "import type { B } from '../runs/b.ts';" },
      'src/graph/a.ts:1 imports',
    ],
    [
      'deciding with a seam',
      { 'decide/a.ts': "import type { Clock } from '../platform/clock.ts';" },
      'not below decide',
    ],
    ['the domain with a builtin', { 'domain/a.ts': "import { join } from 'node:path';" }, 'decides only'],
    ['a promise in deciding', { 'decide/a.ts': 'export async function f() {}' }, 'uses async'],
    ['a folder without a rank', { 'stuff/a.ts': '' }, 'has no rank'],
    ['a package away from home', { 'graph/a.ts': "import got from 'got';" }, 'whose home is executors/'],
    ['a package loaded late', { 'cli/a.ts': "const x = await import('libsql');" }, 'whose home is runs/'],
    [
      'a package by require',
      { 'cli/a.ts': "createRequire(import.meta.url)('koffi');" },
      'whose home is platform/flock.ts',
    ],
    [
      'a package below a path',
      { 'cli/a.ts': "import { serve } from '@hono/node-server/x';" },
      'whose home is api/',
    ],
    ['an unknown package', { 'cli/a.ts': "import 'left-pad';" }, 'which has no home'],
    ['the time', { 'graph/a.ts': 'const t = Date.now();' }, 'uses the time'],
    ['the time by new Date', { 'graph/a.ts': 'const t = new Date();' }, 'uses the time'],
    ['a timer', { 'graph/a.ts': 'setTimeout(() => {}, 5);' }, 'uses a timer'],
    [
      'a timer by import',
      { 'graph/a.ts': "import * as timers from 'node:timers/promises';" },
      'imports node:timers',
    ],
    ['randomness', { 'platform/a.ts': 'const r = Math.random();' }, 'uses randomness'],
    ['the environment', { 'cli/a.ts': 'const p = process.env.PATH;' }, 'uses the environment'],
    [
      'opening a file in a worktree',
      { 'wg/a.ts': "import { existsSync, readFileSync } from 'node:fs';" },
      'opens files with readFileSync',
    ],
    [
      'opening one over several lines',
      { 'graph/a.ts': "import {\n  type FileHandle,\n  open,\n} from 'node:fs/promises';" },
      'opens files with open',
    ],
    ['all of node:fs', { 'graph/a.ts': "import * as fs from 'node:fs';" }, 'imports all of node:fs'],
    ['console in a template', { 'api/a.ts': `const x = \`\${console.log('a')}\`;` }, 'uses console'],
    [
      'reaching through a part',
      { 'control/a.ts': 'await this.#parts.supervisor.dispatcher.stop();' },
      'src/control/a.ts:1 reaches',
    ],
    ['reaching through a private one', { 'control/a.ts': 'this.#runs?.live.size;' }, 'reaches through'],
    ['a default export', { 'cli/a.ts': 'export default 5;' }, 'has a default export'],
    ['a star export', { 'cli/a.ts': "export * from './b.ts';" }, 'has a star export'],
    ['any', { 'cli/a.ts': 'const x = (y as any).z;' }, 'has any'],
    ['any in a generic', { 'cli/a.ts': 'const x: Map<string, any> = y;' }, 'has any'],
    ['a barrel', { 'cli/index.ts': '' }, 'is a barrel file'],
    ['an empty name', { 'cli/utils.ts': '' }, 'says nothing'],
    ['a long file', { 'cli/a.ts': 'x;\n'.repeat(451) }, 'src/cli/a.ts:451 is longer'],
    [
      'a module-level let',
      { 'cli/a.ts': 'function f() { let ok; }\nlet bad = 5;' },
      'src/cli/a.ts:2 has a variable',
    ],
    [
      'a circle',
      { 'graph/a.ts': "import { b } from './b.ts';", 'graph/b.ts': "import { a } from './a.ts';" },
      'graph/a.ts → graph/b.ts → graph/a.ts',
    ],
  ])('%s', (_what, sources, expected) => {
    const violations = found(sources);
    expect(violations).toEqual([expect.stringContaining(expected)]);
  });

  test('a test that mirrors nothing, and a package that no one gave a home', () => {
    expect(found({ 'graph/store.ts': '' }, ['graph/store.test.ts', 'graph/store.races.test.ts'])).toEqual([]);
    expect(found({}, ['graph/stoer.test.ts', 'scenarios/x.test.ts'])).toEqual([
      'test/graph/stoer.test.ts:1 mirrors no file: there is no src/graph/stoer.ts',
    ]);
    expect(violationsOf(new Map(), [], ['left-pad'], RULES)).toEqual([
      'package.json:1 left-pad has no home in the architecture test',
    ]);
  });

  test('an exception for a long file that has become short again', () => {
    expect(found({ 'cli/a.ts': 'x;' }, [], { longFiles: { 'cli/a.ts': 'because' } })).toEqual([
      'src/cli/a.ts:1 needs no exception for its length any more',
    ]);
  });
});

test.each<[string, Record<string, string>]>([
  [
    'an import down and one within',
    { 'graph/a.ts': "import { b } from '../domain/b.ts';\nimport './c.ts';" },
  ],
  [
    'types that refer to each other',
    { 'domain/a.ts': "import type { B } from './b.ts';", 'domain/b.ts': "import { type A } from './a.ts';" },
  ],
  [
    'forbidden words in comments and texts',
    {
      'graph/a.ts': `// Date.now() any console.log\n/* setTimeout */ const a = 'process.env'; const b = "any"; const c = /console.|any/;`,
    },
  ],
  [
    'a date of an instant, a method that is called any',
    { 'graph/a.ts': 'new Date(5); AbortSignal.any([a]); clock.setTimeout(5);' },
  ],
  [
    'things in their homes',
    {
      'platform/clock.ts': 'Date.now(); setTimeout(f, 5);',
      'runs/a.ts': "await import('libsql');",
      'wg/b.ts': "import { statSync } from 'node:fs';",
      'wg/daemon.ts': "import { readFileSync } from 'node:fs';",
    },
  ],
])('%s: nothing to find', (_what, sources) => {
  expect(found(sources)).toEqual([]);
});

describe('reading sources as text', () => {
  test.each([
    ['a // b\nc', 'a     \nc'],
    ["x = 'it\\'s // no' + y", "x = '           ' + y"],
    ['`a §{b + `c §{d} e`} f` + g', '`  §{b + `  §{d}  `}  ` + g'],
    ['`§{ { a: 1 }.a } x` + y', '`§{ { a: 1 }.a }  ` + y'],
    ['a / b / c', 'a / b / c'],
    ['x = /[/]\'"`/g; y', 'x = /      /g; y'],
    ['return /a/.test(b) // c', 'return / /.test(b)     '],
    ['<i>{a}</i>; /b/', '<i>{a}</i>; / /'],
    ['/* a\n */b', '    \n   b'],
    ['(a) / 2 + "b/c"', '(a) / 2 + "   "'],
  ])('%s', (source, code) => {
    // § stands for the dollar sign, which the linter does not like to see before a brace in a plain text.
    const [given, wanted] = [source.replaceAll('§', '$'), code.replaceAll('§', '$')];
    expect(codeOnly(given)).toBe(wanted);
    expect(wanted).toHaveLength(given.length);
  });

  test('imports of every form, with their lines', () => {
    const source = [
      "import a, { type B } from 'one';",
      'import {',
      '  c,',
      "} from './two.ts';",
      "export { d } from '../three.ts';",
      "import type { E } from 'four';",
      "import { type F, type G } from 'five';",
      "// import x from 'not-this';",
      "const six = await import('six');",
      "type Seven = typeof import('seven');",
      'const text = "import y from \'nor-this\'";',
      "import 'eight';",
    ].join('\n');
    const seen = importsOf(source).map(({ specifier, line, typeOnly }) => [specifier, line, typeOnly]);
    expect(seen.sort((a, b) => Number(a[1]) - Number(b[1]))).toEqual([
      ['one', 1, false],
      ['./two.ts', 2, false],
      ['../three.ts', 5, false],
      ['four', 6, true],
      ['five', 7, true],
      ['six', 9, false],
      ['seven', 10, true],
      ['eight', 12, false],
    ]);
  });

  test('a let within a function, a loop or a block is none at module level', () => {
    expect(moduleLevelVariables('for (let a of b) {}\nconst f = () => { let c; };')).toEqual([]);
    expect(moduleLevelVariables('x;\nexport let y = 1;')).toEqual([10]);
  });
});
