import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from '@jest/globals';
import { buildPage } from './page-kit.ts';

const FOLDER = join(import.meta.dirname, '../../dist/page');

beforeAll(buildPage);

test.each([
  ['page.js', 40],
  ['page.css', 8],
])('%s has at most %d kB, compressed', (name, most) => {
  const bytes = gzipSync(readFileSync(join(FOLDER, name))).length;
  expect(bytes).toBeLessThanOrEqual(most * 1000);
  expect(bytes).toBeGreaterThan(1000);
});

test('is one script and one style sheet that name no other address, and make neither markup nor code of text', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(['page.css', 'page.js']);
  const [script, style] = ['page.js', 'page.css'].map((name) => readFileSync(join(FOLDER, name), 'utf8'));
  // The names of XML that Preact needs are no addresses.
  const addresses = [...`${script}${style}`.matchAll(/https?:\/\/[\w.-]+/g)].map(([url]) => url);
  expect(addresses.filter((url) => url !== 'http://www.w3.org')).toEqual([]);
  expect(script).not.toMatch(/\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML/);
});
