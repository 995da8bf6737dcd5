import { expect, test } from '@jest/globals';
import { commonFolder, inboxView } from '../../../src/cli/render/inbox-view.ts';
import { textWidth } from '../../../src/cli/render/text-width.ts';
import type { InboxItem } from '../../../src/domain/report.ts';
import { fakeContext } from '../fake-surroundings.ts';
import { HOSTILE, NOW } from './reports.ts';

const context = { ...fakeContext({ home: '/home/me', now: NOW }), width: 80 };
const item = (more: Partial<InboxItem> = {}): InboxItem => ({
  kind: 'failed',
  code: 'status-failed',
  task: 'render',
  id: 'wt1~render',
  title: 'Render',
  worktree: '/home/me/src/shop',
  because: 'exit status 2',
  since: new Date(NOW - 40 * 60_000).toISOString(),
  blocks: 6,
  tasks: ['render'],
  command: 'supervisor retry render',
  action: 'retry',
  ...more,
});

test('an item says what, where, since when, why, and the command', () => {
  expect(inboxView([item()], context)).toBe(
    '✗ render  ~/src/shop, waits 40 min, blocks 6\n    exit status 2\n    $ supervisor retry render\n',
  );
});

test('a path that all share is shown once; ids are never cut; nothing is wider than 80 columns', () => {
  const id = `a-task-with-a-very-long-name-${'x'.repeat(40)}`;
  const text = inboxView(
    [
      item({ task: id, tasks: [id], because: 'because '.repeat(30), worktree: '/home/me/src/shop/feature' }),
      item({ worktree: '/home/me/src/shop/main' }),
    ],
    context,
  );
  expect(text).toMatch(/^worktrees in ~\/src\/shop\n/);
  expect(text).toContain(id);
  for (const line of text.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(80);
});

test('several tasks with one reason are one item, options are shown, the rest is counted', () => {
  const asked = item({ kind: 'question', because: 'Stripe or Adyen?', options: ['Stripe', 'Adyen'] });
  const many = item({ kind: 'configuration', task: 'a', tasks: ['a', 'b', 'c', 'd'] });
  const text = inboxView([asked, many, item(), item()], context, 2);
  expect(text).toContain('Stripe or Adyen? [Stripe | Adyen]');
  expect(text).toContain('! 4 tasks: a, b, c, …');
  expect(text).toContain('… and 2 more: `supervisor inbox` shows every one');
});

test('hostile texts stay texts', () => {
  const text = inboxView([item({ because: HOSTILE, task: HOSTILE, tasks: [HOSTILE] })], context);
  expect(text).not.toContain('\u001b');
});

test.each([
  [['/a/b/c', '/a/b/d'], '/a/b'],
  [['/a/b'], ''],
  [['/a/b', '/a/b'], ''],
  [['/a', '/b'], ''],
  [['/a/b', '/a/b/c'], '/a'],
])('the common folder of %j is %j', (paths, folder) => {
  expect(commonFolder(paths)).toBe(folder);
});
