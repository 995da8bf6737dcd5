import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { DROPPED_WORDS, EXEMPT } from './support/dropped-words.ts';
import { codeOnly, lineAt } from './support/source-text.ts';

const PLACES = [
  'src',
  'test',
  'bench',
  'docs',
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
];
const WORDS = DROPPED_WORDS.map(({ word, instead }) => ({ word: new RegExp(word, 'gi'), instead }));
const ANY = new RegExp(DROPPED_WORDS.map(({ word }) => word.source).join('|'), 'i');

/** A source with its code blanked out, so that only comments and texts are left. */
function proseOf(source: string): string {
  const code = codeOnly(source);
  return source.replace(/[^\n]/g, (char, at: number) => (code[at] === ' ' ? char : '\0'));
}

/** A text that is a name, such as an id in a test, has no word beside it. */
function isBesideWords(text: string, from: number, to: number): boolean {
  const before = text.slice(Math.max(0, from - 40), from).replace(/\n[ \t]*(?:\/\/|\*)?/g, ' ');
  return /[\w,;:.)’'`*]\s+$/.test(before) || /^[,;:.]?\s+[\w`(]/.test(text.slice(to, to + 8));
}

function droppedWordsIn(path: string, source: string): string[] {
  if (!ANY.test(source)) return [];
  const prose = /\.(?:tsx?|mjs)$/.test(path) ? proseOf(source) : source;
  return WORDS.flatMap(({ word, instead }) =>
    [...prose.matchAll(word)]
      .filter(({ 0: found, index }) => isBesideWords(prose, index, index + found.length))
      .map(({ 0: found, index }) => `${path}:${lineAt(source, index)} says "${found}": write ${instead}`),
  );
}

test('nothing says a word that the vocabulary dropped', () => {
  const listed = execFileSync('git', ['ls-files', '--', ...PLACES], { encoding: 'utf8' }).split('\n');
  const files = listed.filter((path) => /\.(?:tsx?|mjs|md)$/.test(path));
  expect(files.length).toBeGreaterThan(500);
  const found = files
    .filter((path) => !(path in EXEMPT))
    .flatMap((path) => droppedWordsIn(path, readFileSync(path, 'utf8')));
  if (found.length > 0)
    throw new Error(`${found.length} dropped words (test/support/dropped-words.ts):\n${found.join('\n')}`);
});

test.each([
  ['a.ts', '// Nobody waits for it.', 1],
  ['a.ts', '/** What is done\n * by whoever waits. */', 1],
  ['a.ts', "throw new Error('somebody else holds it');", 1],
  ['a.md', 'The run goes on, and it is over.', 2],
  ['a.ts', "const nobody = task('nobody', { tags: ['executor:nobody'] });", 0],
  ['a.ts', 'const anew = somebody(goes, on);', 0],
  ['a.md', 'It goes on the list; the total is over 9000.', 0],
])('%s: %j has %i', (path, source, count) => {
  expect(droppedWordsIn(path, source)).toHaveLength(count);
});

test('each exempt file exists and needs its exemption', () => {
  for (const path of Object.keys(EXEMPT))
    expect(droppedWordsIn(path, readFileSync(path, 'utf8'))).not.toEqual([]);
});
